"""Pictures that other libraries hold, by DLPack and the CUDA array interface.

The GPU's side runs on testing.EmulatedGpu, whose GPU memory is the CPU's.
"""

from __future__ import annotations

import gc
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

import pytrt
from mtcnn import TrtMtcnn, cascade
from mtcnn.engines import NETWORKS, load_engine
from mtcnn.engines.libraries import openvino_library
from mtcnn.images import as_bgr, check_gpu_picture, is_on_gpu
from mtcnn.params import make_params
from pytrt import testing
from tests.support import pictures
from tests.support.dlpack_array import BFLOAT, CPU, CUDA, FLOAT, MANAGED, Lender

Image = NDArray[np.uint8]
VERSIONS = [None, (1, 0), (1, 3)]


def lend(img: NDArray[Any], **changes: Any) -> Lender:
    strides = tuple(s // img.itemsize for s in img.strides)
    return Lender(img.ctypes.data, img.shape, strides, **changes)


@pytest.fixture(scope="module")
def stages(engines: dict[str, Any]) -> pytrt.Stages:
    device = testing.EmulatedGpu(openvino_library(), 1)
    return pytrt.Stages(device, *(load_engine(engines[network], device, network) for network in NETWORKS))


def detect(stages: pytrt.Stages, *images: Any) -> list[Any]:
    return cascade.detect(stages, list(images), make_params("fast", {"minsize": 60}))


def assert_same(ours: list[Any], theirs: list[Any]) -> None:
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1], b[1])


@pytest.fixture(scope="module")
def photo(astronaut: Image) -> Image:
    return np.ascontiguousarray(astronaut[:240, 120:340])


