import io
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mtcnn.images import Color, as_bgr

PICTURES = hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)))


def random_picture(height: int = 40, width: int = 60, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def assert_core_can_read(bgr: np.ndarray) -> None:
    assert type(bgr) is np.ndarray
    assert bgr.dtype == np.uint8
    assert bgr.ndim == 3 and bgr.shape[2] == 3
    row, pixel, channel = bgr.strides
    assert (pixel, channel) == (3, 1)
    assert row >= 3 * bgr.shape[1]


class TestNoCopy:
    def test_contiguous(self) -> None:
        img = random_picture()
        assert as_bgr(img) is img

    def test_read_only(self) -> None:
        img = random_picture()
        img.flags.writeable = False
        assert as_bgr(img) is img

    def test_crop(self) -> None:
        crop = random_picture()[5:20, 7:31]
        assert not crop.flags.c_contiguous
        assert as_bgr(crop) is crop

    def test_every_second_row(self) -> None:
        rows = random_picture()[::2]
        assert as_bgr(rows) is rows

    def test_one_pixel(self) -> None:
        img = random_picture(1, 1)
        assert as_bgr(img) is img


VIEWS = {
    "upside down": lambda a: a[::-1],
    "left to right": lambda a: a[:, ::-1],
    "channels swapped": lambda a: a[:, :, ::-1],
    "transposed": lambda a: a.transpose(1, 0, 2),
    "every second column": lambda a: a[:, ::2],
    "Fortran order": np.asfortranarray,
    "one row repeated": lambda a: np.broadcast_to(a[:1], a.shape),
    "one row upside down": lambda a: a[:1][::-1],
    "one column of a mirrored picture": lambda a: a[:, ::-1][:, :1],
    "channels 0..2 of BGRA": lambda a: np.dstack([a, a[:, :, :1]])[:, :, :3],
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
def test_other_strides_are_copied_once(view) -> None:
    img = view(random_picture())
    bgr = as_bgr(img)
    assert_core_can_read(bgr)
    np.testing.assert_array_equal(bgr, img)


@given(PICTURES, st.tuples(*[st.sampled_from([-3, -2, -1, 1, 2, 3])] * 2), st.permutations([0, 1]))
def test_any_view_keeps_its_pixels(base: np.ndarray, steps: tuple[int, int], order: list[int]) -> None:
    img = base[:: steps[0], :: steps[1]].transpose(*order, 2)
    bgr = as_bgr(img)
    assert_core_can_read(bgr)
    np.testing.assert_array_equal(bgr, img)


class TestChannels:
    @pytest.mark.parametrize("shape", [(6, 8), (6, 8, 1), (3, 3), (4, 4), (1, 1)])
    @pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
    def test_gray_is_repeated(self, shape: tuple[int, ...], dtype: type) -> None:
        gray = np.arange(np.prod(shape)).reshape(shape).astype(dtype) + 2
        bgr = as_bgr(gray)
        assert_core_can_read(bgr)
        for channel in range(3):
            np.testing.assert_array_equal(bgr[:, :, channel], gray.reshape(shape[:2]))

    @pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float64])
    def test_alpha_is_dropped(self, dtype: type) -> None:
        bgra = random_picture(channels=4).astype(dtype)
        bgr = as_bgr(bgra)
        assert_core_can_read(bgr)
        np.testing.assert_array_equal(bgr, bgra[:, :, :3])

    def test_alpha_may_hold_anything(self) -> None:
        bgra = random_picture(channels=4).astype(np.float32)
        bgra[:, :, 3] = np.nan
        np.testing.assert_array_equal(as_bgr(bgra), bgra[:, :, :3])


