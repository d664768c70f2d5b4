"""csrc/runtime/ and mtcnn/runtime/: threads that the system does not start, files that are none, who includes what."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import pytrt
from mtcnn import MTCNN, DeviceError, EngineError, FaceEmbedder, MtcnnError, TrtMtcnn, create_engines
from mtcnn.engines import models_folder
from mtcnn.engines.timing_cache import read_timing_cache
from mtcnn.serving.repository import _RECORD, MODELS, _check_ours
from tests.conftest import ROOT

# Address space for the interpreter as it stands and some threads' stacks, not for 500 of them.
LIMITED = """
import os, resource, sys
import numpy as np
import pytrt
from mtcnn import TrtMtcnn, MtcnnError

def address_space():
    return int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()

def limit(extra):
    resource.setrlimit(resource.RLIMIT_AS, (address_space() + extra, resource.RLIM_INFINITY))

def threads():
    return len(os.listdir("/proc/self/task"))
"""


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED + code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, (done.returncode, done.stderr)
    return done.stdout


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
class TestThreadsThatDoNotStart:
    @pytest.mark.parametrize("make", ["pytrt.CpuDevice('', 500)", "TrtMtcnn(device='cpu', threads=500)"])
    def test_is_an_error_and_leaves_none(self, make: str) -> None:
        said = run(f"""
TrtMtcnn(device='cpu', threads=1).close()  # engines are there, modules loaded
before = threads()
limit(200 << 20)
for _ in range(2):
    try:
        {make}
    except MtcnnError as error:
        print(type(error).__name__, error)
assert threads() == before, threads()
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print({make.replace("500", "3")} is not None)
""")
        first, second, last = said.splitlines()
        assert re.match(r"DeviceError cannot start 499 threads, only \d+ \(.+\): give fewer \(threads=1", first)
        assert second.startswith("DeviceError cannot start 499 threads")
        assert last == "True"

    def test_after_a_fork(self) -> None:
        """The child's first loop starts threads of its own; with room for them again it works as ever."""
        said = run("""
detector = TrtMtcnn(device='cpu', threads=40)
img = np.zeros((200, 200, 3), np.uint8)
detector.detect(img)
child = os.fork()
if child == 0:
    try:
        before = threads()
        # Memory is no limit here: the child's threads get the stacks that the parent's had.
        if os.getuid() == 0:
            os.setuid(65534)  # there is no limit for root
        most = resource.getrlimit(resource.RLIMIT_NPROC)
        resource.setrlimit(resource.RLIMIT_NPROC, (1, most[1]))
        try:
            detector.detect(img)
            os._exit(3)
        except MtcnnError as error:
            print(type(error).__name__, error, flush=True)
        if threads() != before:
            os._exit(4)
        resource.setrlimit(resource.RLIMIT_NPROC, most)
        detector.detect(img)
        os._exit(0)
    finally:
        os._exit(5)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
detector.detect(img)
""")
        assert said.startswith("DeviceError cannot start 39 threads")


def test_a_library_that_is_a_pipe(tmp_path: Path) -> None:
    """Opening one would wait for its writer."""
    pipe = tmp_path / "libopenvino_c.so"
    os.mkfifo(pipe)
    with pytest.raises(DeviceError, match=f"cannot load {pipe}: it is a pipe or a device"):
        pytrt.CpuDevice(str(pipe), 1, native=False)
    with pytest.raises(DeviceError, match="cannot load /dev/zero: it is a pipe or a device"):
        pytrt.CpuDevice("/dev/zero", 1, native=False)


# Folder of csrc/: the folders below it, whose headers it may include. "" are the headers of csrc/ itself.
FLOORS: dict[str, set[str]] = {
    "": {"", "runtime"},
    "runtime": {"", "runtime"},
    "nets": {"", "nets"},
    "cpu": {"", "runtime", "nets", "cpu"},
    "tensorrt": {"", "runtime", "tensorrt"},
    "cuda": {"", "runtime", "nets", "tensorrt", "cuda"},
    "testing": {"", "runtime", "nets", "cpu", "cuda", "testing"},
}


class TestFloors:
    def test_no_include_goes_upward(self) -> None:
        sources = [p for p in (ROOT / "csrc").rglob("*") if p.suffix in (".h", ".cpp", ".cu")]
        assert len(sources) > 80
        upward = []
        for source in sources:
            folder = source.relative_to(ROOT / "csrc").parts[0] if source.parent != ROOT / "csrc" else ""
            for included in re.findall(r'^#include "([^"]+)"', source.read_text(), re.MULTILINE):
                of = included.split("/")[0] if "/" in included else ""
                if of not in FLOORS[folder]:
                    upward.append(f"{source.relative_to(ROOT)} includes {included}")
        assert not upward

    def test_below_the_contract(self) -> None:
        """runtime/ needs of csrc/ itself nothing but the errors."""
        included = {
            name
            for source in (ROOT / "csrc" / "runtime").iterdir()
            for name in re.findall(r'^#include "([^"/]+)"', source.read_text(), re.MULTILINE)
        }
        assert included == {"error.h"}

    def test_the_environment_is_read_in_one_place(self) -> None:
        readers = {
            str(p.relative_to(ROOT / "csrc")) for p in (ROOT / "csrc").rglob("*.*") if "getenv(" in p.read_text()
        }
        assert readers == {"runtime/environment.cpp", "runtime/environment.h"}


