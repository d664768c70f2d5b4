"""`mtcnn.compat.facenet` as programs written for facenet-pytorch use it; tests/clients has the original beside it."""

import copy
import itertools
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mtcnn import MtcnnError, TrtMtcnn
from mtcnn.compat import facenet
from mtcnn.compat.facenet import MTCNN, extract_face, fixed_image_standardization, prewhiten
from mtcnn.compat.facenet.tensors import PlainModule

try:
    import torch
except ImportError:
    torch = None

with_torch = pytest.mark.skipif(torch is None, reason="PyTorch is not installed")


@pytest.fixture(scope="module")
def mtcnn(engines: dict[str, Path]) -> MTCNN:
    return MTCNN(device="cpu")


@pytest.fixture(scope="module")
def rgb(astronaut: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(astronaut[:, :, ::-1])


@pytest.fixture(scope="module")
def two_faces(rgb: np.ndarray) -> np.ndarray:
    """A large face on the left, the same at half the size on the right."""
    small = np.asarray(Image.fromarray(rgb[:256, 100:356]).resize((128, 128)))
    both = np.zeros((256, 512, 3), np.uint8)
    both[:, :256], both[100:228, 300:428] = rgb[:256, 100:356], small
    return both


BLANK = np.zeros((90, 120, 3), np.uint8)


class TestDetect:
    def test_finds_what_the_detector_finds(
        self, rgb: np.ndarray, astronaut: np.ndarray, engines: dict[str, Path]
    ) -> None:
        mtcnn = MTCNN(device="cpu", preset="accurate")
        boxes, probs, points = mtcnn.detect(rgb, landmarks=True)
        with TrtMtcnn(device="cpu", minsize=20, thresholds=(0.6, 0.7, 0.7)) as direct:
            dets, landmarks = direct.detect(astronaut)
        np.testing.assert_array_equal(boxes, dets[:, :4])
        np.testing.assert_array_equal(probs, dets[:, 4])
        np.testing.assert_array_equal(points[0], landmarks[0].reshape(2, 5).T)
        assert len(mtcnn.detect(rgb)) == 2

    def test_the_boxes_are_the_original_s_by_default(self, mtcnn: MTCNN, rgb: np.ndarray) -> None:
        boxes, _ = mtcnn.detect(rgb)
        np.testing.assert_array_equal(boxes, MTCNN(device="cpu", preset="original").detect(rgb)[0])
        assert abs(boxes[0, 0] - 180.25) < 0.1  # as facenet-pytorch gives it

    def test_a_picture_of_any_kind(self, mtcnn: MTCNN, rgb: np.ndarray) -> None:
        class Photo(Image.Image):
            pass

        photo = Image.fromarray(rgb)
        other = Photo()
        other.__setstate__(photo.__getstate__())
        expected, _ = mtcnn.detect(rgb)
        for picture in (photo, other, photo.convert("RGBA"), rgb.astype(np.float32), rgb[:, ::-1][:, ::-1]):
            np.testing.assert_array_equal(mtcnn.detect(picture)[0], expected)
        assert len(mtcnn.detect(photo.convert("L"))[0]) == 1

    def test_a_pil_picture_is_not_turned(self, mtcnn: MTCNN, rgb: np.ndarray, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(rgb).save(tmp_path / "turned.png", exif=exif)
        with Image.open(tmp_path / "turned.png") as picture:
            np.testing.assert_array_equal(mtcnn.detect(picture)[0], mtcnn.detect(rgb)[0])

    def test_no_face(self, mtcnn: MTCNN) -> None:
        assert mtcnn.detect(BLANK, landmarks=True) == (None, [None], None)
        assert mtcnn.detect(BLANK) == (None, [None])

    def test_pictures_of_any_sizes_some_without_a_face(self, mtcnn: MTCNN, rgb: np.ndarray) -> None:
        boxes, probs, points = mtcnn.detect([Image.fromarray(rgb), BLANK, rgb[:300]], landmarks=True)
        assert boxes.dtype == probs.dtype == points.dtype == object
        assert boxes.shape == probs.shape == points.shape == (3,)
        assert boxes[1] is None and probs[1] == [None] and points[1] is None
        assert [np.shape(boxes[i]) for i in (0, 2)] == [(1, 4)] * 2 and np.shape(points[2]) == (1, 5, 2)
        np.testing.assert_array_equal(boxes[0], mtcnn.detect(rgb)[0])

    def test_a_batch_in_one_array(self, mtcnn: MTCNN, rgb: np.ndarray) -> None:
        boxes, _ = mtcnn.detect(np.stack([rgb, rgb]))
        assert boxes.shape == (2,) and (boxes[0] == boxes[1]).all()
        assert mtcnn.detect([])[0].shape == (0,)

    def test_order(self, engines: dict[str, Path], two_faces: np.ndarray) -> None:
        by_size, _ = MTCNN(device="cpu").detect(two_faces)
        assert len(by_size) == 2 and by_size[0, 2] < 256 < by_size[1, 0]
        _, by_score = MTCNN(device="cpu", select_largest=False).detect(two_faces)
        assert by_score[0] >= by_score[1]

    def test_attributes_count_when_set_later(self, engines: dict[str, Path], rgb: np.ndarray) -> None:
        mtcnn = MTCNN(device="cpu")
        mtcnn.min_face_size = 300
        assert mtcnn.detect(rgb)[0] is None
        mtcnn.min_face_size, mtcnn.thresholds = 20, [0.6, 0.7, 1.0]
        assert mtcnn.detect(rgb)[0] is None

    @pytest.mark.parametrize("bad", [None, "photo.jpg", BLANK.transpose(2, 0, 1), BLANK / 510 + 0.1])
    def test_no_picture(self, mtcnn: MTCNN, bad: object) -> None:
        with pytest.raises((TypeError, ValueError), match="img"):
            mtcnn.detect(bad)
        with pytest.raises((TypeError, ValueError), match=r"img\[1\]"):
            mtcnn.detect([BLANK, bad])


class TestOriginal:
    """Figures of facenet-pytorch 2.6.0 with PyTorch 1.13."""

    def test_finds_what_the_original_finds(self, engines: dict[str, Path], rgb: np.ndarray) -> None:
        boxes, probs, points = MTCNN(preset="original").detect(Image.fromarray(rgb), landmarks=True)
        np.testing.assert_allclose(boxes, [[180.2505, 60.8916, 268.2123, 173.3257]], atol=0.02)
        np.testing.assert_allclose(probs, [0.9999994], atol=1e-5)
        expected = [[204.3550, 100.7214], [246.6799, 102.8338], [224.4137, 129.1367], [200.9965, 139.5313]]
        np.testing.assert_allclose(points[0], [*expected, [245.2012, 141.9777]], atol=0.02)

    @pytest.mark.parametrize("shape", [(1, 1), (12, 12), (5, 300), (40, 90)])
    def test_pictures_without_a_face(self, engines: dict[str, Path], shape: tuple[int, int]) -> None:
        noise = np.random.default_rng(3).integers(0, 256, (*shape, 3), dtype=np.uint8)
        mtcnn = MTCNN(preset="original", thresholds=[0, 0, 1.0])
        assert mtcnn.detect([noise, noise], landmarks=True)[1].tolist() == [[None], [None]]

    def test_a_factor_that_makes_endless_pyramids(self, engines: dict[str, Path], rgb: np.ndarray) -> None:
        mtcnn = MTCNN(preset="original", factor=1 - 1e-16)
        with pytest.raises(ValueError, match="factor is too near 1"):
            mtcnn.detect(rgb[:40, :40])

    def test_a_face_over_the_border(self, engines: dict[str, Path], rgb: np.ndarray) -> None:
        boxes, _ = MTCNN(preset="original").detect([rgb[:, 200:], rgb[80:]])
        assert [len(found) for found in boxes] == [1, 1]


class TestSelectBoxes:
    BOXES = np.array([[0, 0, 10, 10], [40, 40, 60, 60], [70, 0, 100, 30]], np.float32)
    PROBS = np.array([0.99, 0.95, 0.8], np.float32)
    POINTS = np.arange(30, dtype=np.float32).reshape(3, 5, 2)
    PICTURE = np.zeros((100, 100, 3), np.uint8)

    @pytest.mark.parametrize(
        ("method", "index"),
        [("probability", 0), ("largest", 2), ("largest_over_threshold", 1), ("center_weighted_size", 1)],
    )
    def test_methods(self, mtcnn: MTCNN, method: str, index: int) -> None:
        for picture in (self.PICTURE, Image.fromarray(self.PICTURE)):
            box, prob, points = mtcnn.select_boxes(self.BOXES, self.PROBS, self.POINTS, picture, method)
            assert box.shape == (1, 4) and np.shape(prob) == () and points.shape == (1, 5, 2)
            np.testing.assert_array_equal(box[0], self.BOXES[index])
            assert prob == self.PROBS[index]
            np.testing.assert_array_equal(points[0], self.POINTS[index])  # the original masks the boxes alone

    def test_parameters(self, mtcnn: MTCNN) -> None:
        given = (self.BOXES, self.PROBS, self.POINTS, self.PICTURE)
        assert mtcnn.select_boxes(*given, "largest_over_threshold", threshold=0.5)[1] == self.PROBS[2]
        assert mtcnn.select_boxes(*given, "largest_over_threshold", threshold=0.995) == (None, None, None)
        assert mtcnn.select_boxes(*given, "center_weighted_size", center_weight=0)[1] == self.PROBS[2]
        with pytest.raises(ValueError, match="method must be"):
            mtcnn.select_boxes(*given, "biggest")

    def test_a_batch(self, mtcnn: MTCNN) -> None:
        both = [[a, a] for a in (self.BOXES, self.PROBS, self.POINTS)]
        boxes, probs, points = mtcnn.select_boxes(*both, [self.PICTURE] * 2)
        assert boxes.shape == (2, 1, 4) and probs.shape == (2, 1) and points.shape == (2, 1, 5, 2)

    def test_a_batch_with_a_picture_without_a_face(self, mtcnn: MTCNN, rgb: np.ndarray) -> None:
        """Raises in the original."""
        pictures = [rgb, BLANK]
        boxes, probs, points = mtcnn.select_boxes(*mtcnn.detect(pictures, landmarks=True), pictures)
        assert boxes[0].shape == (1, 4) and boxes[1] is None and probs[1] == [None] and points[1] is None

    def test_what_does_not_pair_up(self, mtcnn: MTCNN) -> None:
        with pytest.raises(ValueError):
            mtcnn.select_boxes([self.BOXES], [self.PROBS], [self.POINTS], [self.PICTURE] * 2)


class TestConstructor:
    def test_attributes(self, mtcnn: MTCNN) -> None:
        names = ("image_size", "margin", "min_face_size", "factor", "post_process", "select_largest", "keep_all")
        assert [getattr(mtcnn, name) for name in names] == [160, 0, 20, 0.709, True, True, False]
        assert mtcnn.thresholds == [0.6, 0.7, 0.7] and mtcnn.selection_method == "largest"
        assert "image_size=160" in repr(mtcnn)

    def test_selection_method(self, engines: dict[str, Path]) -> None:
        assert MTCNN(160, 0, select_largest=False).selection_method == "probability"
        assert MTCNN(selection_method="center_weighted_size").selection_method == "center_weighted_size"
        with pytest.raises(ValueError, match="selection_method must be"):
            MTCNN(selection_method="biggest")

    def test_devices(self, engines: dict[str, Path]) -> None:
        assert MTCNN(device="cpu").device == "cpu"
        assert str(MTCNN().device).startswith(("cpu", "cuda"))
        with pytest.raises(ValueError, match="device must be"):
            MTCNN(device="mps")

    @pytest.mark.parametrize(
        ("wrong", "name"),
        [
            ({"image_size": 0}, "image_size"),
            ({"margin": 160}, "margin"),
            ({"factor": 1}, "factor"),
            ({"thresholds": [0.6]}, "thresholds"),
            ({"min_face_size": -1}, "min_face_size"),
            ({"min_face_size": "small"}, "min_face_size"),
            ({"thresholds": 0.6}, "thresholds"),
        ],
    )
    @pytest.mark.filterwarnings("ignore:min_face_size")
    def test_wrong_arguments(self, wrong: dict[str, object], name: str) -> None:
        with pytest.raises((TypeError, ValueError), match=name):
            MTCNN(**wrong)

    def test_faces_that_pnet_cannot_see(self, engines: dict[str, Path]) -> None:
        with pytest.warns(UserWarning, match="min_face_size=3 is taken as 4"):
            MTCNN(min_face_size=3)

    def test_behaves_as_a_module(self, mtcnn: MTCNN) -> None:
        assert mtcnn.eval() is mtcnn and not mtcnn.training
        assert mtcnn.train() is mtcnn and mtcnn.training
        assert mtcnn.to("cpu") is mtcnn

    def test_what_stays_with_the_original(self) -> None:
        with pytest.raises(ImportError, match="from facenet_pytorch import InceptionResnetV1"):
            _ = facenet.InceptionResnetV1
        assert not hasattr(facenet, "nothing")


@pytest.mark.skipif(torch is not None, reason="PyTorch is installed")
def test_without_torch_crops_say_what_to_install(mtcnn: MTCNN, rgb: np.ndarray) -> None:
    assert isinstance(mtcnn, PlainModule)
    calls = (lambda: mtcnn(rgb), lambda: mtcnn.forward(BLANK), lambda: mtcnn.extract(rgb, None))
    for call in (*calls, lambda: extract_face(rgb, [0, 0, 5, 5])):
        with pytest.raises(MtcnnError, match="pip install torch"):
            call()


def test_standardization() -> None:
    levels = np.array([0.0, 127.5, 255.0])
    np.testing.assert_allclose(fixed_image_standardization(levels), [-0.99609375, 0, 0.99609375])


@with_torch
class TestTensors:
    def test_is_a_module(self, mtcnn: MTCNN, rgb: np.ndarray) -> None:
        assert isinstance(mtcnn, torch.nn.Module)
        both = torch.nn.Sequential(mtcnn, torch.nn.Flatten(0)).eval()
        assert both(rgb).shape == (3 * 160 * 160,)

    def test_is_copied_and_pickled(self, mtcnn: MTCNN, rgb: np.ndarray) -> None:
        for other in (copy.deepcopy(mtcnn), pickle.loads(pickle.dumps(mtcnn))):
            np.testing.assert_array_equal(other.detect(rgb)[0], mtcnn.detect(rgb)[0])
        assert mtcnn([]) == [] and not mtcnn.state_dict()

    def test_one_crop(self, mtcnn: MTCNN, rgb: np.ndarray) -> None:
        for picture in (rgb, Image.fromarray(rgb), torch.tensor(rgb)):
            crop, prob = mtcnn(picture, return_prob=True)
            assert crop.shape == (3, 160, 160) and crop.dtype == torch.float32 and crop.abs().max() <= 1
            assert f"{prob:8f}" > "0.99"
        assert mtcnn(BLANK) is None and mtcnn(BLANK, return_prob=True) == (None, None)

    def test_tensors(self, mtcnn: MTCNN, rgb: np.ndarray) -> None:
        tensor = torch.tensor(rgb)
        expected, _ = mtcnn.detect(rgb)
        np.testing.assert_array_equal(mtcnn.detect(tensor)[0], expected)
        np.testing.assert_array_equal(mtcnn.detect(tensor.float().requires_grad_())[0], expected)
        assert mtcnn.detect(torch.stack([tensor, tensor]))[0].shape == (2,)
        with pytest.raises(ValueError, match=r"img.permute\(1, 2, 0\)"):
            mtcnn.detect(tensor.permute(2, 0, 1))
        with pytest.raises(ValueError, match=r"img.permute\(0, 2, 3, 1\)"):
            mtcnn.detect(tensor.permute(2, 0, 1)[None])

    def test_all_crops(self, engines: dict[str, Path], two_faces: np.ndarray, tmp_path: Path) -> None:
        mtcnn = MTCNN(image_size=80, margin=10, keep_all=True, post_process=False, device="cpu")
        crops, probs = mtcnn([two_faces, BLANK], [tmp_path / "new" / "a.png", "b.png"], return_prob=True)
        assert crops[0].shape == (2, 3, 80, 80) and crops[1] is None and len(probs[0]) == 2 and probs[1] == [None]
        assert crops[0].max() > 128
        for name, crop in zip(("a.png", "a_2.png"), crops[0]):
            saved = np.asarray(Image.open(tmp_path / "new" / name))
            np.testing.assert_array_equal(saved, crop.permute(1, 2, 0).numpy())

    def test_a_batch_with_a_picture_without_a_face(self, mtcnn: MTCNN, rgb: np.ndarray) -> None:
        crops = mtcnn([rgb, BLANK, rgb[:300]])
        assert [None if crop is None else tuple(crop.shape) for crop in crops] == [(3, 160, 160), None, (3, 160, 160)]

    def test_paths_pair_up(self, mtcnn: MTCNN, rgb: np.ndarray) -> None:
        with pytest.raises(ValueError, match="save_path must have a path for each of the 2 pictures, got 1"):
            mtcnn([rgb, rgb], save_path="a.png")
        with pytest.raises(ValueError, match="for each of the 2 pictures, got more"):
            mtcnn([rgb, rgb], save_path=itertools.repeat("a.png"))

    def test_prewhiten(self) -> None:
        white = prewhiten(torch.arange(12.0).reshape(3, 4))
        assert abs(float(white.mean())) < 1e-6 and abs(float(white.std()) - 1) < 1e-6
        assert prewhiten(torch.full((4,), 7.0)).tolist() == [0, 0, 0, 0]


@with_torch
class TestExtractFace:
    def test_the_margin_is_of_the_crop(self, rgb: np.ndarray) -> None:
        """32 of 160 pixels: the crop shows 160 / 128 as much, half of the rest on each side."""
        crop = extract_face(rgb, [100, 100, 228, 356], 160, margin=32)
        expected = cv2.resize(rgb[68:388, 84:244], (160, 160), interpolation=cv2.INTER_AREA)
        np.testing.assert_array_equal(crop.permute(1, 2, 0).numpy(), expected)

    @pytest.mark.parametrize("kind", [Image.fromarray, np.asarray, lambda a: torch.tensor(a)])
    def test_ends_with_the_picture(self, kind, rgb: np.ndarray) -> None:
        crop = extract_face(kind(rgb), [-40, -10.5, 60.9, 30.2], 40)
        plain = cv2.resize(rgb[0:30, 0:60], (40, 40), interpolation=cv2.INTER_AREA)
        assert crop.dtype == torch.float32 and abs(float(crop.mean()) - plain.mean()) < 2
        assert extract_face(kind(rgb), [511.6, 3, 511.9, 3.2], 8).shape == (3, 8, 8)

    def test_is_saved(self, rgb: np.ndarray, tmp_path: Path) -> None:
        for picture, name in ((rgb, "a.png"), (Image.fromarray(rgb), "b.png"), (torch.tensor(rgb), "c.png")):
            crop = extract_face(picture, [10, 20, 90, 100], 50, save_path=str(tmp_path / "x" / "y" / name))
            saved = np.asarray(Image.open(tmp_path / "x" / "y" / name))
            np.testing.assert_array_equal(saved, crop.permute(1, 2, 0).numpy())
        with pytest.raises(ValueError, match="save_path must end"):
            extract_face(rgb, [10, 20, 90, 100], save_path=tmp_path / "face")

    @pytest.mark.parametrize("box", [[600, 0, 700, 50], [0, 0, -5, 9], [9, 9, 5, 12], [0, 0, np.nan, 9], [1, 2, 3]])
    def test_no_box(self, box: list[float], rgb: np.ndarray) -> None:
        with pytest.raises(ValueError, match="box"):
            extract_face(rgb, box)


class TestNothing:
    """Empty lists, and lists that do not fit the pictures."""

    def test_no_pictures(self, mtcnn: MTCNN) -> None:
        assert [part.shape for part in mtcnn.detect([], landmarks=True)] == [(0,)] * 3
        assert [part.shape for part in mtcnn.select_boxes([], [], [], [])] == [(0,)] * 3

    @pytest.mark.parametrize("empty", [None, [], np.empty((0, 4))])
    @pytest.mark.parametrize("method", ["probability", "largest", "largest_over_threshold", "center_weighted_size"])
    def test_no_boxes(self, empty: object, method: str, mtcnn: MTCNN, rgb: np.ndarray) -> None:
        assert mtcnn.select_boxes(empty, [], [], rgb, method=method) == (None, None, None)
        boxes, probs, points = mtcnn.select_boxes([empty], [[]], [[]], [rgb], method=method)
        assert boxes[0] is None and probs[0] == [None] and points[0] is None

    def test_lists_that_do_not_fit(self, mtcnn: MTCNN, rgb: np.ndarray) -> None:
        boxes, probs, points = mtcnn.detect(rgb, landmarks=True)
        for wrong in (([], [probs], [points]), ([boxes], [], [points]), ([boxes], [probs], [points] * 2)):
            with pytest.raises(ValueError, match="must have an entry for each of the 1 pictures, got"):
                mtcnn.select_boxes(*wrong, [rgb])
        with pytest.raises(TypeError, match="all_boxes must have an entry"):
            mtcnn.select_boxes(None, [probs], [points], [rgb])
        for wrong in ((boxes[0], probs, points), (boxes, [], points), (boxes, probs, points[0])):
            with pytest.raises(ValueError, match="must have the shape"):
                mtcnn.select_boxes(*wrong, rgb)

    @with_torch
    def test_extract(self, rgb: np.ndarray, engines: dict[str, Path]) -> None:
        for mtcnn in (MTCNN(device="cpu"), MTCNN(device="cpu", keep_all=True)):
            assert mtcnn.extract(rgb, []) is None and mtcnn.extract(rgb, np.empty((0, 4))) is None
            assert mtcnn.extract([], []) == [] and mtcnn([]) == []
            assert mtcnn.extract([rgb, rgb], [[], None]) == [None, None]
            with pytest.raises(ValueError, match="batch_boxes must have an entry for each of the 2 pictures, got 1"):
                mtcnn.extract([rgb, rgb], [[]])
            with pytest.raises(ValueError, match="batch_boxes must have a list of boxes"):
                mtcnn.extract(rgb, [10, 10, 90, 90])
