"""The smaller interfaces: what each returns is what TrtMtcnn finds, in the shape of the other package."""

import base64
import copy
import importlib
import io
import json
import os
import pickle
import pkgutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image

import mtcnn.compat
from mtcnn import FaceAligner, MtcnnError, TrtMtcnn, draw_faces
from mtcnn.compat import face_recognition, insightface, retinaface, supervision, tensorrt_demos, yunet

Found = tuple[np.ndarray, np.ndarray]
BLANK = np.zeros((90, 120, 3), np.uint8)


@pytest.fixture(scope="module")
def found(engines: dict[str, Path], astronaut: np.ndarray) -> Found:
    with TrtMtcnn(device="cpu", minsize=20) as detector:
        return detector.detect(astronaut)


def test_the_docstring_names_every_module() -> None:
    for module in pkgutil.iter_modules(mtcnn.compat.__path__):
        assert module.name == "pictures" or f"mtcnn.compat.{module.name}`" in str(mtcnn.compat.__doc__), module.name


def test_frameworks_are_imported_where_they_are_used() -> None:
    modules = [f"mtcnn.compat.{module.name}" for module in pkgutil.iter_modules(mtcnn.compat.__path__)]
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    foreign = {
        "supervision",
        "insightface",
        "retinaface",
        "face_recognition",
        "facenet_pytorch",
        "deepface",
        "cv2",
        "PIL",
    }
    assert not foreign & set(loaded) and "mtcnn.compat.yunet" in loaded


class TestYuNet:
    def test_has_the_calls_of_opencv(self) -> None:
        original = {name for name in dir(cv2.FaceDetectorYN) if not name.startswith("_")}
        assert original - {"clear", "empty", "getDefaultName", "save"} <= set(dir(yunet.FaceDetectorYN))

    def test_rows(self, found: Found, astronaut: np.ndarray) -> None:
        detector = yunet.FaceDetectorYN.create("yunet.onnx", "", (512, 512), 0.8, 0.3, 100)
        answer, rows = detector.detect(astronaut)
        (x1, y1, x2, y2, score), marks = found[0][0], found[1][0]
        assert answer == 1 and rows is not None and rows.shape == (1, 15) and rows.dtype == np.float32
        np.testing.assert_allclose(rows[0, :4], [x1, y1, x2 - x1, y2 - y1], rtol=1e-5)
        # the person's right eye comes first, which is on the left
        np.testing.assert_array_equal(rows[0, 4:14].reshape(5, 2), marks.reshape(2, 5).T)
        assert rows[0, 4] < rows[0, 6] and rows[0, 14] == score

    def test_no_face(self, engines: dict[str, Path]) -> None:
        detector = yunet.FaceDetectorYN_create("yunet.onnx", "", (120, 90))
        assert detector.detect(BLANK) == (1, None)
        assert yunet.as_rows(np.empty((0, 5), np.float32), np.empty((0, 10), np.float32)).shape == (0, 15)
        assert detector.detect(BLANK, None) == (1, None)  # cv2's second argument
        for dets in (np.zeros((2, 5)), np.zeros((1, 4)), np.zeros(5)):
            with pytest.raises(ValueError, match="dets must"):
                yunet.as_rows(dets, np.zeros((1, 10)))

    def test_settings(self, engines: dict[str, Path], astronaut: np.ndarray) -> None:
        detector = yunet.FaceDetectorYN("", "", (320, 320))
        with pytest.raises(ValueError, match=r"setInputSize\(\(512, 512\)\) first"):
            detector.detect(astronaut)
        detector.setInputSize((512, 512))
        detector.setScoreThreshold(1.0)
        detector.setNMSThreshold(0.5)
        detector.setTopK(7)
        assert detector.getInputSize() == (512, 512) and detector.getScoreThreshold() == 1
        assert detector.getNMSThreshold() == 0.5 and detector.getTopK() == 7
        assert detector.detect(astronaut) == (1, None)
        with pytest.raises(ValueError, match="score_threshold must be"):
            detector.setScoreThreshold(2)
        for size in (320, (320,), None):
            with pytest.raises(TypeError, match="input_size must be"):
                detector.setInputSize(size)  # type: ignore[arg-type]


