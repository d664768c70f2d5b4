"""Files of weights that are meant to do harm: each is refused at once, for next to no memory, by a WeightsError."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mtcnn.export.errors import WeightsError
from mtcnn.export.weights import read_content, read_weights
from tests.support import hostile_h5
from tests.support import hostile_weights as hostile

SECONDS = 1.0
MEMORY = 400 << 20


@contextmanager
def little_time_and_memory() -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_AS)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, limits[1]))
    start = time.process_time()
    try:
        yield
    finally:
        spent = time.process_time() - start
        resource.setrlimit(resource.RLIMIT_AS, limits)
    assert spent < SECONDS


def refused(content: bytes) -> str:
    with little_time_and_memory(), pytest.raises(WeightsError, match=r"^the/file") as raised:
        read_content(content, "the/file")
    said = str(raised.value)
    assert said.isprintable() and len(said) < 400
    assert "MemoryError" not in said and "RecursionError" not in said
    return said


@pytest.mark.parametrize("wrapper", hostile.WRAPPERS)
@pytest.mark.parametrize("name", hostile.PICKLES)
def test_pickles(name: str, wrapper: str) -> None:
    refused(hostile.WRAPPERS[wrapper](hostile.pickled(hostile.PICKLES[name])))


@pytest.mark.parametrize("name", hostile.FILES)
def test_files(name: str) -> None:
    refused(hostile.FILES[name]())


@pytest.mark.parametrize("name", hostile_h5.FILES)
def test_hdf5(name: str) -> None:
    refused(hostile_h5.FILES[name]())


def test_what_is_said_of_the_commonest() -> None:
    for name, said in {
        "an encrypted member": "encrypted: unpack it",
        "zips, 50 in each other": "zips in zips: unpack it",
        "2,000 tensors of stride 0": "far larger than MTCNN's weights: it holds more than 64 MiB",
        "60,000 empty members": "a zip of more than 4,096 members",
        "an array in another file": "numbers in other files: they are not looked for",
        "a virtual dataset": "virtual datasets, which are parts of other files",
        "a link to another file": "or links to other files: it has no k",
        "4 GB of zeros in chunks": "compressed, as Keras's are not: h5repack",
        "ONNX data in another file": "conv1.weight lies in another file: save the model as one file",
    }.items():
        assert said in refused((hostile.FILES | hostile_h5.FILES)[name]())


def test_no_fifo_or_device_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pnet.h5")
    for path in (tmp_path / "pnet.h5", Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(WeightsError, match="no regular file, but a pipe, a socket or a device"):
            read_weights([path])
    with pytest.raises(WeightsError, match="holds no weights"):
        read_weights([tmp_path])


def test_a_file_larger_than_any(tmp_path: Path) -> None:
    path = tmp_path / "large.pt"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with little_time_and_memory(), pytest.raises(WeightsError, match="more than 64 MiB"):
        read_weights([path])