class TestOnTheGpu:
    @pytest.mark.parametrize("version", VERSIONS)
    @pytest.mark.parametrize("kind", [CUDA, MANAGED])
    def test_used_in_place(self, version: Any, kind: int, photo: Image, stages: pytrt.Stages) -> None:
        lender = lend(photo, version=version, device=(kind, 0))
        expected = detect(stages, photo)
        assert len(expected[0][0]) == 1
        assert_same(detect(stages, lender), expected)
        assert lender.given_back == 1
        assert_same(detect(stages, lender, photo, lender), 3 * expected)
        assert lender.given_back == 3
        assert lender.streams == [1, 1, 1]  # the default stream, by DLPack's name

    def test_lent_until_unload(self, photo: Image, stages: pytrt.Stages) -> None:
        first, second = lend(photo), lend(photo)
        stages.load([first, second], [photo.shape[:2]] * 2)
        assert (first.given_back, second.given_back) == (0, 0)
        stages.unload()
        assert (first.given_back, second.given_back) == (1, 1)
        stages.unload()
        assert (first.given_back, second.given_back) == (1, 1)

    def test_changed_in_between(self, photo: Image, stages: pytrt.Stages) -> None:
        """No copy is looked at that was made before."""
        pixels = photo.copy()
        lender = lend(pixels)
        detect(stages, lender)
        pixels[:] = 0
        assert len(detect(stages, lender)[0][0]) == 0

    def test_rows_that_lie_apart(self, photo: Image, stages: pytrt.Stages) -> None:
        wide = pictures.noise(photo.shape[0], photo.shape[1] + 50)
        wide[:, 20 : 20 + photo.shape[1]] = photo
        expected = detect(stages, photo)
        assert_same(detect(stages, lend(wide[:, 20 : 20 + photo.shape[1]])), expected)
        strides = (3 * wide.shape[1], 3, 1)
        assert_same(detect(stages, Lender(wide.ctypes.data, photo.shape, strides, byte_offset=60)), expected)

    @pytest.mark.parametrize("row", [0, 3, -500])
    def test_one_row(self, row: int, photo: Image, stages: pytrt.Stages) -> None:
        """How far the next would lie says nothing."""
        assert len(detect(stages, Lender(photo.ctypes.data, (1, 50, 3), (row, 3, 1)))[0][0]) == 0

    def test_no_strides(self, photo: Image, stages: pytrt.Stages) -> None:
        assert_same(detect(stages, Lender(photo.ctypes.data, photo.shape)), detect(stages, photo))

    @pytest.mark.parametrize("version", VERSIONS)
    @pytest.mark.parametrize(
        ("shape", "strides", "dtype", "message"),
        [
            ((4, 4, 3), None, (FLOAT, 32), "must be uint8 of shape"),
            ((4, 4, 3), None, (FLOAT, 8), "must be uint8 of shape"),
            ((4, 4, 4), None, (1, 8), r"got uint8 of shape \(4, 4, 4\)"),
            ((4, 0, 3), None, (1, 8), r"\(4, 0, 3\)"),
            ((48,), None, (1, 8), r"\(48,\)"),
            ((1, 1 << 30, 3), None, (1, 8), "too large"),
            ((4, 4, 3), (4, 1, 16), (1, 8), "contiguous rows"),
            ((4, 4, 3), (-12, 3, 1), (1, 8), "contiguous rows"),
            ((4, 4, 3), (0, 3, 1), (1, 8), "contiguous rows"),
        ],
    )
    @pytest.mark.slow
    def test_refused_and_given_back(
        self, shape: Any, strides: Any, dtype: Any, message: str, version: Any, photo: Image, stages: pytrt.Stages
    ) -> None:
        good, bad = lend(photo), Lender(photo.ctypes.data, shape, strides, dtype=dtype, version=version)
        with pytest.raises(ValueError, match=message):
            stages.load([good, bad], [(10, 10)] * 2)
        gc.collect()
        assert (good.given_back, bad.given_back) == (1, 1)
        assert_same(detect(stages, good), detect(stages, photo))

    @pytest.mark.parametrize("version", VERSIONS)
    @pytest.mark.parametrize(
        ("address", "shape", "strides", "offset", "message"),
        [
            (0, (4, 4, 3), None, 0, "address of img's memory must be an address, got null"),
            (0, (4, 4, 3), None, 4096, "address of img's memory must be an address, got null"),
            (-4096, (4, 4, 3), None, 0, "address of img's memory must be an address"),
            (1 << 63, (4, 4, 3), None, 0, "address of img's memory must be an address"),
            (None, (4, 4, 3), None, (1 << 64) - 4096, "(begin|end) of img's memory must be an address"),
            (None, (4, 4, 3), (1 << 62, 3, 1), 0, "(begin|end) of img's memory must be an address"),
            (None, (2, 4, 3), ((1 << 63) - 1, 3, 1), 0, "(begin|end) of img's memory must be an address"),
            (None, (-4, 4, 3), None, 0, r"shape \(-4, 4, 3\)"),
            (None, (4, -4, 3), None, 0, r"shape \(4, -4, 3\)"),
            (None, (-(1 << 63), 4, 3), (12, 3, 1), 0, "the shape"),
            (None, (4, -(1 << 63), 3), (12, 3, 1), 0, "the shape"),
            (None, (-4, -4, 3), (12, 3, 1), 0, "the shape"),
            (None, (4, 4, -3), None, 0, "the shape"),
            (None, (1 << 40, 4, 3), None, 0, "too large"),
        ],
    )
    def test_numbers_that_describe_no_memory(
        self,
        address: int | None,
        shape: Any,
        strides: Any,
        offset: int,
        message: str,
        version: Any,
        photo: Image,
        stages: pytrt.Stages,
    ) -> None:
        """By DLPack and by the CUDA array interface, which take the same numbers."""
        where = photo.ctypes.data if address is None else address
        lender = Lender(where, shape, strides, byte_offset=offset, version=version)

        class Array:
            __cuda_array_interface__: ClassVar[dict[str, Any]] = {
                "shape": shape,
                "typestr": "|u1",
                "data": (where + offset if where else 0, False),
                "strides": strides,
                "version": 3,
            }

        for img in (lender, Array()):
            with pytest.raises(ValueError, match=message if img is lender else "img"):
                stages.load([img], [(10, 10)])
        gc.collect()
        assert lender.given_back == 1
        assert_same(detect(stages, lend(photo)), detect(stages, photo))

    @pytest.mark.parametrize("version", VERSIONS)
    @pytest.mark.parametrize("ndim", [-1, -(1 << 31), 65, (1 << 31) - 1])
    def test_dimensions_without_a_shape(self, ndim: int, version: Any, photo: Image, stages: pytrt.Stages) -> None:
        lender = lend(photo, version=version)
        for lent in (lender._plain, lender._versioned):
            lent.tensor.ndim = ndim
        with pytest.raises(ValueError, match=f"an array of {ndim} dimensions"):
            stages.load([lender], [(10, 10)])
        for lent in (lender._plain, lender._versioned):
            lent.tensor.ndim = 3
            lent.tensor.shape = type(lent.tensor.shape)()
        with pytest.raises(ValueError, match="lent without a shape, as an array of 3 dimensions"):
            stages.load([lender], [(10, 10)])
        gc.collect()
        assert lender.given_back == 2

    def test_capsule_of_another_device(self, photo: Image, stages: pytrt.Stages) -> None:
        """The CPU's memory, say, which a GPU's kernel cannot read."""
        for lies in ((CPU, 0), (CUDA, 1)):
            lender = lend(photo, device=lies)
            lender.device = (CUDA, 0)
            with pytest.raises(ValueError, match=r"which img.__dlpack_device__\(\) does not name"):
                stages.load([lender], [(10, 10)])

    @pytest.mark.parametrize("device", [None, 5, (2,), (2, 0, 0), ("cuda", 0), (2, None), (2.0, 0)])
    def test_no_device(self, device: Any, photo: Image, stages: pytrt.Stages) -> None:
        lender = lend(photo)
        lender.device = device
        with pytest.raises(TypeError, match=r"__dlpack_device__\(\) must give \(type, number\)"):
            stages.load([lender], [(10, 10)])
        with pytest.raises(TypeError, match=r"__dlpack_device__\(\) must give \(type, number\)"):
            is_on_gpu(lender)

    @pytest.mark.parametrize(
        "changes",
        [
            {"data": None},
            {"data": (None, False)},
            {"data": ("0x1000", False)},
            {"data": (-1, False)},
            {"data": (1 << 64, False)},
            {"data": (0, False)},
            {"data": (4096,)},
            {"shape": None},
            {"shape": 5},
            {"shape": (4, 4)},
            {"shape": (4, 4.5, 3)},
            {"shape": (4, 1 << 70, 3)},
            {"typestr": None},
            {"typestr": []},
            {"strides": (12, 3)},
            {"strides": (12, 3, 1, 1)},
            {"strides": (12, "3", 1)},
            {"strides": (1 << 80, 3, 1)},
            {"strides": 12},
            {"stream": -1},
            {"stream": 0},
            {"stream": 1 << 64},
            {"stream": "default"},
            {"mask": object()},
        ],
    )
    def test_interface_that_is_none(self, changes: Any, photo: Image, stages: pytrt.Stages) -> None:
        good = {"shape": photo.shape, "typestr": "|u1", "data": (photo.ctypes.data, False), "version": 3}

        class Array:
            __cuda_array_interface__: ClassVar[Any] = good | changes

        with pytest.raises((ValueError, TypeError), match="img"):
            stages.load([Array()], [(10, 10)])
        for wrong in ({}, 5, [], "data"):
            Array.__cuda_array_interface__ = wrong
            with pytest.raises(ValueError, match="__cuda_array_interface__ must hold typestr, shape and data"):
                stages.load([Array()], [(10, 10)])

    def test_given_back_where_the_rest_of_the_call_is_wrong(self, photo: Image, stages: pytrt.Stages) -> None:
        lender = lend(photo)
        for sizes in ([(0, 10)], [(10, 10), (10, 10)]):
            with pytest.raises(ValueError, match="sizes"):
                stages.load([lender], sizes)
        gc.collect()
        assert lender.given_back == 2

    def test_newer_dlpack(self, photo: Image, stages: pytrt.Stages) -> None:
        lender = lend(photo, version=(2, 0))
        with pytest.raises(ValueError, match=r"DLPack 2\.0, of which only version 1"):
            stages.load([lender], [(10, 10)])
        gc.collect()
        assert lender.given_back == 1

    def test_another_gpu(self, photo: Image, stages: pytrt.Stages) -> None:
        lender = lend(photo, device=(CUDA, 1))
        with pytest.raises(ValueError, match="in the memory of GPU 1, this detector is on GPU 0"):
            stages.load([lender], [(10, 10)])
        assert lender.streams == []

    def test_no_capsule(self, photo: Image, stages: pytrt.Stages) -> None:
        class Wrong(Lender):
            def __dlpack__(self, **_: Any) -> Any:
                return "capsule"

        with pytest.raises(TypeError, match="gave no DLPack capsule"):
            stages.load([Wrong(photo.ctypes.data, photo.shape)], [(10, 10)])

    def test_producers_error_is_said(self, photo: Image, stages: pytrt.Stages) -> None:
        class Refusing(Lender):
            def __dlpack__(self, **_: Any) -> Any:
                raise BufferError("not today")

        with pytest.raises(BufferError, match="not today"):
            stages.load([Refusing(photo.ctypes.data, photo.shape)], [(10, 10)])

    @pytest.mark.parametrize("stream", [None, 1, 2, 0x1234])
    def test_cuda_array_interface(self, stream: int | None, photo: Image, stages: pytrt.Stages) -> None:
        class Array:
            shape = photo.shape
            __cuda_array_interface__: ClassVar[dict[str, Any]] = {
                "shape": photo.shape,
                "typestr": "|u1",
                "data": (photo.ctypes.data, True),
                "version": 3,
                "stream": stream,
            }

        assert_same(detect(stages, Array()), detect(stages, photo))
        Array.__cuda_array_interface__["strides"] = (3 * photo.shape[1] + 1, 3, 1)
        Array.__cuda_array_interface__["shape"] = (10, 20, 3)
        Array.shape = (10, 20, 3)
        assert len(detect(stages, Array())) == 1
        Array.__cuda_array_interface__["typestr"] = "<f4"
        with pytest.raises(ValueError, match="got <f4 of shape"):
            detect(stages, Array())


