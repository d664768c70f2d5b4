"""`mtcnn.MTCNN` as programs written for the package `mtcnn` on PyPI use it.

What the originals return was looked up side by side, mtcnn 0.1.1 and 1.0.0 with TensorFlow 2.21, on 2026-11-21:
structure, key names, types, and where the astronaut's face is.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mtcnn import MTCNN, DeviceError, TrtMtcnn, UnusedParameterWarning
from mtcnn.compat.mtcnn.detector import WEIGHTS_SHA256
from mtcnn.exceptions import InvalidImage
from mtcnn.stages import StageONet, StagePNet, StageRNet
from mtcnn.utils.images import load_image, load_images_batch
from mtcnn.utils.plotting import plot
from tests.conftest import DATA, ROOT, need
from tests.reference import cascade as reference
from tests.support.pictures import noise, paste, scaled
from tools import make_models

Image = NDArray[np.uint8]

PHOTO = ROOT / "docs" / "images" / "astronaut.jpg"
KEYS = ["box", "confidence", "keypoints"]
KEYPOINTS = ["left_eye", "mouth_left", "mouth_right", "nose", "right_eye"]
ORIGINAL = {
    "0.1.1": {
        "box": [179, 60, 88, 114],
        "keypoints": {
            "left_eye": (203, 100),
            "right_eye": (246, 102),
            "nose": (224, 128),
            "mouth_left": (201, 139),
            "mouth_right": (245, 141),
        },
    },
    "1.0.0": {
        "box": [182, 61, 85, 112],
        "keypoints": {
            "nose": [224, 127],
            "mouth_right": [244, 140],
            "right_eye": [246, 102],
            "left_eye": [204, 100],
            "mouth_left": [202, 139],
        },
    },
}


@pytest.fixture(scope="module")
def rgb() -> Image:
    return np.asarray(cv2.cvtColor(cv2.imread(str(PHOTO)), cv2.COLOR_BGR2RGB), np.uint8)


@pytest.fixture(scope="module")
def newer(engines: dict[str, Path]) -> MTCNN:
    return MTCNN(device="CPU:0")


@pytest.fixture(scope="module")
def older(engines: dict[str, Path]) -> MTCNN:
    return MTCNN(min_face_size=20, device="cpu")


@pytest.fixture(scope="module")
def montage(rgb: Image) -> tuple[Image, list[tuple[int, int]]]:
    """Three copies of the face on a gray picture, and where their top left corners are."""
    canvas = np.full((400, 700, 3), 90, np.uint8)
    head = rgb[20:220, 130:330]
    corners = [(10, 20), (300, 150), (480, 10)]
    for (x, y), side in zip(corners, (200, 150, 180), strict=True):
        paste(canvas, scaled(head, side), x, y)
    return canvas, corners


def iou(a: list[int], b: list[int]) -> float:
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


class TestExamplesOf01:
    """What its readme and example do."""

    def test_detect(self, rgb: Image) -> None:
        (face,) = MTCNN(steps_threshold=[0.6, 0.7, 0.7]).detect_faces(rgb)
        assert sorted(face) == KEYS and sorted(face["keypoints"]) == KEYPOINTS
        assert type(face["box"]) is list and [type(n) for n in face["box"]] == [int] * 4
        assert isinstance(face["confidence"], float) and 0.99 < face["confidence"] <= 1
        for point in face["keypoints"].values():
            assert type(point) is tuple and [type(n) for n in point] == [int, int]
        original: dict[str, Any] = ORIGINAL["0.1.1"]
        assert iou(face["box"], original["box"]) > 0.9
        for name, point in original["keypoints"].items():
            assert np.abs(np.subtract(face["keypoints"][name], point)).max() <= 3, name

    def test_draw_and_save(self, older: MTCNN, tmp_path: Path) -> None:
        image = cv2.cvtColor(cv2.imread(str(PHOTO)), cv2.COLOR_BGR2RGB)
        before = image.copy()
        result = older.detect_faces(image)
        assert np.array_equal(image, before)
        x, y, width, height = result[0]["box"]
        cv2.rectangle(image, (x, y), (x + width, y + height), (0, 155, 255), 2)
        for point in result[0]["keypoints"].values():
            cv2.circle(image, point, 2, (0, 155, 255), 2)
        assert cv2.imwrite(str(tmp_path / "drawn.jpg"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        assert (image != before).any()

    def test_crop_the_first_face(self, older: MTCNN, rgb: Image) -> None:
        x1, y1, width, height = older.detect_faces(rgb)[0]["box"]
        face = rgb[y1 : y1 + height, x1 : x1 + width]
        assert face.shape == (height, width, 3)
        assert cv2.resize(face, (160, 160)).shape == (160, 160, 3)

    def test_min_face_size_is_a_property(self, montage: tuple[Image, list[tuple[int, int]]]) -> None:
        picture, _ = montage
        detector = MTCNN(None, 20, [0.6, 0.7, 0.7], 0.709)  # as it orders its arguments
        assert detector.min_face_size == 20 and len(detector.detect_faces(picture)) == 3
        detector.min_face_size = 300
        assert detector.min_face_size == 300 and detector.detect_faces(picture) == []
        with pytest.raises(TypeError, match="min_face_size must be a number"):
            detector.min_face_size = "small"  # type: ignore[assignment]

    def test_no_faces_is_an_empty_list(self, older: MTCNN) -> None:
        for size in ((100, 100), (10, 10), (8, 400)):
            assert older.detect_faces(np.zeros((*size, 3), np.uint8)) == []

    @pytest.mark.parametrize("picture", [None, {}, 3.5, [None]])
    def test_no_picture_is_invalid_image(self, older: MTCNN, picture: Any) -> None:
        with pytest.raises(InvalidImage, match="image"):
            older.detect_faces(picture)

    def test_the_weights_it_comes_with_are_built_in(self, tmp_path: Path) -> None:
        assert WEIGHTS_SHA256 == make_models.WEIGHTS_SHA256
        (tmp_path / "other.npy").write_bytes(b"\x93NUMPY other weights")
        for other in (tmp_path / "other.npy", str(tmp_path / "other.npy"), io.BytesIO(b"other")):
            with pytest.raises(ValueError, match=r"weights_file.*create_engines\(models=folder\)"):
                MTCNN(weights_file=other)
            with pytest.raises(ValueError, match="weights_file"):
                MTCNN(other)
        with pytest.raises(FileNotFoundError, match="nowhere.npy"):
            MTCNN("nowhere.npy")
        for wrong in (1, {}):
            with pytest.raises(TypeError, match="weights_file must be a path"):
                MTCNN(wrong)

    def test_the_weights_file_itself(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rgb: Image) -> None:
        (tmp_path / "mtcnn_weights.npy").write_bytes(b"the weights")
        monkeypatch.setattr("mtcnn.compat.mtcnn.detector.WEIGHTS_SHA256", hashlib.sha256(b"the weights").hexdigest())
        detector = MTCNN(weights_file=tmp_path / "mtcnn_weights.npy")
        assert type(detector.detect_faces(rgb)[0]["keypoints"]["nose"]) is tuple


class TestExamplesOf10:
    """What its readme and the pages "usage", "usage_advanced", "usage_params" and "training" do."""

    def test_detect_and_plot(self, newer: MTCNN) -> None:
        image = load_image(str(PHOTO))
        result = newer.detect_faces(image, threshold_onet=0.85)
        (face,) = result
        assert sorted(face) == KEYS and sorted(face["keypoints"]) == KEYPOINTS
        assert type(face["box"]) is list and [type(n) for n in face["box"]] == [int] * 4
        for point in face["keypoints"].values():
            assert type(point) is list and [type(n) for n in point] == [int, int]
        original: dict[str, Any] = ORIGINAL["1.0.0"]
        assert iou(face["box"], original["box"]) > 0.9
        for name, point in original["keypoints"].items():
            assert np.abs(np.subtract(face["keypoints"][name], point)).max() <= 3, name
        drawn = plot(image, result)
        assert drawn is not None and drawn.shape == image.shape and drawn.dtype == np.uint8

    def test_every_form_of_a_picture_gives_the_same(self, newer: MTCNN, rgb: Image) -> None:
        PIL = pytest.importorskip("PIL.Image")
        wanted = newer.detect_faces(rgb)
        assert len(wanted) == 1
        bgr = cv2.imread(str(PHOTO))

        class Tensor:
            def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
                return rgb

        forms = (str(PHOTO), PHOTO, PHOTO.read_bytes(), bgr[:, :, ::-1], rgb.astype(np.float32), rgb.astype(np.int64))
        for form in (*forms, np.dstack([rgb, rgb[:, :, 0]]), PIL.fromarray(rgb), Tensor()):
            assert newer.detect_faces(form) == wanted
        assert newer.predict(rgb) == wanted

    def test_red_is_not_blue(self, newer: MTCNN, detector: TrtMtcnn, rgb: Image) -> None:
        def score(img: Any) -> float:
            return float(newer.detect_faces(img)[0]["confidence"])

        bgr = np.ascontiguousarray(rgb[:, :, ::-1])
        overlaps = (0.5, 0.7, 0.7, 0.7)  # the package's
        direct = detector.detect(bgr, minsize=20, thresholds=(0.6, 0.7, 0.8), nms_thresholds=overlaps)[0][0, 4]
        assert score(rgb) == direct != score(bgr)

    def test_batches(self, newer: MTCNN, rgb: Image, montage: tuple[Image, list[tuple[int, int]]]) -> None:
        empty = np.zeros((50, 900, 3), np.uint8)
        images = [rgb, montage[0], empty, str(PHOTO)]
        results = newer.detect_faces(images, batch_stack_justification="topleft")
        assert [len(faces) for faces in results] == [1, 3, 0, 1]
        assert results == [newer.detect_faces(image) for image in images]
        for (x, y), side in zip(montage[1], (200, 150, 180), strict=True):
            centres = [(f["box"][0] + f["box"][2] / 2, f["box"][1] + f["box"][3] / 2) for f in results[1]]
            assert sum(x < cx < x + side and y < cy < y + side for cx, cy in centres) == 1
        assert newer.detect_faces([empty, empty]) == [[], []]
        assert newer.detect_faces([empty]) == [[]] and newer.detect_faces([]) == []

    def test_files_of_a_batch(self, newer: MTCNN) -> None:
        images = load_images_batch([str(PHOTO), str(PHOTO)])
        for image, faces in zip(images, newer.detect_faces(images), strict=True):
            assert plot(image, faces) is not None
        assert newer.detect_faces([PHOTO.read_bytes()] * 2) == newer.detect_faces(images)

    @pytest.mark.parametrize("box_format", ["xywh", "xyxy"])
    def test_numpy(
        self, newer: MTCNN, rgb: Image, montage: tuple[Image, list[tuple[int, int]]], box_format: str
    ) -> None:
        batch = [montage[0], rgb]
        rows = newer.detect_faces(batch, output_type="numpy", box_format=box_format)
        assert rows.dtype == np.float64 and rows.shape == (4, 16)
        assert rows[:, 0].tolist() == [0, 0, 0, 1]
        faces = [face for faces in newer.detect_faces(batch, box_format=box_format) for face in faces]
        for row, face in zip(rows, faces, strict=True):
            assert np.rint(row[1:5]).tolist() == face["box"]
            assert row[5] == face["confidence"]
            assert np.rint(row[[8, 13]]).tolist() == face["keypoints"]["nose"]
        none = newer.detect_faces(np.zeros((60, 60, 3), np.uint8), output_type="numpy")
        assert none.shape == (0, 16) and none.dtype == np.float64

    def test_xyxy_is_xywh_with_corners(self, newer: MTCNN, rgb: Image) -> None:
        x, y, width, height = newer.detect_faces(rgb, output_type="numpy")[0, 1:5]
        assert np.allclose(
            newer.detect_faces(rgb, output_type="numpy", box_format="xyxy")[0, 1:5], [x, y, x + width, y + height]
        )

    def test_limits(self, newer: MTCNN, rgb: Image) -> None:
        cut = rgb[85:400, :235]  # through the forehead and the right eye
        kinds: dict[str, dict[str, bool]] = {
            "usual": {},
            "everything": {"limit_boundaries_landmarks": True},
            "free": {"fit_to_image": False},
            "raw": {"postprocess": False, "limit_boundaries_landmarks": True},
        }
        found = {
            name: newer.detect_faces(
                cut, output_type="numpy", box_format="xyxy", threshold_rnet=0.3, threshold_onet=0.3, **settings
            )
            for name, settings in kinds.items()
        }
        height, width = cut.shape[:2]
        free = found["free"]
        xs, ys = slice(6, 11), slice(11, 16)
        assert (free[:, 3] > width - 1).any() and (free[:, 2] < 0).any(), "a face reaches beyond the border"
        assert (free[:, xs] > width - 1).any(), "and a point of it"
        assert np.array_equal(found["raw"], free)
        for name in ("usual", "everything"):
            rows = found[name]
            assert (rows[:, 1:5] >= 0).all()
            assert (rows[:, [1, 3]] <= width - 1).all() and (rows[:, [2, 4]] <= height - 1).all()
        assert np.array_equal(found["usual"][:, 5:], free[:, 5:])
        assert np.array_equal(found["everything"][:, xs], free[:, xs].clip(0, width - 1))
        assert np.array_equal(found["everything"][:, ys], free[:, ys].clip(0, height - 1))
        assert not np.array_equal(found["everything"], found["usual"])

    def test_sensitivity(self, newer: MTCNN, detector: TrtMtcnn, rgb: Image) -> None:
        given = {"min_face_size": 15, "threshold_pnet": 0.5, "threshold_rnet": 0.2, "threshold_onet": 0.1}
        overlaps = {"nms_pnet1": 0.4, "nms_pnet2": 0.6, "nms_rnet": 0.65, "nms_onet": 0.5}
        rows = newer.detect_faces(
            rgb,
            **given,
            **overlaps,
            scale_factor=0.8,
            min_size=12,
            fit_to_image=False,
            output_type="numpy",
            box_format="xyxy",
        )
        dets, landmarks = detector.detect(
            rgb[:, :, ::-1], 15, thresholds=(0.5, 0.2, 0.1), nms_thresholds=(0.4, 0.6, 0.65, 0.5), factor=0.8
        )
        assert len(rows) > 1
        assert np.array_equal(rows[:, 1:6], dets.astype(float)) and np.array_equal(rows[:, 6:], landmarks.astype(float))

    def test_face_detection_only(self, rgb: Image) -> None:
        detector = MTCNN(stages="face_detection_only")
        best, *_ = detector.detect_faces(rgb)
        assert sorted(best) == ["box", "confidence"]
        assert iou(best["box"], ORIGINAL["1.0.0"]["box"]) > 0.8  # type: ignore[arg-type]
        rows = detector.detect_faces(rgb, output_type="numpy", limit_boundaries_landmarks=True)
        assert rows.shape[1] == 6
        assert len(rows) < len(MTCNN(stages=[StagePNet]).detect_faces(rgb))
        boxes = [face["box"] for face in detector.detect_faces(rgb, threshold_rnet=0.3)]
        assert all(iou(a, b) < 0.75 for a, b in itertools.combinations(boxes, 2)), "a face is found once"
        assert plot(rgb, detector.detect_faces(rgb)) is not None
        with pytest.warns(UnusedParameterWarning, match=r"threshold_onet=0.9 has no effect"):
            detector.detect_faces(rgb, threshold_onet=0.9)

    @pytest.mark.parametrize("networks", [1, 2])
    def test_fewer_networks_leave_what_the_reference_has_then(
        self, networks: int, detector: TrtMtcnn, rgb: Image
    ) -> None:
        bgr = np.ascontiguousarray(rgb[:, :, ::-1])
        dets, landmarks = detector.detect(bgr, preset="fast", networks=networks)
        stages = reference.trace(bgr, preset="fast")
        stage = stages.pnet if networks == 1 else stages.rnet
        assert len(dets) == len(stage.scores) > 1
        assert np.abs(dets[:, 4] - stage.scores).max() < 1e-3
        assert np.abs(dets[:, :4] - stage.boxes).max() < 1
        assert not landmarks.any()

    def test_stages(self, newer: MTCNN, rgb: Image) -> None:
        instances = [StagePNet(weights="pnet.lz4"), StageRNet(weights="rnet.lz4"), StageONet(stage_name="last")]
        detector = MTCNN(stages=instances)
        assert detector.stages == instances
        assert detector.get_stage(2) is instances[1]
        assert detector.get_stage(stage_name="last") is instances[2] and detector.get_stage(9) is None
        assert detector.detect_faces(rgb) == newer.detect_faces(rgb)
        for wrong in ([], [StageRNet], [StagePNet, StageONet], [StagePNet, object()]):
            with pytest.raises(ValueError, match="stages must be"):
                MTCNN(stages=wrong)


class TestBothGenerations:
    def test_the_arguments_tell_the_generation(self) -> None:
        assert MTCNN()._steps_threshold == (0.6, 0.7, 0.8)
        for older in ({"min_face_size": 20}, {"scale_factor": 0.7}, {"steps_threshold": None, "min_face_size": 30}):
            assert MTCNN(**older)._steps_threshold == (0.6, 0.7, 0.7)
        assert MTCNN(steps_threshold=[0.1, 0.2, 0.3])._steps_threshold == (0.1, 0.2, 0.3)

    def test_they_find_the_same_at_the_same_thresholds(self, older: MTCNN, newer: MTCNN, rgb: Image) -> None:
        (one,) = older.detect_faces(rgb)
        (other,) = newer.detect_faces(rgb, threshold_onet=0.7)
        assert json.loads(json.dumps(one)) == other

    @pytest.mark.parametrize("device", ["CPU:0", "/device:CPU:0", "cpu", "auto"])
    def test_devices(self, device: str) -> None:
        assert MTCNN(device=device).device == device

    def test_a_gpu_that_is_not_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("mtcnn.detector.gpu_flavour", _no_gpu)
        for device in ("GPU:1", "/GPU:1", "cuda:1"):
            with pytest.raises(DeviceError, match="cuda:1"):
                MTCNN(device=device)
        with pytest.raises(ValueError, match="device must be"):
            MTCNN(device="TPU:0")

    def test_what_p_net_cannot_see_is_said(self, rgb: Image, newer: MTCNN) -> None:
        with pytest.warns(UserWarning, match="min_face_size=3 is below 4") as caught:
            detector = MTCNN(min_face_size=3)
        assert caught[0].filename == __file__ and detector.min_face_size == 4
        with pytest.warns(UserWarning, match="4 is used") as caught:
            assert newer.detect_faces(rgb, min_face_size=2) == newer.detect_faces(rgb, min_face_size=4)
        assert caught[0].filename == __file__

    @pytest.mark.parametrize(
        ("argument", "message"),
        [
            ({"box_format": "xyhw"}, "box_format must be"),
            ({"output_type": "tensor"}, "output_type must be"),
            ({"batch_stack_justification": "middle"}, "batch_stack_justification must be"),
            ({"fit_to_image": 1}, "fit_to_image must be True or False"),
            ({"postprocess": "no"}, "postprocess must be"),
            ({"limit_boundaries_landmarks": None}, "limit_boundaries_landmarks must be"),
            ({"threshold_pnet": 1.5}, "threshold_pnet must be 0 to 1"),
            ({"threshold_onet": "high"}, "threshold_onet must be a number"),
            ({"nms_pnet2": -1}, "nms_pnet2 must be 0 to 1"),
            ({"scale_factor": 1}, r"scale_factor must be in \(0, 1\)"),
            ({"min_face_size": 0}, "min_face_size must be at least 1, got 0"),
            ({"min_size": "12"}, "min_size must be a number"),
            ({"threshold_anet": 0.5}, "threshold_anet"),
        ],
    )
    def test_wrong_arguments(self, newer: MTCNN, rgb: Image, argument: dict[str, Any], message: str) -> None:
        with pytest.raises((TypeError, ValueError), match=message):
            newer.detect_faces(rgb, **argument)

    @pytest.mark.parametrize(
        "argument",
        [
            {"min_face_size": "20"},
            {"min_face_size": -1},
            {"steps_threshold": [0.6, 0.7]},
            {"steps_threshold": [0.6, 0.7, 2]},
            {"scale_factor": 1.2},
            {"preset": "quick"},
            {"keep_all": True},
        ],
    )
    def test_wrong_arguments_of_the_constructor(self, argument: dict[str, Any]) -> None:
        with pytest.raises((TypeError, ValueError), match=next(iter(argument))):
            MTCNN(**argument)

    def test_wrong_pictures_are_named(self, newer: MTCNN, rgb: Image, tmp_path: Path) -> None:
        with pytest.raises(InvalidImage, match=r"image\[1\] holds floats in 0..1.*multiply by 255"):
            newer.detect_faces([rgb, rgb / 255])
        with pytest.raises(FileNotFoundError):
            newer.detect_faces(str(tmp_path / "nowhere.jpg"))
        with pytest.raises(InvalidImage, match=r"image\[0\], 7 bytes,"):
            newer.detect_faces([b"GARBAGE"])
        with pytest.raises(InvalidImage, match="image holds several pictures"):
            newer.detect_faces(np.zeros((2, 2, 2, 3), np.uint8))

        class OnGpu:
            def __init__(self) -> None:
                self.__cuda_array_interface__ = {"version": 3}

        with pytest.raises(InvalidImage, match="image lies on a GPU: bring it to the CPU"):
            newer.detect_faces(OnGpu())

    def test_presets(self, rgb: Image, detector: TrtMtcnn) -> None:
        rows = MTCNN(preset="fast", min_face_size=40).detect_faces(rgb, output_type="numpy", box_format="xyxy")
        dets, _ = detector.detect(np.ascontiguousarray(rgb[:, :, ::-1]), preset="fast")
        assert np.array_equal(rows[:, 1:6], dets.astype(float))

    def test_pickle_and_threads(self, montage: tuple[Image, list[tuple[int, int]]], rgb: Image) -> None:
        detector = MTCNN(steps_threshold=[0.5, 0.6, 0.65], min_face_size=25, scale_factor=0.75)
        copy = pickle.loads(pickle.dumps(detector))
        assert repr(copy) == repr(detector) and "min_face_size=25" in repr(copy)
        pictures = [rgb, montage[0], noise(200, 300, 8), rgb[::2, ::2]] * 4
        wanted = [copy.detect_faces(picture) for picture in pictures]
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(detector.detect_faces, pictures)) == wanted

    def test_photographs(self, newer: MTCNN) -> None:
        """The faces that mtcnn 0.1.1 and 1.0.0 both find."""
        counts = {"identification1.jpg": 4, "detection5.jpg": 3, "2008_001322.jpg": 3, "obama-1080p.jpg": 1}
        paths = [need(DATA / "photos" / name) for name in counts]
        assert [len(faces) for faces in newer.detect_faces(paths)] == list(counts.values())


def _no_gpu() -> str:
    raise DeviceError("there is no GPU")
