"""The reader of HDF5 files against HDF5's own library."""

from __future__ import annotations

import io
from typing import Any

import h5py
import numpy as np
import pytest

from mtcnn.export.budget import Budget
from mtcnn.export.errors import WeightsError
from mtcnn.export.hdf5 import Hdf5File, Hdf5Object

VERSIONS: list[Any] = ["earliest", ("v108", "v110"), ("v110", "v112"), "latest"]


def read(content: io.BytesIO) -> Hdf5Object:
    return Hdf5File(content.getvalue(), Budget()).root


@pytest.mark.parametrize("libver", VERSIONS, ids=str)
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8", "<f2", ">f2"])
def test_arrays(libver: Any, dtype: str) -> None:
    rng = np.random.default_rng(0)
    arrays = {f"a{i}": rng.normal(size=shape).astype(dtype) for i, shape in enumerate([(), (7,), (2, 3), (1, 2, 3, 4)])}
    file = io.BytesIO()
    with h5py.File(file, "w", libver=libver) as h5:
        for name, array in arrays.items():
            h5.create_dataset(f"some/{name}/kernel:0", data=array)
    root = read(file)
    for name, array in arrays.items():
        found = root.find(f"/some/{name}//kernel:0")
        assert found is not None and not found.links
        np.testing.assert_array_equal(found.array(), array.astype(np.float32))
        assert found.array().dtype == np.float32


@pytest.mark.parametrize("libver", VERSIONS, ids=str)
@pytest.mark.parametrize("count", [1, 7, 300])
def test_groups(libver: Any, count: int) -> None:
    file = io.BytesIO()
    with h5py.File(file, "w", libver=libver) as h5:
        for i in range(count):
            h5.create_group(f"layers/{i}")
        names = sorted(h5["layers"])
    if count == 300 and libver != "earliest":
        with pytest.raises(WeightsError, match="keeps its groups in heaps, as Keras does not"):
            _ = read(file).links["layers"].links
        return
    assert sorted(read(file).links["layers"].links) == names
    assert read(file).find("layers/none") is None and read(file).find("layers/0/none") is None


@pytest.mark.parametrize("libver", VERSIONS, ids=str)
@pytest.mark.parametrize("values", [[b"a", b"\xc3\xa9\xc3\xa9"], ["a", "éé"], []], ids=["fixed", "variable", "none"])
def test_attributes(libver: Any, values: list[Any]) -> None:
    file = io.BytesIO()
    with h5py.File(file, "w", libver=libver) as h5:
        group = h5.create_group("g")
        for i in range(5):
            group.attrs[f"other{i}"] = np.arange(i)
        group.attrs["names"] = np.array(values) if values and isinstance(values[0], bytes) else values
    group = read(file).links["g"]
    assert group.texts("names") == (["a", "éé"] if values else [])
    assert group.texts("name") is None


def test_small_arrays_within_their_headers() -> None:
    file = io.BytesIO()
    with h5py.File(file, "w") as h5:
        space, create = h5py.h5s.create_simple((3,)), h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        create.set_layout(h5py.h5d.COMPACT)
        data = h5py.h5d.create(h5.id, b"a", h5py.h5t.IEEE_F32LE, space, dcpl=create)
        data.write(h5py.h5s.ALL, h5py.h5s.ALL, np.float32([1, 2, 3]))
    assert read(file).links["a"].array().tolist() == [1, 2, 3]