class TestInsightFace:
    def test_detect(self, found: Found, astronaut: np.ndarray) -> None:
        model = insightface.Detector()
        model.prepare(ctx_id=0, det_size=(640, 640))
        bboxes, kpss = model.detect(astronaut, max_num=0, metric="default")
        assert bboxes.shape == (1, 5) and kpss.shape == (1, 5, 2) and kpss.dtype == np.float32
        np.testing.assert_array_equal(bboxes, found[0])
        np.testing.assert_array_equal(kpss[0], found[1][0].reshape(2, 5).T)
        bboxes, kpss = model.detect(BLANK)
        assert bboxes.shape == (0, 5) and kpss.shape == (0, 5, 2)
        model.prepare(det_thresh=1.0)
        assert len(model.detect(astronaut)[0]) == 0

    def test_so_many_faces(self, astronaut: np.ndarray, engines: dict[str, Path]) -> None:
        """The largest, or large and near the middle."""
        wide = np.zeros((512, 1100, 3), np.uint8)
        wide[:, :512] = astronaut
        half = cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA)
        wide[100:356, 440:696] = half
        model = insightface.Detector()
        assert len(model.detect(wide)[0]) == 2
        largest, _ = model.detect(wide, max_num=1, metric="max")
        (first,) = model.get(wide, max_num=1, det_metric="max")
        np.testing.assert_array_equal(first.bbox, largest[0, :4])
        middle, kps = model.detect(wide, max_num=1)
        assert largest[0, 2] < 440 < middle[0, 0] and kps.shape == (1, 5, 2)

    def test_objects(self, found: Found, astronaut: np.ndarray) -> None:
        (face,) = insightface.Detector().get(astronaut)
        np.testing.assert_array_equal(face.bbox, found[0][0, :4])
        assert face.kps.shape == (5, 2) and face["det_score"] == face.det_score == found[0][0, 4]
        assert face.embedding is None
        face.embedding = np.ones(4)
        assert face["embedding"].shape == (4,) and len(repr(face)) < 80
        assert face.embedding_norm == 2 and face.normed_embedding.tolist() == [0.5] * 4 and face.sex is None
        face.gender = 1
        assert face.sex == "M" and "sex" not in face
        empty = insightface.Face(kps=face.kps)
        drawn = insightface.Detector().draw_on(astronaut, [face])
        np.testing.assert_array_equal(drawn, draw_faces(astronaut, *found))
        np.testing.assert_array_equal(insightface.Detector().draw_on(astronaut, []), astronaut)
        without = insightface.Face(bbox=face.bbox)
        np.testing.assert_array_equal(
            insightface.Detector().draw_on(astronaut, [without]), draw_faces(astronaut, found[0][:, :4])
        )
        assert repr(empty) == "Face(kps)" and empty.normed_embedding is empty.embedding_norm is None

    def test_objects_in_objects(self) -> None:
        face = insightface.Face({"age": 5}, attributes={"hat": {"color": "red"}})
        face.others = ({"age": 6}, 7)
        assert (
            face.age == 5 and face.attributes.hat.color == "red" and face.others[0].age == 6 and face["others"][1] == 7
        )
        for again in (copy.deepcopy(face), pickle.loads(pickle.dumps(face))):
            assert again == face and again.attributes.hat.color == "red"

    def test_the_older_detector(self, astronaut: np.ndarray, engines: dict[str, Path]) -> None:
        detector = insightface.MtcnnDetector(minsize=40, threshold=[0.6, 0.7, 0.7], accurate_landmark=True)
        answer = detector.detect_face(astronaut)
        assert answer is not None and answer[0].shape == (1, 5) and answer[1].shape == (1, 10)
        assert detector.detect_face(BLANK) is None

    def test_norm_crop(self, found: Found, astronaut: np.ndarray) -> None:
        kps = found[1][0].reshape(2, 5).T
        crop, matrix = insightface.norm_crop2(astronaut, kps, 224)
        theirs = cv2.warpAffine(astronaut, insightface.estimate_norm(kps, 224), (224, 224), borderValue=0)
        assert np.abs(crop.astype(float) - theirs).mean() < 1 and matrix.shape == (2, 3)
        np.testing.assert_array_equal(
            insightface.norm_crop(astronaut, kps), FaceAligner(template="arcface").align(astronaut, kps)
        )
        model = insightface.Detector()
        with pytest.raises(ValueError, match="metric must be 'default' or 'max', got 'area'"):
            model.detect(astronaut, metric="area")
        assert len(model.detect(astronaut, det_thresh=1.0)[0]) == 0 and len(model.detect(astronaut)[0]) == 1
        with pytest.raises(ValueError, match="det_metric must be"):
            model.get(astronaut, det_metric="area")
        with pytest.raises(ValueError, match="image_size must be a multiple of 112 or 128"):
            insightface.norm_crop(astronaut, kps, 100)