class TestFloats:
    def test_rounded_half_up_and_clipped(self) -> None:
        levels = np.array([[-7.0, -0.5, -0.25, 0.49, 0.5, 1.5, 2.5, 127.4999, 254.5, 255.4, 300.0]])
        assert as_bgr(levels)[0, :, 0].tolist() == [0, 0, 0, 0, 1, 2, 3, 127, 255, 255, 255]

    def test_just_below_a_half_is_rounded_down(self) -> None:
        below = np.nextafter(np.float32(0.5), np.float32(0))
        assert as_bgr(np.array([[below, 200]], np.float32))[0, :, 0].tolist() == [0, 200]

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, ">f4"])
    def test_every_level_in_every_float(self, dtype: object) -> None:
        gray = np.arange(256).reshape(16, 16)
        np.testing.assert_array_equal(as_bgr(gray.astype(dtype))[:, :, 0], gray)

    @given(hnp.arrays(np.float64, (3, 3), elements=st.floats(-10, 300)))
    def test_within_half_a_level(self, levels: np.ndarray) -> None:
        levels[0, 0] = 200
        error = as_bgr(levels)[:, :, 0] - np.clip(levels, 0, 255)
        assert (error > -0.5).all() and (error <= 0.5).all()

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_not_finite(self, bad: float) -> None:
        levels = random_picture().astype(np.float32)
        levels[3, 4, 1] = bad
        with pytest.raises(ValueError, match="img holds NaN or infinity"):
            as_bgr(levels)

    def test_zero_to_one_is_refused(self) -> None:
        with pytest.raises(ValueError, match="multiply by 255"):
            as_bgr(random_picture().astype(np.float32) / 255)

    @pytest.mark.parametrize("level", [0.0, 1.0, -0.0])
    def test_black_and_nearly_black_pictures_are_levels(self, level: float) -> None:
        assert (as_bgr(np.full((4, 5, 3), level)) == int(level)).all()

    @pytest.mark.parametrize("brightest", [2, 16])
    def test_whole_numbers_are_levels_however_dark(self, brightest: int) -> None:
        dark = np.minimum(random_picture(), brightest).astype(np.float32)
        np.testing.assert_array_equal(as_bgr(dark), dark)

    def test_brighter_than_black_is_levels(self) -> None:
        assert as_bgr(np.array([[0.25, 16.5]]))[0, :, 0].tolist() == [0, 17]

    @pytest.mark.parametrize("interpolation", [cv2.INTER_CUBIC, cv2.INTER_LANCZOS4])
    def test_overshoot_of_interpolation_is_taken(self, interpolation: int) -> None:
        steps = np.kron(random_picture(5, 5) // 128 * 255, np.ones((8, 8, 1))).astype(np.float32)
        larger = np.asarray(cv2.resize(steps, None, fx=3.3, fy=3.3, interpolation=interpolation))
        assert larger.min() < -10 and larger.max() > 265
        assert as_bgr(larger).max() == 255

    def test_noise_is_taken(self) -> None:
        noisy = random_picture() + np.random.default_rng(1).normal(0, 10, (40, 60, 3))
        assert noisy.min() < -10
        as_bgr(noisy)


class TestIntegers:
    @pytest.mark.parametrize("dtype", ["i2", "u2", "i4", "u4", "i8", "u8", ">u2", ">i4"])
    def test_levels_are_taken(self, dtype: str) -> None:
        img = random_picture()
        bgr = as_bgr(img.astype(dtype))
        assert_core_can_read(bgr)
        np.testing.assert_array_equal(bgr, img)

    def test_int8(self) -> None:
        assert as_bgr(np.array([[0, 127]], np.int8))[0, :, 0].tolist() == [0, 127]

    @pytest.mark.parametrize(("dtype", "level"), [("i2", -1), ("i1", -1), ("i4", 256), ("u8", 2**64 - 1)])
    def test_outside_0_255(self, dtype: str, level: int) -> None:
        img = np.zeros((2, 2, 3), dtype)
        img[1, 1, 1] = level
        wanted = rf"from {min(level, 0)} to {max(level, 0)}, must lie in 0\.\.255"
        with pytest.raises(ValueError, match=wanted):
            as_bgr(img)

    def test_of_more_bits(self) -> None:
        with pytest.raises(ValueError, match=r"from 0 to 65535.*for 16-bit pictures divide by 257, img / 257$"):
            as_bgr(random_picture().astype(np.uint16) * 257)
        with pytest.raises(ValueError, match=r"to 4080.*for 12-bit pictures, img \* \(255 / 4095\); for 16-bit.* 257$"):
            as_bgr(random_picture().astype(np.uint16) * 16)


class TestWrongType:
    def test_none(self) -> None:
        with pytest.raises(TypeError, match=r"img is None; cv2\.imread returns None"):
            as_bgr(None)  # type: ignore[arg-type]

    @pytest.mark.parametrize("path", ["face.jpg", Path("face.jpg")])
    def test_path(self, path: str | os.PathLike[str]) -> None:
        with pytest.raises(TypeError, match=r"path.*cv2\.imread\(img\)"):
            as_bgr(path)  # type: ignore[arg-type]

    def test_bytes(self) -> None:
        with pytest.raises(TypeError, match=r"cv2\.imdecode"):
            as_bgr(b"\xff\xd8\xff")  # type: ignore[arg-type]

    def test_list(self) -> None:
        with pytest.raises(TypeError, match=r"builtins\.list.*np\.asarray\(img\).*detect_batch"):
            as_bgr([[1, 2], [3, 4]])  # type: ignore[arg-type]

    @pytest.mark.parametrize("thing", [3, 2.5, object(), np.float64(3), np.uint8(1)])
    def test_other(self, thing: object) -> None:
        with pytest.raises(TypeError, match="img must be a NumPy array"):
            as_bgr(thing)  # type: ignore[arg-type]

    def test_umat(self) -> None:
        img = random_picture()
        with pytest.raises(TypeError, match=r"UMat.*img\.get\(\)"):
            as_bgr(cv2.UMat(img))
        np.testing.assert_array_equal(as_bgr(cv2.UMat(img).get()), img)

    def test_cupy_array_by_its_module(self) -> None:
        class Array:
            __module__ = "cupy"

        with pytest.raises(TypeError, match=r"cupy\.asnumpy\(img\)"):
            as_bgr(Array())  # type: ignore[arg-type]

    def test_tensor_by_its_methods(self) -> None:
        class Tensor:
            def cpu(self) -> None: ...
            def numpy(self) -> None: ...

        with pytest.raises(TypeError, match=r"img\.cpu\(\)\.numpy\(\)"):
            as_bgr(Tensor())  # type: ignore[arg-type]

    def test_bool(self) -> None:
        with pytest.raises(TypeError, match=r"bool mask.*img\.astype\(np\.uint8\) \* 255"):
            as_bgr(np.ones((3, 3, 3), bool))

    @pytest.mark.parametrize("dtype", [np.complex64, object, "U3", "S3", "M8[s]", "m8[s]", [("b", "u1")]])
    def test_dtypes_without_levels(self, dtype: object) -> None:
        with pytest.raises(TypeError, match="img must hold uint8 levels"):
            as_bgr(np.zeros((3, 3, 3), dtype))


class TestWrongShape:
    @pytest.mark.parametrize("shape", [(0, 5, 3), (5, 0, 3), (5, 5, 0), (0, 0), (0,)])
    @pytest.mark.parametrize("dtype", [np.uint8, np.float32])
    def test_empty(self, shape: tuple[int, ...], dtype: type) -> None:
        with pytest.raises(ValueError, match="img is empty"):
            as_bgr(np.zeros(shape, dtype))

    @pytest.mark.parametrize("shape", [(), (5,), (5, 6, 2), (5, 6, 5), (1, 1, 1, 1, 3)])
    def test_other(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ValueError) as caught:
            as_bgr(np.zeros(shape, np.uint8))
        assert str(shape) in str(caught.value)

    def test_batch(self) -> None:
        with pytest.raises(ValueError, match=r"one by one, img\[i\], or list\(img\) to detect_batch"):
            as_bgr(np.zeros((2, 5, 6, 3), np.uint8))

    def test_batch_of_channels_first(self) -> None:
        with pytest.raises(ValueError, match=r'one by one, img\[i\]\.transpose\(1, 2, 0\), and color="rgb"'):
            as_bgr(np.zeros((2, 3, 5, 6), np.uint8))

    def test_channels_first(self) -> None:
        with pytest.raises(ValueError, match=r'img\.transpose\(1, 2, 0\), and color="rgb" where they are red'):
            as_bgr(np.zeros((3, 5, 6), np.uint8))
        with pytest.raises(ValueError, match=r"img\.transpose\(1, 2, 0\)$"):
            as_bgr(np.zeros((1, 5, 6), np.uint8))


class TestColor:
    def test_rgb_is_swapped(self) -> None:
        img = random_picture()
        swapped = as_bgr(img, color="rgb")
        assert_core_can_read(swapped)
        np.testing.assert_array_equal(swapped, img[:, :, ::-1])

    def test_a_swapped_view_of_bgr_is_not_copied(self) -> None:
        img = random_picture()
        assert np.shares_memory(as_bgr(img[:, :, ::-1], color="rgb"), img)

    def test_of_rgba_alpha_is_dropped(self) -> None:
        rgba = random_picture(channels=4)
        np.testing.assert_array_equal(as_bgr(rgba, color="rgb"), rgba[:, :, 2::-1])

    @pytest.mark.parametrize("shape", [(5, 6), (5, 6, 1)])
    def test_gray_has_no_order(self, shape: tuple[int, ...]) -> None:
        gray = np.arange(30, dtype=np.uint8).reshape(shape)
        np.testing.assert_array_equal(as_bgr(gray, color="rgb"), as_bgr(gray))

    @pytest.mark.parametrize("color", ["RGB", "gray", None, 3])
    def test_another(self, color: object) -> None:
        for img in (random_picture(), random_picture()[::-1]):
            with pytest.raises(ValueError, match="color must be 'bgr' or 'rgb'"):
                as_bgr(img, color=color)  # type: ignore[arg-type]


def test_errors_use_the_name() -> None:
    with pytest.raises(TypeError, match=r"^images\[3\] is None"):
        as_bgr(None, "images[3]")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^images\[3\] must have the shape"):
        as_bgr(np.zeros(5, np.uint8), "images[3]")


@given(
    hnp.arrays(
        st.one_of(hnp.integer_dtypes(), hnp.unsigned_integer_dtypes(), hnp.floating_dtypes(), hnp.boolean_dtypes()),
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
    )
)
def test_any_array_is_a_picture_or_a_clear_error(img: np.ndarray) -> None:
    try:
        bgr = as_bgr(img)
    except (TypeError, ValueError) as error:
        assert str(error).startswith("img ")
    else:
        assert_core_can_read(bgr)
        assert bgr.shape[:2] == img.shape[:2]


class TestSubclasses:
    def test_what_is_masked_is_no_level(self) -> None:
        levels = np.full((4, 5, 3), 9.0)
        levels[0, 0] = np.nan
        for img in (levels, levels.astype(np.float32), np.full((4, 5, 3), 9, np.uint8), np.full((4, 5), 900)):
            masked = np.ma.MaskedArray(img, mask=np.zeros(img.shape, bool))
            masked[0, 0] = np.ma.masked
            with pytest.raises(ValueError, match=r"img is a masked array.*img\.filled\(0\)"):
                as_bgr(masked)
            masked[...] = np.ma.masked
            with pytest.raises(ValueError, match="masked"):
                as_bgr(masked)

    def test_without_a_mask_it_is_an_array(self) -> None:
        img = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
        for subclass in (np.ma.MaskedArray(img), np.ma.MaskedArray(img, mask=np.zeros(img.shape, bool))):
            bgr = as_bgr(subclass)
            assert type(bgr) is np.ndarray and (bgr == img).all()

    def test_views_of_memory_are_arrays_to_be(self) -> None:
        with pytest.raises(TypeError, match=r"np\.asarray\(img\)"):
            as_bgr(memoryview(np.zeros((4, 5, 3), np.uint8)))


class TestAdvice:
    """What messages advise is right: where nothing is, there is none."""

    @pytest.mark.parametrize("color", ["bgr", "rgb"])
    def test_an_open_file(self, tmp_path: Path, color: Color) -> None:
        img = random_picture()
        cv2.imwrite(str(tmp_path / "a.png"), img)
        with (tmp_path / "a.png").open("rb") as file:
            for opened in (file, io.BytesIO(file.read())):
                opened.seek(0)
                with pytest.raises(TypeError, match="a file; decode the picture first: (.*)") as error:
                    as_bgr(opened, color=color)
                mend = str(error.value).partition("first: ")[2]
                np.testing.assert_array_equal(eval(mend, {"cv2": cv2, "np": np, "img": opened}), img)

    def test_fields_with_names(self) -> None:
        img = random_picture()
        fields = img.view([("b", "u1"), ("g", "u1"), ("r", "u1")])[..., 0]
        with pytest.raises(TypeError, match="try (.*)") as error:
            as_bgr(fields)
        mend = str(error.value).partition("try ")[2]
        import numpy.lib.recfunctions

        np.testing.assert_array_equal(as_bgr(eval(mend, {"numpy": numpy, "img": fields})), img)

    @pytest.mark.parametrize(
        "value", [5, 1.5, object(), {"a": 1}, random_picture().astype(complex), np.zeros((9, 9), "S1")]
    )
    def test_none_where_there_is_no_mend(self, value: object) -> None:
        with pytest.raises(TypeError, match="img must") as error:
            as_bgr(value)
        assert "np.asarray" not in str(error.value) and "astype" not in str(error.value)

    def test_what_only_looks_like_a_tensor(self) -> None:
        class Anything:
            def __getattr__(self, name: str) -> int:
                return 5

        with pytest.raises(TypeError, match=r"^img "):
            as_bgr(Anything())