class Duck:
    """A NumPy array that speaks DLPack and nothing else."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array

    def __dlpack__(self, **arguments: Any) -> Any:
        return self.array.__dlpack__(**arguments)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


class TestOnTheCpu:
    def test_viewed(self, photo: Image) -> None:
        assert np.shares_memory(as_bgr(Duck(photo)), photo)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "array",
        [
            pictures.noise(9, 7)[:, ::-1],
            pictures.noise(9, 7)[:, :, 0],
            pictures.noise(9, 7).astype(np.float32),
            pictures.noise(9, 7).transpose(1, 0, 2),
        ],
    )
    def test_treated_as_arrays_are(self, array: NDArray[Any]) -> None:
        np.testing.assert_array_equal(as_bgr(Duck(array)), as_bgr(array))  # type: ignore[arg-type]

    def test_detected_in(self, photo: Image, detector: TrtMtcnn) -> None:
        duck: Any = Duck(photo)
        assert_same(detector.detect_batch([duck, duck]), detector.detect_batch([photo, photo]))

    @pytest.mark.parametrize("version", VERSIONS)
    def test_given_back(self, version: Any, photo: Image, detector: TrtMtcnn) -> None:
        lender: Any = lend(photo, device=(CPU, 0), version=version)
        assert_same([detector.detect(lender)], [detector.detect(photo)])
        gc.collect()
        assert lender.given_back == 1

    def test_dtype_that_numpy_lacks(self) -> None:
        pixels = np.zeros((4, 4, 3), np.uint16)
        lender: Any = lend(pixels, device=(CPU, 0), dtype=(BFLOAT, 16))
        with pytest.raises(
            TypeError, match=r"images\[2\] cannot be read: tests\.support\.dlpack_array\.Lender lends NumPy nothing"
        ):
            as_bgr(lender, "images[2]")

    def test_wrong_shape_is_named(self) -> None:
        duck: Any = Duck(np.zeros((3, 8, 8), np.uint8))
        with pytest.raises(ValueError, match="channels come last"):
            as_bgr(duck)

    @pytest.mark.parametrize("version", VERSIONS)
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"address": 0}, "got null"),
            ({"address": 0, "byte_offset": 4096}, "got null"),
            ({"shape": (-4, 4, 3)}, r"shape \(-4, 4, 3\)"),
            ({"strides": (1 << 62, 3, 1)}, "the end of img's memory"),
            ({"strides": (-(1 << 60), 3, 1)}, "the begin of img's memory"),
            ({"byte_offset": (1 << 64) - 5}, "the begin of img's memory"),
            ({"shape": (1 << 40, 1 << 40, 3)}, "the end of img's memory"),
            ({"ndim": -1}, "an array of -1 dimensions"),
            ({"ndim": 65}, "an array of 65 dimensions"),
            ({"dtype": (1, 12)}, "items of 12 bits|data type"),
            ({"dtype": (9, 8)}, "which NumPy lacks"),
        ],
    )
    def test_descriptions_of_no_memory(self, changes: Any, message: str, version: Any, photo: Image) -> None:
        """numpy.from_dlpack would read what lies there."""
        ndim = changes.get("ndim", 3)
        arguments = {"address": photo.ctypes.data, "shape": (4, 4, 3), "version": version, "device": (CPU, 0)}
        lender: Any = Lender(**(arguments | {k: v for k, v in changes.items() if k != "ndim"}))
        for lent in (lender._plain, lender._versioned):
            lent.tensor.ndim = ndim
        said = rf"cannot be read: tests\.support\.dlpack_array\.Lender lends NumPy nothing.*({message})"
        with pytest.raises(TypeError, match=said):
            as_bgr(lender)
        gc.collect()
        assert lender.given_back == 1

    @pytest.mark.parametrize("shape", [(0, 4, 3), (4, 0, 3)])
    def test_an_empty_array_has_no_address(self, shape: tuple[int, ...]) -> None:
        lender: Any = Lender(0, shape, device=(CPU, 0))
        with pytest.raises(ValueError, match="is empty"):
            as_bgr(lender)

    @pytest.mark.parametrize("dtype", ["?", "i1", "u2", "i4", "i8", "f2", "f4", "f8", "c8", "c16"])
    def test_every_dtype_as_numpy_reads_it(self, dtype: str) -> None:
        array = np.arange(24).reshape(2, 3, 4).astype(dtype)[:, ::2, ::-1]
        ours = pytrt.from_dlpack(Duck(array))
        assert ours.dtype == array.dtype and ours.strides == array.strides and not ours.flags.writeable
        np.testing.assert_array_equal(ours, np.from_dlpack(array))

    def test_torch(self, photo: Image, detector: TrtMtcnn) -> None:
        torch = pytest.importorskip("torch", reason="PyTorch is not installed")
        tensor = torch.from_numpy(photo.copy())
        assert_same([detector.detect(tensor)], [detector.detect(photo)])

    def test_on_a_gpu(self, photo: Image, detector: TrtMtcnn) -> None:
        """Refused before it is read."""
        lender: Any = lend(photo)
        with pytest.raises(TypeError, match='img is in a GPU\'s memory, which a detector with device="cuda" reads'):
            detector.detect(lender)
        assert lender.streams == []

    def test_capsule(self, photo: Image) -> None:
        for capsule in (photo.__dlpack__(), lend(photo).__dlpack__()):
            with pytest.raises(TypeError, match="PyCapsule; pass the array that it was made from"):
                as_bgr(capsule)


def test_where_an_array_is(photo: Image) -> None:
    class Old:
        __cuda_array_interface__: ClassVar[dict[str, Any]] = {}

    assert is_on_gpu(lend(photo)) and is_on_gpu(lend(photo, device=(MANAGED, 0))) and is_on_gpu(Old())
    assert not any(map(is_on_gpu, (photo, Duck(photo), None, 5, "path")))


def test_shape_of_a_gpu_picture(photo: Image) -> None:
    check_gpu_picture(lend(photo))
    for shape in [(5,), (5, 5), (5, 5, 4), (1, 5, 5, 3)]:
        with pytest.raises(ValueError, match="^images.1. is on a GPU, where it must have the shape"):
            check_gpu_picture(Lender(0, shape), "images[1]")