class TestRetinaFace:
    def test_faces(self, found: Found, astronaut: np.ndarray, tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "a.png"), astronaut)
        for picture in (astronaut, str(tmp_path / "a.png"), tmp_path / "a.png"):
            faces = retinaface.detect_faces(picture)
            assert list(faces) == ["face_1"] and list(faces["face_1"]) == ["score", "facial_area", "landmarks"]
            face = faces["face_1"]
            assert face["facial_area"] == np.trunc(found[0][0, :4]).tolist() and face["score"] == found[0][0, 4]
            # the person's right is on the left
            assert face["landmarks"]["right_eye"] == found[1][0, [0, 5]].tolist()
            assert face["landmarks"]["mouth_left"] == found[1][0, [4, 9]].tolist()
        assert retinaface.detect_faces(BLANK) == {}
        assert retinaface.detect_faces(astronaut, threshold=1.0, model=retinaface.build_model()) == {}

    def test_boxes_within_the_picture(self, astronaut: np.ndarray) -> None:
        """Fractions are cut off, and the last pixel is the last that there is, as in the original."""
        (face,) = retinaface.detect_faces(astronaut[75:165, 160:260]).values()  # wider and higher than that
        assert face["facial_area"] == [17, 0, 99, 89]
        assert json.loads(json.dumps(face)) == face

    def test_pictures_in_addresses(self, astronaut: np.ndarray) -> None:
        png = base64.b64encode(cv2.imencode(".png", astronaut)[1].tobytes()).decode()
        assert retinaface.detect_faces(f"data:image/png;base64,{png}") == retinaface.detect_faces(astronaut)
        for wrong, said in (
            ("data:image/png;base64,%", "base64 after the comma"),
            ("https://a.org/b.jpg", "an address"),
        ):
            with pytest.raises(ValueError, match=f"img_path (is|must be) {said}"):
                retinaface.detect_faces(wrong)

    def test_faces_cut_out(self, astronaut: np.ndarray, found: Found) -> None:
        x1, y1, x2, y2 = found[0][0, :4].astype(int)
        (crop,) = retinaface.extract_faces(astronaut, align=False)
        np.testing.assert_array_equal(crop, astronaut[y1:y2, x1:x2, ::-1])
        (wider,) = retinaface.extract_faces(astronaut, align=False, expand_face_area=10)
        assert wider.shape == (y2 - y1 + int((y2 - y1) * 0.1), x2 - x1 + int((x2 - x1) * 0.1), 3)
        (level,) = retinaface.extract_faces(astronaut[:, ::-1])  # the eyes fall to the left there
        (dets, landmarks) = TrtMtcnn(minsize=15).detect(level, color="rgb")
        assert level.dtype == np.uint8 and len(dets) == 1 and abs(landmarks[0, 5] - landmarks[0, 6]) < 1.5
        (fitted,) = retinaface.extract_faces(astronaut, target_size=(90, 200))
        assert fitted.shape == (90, 200, 3) and fitted.dtype == np.float32 and 0.5 < fitted.max() <= 1
        assert (fitted[:, :40] == 0).all() and (fitted[:, -40:] == 0).all() and (fitted[:, 100] > 0).any()
        (plain,) = retinaface.extract_faces(astronaut, target_size=(90, 200), min_max_norm=False)
        assert plain.dtype == np.uint8 and retinaface.extract_faces(BLANK) == []
        for options, said in (
            ({"expand_face_area": -1}, "expand_face_area must be"),
            ({"target_size": (1 << 20, 1 << 20)}, "target_size must have"),
            ({"target_size": 100.0}, "target_size must be"),
            ({"align": "no"}, "align must be"),
            ({"threshold": 2}, "threshold must be"),
        ):
            with pytest.raises((TypeError, ValueError), match=said):
                retinaface.extract_faces(astronaut, **options)  # type: ignore[arg-type]

    def test_no_picture(self) -> None:
        for kind in (FileNotFoundError, ValueError):  # the original's is the latter
            with pytest.raises(kind, match=r"img_path .*nowhere.jpg"):
                retinaface.detect_faces("nowhere.jpg")
        with pytest.raises(TypeError, match="img_path is None"):
            retinaface.detect_faces(None)
        with pytest.raises(TypeError, match="model must be a TrtMtcnn, got 5"):
            retinaface.detect_faces(BLANK, model=5)  # type: ignore[arg-type]

    def test_what_is_no_file(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.jpg")
        (tmp_path / "text.jpg").write_text("no picture")
        with pytest.raises(ValueError, match="is a folder"):
            retinaface.detect_faces(tmp_path)
        cases = {"pipe.jpg": "no regular file", "text.jpg": "cannot be read", "text.jpg\0.png": "no null characters"}
        for name, said in cases.items():
            with pytest.raises((OSError, ValueError), match=said):
                retinaface.detect_faces(str(tmp_path / name))


class TestFaceRecognition:
    def test_locations(self, astronaut: np.ndarray, found: Found) -> None:
        rgb = np.ascontiguousarray(astronaut[:, :, ::-1])
        left, top, right, bottom = np.rint(found[0][0, :4]).astype(int)
        ((location,), none) = face_recognition.batch_face_locations([rgb, BLANK])
        assert type(location) is tuple and all(type(side) is int for side in location) and none == []
        assert np.abs(np.array(location) - (top, right, bottom, left)).max() <= 2
        assert (
            face_recognition.face_locations(rgb) == face_recognition.face_locations(Image.fromarray(rgb)) == [location]
        )
        assert len(face_recognition.face_locations(rgb[:, :, 1])) == 1
        ((top, right, bottom, left),) = face_recognition.face_locations(rgb[75:165, 160:260], 1, "cnn")
        assert (top, right, bottom) == (0, 100, 90) and left > 10
        small = cv2.resize(rgb, (80, 80), interpolation=cv2.INTER_AREA)  # a face 17 pixels high
        assert [len(face_recognition.face_locations(small, times)) for times in (0, 1, 2)] == [0, 0, 1]

    def test_files(self, astronaut: np.ndarray, tmp_path: Path) -> None:
        rgb = np.ascontiguousarray(astronaut[:, :, ::-1])
        Image.fromarray(rgb).save(tmp_path / "a.png")
        for file in (tmp_path / "a.png", str(tmp_path / "a.png"), io.BytesIO((tmp_path / "a.png").read_bytes())):
            read = face_recognition.load_image_file(file)
            assert read.flags.writeable and np.array_equal(read, rgb)
        gray = face_recognition.load_image_file(tmp_path / "a.png", "L")
        assert np.abs(gray.astype(int) - np.asarray(Image.fromarray(rgb).convert("L"))).max() <= 1
        turned = Image.Exif()
        turned[274] = 6
        Image.fromarray(rgb[:100]).save(tmp_path / "b.jpg", exif=turned)
        assert face_recognition.load_image_file(tmp_path / "b.jpg").shape == (100, 512, 3)  # as the original

    @pytest.mark.parametrize(
        ("call", "kind", "said"),
        [
            (lambda: face_recognition.face_locations("a.jpg"), TypeError, "img is a path"),
            (
                lambda: face_recognition.face_locations(BLANK, 5),
                ValueError,
                "number_of_times_to_upsample must be 0 to 4",
            ),
            (lambda: face_recognition.face_locations(BLANK, 1, "dnn"), ValueError, "model must be 'hog' or 'cnn'"),
            (lambda: face_recognition.batch_face_locations(BLANK), TypeError, "images must be a list of pictures"),
            (lambda: face_recognition.batch_face_locations([BLANK, None]), TypeError, r"images\[1\] is None"),
            (lambda: face_recognition.batch_face_locations([BLANK], batch_size=0), ValueError, "batch_size must be"),
            (
                lambda: face_recognition.load_image_file("nowhere.jpg"),
                FileNotFoundError,
                "there is no file 'nowhere.jpg'",
            ),
            (lambda: face_recognition.load_image_file(__file__), OSError, "cannot be read"),
            (
                lambda: face_recognition.load_image_file(io.StringIO("a")),
                TypeError,
                "file must be a path or an open file",
            ),
            (lambda: face_recognition.load_image_file(5), TypeError, "file must be a path or an open file"),
            (lambda: face_recognition.load_image_file(b"\x89PNG"), TypeError, "file must be a path or an open file"),
            (lambda: face_recognition.load_image_file("a.jpg", "RGBA"), ValueError, "mode must be 'RGB' or 'L'"),
        ],
    )
    def test_wrong_arguments(self, call: Callable[[], object], kind: type[Exception], said: str) -> None:
        with pytest.raises(kind, match=said):
            call()

    @pytest.mark.skipif(
        importlib.util.find_spec("face_recognition") is not None, reason="face_recognition is installed"
    )
    def test_what_is_the_originals_own(self) -> None:
        with pytest.raises(ImportError, match="face_encodings is .* own: pip install face_recognition"):
            exec("from mtcnn.compat.face_recognition import face_encodings")
        assert not hasattr(face_recognition, "nothing")


class TestSupervision:
    def test_objects(self, found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
        """With the package's constructors; tests/clients has the package itself."""
        package = ModuleType("supervision")
        package.Detections = package.KeyPoints = SimpleNamespace
        monkeypatch.setitem(sys.modules, "supervision", package)
        seen = supervision.to_detections(*found)
        assert seen.xyxy.shape == (1, 4) and seen.confidence.shape == (1,) and seen.class_id.tolist() == [0]
        assert seen.data["class_name"].tolist() == ["face"] and seen.data["landmarks"].shape == (1, 5, 2)
        assert supervision.to_key_points(found[1]).xy.shape == (1, 5, 2)

    @pytest.mark.skipif(importlib.util.find_spec("supervision") is not None, reason="supervision is installed")
    def test_without_it(self, found: Found) -> None:
        with pytest.raises(MtcnnError, match="pip install supervision"):
            supervision.to_detections(found[0])


class TestTensorrtDemos:
    def test_detects_with_its_arithmetic(self, astronaut: np.ndarray, engines: dict[str, Path]) -> None:
        with TrtMtcnn(device="cpu", preset="port") as direct:
            expected = direct.detect(astronaut, minsize=50)
        for given in (None, engines["pnet"].parent, str(engines["pnet"].parent), list(engines.values())):
            detector = tensorrt_demos.TrtMtcnn(given, device="cpu")
            for ours, theirs in zip(detector.detect(astronaut, 50), expected):
                np.testing.assert_array_equal(ours, theirs)
        detector.destroy()
        with pytest.raises(MtcnnError, match="closed"):
            detector.detect(astronaut)

    def test_suppression(self) -> None:
        boxes = np.array([[0, 0, 9, 9, 0.8], [0, 0, 9, 10, 0.9], [0, 0, 3, 3, 0.7], [50, 50, 60, 60, 0.6]], np.float32)
        assert tensorrt_demos.nms(boxes, 0.5) == [1, 2, 3]
        assert tensorrt_demos.nms(boxes, 0.5, "Min") == [1, 3]
        assert tensorrt_demos.nms(boxes[:0], 0.5) == []
        with pytest.raises(ValueError, match=r"boxes must have the shape \(n, 5\)"):
            tensorrt_demos.nms(boxes[0], 0.5)
        with pytest.raises(ValueError, match="type must be"):
            tensorrt_demos.nms(boxes, 0.5, "union")

    def test_squares(self) -> None:
        """10 wide and 20 high about (14.5, 19.5): 20 by 20, the last pixel counted."""
        boxes = np.array([[10, 10, 19, 29, 0.9]], np.float32)
        assert tensorrt_demos.convert_to_1x1(boxes)[0].tolist() == [5, 10, 24, 29, np.float32(0.9)]
        assert boxes[0, 0] == 10

    @pytest.mark.parametrize("box", [(2, 1, 4, 5), (-3, -2, 2, 1), (5, 4, 12, 11), (-4, -4, 20, 20), (30, 30, 33, 34)])
    def test_crops(self, box: tuple[int, ...]) -> None:
        img = np.random.default_rng(2).integers(0, 256, (8, 9, 3), dtype=np.uint8)
        x1, y1, x2, y2 = box
        wide = np.full((68, 69, 3), 7, np.uint8)
        wide[30:38, 30:39] = img
        crop = tensorrt_demos.crop_img_with_padding(img, np.array([*box, 0.9]), 7)
        np.testing.assert_array_equal(crop, wide[30 + y1 : 31 + y2, 30 + x1 : 31 + x2])
        np.testing.assert_array_equal(tensorrt_demos.crop_img_with_padding(img, list(box), 7), crop)

    @pytest.mark.parametrize(
        ("box", "padding", "said"),
        [
            (np.zeros(3), 0, "box must have the shape"),
            (None, 0, "box must be an array"),
            ([0, 0, np.nan, 5], 0, "box must be within"),
            ([0, 0, 1e9, 5], 0, "box must be within"),
            ([0, 0, 1e5, 1e5], 0, "box must have 1 to"),
            ([5, 5, 2, 2], 0, "box must have 1 to"),
            ([0, 0, 5, 5], 300, "padding must be 0 to 255"),
        ],
    )
    def test_wrong_boxes(self, box: object, padding: int, said: str) -> None:
        with pytest.raises((TypeError, ValueError), match=said):
            tensorrt_demos.crop_img_with_padding(BLANK, box, padding)  # type: ignore[arg-type]

    def test_limits(self) -> None:
        dets = np.array([[-3.7, 2.9, 50.2, 70.9, 0.5]], np.float32)
        assert tensorrt_demos.clip_dets(dets, 40, 60) is dets
        assert dets[0].tolist() == [0, 2, 39, 59, 0.5]


@pytest.mark.parametrize("given", [5, "cpu", TrtMtcnn], ids=["number", "text", "class"])
def test_what_is_no_detector(given: object, engines: dict[str, Path]) -> None:
    from mtcnn import FaceVerifier, Tracker

    makers = (
        lambda: insightface.Detector(given),  # type: ignore[arg-type]
        lambda: yunet.FaceDetectorYN(detector=given),  # type: ignore[arg-type]
        lambda: Tracker(given),  # type: ignore[arg-type]
        lambda: FaceVerifier("model.onnx", given),  # type: ignore[arg-type]
        lambda: retinaface.detect_faces(BLANK, model=given),  # type: ignore[arg-type]
    )
    for make in makers:
        with pytest.raises(TypeError, match=r"(detector|model) must be a TrtMtcnn, got (5|'cpu'|the class itself)"):
            make()


def test_detectors_say_what_they_are(engines: dict[str, Path]) -> None:
    detector = TrtMtcnn(device="cpu", threads=1)
    for made, text in (
        (insightface.Detector(detector), f"Detector({detector!r})"),
        (insightface.MtcnnDetector(), "MtcnnDetector(TrtMtcnn("),
        (yunet.FaceDetectorYN("", "", (90, 60), 0.8), "FaceDetectorYN(input_size=(90, 60), score_threshold=0.8)"),
        (tensorrt_demos.TrtMtcnn(device="cpu"), "TrtMtcnn(device='cpu', preset='port'"),
    ):
        assert repr(made).startswith(text) and len(repr(made)) < 140


def test_insightface_names_that_are_elsewhere() -> None:
    with pytest.raises(ImportError, match="FaceAnalysis of insightface is here Detector"):
        exec("from mtcnn.compat.insightface import FaceAnalysis")
