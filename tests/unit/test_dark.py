"""Pictures whose levels are in another range, and so dark that no face is found: never without a word."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mtcnn import MTCNN, DarkPictureError, FaceAligner, Tracker, TrtMtcnn
from mtcnn.compat import facenet, insightface, retinaface, tensorrt_demos, yunet
from mtcnn.compat.mtcnn.exceptions import InvalidImage
from mtcnn.images import dark
from mtcnn.images.dark import brightest_if_dark
from mtcnn.pipeline.film_frame import FilmFrame
from mtcnn.pipeline.looking import EveryNth
from mtcnn.runtime.once import Said
from tests.conftest import ROOT

Bgr = NDArray[np.uint8]


@pytest.fixture(scope="module")
def cast(astronaut: Bgr) -> Bgr:
    """As where levels are divided by 255 and made uint8 again."""
    img = (astronaut / 255).astype(np.uint8)
    assert img.max() == 1 and 0 < img.mean() < 0.1
    return img


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(dark, "_said", Said())
    return caplog


def rows(img: Bgr) -> tuple[int, int]:
    return img.shape[1], img.shape[0]


CALLS: dict[str, tuple[str, Callable[[TrtMtcnn, Bgr], Any]]] = {
    "detect": ("img", lambda d, img: d.detect(img)),
    "fast, as gray": ("img", lambda d, img: d.detect(img[:, :, 1], preset="fast")),
    "turned": ("img", lambda d, img: d.detect(img, rotations="auto")),
    "as whole numbers": ("img", lambda d, img: d.detect(img.astype(np.int64))),
    "PIL": ("img", lambda d, img: d.detect(Image.fromarray(img))),
    "faces": ("img", lambda d, img: d.faces(img)),
    "refine": ("img", lambda d, img: d.refine(img, [[180, 60, 270, 170]])),
    "detect_batch": (r"images\[2\]", lambda d, img: d.detect_batch(iter([0 * img, 200 + 0 * img, img]))),
    "MTCNN": ("image", lambda d, img: MTCNN().detect_faces(img)),
    "MTCNN, several": (r"image\[1\]", lambda d, img: MTCNN().detect_faces([0 * img, img])),
    "facenet": ("img", lambda d, img: facenet.MTCNN().detect(img)),
    "facenet, several": (r"img\[1\]", lambda d, img: facenet.MTCNN(preset="fast").detect([0 * img, img])),
    "yunet": ("image", lambda d, img: yunet.FaceDetectorYN(input_size=rows(img), detector=d).detect(img)),
    "insightface": ("img", lambda d, img: insightface.Detector(d).detect(img)),
    "insightface, older": ("img", lambda d, img: insightface.MtcnnDetector().detect_face(img)),
    "retinaface": ("img_path", lambda d, img: retinaface.detect_faces(img, model=d)),
    "tensorrt_demos": ("img", lambda d, img: tensorrt_demos.TrtMtcnn().detect(img)),
}


@pytest.mark.parametrize("call", CALLS)
def test_levels_0_and_1_alone_are_refused(call: str, cast: Bgr, detector: TrtMtcnn, engines: Any) -> None:
    name, find = CALLS[call]
    small = np.ascontiguousarray(cast[::2, ::2])
    small[7, 9] = 1
    with pytest.raises(DarkPictureError, match=rf"^{name} holds levels 0 and 1 alone, .*: multiply by 255, {name}"):
        find(detector, small)
    find(detector, small * 0)  # a lens with its cap on


def test_the_error(detector: TrtMtcnn, cast: Bgr) -> None:
    with pytest.raises(InvalidImage):
        MTCNN().detect_faces(cast)
    error = pickle.loads(pickle.dumps(DarkPictureError("img")))
    assert isinstance(error, ValueError) and error.name == "img" and str(error).startswith("img holds levels")


def test_crops(cast: Bgr, astronaut: Bgr, detector: TrtMtcnn) -> None:
    landmarks = detector.detect(astronaut)[1]
    for cut in (
        lambda img: FaceAligner().align(img, landmarks[0]),
        lambda img: FaceAligner().align_all(img, landmarks),
    ):
        with pytest.raises(DarkPictureError, match="^img holds"):
            cut(cast)
        assert not cut(0 * cast).any()
        beside = astronaut.copy()
        beside[60:180, 170:280] = 1  # a picture that is bright elsewhere
        assert cut(beside).max() > 1


class TestOfOtherRanges:
    @pytest.mark.parametrize("top", [2, 15])
    def test_said_once(self, top: int, astronaut: Bgr, detector: TrtMtcnn, warnings: Any) -> None:
        """Labels, and levels of 4 bits."""
        img = (astronaut // (256 // (top + 1))).clip(0, top)
        for _ in range(3):
            assert len(detector.detect(img)[0]) == 0
        assert warnings.text.count(f"img is nowhere brighter than level {top} of 255, in which no face is found") == 1

    def test_what_is_bright_or_black_is_not(self, detector: TrtMtcnn, warnings: Any) -> None:
        for level in (0, 16, 255):
            detector.detect(np.full((60, 60, 3), level, np.uint8))
        assert not warnings.text

    def test_a_single_bright_pixel_tells(self) -> None:
        img = np.zeros((50, 40, 3), np.uint8)
        assert brightest_if_dark(img) == 0
        img[49, 1, 2] = 1
        assert brightest_if_dark(img) == 1
        img[1, 39, 0] = 16
        assert brightest_if_dark(img) is None

    def test_in_memory_that_cannot_compute(self) -> None:
        assert brightest_if_dark(object()) is None


class TestFilms:
    """One that fades has such pictures, and a camera under its cap."""

    def test_no_picture_ends_them(self, cast: Bgr, astronaut: Bgr, detector: TrtMtcnn, warnings: Any) -> None:
        film = [astronaut, cast, 2 * cast, 0 * cast, cast, astronaut]
        tracker = Tracker(detector, every=1)
        stepped = [len(tracker.step(img)) for img in film]
        assert stepped[0] == stepped[-1] == 1
        followed = list(Tracker(detector, every=2).follow((img, i / 25) for i, img in enumerate(film)))
        assert len(followed) == len(film) and len(followed[-1]) == 1
        frames = [FilmFrame(i, i / 25, img) for i, img in enumerate(film)]
        assert [len(seen.dets) for _, seen in EveryNth(detector)(iter(frames))] == [1, 0, 0, 0, 0, 1]
        assert not warnings.text
        with pytest.raises(DarkPictureError):  # afterwards, as before
            detector.detect(cast)


def test_names_are_there_without_the_detector() -> None:
    script = "import mtcnn, sys; mtcnn.DarkPictureError; assert 'mtcnn.detector' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(ROOT))
