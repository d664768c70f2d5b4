"""Pictures in forms that are refused: what the message advises finds the face; and in forms that are taken."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from mtcnn import MTCNN, FaceAligner, FaceVerifier, TrtMtcnn, draw_faces
from tests.support.embedders import make_embedder

Array = NDArray[Any]
RNG = np.random.default_rng(0)
MEAN, STD = np.array([0.406, 0.456, 0.485]), np.array([0.225, 0.224, 0.229])  # ImageNet's, BGR

# What is made of levels in 0..255, what the message advises, the names in that.
FORMS: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "0..1": (lambda a: a / 255, "img * 255", {}),
    "0..1 in float16": (lambda a: (a / 255).astype(np.float16), "img * 255", {}),
    "0..1 enlarged": (
        lambda a: cv2.resize(a / 255, None, fx=1.5, fy=1.5, interpolation=cv2.INTER_CUBIC),
        "np.clip(img, 0, 1) * 255",
        {},
    ),
    "0..1 with little noise": (lambda a: a / 255 + RNG.normal(0, 0.05, a.shape), "np.clip(img, 0, 1) * 255", {}),
    "0..1 with much noise": (lambda a: a / 255 + RNG.normal(0, 0.2, a.shape), "np.clip(img, 0, 1) * 255", {}),
    "0..1, brighter in places": (lambda a: a / 255 * 1.2, "np.clip(img, 0, 1) * 255", {}),
    "black and white": (lambda a: (a[:, :, 1] > 140).astype(np.float32), "img * 255", {}),
    "-1..1": (lambda a: a / 127.5 - 1, "(img + 1) * 127.5", {}),
    "as these networks take it": (lambda a: (a - 127.5) / 128, "(img + 1) * 127.5", {}),
    "ImageNet's": (lambda a: (a / 255 - MEAN) / STD, "(img * std + mean) * 255", {"mean": MEAN, "std": STD}),
    "standardised": (
        lambda a: (a / 255 - MEAN) / STD / 1.5,
        "(img * std + mean) * 255",
        {"mean": MEAN, "std": STD * 1.5},
    ),
    "less its mean": (lambda a: a - 255 * MEAN, "img + mean", {"mean": 255 * MEAN}),
    "0..65535": (lambda a: a * 257, "img / 257", {}),
    "0..65535 in uint16": (lambda a: (a * 257).astype(np.uint16), "img / 257", {}),
    "0..4095 in uint16": (lambda a: (a * (4095 / 255)).astype(np.uint16), "img * (255 / 4095)", {}),
    "0..4095": (lambda a: a * (4095 / 255), "img * (255 / 4095)", {}),
    "0..1023 in int32": (lambda a: (a * (1023 / 255)).astype(np.int32), "img * (255 / 1023)", {}),
    "levels with much noise": (lambda a: a + RNG.normal(0, 50, a.shape), "np.clip(img, 0, 255)", {}),
}


@pytest.fixture(scope="module")
def photo(astronaut: NDArray[np.uint8]) -> Array:
    """One face, and black and white in the picture."""
    return astronaut[:300, 80:380].astype(np.float32)


@pytest.mark.parametrize("form", FORMS)
def test_other_ranges(form: str, photo: Array, detector: TrtMtcnn) -> None:
    make, mend, names = FORMS[form]
    img = make(photo)
    with pytest.raises(ValueError, match=r"^img holds \w+ (values )?(from|in) .* lie in 0\.\.255") as caught:
        detector.detect(img)
    assert mend in str(caught.value)
    mended = eval(mend, {"img": img, "np": np, **names})
    assert len(detector.detect(mended)[0]) == 1


def test_every_call_refuses_them(photo: Array, detector: TrtMtcnn) -> None:
    img = photo / 127.5 - 1
    points = np.arange(10) * 10.0
    calls: list[Any] = [
        lambda: detector.detect_batch([img]),
        lambda: detector.profile(img),
        lambda: FaceAligner().align(img, points),
        lambda: FaceAligner().align_all(img, [points]),
        lambda: draw_faces(img, []),
        lambda: MTCNN(device="cpu").detect_faces(img),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"holds floats from -1 to 1, levels must lie in 0\.\.255"):
            call()


@pytest.mark.parametrize("levels", ["float32", "float16", "float64", "overshoot", "fraction"])
def test_levels_in_floats_are_taken(levels: str, photo: Array, detector: TrtMtcnn) -> None:
    if levels == "overshoot":
        img = np.asarray(cv2.resize(photo, None, fx=2, fy=2, interpolation=cv2.INTER_LANCZOS4))
        assert img.min() < 0 and img.max() > 255
    else:
        img = photo * 0.99 if levels == "fraction" else photo.astype(levels)
    assert len(detector.detect(img)[0]) == 1


def portrait(photo: Array, kind: str = "JPEG") -> bytes:
    """A file as a telephone writes it: the picture lies on its side, its turn is in the EXIF data."""
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    sideways = np.rot90(photo.astype(np.uint8)[:, :, ::-1])
    Image.fromarray(np.ascontiguousarray(sideways)).save(file, kind, exif=exif.tobytes(), quality=95)
    return file.getvalue()


class TestPortrait:
    def test_its_pixels_alone_show_no_face(self, photo: Array, detector: TrtMtcnn) -> None:
        img = Image.open(io.BytesIO(portrait(photo)))
        assert len(detector.detect(np.asarray(img), color="rgb")[0]) == 0

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
    def test_is_taken(self, kind: str, photo: Array, detector: TrtMtcnn) -> None:
        img = Image.open(io.BytesIO(portrait(photo, kind)))
        dets, landmarks = detector.detect(img)
        np.testing.assert_allclose(dets[:, :4], detector.detect(photo)[0][:, :4], atol=4)
        assert len(detector.detect_batch([img, photo])[0][0]) == 1
        crop = FaceAligner().align(img, landmarks[0])
        assert np.abs(crop.astype(int) - FaceAligner().align(photo, landmarks[0])).mean() < 8
        assert draw_faces(img, dets, landmarks).shape == photo.shape

    def test_as_an_array(self, photo: Array, detector: TrtMtcnn) -> None:
        img = Image.open(io.BytesIO(portrait(photo)))
        assert len(detector.detect(np.asarray(ImageOps.exif_transpose(img)), color="rgb")[0]) == 1

    def test_of_bytes(self, photo: Array, detector: TrtMtcnn) -> None:
        img: Any = portrait(photo)
        with pytest.raises(TypeError) as caught:
            detector.detect(img)
        mend = re.search(r"decode the picture first: (.*)", str(caught.value))
        assert mend is not None
        assert len(detector.detect(eval(mend[1], {"img": img, "np": np, "cv2": cv2}))[0]) == 1

    def test_of_a_path(self, photo: Array, detector: TrtMtcnn, tmp_path: Path) -> None:
        img: Any = tmp_path / "portrait.jpg"
        img.write_bytes(portrait(photo))
        with pytest.raises(TypeError) as caught:
            detector.detect(img)
        mend = re.search(r"read the picture first: (.*)", str(caught.value))
        assert mend is not None
        assert len(detector.detect(eval(mend[1], {"img": str(img), "cv2": cv2}))[0]) == 1

    def test_in_the_drop_in_is_not_turned(self, photo: Array, caplog: pytest.LogCaptureFixture) -> None:
        """As in the package on PyPI: what is found lies in the picture as it was given."""
        img = Image.open(io.BytesIO(portrait(photo)))
        drop_in = MTCNN(device="cpu", min_face_size=40)
        assert drop_in.detect_faces(img) == drop_in.detect_faces(np.asarray(img)) == []
        assert (
            "image is to be turned by its EXIF data" in caplog.text and "ImageOps.exif_transpose(image)" in caplog.text
        )
        assert len(drop_in.detect_faces(ImageOps.exif_transpose(img))) == 1


class Tensor:
    """What torch.Tensor has: DLPack and permute()."""

    def __init__(self, array: Array) -> None:
        self.array = array
        self.shape = array.shape

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0

    def permute(self, *axes: int) -> Tensor:
        return Tensor(self.array.transpose(axes))

    def __mul__(self, by: float) -> Tensor:
        return Tensor(self.array * by)


def test_a_tensor_with_its_channels_first(photo: Array, detector: TrtMtcnn) -> None:
    chw = Tensor(np.ascontiguousarray(photo[:, :, ::-1].transpose(2, 0, 1) / 255))  # as ToTensor() makes it
    with pytest.raises(ValueError, match=r'img\.permute\(1, 2, 0\), and color="rgb"'):
        detector.detect(chw)
    with pytest.raises(ValueError, match=r"in 0\.\.1.* img \* 255"):
        detector.detect(chw.permute(1, 2, 0), color="rgb")
    dets, _ = detector.detect(chw.permute(1, 2, 0) * 255, color="rgb")
    np.testing.assert_allclose(dets, detector.detect(photo)[0], atol=1e-3)


def test_rgb(photo: Array, detector: TrtMtcnn) -> None:
    rgb = np.ascontiguousarray(photo.astype(np.uint8)[:, :, ::-1])
    dets, landmarks = detector.detect(rgb, color="rgb")
    np.testing.assert_array_equal(dets, detector.detect(photo)[0])
    np.testing.assert_array_equal(detector.detect_batch([rgb], color="rgb")[0][0], dets)
    assert detector.profile(rgb, repeats=1, color="rgb").faces == 1
    crop = FaceAligner().align(photo, landmarks[0])
    np.testing.assert_array_equal(FaceAligner().align(rgb, landmarks[0], color="rgb"), crop)
    np.testing.assert_array_equal(FaceAligner().align_all(rgb, landmarks, color="rgb")[0], crop)
    np.testing.assert_array_equal(draw_faces(rgb, dets, color="rgb"), draw_faces(photo, dets))


def test_the_verifier_takes_them(photo: Array, detector: TrtMtcnn, tmp_path: Path) -> None:
    make_embedder(tmp_path / "model.onnx")
    verifier = FaceVerifier(tmp_path / "model.onnx", detector)
    upright = Image.fromarray(np.ascontiguousarray(photo.astype(np.uint8)[:, :, ::-1]))
    rgb = np.asarray(upright)
    assert verifier.verify(upright, photo).distance == pytest.approx(0, abs=1e-3)
    assert verifier.verify(rgb, rgb, color="rgb").same
    assert verifier.compare([rgb], [rgb], color="rgb")[0, 0] == pytest.approx(0, abs=1e-3)
    with pytest.raises(ValueError, match="levels must lie"):
        verifier.embed([photo / 255])


def test_several_pictures_in_one_array(photo: Array, detector: TrtMtcnn) -> None:
    batch = np.stack([photo, photo]).astype(np.uint8)
    with pytest.raises(ValueError, match=r"list\(img\) to detect_batch"):
        detector.detect(batch)
    assert [len(dets) for dets, _ in detector.detect_batch(list(batch))] == [1, 1]
    drop_in = MTCNN(device="cpu")
    with pytest.raises(ValueError, match=r"several pictures.*: detect_faces\(list\(image\)\)$"):
        drop_in.detect_faces(batch)
    assert [len(faces) for faces in drop_in.detect_faces(list(batch))] == [1, 1]