class TestPythonThreadsThatDoNotStart:
    def refused(self, code: str) -> list[str]:
        """What is printed where the system starts no further thread."""
        return run(f"""
import threading
from pathlib import Path
from mtcnn.engines.tensorrt import _in_thread
from mtcnn.pipeline import pictures, video
from mtcnn.pipeline.film_frame import FilmFrame
from mtcnn.pipeline.looking import EveryNth
from mtcnn.pipeline.read import Found

detector = TrtMtcnn(device='cpu', threads=1)
photo = Path("docs/images/astronaut.jpg").resolve()
class Film:
    live = False
    def read(self):
        return FilmFrame(0, 0.0, np.zeros((60, 60, 3), np.uint8))
    def problem(self):
        return None
    def close(self):
        print("closed")
if os.getuid() == 0:
    os.setuid(65534)  # there is no limit for root
resource.setrlimit(resource.RLIMIT_NPROC, (0, resource.getrlimit(resource.RLIMIT_NPROC)[1]))
try:
    {code}
except MtcnnError as error:
    print(type(error).__name__, error)
assert threading.active_count() == 1
""").splitlines()

    def test_of_pictures(self) -> None:
        said = self.refused("list(pictures.detect_pictures(detector, [Found(photo, photo)] * 40, print, 2))")
        assert len(said) == 1 and said[0].startswith("DeviceError no further thread can be started: use fewer")

    def test_of_a_film(self) -> None:
        said = self.refused("video.run_through(Film(), EveryNth(detector), [], None)")
        assert said[0] == "closed"
        assert said[1].startswith("DeviceError no further thread can be started")

    def test_of_a_build(self) -> None:
        said = self.refused("_in_thread(lambda: 1, pytrt.BuildProgress(), 'pnet', None)")
        assert said[0].startswith("DeviceError no further thread can be started")


@pytest.fixture
def no_waiting() -> Iterator[None]:
    """Whoever waits for a pipe's writer is interrupted."""

    def interrupt(*_: object) -> None:
        raise TimeoutError("it waits")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("kind", ["pipe", "device", "link to a pipe"])
class TestFilesThatAreNone:
    """Pipes are waited for, devices have no end: both are refused before they are read."""

    def make(self, path: Path, kind: str) -> Path:
        if kind == "device":
            path.symlink_to("/dev/zero")
        elif kind == "pipe":
            os.mkfifo(path)
        else:
            pipe = Path(tempfile.mkdtemp(dir=path.parents[1]), "pipe")
            os.mkfifo(pipe)
            path.symlink_to(pipe)
        return path

    def test_engines(self, kind: str, engines: dict[str, Path], tmp_path: Path) -> None:
        bad = self.make(tmp_path / "pnet.engine", kind)
        shutil.copy(f"{engines['pnet']}.json", f"{bad}.json")
        with pytest.raises(EngineError, match="cannot read the engine .*pnet.engine: it is no regular file"):
            TrtMtcnn([bad, engines["rnet"], engines["onet"]])
        with pytest.raises(EngineError, match="it is no regular file"):
            pytrt.PyTrtMtcnn(bad)

    def test_descriptions_of_engines(self, kind: str, engines: dict[str, Path], tmp_path: Path) -> None:
        copy = Path(shutil.copy(engines["pnet"], tmp_path / "pnet.engine"))
        self.make(tmp_path / "pnet.engine.json", kind)
        with pytest.raises(EngineError, match=r"pnet.engine.json: it is no regular file"):
            pytrt.PyTrtMtcnn(copy)

    def test_models(self, kind: str, tmp_path: Path) -> None:
        models = tmp_path / "models"
        shutil.copytree(models_folder(), models)
        (models / "rnet.onnx").unlink()
        self.make(models / "rnet.onnx", kind)
        with pytest.raises(EngineError, match="cannot read the model .*rnet.onnx: it is no regular file"):
            create_engines(tmp_path / "engines", models=models, flavour="cpu")

    def test_embedders(self, kind: str, tmp_path: Path) -> None:
        with pytest.raises(EngineError, match="cannot read the embedder .*: it is no regular file"):
            FaceEmbedder(self.make(tmp_path / "embedder.onnx", kind))

    def test_timing_caches(self, kind: str, tmp_path: Path) -> None:
        """A build without one is only slower."""
        assert read_timing_cache(self.make(tmp_path / "timing.cache", kind)) == b""

    def test_weights_of_older_code(self, kind: str, tmp_path: Path) -> None:
        with pytest.raises(OSError, match="it is no regular file"):
            MTCNN(weights_file=self.make(tmp_path / "mtcnn_weights.npy", kind))

    def test_model_repositories(self, kind: str, tmp_path: Path) -> None:
        model = tmp_path / next(iter(MODELS))
        model.mkdir()
        self.make(model / _RECORD, kind)
        with pytest.raises(MtcnnError, match="was not written by mtcnn triton"):
            _check_ours(tmp_path)
        (model / _RECORD).unlink()
        (model / _RECORD).write_text('{"files": {"config.pbtxt": "0"}}')
        self.make(model / "config.pbtxt", kind)
        with pytest.raises(MtcnnError, match=r"config.pbtxt is not as mtcnn triton wrote it"):
            _check_ours(tmp_path)
