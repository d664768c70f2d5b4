"""The modules of the package `mtcnn` on PyPI that people import beside its detector."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mtcnn import MtcnnError
from mtcnn.exceptions import InvalidImage
from mtcnn.network.factory import NetworkFactory
from mtcnn.stages import StageONet, StagePNet, StageRNet
from mtcnn.utils.bboxes import limit_bboxes, parse_bbox, to_json
from mtcnn.utils.images import load_image, load_images_batch, swap_red_and_blue
from mtcnn.utils.landmarks import parse_landmarks
from mtcnn.utils.plotting import parse_color, plot, plot_all, plot_bbox, plot_landmarks
from tests.conftest import ROOT
from tests.support.pictures import noise

PHOTO = ROOT / "docs" / "images" / "astronaut.jpg"
# image, box, score, x of five points, y of five points
ROWS = np.array(
    [
        [0, 10.4, 20.6, 30.4, 50.4, 0.9, 11.6, 22.2, 33.3, 44.4, 55.5, 16, 27, 38, 49, 60],
        [1, -5, -6, 300, 400, 0.8, -1, 2, 3, 4, 500, -7, 8, 9, 10, 600],
    ]
)


class TestImages:
    @pytest.mark.parametrize("form", [str, Path, Path.read_bytes], ids=["path", "Path", "bytes"])
    def test_load_image_gives_rgb_floats(self, form: Any) -> None:
        img = load_image(form(PHOTO))
        assert img.dtype == np.float32
        assert np.array_equal(img, cv2.cvtColor(cv2.imread(str(PHOTO)), cv2.COLOR_BGR2RGB))

    def test_dtypes_are_numpys_or_tensorflows(self) -> None:
        class TensorFlowType:
            as_numpy_dtype = np.uint8

        for dtype in (np.uint8, "uint8", TensorFlowType()):
            assert load_image(PHOTO, dtype=dtype).dtype == np.uint8

    def test_arrays_are_converted_and_left_as_they_are(self) -> None:
        img = noise(8, 9)
        before = img.copy()
        assert np.array_equal(load_image(img), before) and load_image(img).dtype == np.float32
        assert np.array_equal(img, before)
        (same,) = load_images_batch([img])
        assert same is img

    def test_a_batch(self) -> None:
        loaded = load_images_batch([str(PHOTO), PHOTO.read_bytes(), noise(5, 6)], dtype=np.uint8)
        assert [img.shape for img in loaded] == [(512, 512, 3), (512, 512, 3), (5, 6, 3)]

    def test_pixels_stay_where_the_file_has_them(self, tmp_path: Path) -> None:
        img = np.zeros((20, 40, 3), np.uint8)
        data = cv2.imencode(".jpg", img)[1].tobytes()
        # an EXIF segment that says: turned by 90 degrees
        exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
        turned = data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:]
        (tmp_path / "turned.jpg").write_bytes(turned)
        assert cv2.imread(str(tmp_path / "turned.jpg")).shape == (40, 20, 3)
        assert load_image(tmp_path / "turned.jpg").shape == (20, 40, 3)

    def test_errors(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(FileNotFoundError, match="nowhere"):
            load_image("nowhere.jpg")
        with pytest.raises(IsADirectoryError):
            load_image(tmp_path)
        (tmp_path / "text.jpg").write_text("no picture")
        with pytest.raises(InvalidImage, match="text.jpg.*no picture that OpenCV can read"):
            load_image(tmp_path / "text.jpg")
        with pytest.raises(InvalidImage, match="image, 0 bytes, cannot be read: the file is empty"):
            load_image(b"")
        with pytest.raises(InvalidImage, match="3 bytes"):
            load_image(b"abc")
        monkeypatch.setitem(sys.modules, "cv2", None)
        monkeypatch.setitem(sys.modules, "PIL.Image", None)
        with pytest.raises(MtcnnError, match="OpenCV or Pillow: pip install"):
            load_image(PHOTO)

    def test_swap_red_and_blue(self) -> None:
        img = noise(7, 5)
        assert np.array_equal(swap_red_and_blue(img), img[:, :, ::-1])
        assert swap_red_and_blue(img).flags.c_contiguous
        flipped = img[:, :, ::-1]  # as client code hands BGR over for RGB
        assert np.shares_memory(swap_red_and_blue(flipped), img)
        rgba = np.dstack([img, img[:, :, 0]])
        assert np.array_equal(swap_red_and_blue(rgba), img[:, :, ::-1])
        for gray in (img[:, :, 0], img[:, :, :1]):
            assert swap_red_and_blue(gray) is gray


class TestBoxes:
    def test_to_json(self) -> None:
        first, second, none = to_json(ROWS, 3)
        assert first == [
            {
                "box": [10, 21, 20, 30],
                "confidence": 0.9,
                "keypoints": {
                    "left_eye": [12, 16],
                    "right_eye": [22, 27],
                    "nose": [33, 38],
                    "mouth_left": [44, 49],
                    "mouth_right": [56, 60],
                },
            }
        ]
        assert second[0]["box"] == [-5, -6, 305, 406] and none == []
        assert json.loads(json.dumps([first, second])) == [first, second]

    def test_to_json_of_other_forms(self) -> None:
        assert to_json(ROWS, 2, output_as_width_height=False)[0][0]["box"] == [10, 21, 30, 50]
        assert to_json(ROWS, 2, input_as_width_height=True)[0][0]["box"] == [10, 21, 30, 50]
        assert to_json(ROWS[0], 1)[0][0]["confidence"] == 0.9
        (face,) = to_json(ROWS[:1, :6], 1)[0]
        assert set(face) == {"box", "confidence"}
        assert to_json(np.empty((0, 16)), 2) == [[], []]

    @pytest.mark.parametrize("box", [{"box": [1, 2, 30, 40]}, [1, 2, 30, 40], np.array([7, 1, 2, 30, 40, 0.5])])
    def test_parse_bbox(self, box: Any) -> None:
        assert parse_bbox(box).tolist() == [1, 2, 30, 40]
        assert parse_bbox(box, output_as_width_height=False).tolist() == [1, 2, 31, 42]
        assert parse_bbox(box, input_as_width_height=False).tolist() == [1, 2, 29, 38]
        assert parse_bbox(box, False, False).tolist() == [1, 2, 30, 40]

    @pytest.mark.parametrize("box", [[1, 2, 3], "face", {"x": 1}, np.zeros((2, 4)), ["a", "b", "c", "d"]])
    def test_parse_bbox_refuses(self, box: Any) -> None:
        with pytest.raises(ValueError, match="bbox must be"):
            parse_bbox(box)

    @pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 1e300])
    def test_numbers_that_are_no_pixels(self, number: float) -> None:
        """As integers they would be -9223372036854775808."""
        rows = ROWS.copy()
        rows[0, 3] = rows[0, 14] = number
        for call in (
            lambda: parse_bbox(rows[0, 1:5]),
            lambda: to_json(rows, 2),
            lambda: to_json(rows[:, :6], 2),
            lambda: parse_landmarks(rows[0]),
        ):
            with pytest.raises(ValueError, match="holds NaN, infinity or coordinates beyond any picture"):
                call()

    @pytest.mark.parametrize("number", [-1, 2, np.nan, 1e300])
    def test_rows_of_no_image(self, number: float) -> None:
        rows = ROWS.copy()
        rows[1, 0] = number
        for call in (lambda: to_json(rows, 2), lambda: limit_bboxes(rows, [(100, 200, 3), (40, 30, 3)])):
            with pytest.raises(ValueError, match="must have the number of an image first, 0 to 1"):
                call()

    def test_limit_bboxes(self) -> None:
        shapes = [(100, 200, 3), (40, 30, 3)]
        limited = limit_bboxes(ROWS, shapes)
        assert limited[0].tolist() == ROWS[0].tolist()
        assert limited[1].tolist() == [1, 0, 0, 29, 39, 0.8, 0, 2, 3, 4, 29, 0, 8, 9, 10, 39]
        assert ROWS[1, 1] == -5, "the argument is not written to"
        boxes_only = limit_bboxes(ROWS, shapes, limit_landmarks=False)
        assert boxes_only[1].tolist() == [1, 0, 0, 29, 39, 0.8, *ROWS[1, 6:]]
        assert limit_bboxes(np.empty((0, 6)), shapes).shape == (0, 6)

    def test_parse_landmarks(self) -> None:
        points = parse_landmarks(ROWS[0])
        assert points["mouth_right"] == [56, 60]
        assert (
            parse_landmarks(ROWS[0, 6:]) == parse_landmarks({"keypoints": points}) == parse_landmarks(points) == points
        )
        with pytest.raises(IndexError, match="no landmarks"):
            parse_landmarks(ROWS[0, :6])
        with pytest.raises(ValueError, match="landmarks must"):
            parse_landmarks([1, 2])


class TestPlotting:
    def test_plot_draws_box_and_points_on_a_copy(self) -> None:
        img = np.zeros((100, 120, 3), np.float32)
        (faces,) = to_json(ROWS[:1], 1)
        drawn = plot(img, faces)
        assert drawn is not None and drawn.dtype == np.uint8 and not img.any()
        x, y, width, height = faces[0]["box"]
        yellow = (drawn == (255, 255, 0)).all(axis=2)
        for corner in ((y, x), (y, x + width), (y + height, x), (y + height, x + width)):
            assert yellow[corner]
        for px, py in faces[0]["keypoints"].values():
            assert yellow[py - 2 : py + 3, px - 2 : px + 3].all()
        assert not yellow[90:].any()

    def test_all_forms_draw_the_same(self) -> None:
        img = noise(80, 90)
        corners = ROWS[0].round()
        (faces,) = to_json(corners, 1)
        wanted = plot_all(img, faces)
        row = corners[np.newaxis].copy()
        row[:, 3:5] -= row[:, 1:3]
        for detection in (faces[0], row, row[0]):
            assert np.array_equal(plot(img, detection), wanted)
        assert np.array_equal(plot(img, corners, input_as_width_height=False), wanted)
        assert np.array_equal(plot_landmarks(plot_bbox(img, faces[0]), faces[0]), wanted)

    def test_faces_without_points_and_no_faces(self) -> None:
        img = np.zeros((60, 60, 3), np.uint8)
        face = {"box": [5, 5, 20, 20], "confidence": 0.9}
        assert np.array_equal(plot(img, [face]), plot_bbox(img, face))
        assert np.array_equal(plot(img, np.array([[0, 5, 5, 20, 20, 0.9]])), plot_bbox(img, face))
        assert plot(img, []) is None and plot(img, np.empty((0, 16))) is None

    def test_a_face_beyond_the_border_is_drawn_as_far_as_it_is_seen(self) -> None:
        drawn = plot(np.zeros((30, 30, 3), np.uint8), ROWS[1:], input_as_width_height=False)
        assert drawn is not None and drawn.any()
        assert not plot_bbox(np.zeros((30, 30, 3), np.uint8), [40, -50, 10, 10]).any()
        corner = plot_landmarks(np.zeros((30, 30, 3), np.uint8), {"nose": [0, 0]})
        assert corner[:3, :3, 0].all() and corner.any(axis=2).sum() == 9

    def test_levels_from_0_to_1_and_colours(self) -> None:
        drawn = plot_bbox(np.zeros((20, 20, 3)), [2, 2, 5, 5], color="#0f0", normalize_color=True)
        assert drawn.dtype == np.float64 and drawn[2, 2].tolist() == [0, 1, 0]
        nose = plot_landmarks(np.zeros((60, 60, 3)), ROWS[0], keypoints="nose", brush_size=0)
        assert nose.any(axis=2).sum() == 1 and nose[38, 33].tolist() == [255, 255, 0]
        assert parse_color("0xFF8000").tolist() == [1, 128 / 255, 0]
        for wrong in ("red", "#12345", "#xyz"):
            with pytest.raises(ValueError, match="color must be"):
                parse_color(wrong)


class TestWhatIsNotHere:
    def test_stages_have_names_and_no_models(self) -> None:
        for number, (kind, name) in enumerate([(StagePNet, "PNET"), (StageRNet, "RNET"), (StageONet, "ONET")], start=1):
            stage = kind()
            assert (stage.id, stage.name) == (number, f"Stage {name}")
            with pytest.raises(MtcnnError, match="PyTrtMtcnn"):
                stage.model  # noqa: B018
            with pytest.raises(MtcnnError, match="pytrt.Stages"):
                stage(images_normalized=None)
            with pytest.raises(ValueError, match=r"weights must be .*create_engines\(models=folder\)"):
                kind(weights="my.lz4")

    @pytest.mark.parametrize("name", ["PNet", "RNet", "ONet", "NetworkFactory"])
    def test_keras_models(self, name: str) -> None:
        with pytest.raises(ImportError, match=f"{name} is made of Keras.*PyTrtMtcnn"):
            exec(f"from mtcnn.network import {name}")
        import mtcnn.network

        with pytest.raises(AttributeError):
            mtcnn.network.nonsense  # noqa: B018

    @pytest.mark.parametrize("method", ["build_pnet", "build_rnet", "build_onet"])
    def test_the_factory_says_what_to_use(self, method: str) -> None:
        with pytest.raises(MtcnnError, match="Keras models.*PyTrtMtcnn"):
            getattr(NetworkFactory(), method)()
        with pytest.raises(MtcnnError, match="create_engines"):
            NetworkFactory().build_P_R_O_nets_from_file("weights.npy")
