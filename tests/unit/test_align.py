import itertools
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mtcnn.align import FaceAligner, similarity_transform
from mtcnn.compat.insightface import estimate_norm
from tests.reference import warp as reference

TEMPLATE_96 = np.array(
    [(30.2946, 51.6963), (65.5318, 51.6963), (48.0252, 71.7366), (33.5493, 92.3655), (62.7299, 92.3655)]
)
TEMPLATE_112 = TEMPLATE_96 + (8, 0)

POINTS = hnp.arrays(np.float64, st.tuples(st.integers(2, 12), st.just(2)), elements=st.floats(-1000, 1000))
ANGLES = st.floats(-np.pi, np.pi)
SCALES = st.floats(0.01, 100)
SHIFTS = st.tuples(st.floats(-1000, 1000), st.floats(-1000, 1000))


def similarity(scale: float, angle: float, shift: tuple[float, float]) -> np.ndarray:
    a, b = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[a, -b, shift[0]], [b, a, shift[1]]])


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:, :2].T + matrix[:, 2]


def squared_error(matrix: np.ndarray, src: np.ndarray, dst: np.ndarray) -> float:
    return float(((apply(matrix, src) - dst) ** 2).sum())


def umeyama_by_svd(src: np.ndarray, dst: np.ndarray) -> np.ndarray:
    """The paper's equations 38 to 43, in any dimension."""
    src_mean, dst_mean = src.mean(axis=0), dst.mean(axis=0)
    covariance = (dst - dst_mean).T @ (src - src_mean) / len(src)
    u, d, vt = np.linalg.svd(covariance)
    s = np.array([1, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ np.diag(s) @ vt
    scale = (d * s).sum() / src.var(axis=0).sum()
    return np.column_stack([scale * rotation, dst_mean - scale * rotation @ src_mean])


def spread(points: np.ndarray) -> float:
    return float(np.linalg.norm(points - points.mean(axis=0)))


def noisy_faces(count: int = 20) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(5)
    return [
        (apply(similarity(rng.uniform(0.2, 5), rng.uniform(-3, 3), (90, -40)), TEMPLATE_96), TEMPLATE_96)
        for _ in range(count)
    ] + [(rng.normal(0, 50, (5, 2)), rng.normal(0, 50, (5, 2))) for _ in range(count)]


class TestSimilarityTransform:
    @given(POINTS, SCALES, ANGLES, SHIFTS)
    def test_recovers_a_known_one(
        self, src: np.ndarray, scale: float, angle: float, shift: tuple[float, float]
    ) -> None:
        assume(spread(src) > 1)
        true = similarity(scale, angle, shift)
        found = similarity_transform(src, apply(true, src))
        assert found.shape == (2, 3) and found.dtype == np.float64
        size = max(1.0, scale) * max(1.0, np.abs(src).max())
        np.testing.assert_allclose(found[:, :2], true[:, :2], rtol=0, atol=1e-9 * max(1.0, scale))
        np.testing.assert_allclose(apply(found, src), apply(true, src), rtol=0, atol=1e-9 * size)

    @given(POINTS, st.data())
    def test_is_a_similarity_without_reflection(self, src: np.ndarray, data: st.DataObject) -> None:
        assume(spread(src) > 1)
        dst = data.draw(hnp.arrays(np.float64, src.shape, elements=st.floats(-1000, 1000)))
        assume(spread(dst) > 1)
        try:
            (a, minus_b, _), (b, d, _) = similarity_transform(src, dst)
        except ValueError as error:
            assert "the best scale is 0" in str(error)
            return
        assert (a, b) == (d, -minus_b)
        assert a * d - b * minus_b > 0

    @pytest.mark.parametrize("pair", noisy_faces())
    def test_equals_the_paper(self, pair: tuple[np.ndarray, np.ndarray]) -> None:
        np.testing.assert_allclose(similarity_transform(*pair), umeyama_by_svd(*pair), rtol=1e-9, atol=1e-9)

    def test_a_mirror_image_is_not_reflected(self) -> None:
        mirrored = TEMPLATE_96 * (-1, 1)
        found = similarity_transform(mirrored, TEMPLATE_96)
        assert np.linalg.det(found[:, :2]) > 0
        np.testing.assert_allclose(found, umeyama_by_svd(mirrored, TEMPLATE_96), rtol=1e-9)
        assert squared_error(found, mirrored, TEMPLATE_96) > 100

    def test_a_mirrored_square_has_no_answer(self) -> None:
        square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
        with pytest.raises(ValueError, match="the best scale is 0"):
            similarity_transform(square, square * (-1, 1))

    @pytest.mark.parametrize("pair", noisy_faces())
    def test_no_change_lowers_the_error(self, pair: tuple[np.ndarray, np.ndarray]) -> None:
        src, dst = pair
        dst = dst + np.random.default_rng(7).normal(0, 3, dst.shape)
        found = similarity_transform(src, dst)
        best = squared_error(found, src, dst)
        assert best > 1
        a, b, tx, ty = found[0, 0], found[1, 0], found[0, 2], found[1, 2]
        for step in (1e-4, 1e-2, 1):
            for da, db, dx, dy in itertools.product((-step, 0, step), repeat=4):
                other = np.array([[a + da, -b - db, tx + dx], [b + db, a + da, ty + dy]])
                assert squared_error(other, src, dst) >= best * (1 - 1e-12)

    @pytest.mark.parametrize("size", [1e-150, 1e-30, 1e30, 1e150])
    def test_size_of_the_numbers_does_not_matter(self, size: float) -> None:
        found = similarity_transform(TEMPLATE_96 * size, TEMPLATE_96)
        np.testing.assert_allclose(found[:, :2] * size, np.eye(2), atol=1e-12)

    def test_small_faces_far_from_the_origin(self) -> None:
        true = similarity(20, 0.5, (3, 4))
        src = TEMPLATE_96 / 20 + 30_000
        np.testing.assert_allclose(similarity_transform(src, apply(true, src))[:, :2], true[:, :2], atol=1e-7)

    @pytest.mark.parametrize("at", [0, 1, 0.1, 12345.678])
    @pytest.mark.parametrize("name", ["src", "dst"])
    def test_equal_points(self, at: float, name: str) -> None:
        equal = np.full((5, 2), at)
        src, dst = (equal, TEMPLATE_96) if name == "src" else (TEMPLATE_96, equal)
        with pytest.raises(ValueError, match=f"{name} holds 5 equal points"):
            similarity_transform(src, dst)

    @pytest.mark.parametrize("shape", [(10,), (1, 2), (0, 2), (5, 3), (2, 5), (1, 5, 2), ()])
    def test_wrong_shape(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match=r"src must have the shape \(n, 2\)"):
            similarity_transform(np.ones(shape), TEMPLATE_96)
        with pytest.raises(ValueError, match=r"dst must have the shape \(n, 2\)"):
            similarity_transform(TEMPLATE_96, np.ones(shape))

    def test_unequal_numbers(self) -> None:
        with pytest.raises(ValueError, match="got 4 and 5 points"):
            similarity_transform(TEMPLATE_96[:4], TEMPLATE_96)

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_not_finite(self, bad: float) -> None:
        src = TEMPLATE_96.copy()
        src[2, 1] = bad
        with pytest.raises(ValueError, match="src holds NaN or infinity"):
            similarity_transform(src, TEMPLATE_96)

    def test_overflow(self) -> None:
        with pytest.raises(ValueError, match="too far apart"):
            similarity_transform(TEMPLATE_96 * 1e-200, TEMPLATE_96 * 1e200)

    @pytest.mark.parametrize("points", [None, "points", [[1, 2], [3]], [["a", "b"]] * 5])
    def test_no_numbers(self, points: object) -> None:
        with pytest.raises(TypeError, match="src must be an array of numbers"):
            similarity_transform(points, TEMPLATE_96)


class TestTemplate:
    def test_default(self) -> None:
        assert FaceAligner().size == (112, 96)
        np.testing.assert_allclose(FaceAligner().template, TEMPLATE_96, rtol=0, atol=1e-12)

    def test_square(self) -> None:
        np.testing.assert_allclose(FaceAligner((112, 112)).template, TEMPLATE_112, rtol=0, atol=1e-12)

    @pytest.mark.parametrize("side", [1, 64, 128, 160, 224, 513])
    def test_other_squares_scale_the_square_one(self, side: int) -> None:
        np.testing.assert_allclose(FaceAligner((side, side)).template, TEMPLATE_112 * side / 112, rtol=1e-12)

    def test_double(self) -> None:
        np.testing.assert_allclose(FaceAligner((224, 192)).template, TEMPLATE_96 * 2, rtol=1e-12)

    def test_wide_and_high_sizes_are_centred(self) -> None:
        np.testing.assert_allclose(FaceAligner((112, 300)).template, TEMPLATE_96 + (102, 0), rtol=1e-12)
        np.testing.assert_allclose(FaceAligner((200, 96)).template, TEMPLATE_96 + (0, 44), rtol=1e-12)

    @given(st.integers(1, 2000), st.integers(1, 2000))
    def test_every_point_is_inside(self, height: int, width: int) -> None:
        template = FaceAligner((height, width)).template
        assert (template >= 0).all() and (template <= (width, height)).all()

    def test_is_a_copy(self) -> None:
        aligner = FaceAligner()
        aligner.template[:] = 0
        np.testing.assert_allclose(aligner.template, TEMPLATE_96)

    @pytest.mark.parametrize(
        "size", [112.0, "big", (112,), (112, 96, 3), (112.5, 96), (None, 96), (112, True), {112, 96}, b"ab"]
    )
    def test_size_of_no_numbers(self, size: object) -> None:
        with pytest.raises(TypeError, match=r"size must be \(height, width\)"):
            FaceAligner(size)

    def test_size_beyond_memory(self) -> None:
        with pytest.raises(ValueError, match="size must be at most 1073741824 pixels, got 1000000 x 1000000"):
            FaceAligner((10**6, 10**6))

    @pytest.mark.parametrize("size", [(0, 96), (112, 0), (-1, 5)])
    def test_size_below_one(self, size: tuple[int, int]) -> None:
        with pytest.raises(ValueError, match="size must be at least 1x1"):
            FaceAligner(size)

    def test_repr(self) -> None:
        assert repr(FaceAligner((128, 112))) == "FaceAligner(size=(128, 112))"


class TestTransform:
    @given(SCALES, ANGLES, SHIFTS, st.sampled_from([(112, 96), (112, 112), (160, 160)]))
    def test_brings_a_face_onto_the_template(
        self, scale: float, angle: float, shift: tuple[float, float], size: tuple[int, int]
    ) -> None:
        aligner = FaceAligner(size)
        face = apply(similarity(scale, angle, shift), TEMPLATE_96)
        matrix = aligner.transform(face)
        assert matrix.shape == (2, 3) and matrix.dtype == np.float64
        np.testing.assert_allclose(apply(matrix, face), aligner.template, atol=1e-6)

    def test_row_of_ten_is_all_x_then_all_y(self) -> None:
        face = apply(similarity(2, 0.3, (50, 60)), TEMPLATE_96)
        row = [*face[:, 0], *face[:, 1]]
        np.testing.assert_array_equal(FaceAligner().transform(row), FaceAligner().transform(face))

    def test_float32_row(self) -> None:
        row = TEMPLATE_96.T.ravel().astype(np.float32)
        np.testing.assert_allclose(FaceAligner().transform(row), [[1, 0, 0], [0, 1, 0]], atol=1e-4)

    @pytest.mark.parametrize("shape", [(), (5,), (2, 5), (1, 10), (10, 1), (0, 10), (4, 2)])
    def test_wrong_shape(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match=r"landmarks must have the shape \(10,\) or \(5, 2\)"):
            FaceAligner().transform(np.ones(shape))

    def test_several_faces_get_the_mend(self) -> None:
        with pytest.raises(ValueError, match="align_all"):
            FaceAligner().transform(np.ones((3, 10)))

    @pytest.mark.parametrize("bad", [np.nan, -np.inf])
    def test_not_finite(self, bad: float) -> None:
        with pytest.raises(ValueError, match="landmarks holds NaN or infinity"):
            FaceAligner().transform([bad, *range(9)])

    def test_equal_points(self) -> None:
        with pytest.raises(ValueError, match="landmarks fit no face"):
            FaceAligner().transform(np.full(10, 31.7))

    @pytest.mark.parametrize("landmarks", [None, "face", [["a", "b"]] * 5])
    def test_no_numbers(self, landmarks: object) -> None:
        with pytest.raises(TypeError, match="landmarks must be an array of numbers"):
            FaceAligner().transform(landmarks)


def smooth_picture(height: int = 150, width: int = 190) -> np.ndarray:
    noise = np.random.default_rng(3).integers(0, 256, (height // 5, width // 5, 3), dtype=np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


# scale, angle and shift of the face in the picture: inside, over the border, tiny, large, outside
FACES = {
    "upright": (0.8, 0.0, (40, 20)),
    "turned": (0.9, 0.7, (70, 5)),
    "upside down": (0.7, np.pi, (140, 130)),
    "over the border": (1.1, -0.3, (-35, 40)),
    "tiny": (0.15, 0.2, (80, 80)),
    "large": (3.0, 0.1, (-60, -100)),
    "outside": (0.5, 0.0, (-400, -400)),
}


@pytest.fixture(params=FACES.values(), ids=FACES.keys())
def face(request: pytest.FixtureRequest) -> np.ndarray:
    return apply(similarity(*request.param), TEMPLATE_96)


class TestReferenceWarp:
    """The plain warp itself, against OpenCV and by hand: the native one is measured by it."""

    def test_as_opencv(self, face: np.ndarray) -> None:
        img, matrix = smooth_picture(), FaceAligner().transform(face)
        ours = reference.warp_affine(img, matrix, 112, 96).astype(float)
        theirs = cv2.warpAffine(img, matrix, (96, 112), flags=cv2.INTER_LINEAR).astype(float)
        assert np.abs(ours - theirs).mean() < 1

    def test_whole_shift(self) -> None:
        img = smooth_picture()
        warped = reference.warp_affine(img, np.array([[1, 0, -7], [0, 1, 4.0]]), 30, 20)
        np.testing.assert_array_equal(warped[4:], img[:26, 7:27])
        assert not warped[:4].any()

    def test_half_shift(self) -> None:
        img = np.array([[[10] * 3, [20] * 3]], np.uint8)
        warped = reference.warp_affine(img, np.array([[1, 0, 0.5], [0, 1, 0]]), 1, 3)
        assert warped[0, :, 0].tolist() == [5, 15, 10]


class TestAlign:
    @pytest.mark.parametrize("size", [(112, 96), (112, 112), (57, 83)])
    def test_as_the_plain_warp(self, face: np.ndarray, size: tuple[int, int]) -> None:
        img, aligner = smooth_picture(), FaceAligner(size)
        crop = aligner.align(img, face)
        assert crop.shape == (*size, 3) and crop.dtype == np.uint8
        plain = reference.warp_affine(img, aligner.transform(face), *size)
        assert np.abs(crop.astype(int) - plain).max() <= 1

    def test_as_opencv(self, face: np.ndarray) -> None:
        img, aligner = smooth_picture(), FaceAligner()
        theirs = cv2.warpAffine(img, aligner.transform(face), (96, 112), flags=cv2.INTER_LINEAR)
        assert np.abs(aligner.align(img, face).astype(float) - theirs).mean() < 1

    def test_a_face_on_the_template_is_copied(self) -> None:
        img = smooth_picture()
        crop = FaceAligner().align(img, TEMPLATE_96 + (20, 11))
        assert np.abs(crop.astype(int) - img[11:123, 20:116]).max() <= 1

    @pytest.mark.parametrize(
        "view",
        [lambda a: a[10:, 5:-3], lambda a: a[:, ::-1], lambda a: a[:, :, 0], lambda a: a.astype(np.float32)],
        ids=["crop", "mirrored", "gray", "float"],
    )
    def test_any_picture(self, view) -> None:
        img, face = view(smooth_picture()), TEMPLATE_96 * 0.9
        bgr = np.dstack([img] * 3) if img.ndim == 2 else np.ascontiguousarray(img).astype(np.uint8)
        np.testing.assert_array_equal(FaceAligner().align(img, face), FaceAligner().align(bgr, face))

    def test_leaves_the_picture_alone(self) -> None:
        img = smooth_picture()
        img.flags.writeable = False
        before = img.copy()
        FaceAligner().align(img, TEMPLATE_96)
        np.testing.assert_array_equal(img, before)

    def test_no_picture(self) -> None:
        with pytest.raises(TypeError, match="img is None"):
            FaceAligner().align(None, TEMPLATE_96)


class TestAlignAll:
    def test_one_by_one(self) -> None:
        img, aligner = smooth_picture(), FaceAligner((64, 64))
        faces = [apply(similarity(*where), TEMPLATE_96) for where in FACES.values()]
        rows = np.array([face.T.ravel() for face in faces], np.float32)
        crops = aligner.align_all(img, rows)
        assert crops.shape == (len(faces), 64, 64, 3) and crops.dtype == np.uint8
        for crop, row in zip(crops, rows, strict=True):
            np.testing.assert_array_equal(crop, aligner.align(img, row))

    def test_pairs(self) -> None:
        img, rows = smooth_picture(), np.array([TEMPLATE_96.T.ravel(), TEMPLATE_112.T.ravel()])
        pairs = np.array([TEMPLATE_96, TEMPLATE_112])
        np.testing.assert_array_equal(FaceAligner().align_all(img, pairs), FaceAligner().align_all(img, rows))

    @pytest.mark.parametrize("shape", [(0, 10), (0, 5, 2)])
    def test_no_faces(self, shape: tuple[int, ...]) -> None:
        crops = FaceAligner((112, 112)).align_all(smooth_picture(), np.empty(shape, np.float32))
        assert crops.shape == (0, 112, 112, 3) and crops.dtype == np.uint8

    @pytest.mark.parametrize("nothing", [[], (), np.empty(0)])
    def test_a_list_without_faces(self, nothing: Any) -> None:
        assert FaceAligner().align_all(smooth_picture(), nothing).shape == (0, 112, 96, 3)

    @pytest.mark.parametrize("shape", [(10,), (2, 5), (3, 9), (2, 2, 5), ()])
    def test_wrong_shape(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match=r"landmarks must have the shape \(n, 10\) or \(n, 5, 2\)"):
            FaceAligner().align_all(smooth_picture(), np.ones(shape))

    def test_names_the_face_at_fault(self) -> None:
        rows = np.array([TEMPLATE_96.T.ravel()] * 3)
        rows[1, 4] = np.nan
        with pytest.raises(ValueError, match=r"landmarks\[1\] holds NaN"):
            FaceAligner().align_all(smooth_picture(), rows)
        rows[1] = 5
        with pytest.raises(ValueError, match=r"landmarks\[1\] fit no face"):
            FaceAligner().align_all(smooth_picture(), rows)


@pytest.mark.parametrize("size", [(112, 112), (112, 96), (64, 200)])
def test_a_margin_shows_more_around_the_same_face(size: tuple[int, int]) -> None:
    plain, wide = FaceAligner(size), FaceAligner(size, margin=0.5)
    centre = np.array(size[::-1]) / 2
    np.testing.assert_allclose(wide.template - centre, (plain.template - centre) / 2)
    assert repr(wide) == f"FaceAligner(size={size}, margin=0.5)"
    for margin in (-0.1, 5, float("nan"), "x"):
        with pytest.raises((ValueError, TypeError), match="margin must be"):
            FaceAligner(size, margin=margin)  # type: ignore[arg-type]


# What InsightFace's norm_crop takes: x and y of the five points in 112x112.
ARCFACE_112 = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
TURNED_FACE = np.array([[204.4, 100.7], [246.7, 112.8], [220.4, 136.1], [191.0, 139.5], [235.2, 152.0]])
FIXED_MATRIX = np.array([[0.78634, 0.24324, -147.79547], [-0.24324, 0.78634, 24.47616]])


class TestTemplates:
    @pytest.mark.parametrize("side", [112, 224, 128, 256, 896])
    def test_arcface_is_insightfaces(self, side: int) -> None:
        """A multiple of 112 scales the points; one of 128 has them 8 pixels further right in 128x128."""
        by_112 = side % 112 == 0
        expected = ARCFACE_112 * (side / (112 if by_112 else 128)) + (0 if by_112 else 8 * side / 128, 0)
        aligner = FaceAligner((side, side), template="arcface")
        np.testing.assert_allclose(aligner.template, expected, atol=1e-9)
        np.testing.assert_allclose(aligner.transform(TURNED_FACE), umeyama_by_svd(TURNED_FACE, expected), atol=1e-9)

    def test_matrix_of_fixed_figures(self) -> None:
        """What InsightFace's own fit, scikit-image's SimilarityTransform, has for this face."""
        matrix = FaceAligner(template="arcface").transform(TURNED_FACE)
        np.testing.assert_allclose(matrix, FIXED_MATRIX, atol=1e-3)

    @given(st.floats(-3.1, 3.1), st.floats(0.1, 20), hnp.arrays(np.float64, (5, 2), elements=st.floats(-6, 6)))
    def test_norm_crop_is_scikit_images_fit(self, angle: float, scale: float, noise: np.ndarray) -> None:
        """InsightFace's norm_crop is scikit-image's SimilarityTransform to ArcFace's points."""
        transform = pytest.importorskip("skimage.transform").SimilarityTransform
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        face = (ARCFACE_112 + noise) @ turn * scale + (300, 200)
        for side, target in ((112, ARCFACE_112), (128, ARCFACE_112 + (8, 0)), (256, (ARCFACE_112 + (8, 0)) * 2)):
            fit = transform.from_estimate(face, target)
            np.testing.assert_allclose(estimate_norm(face, side), fit.params[:2], rtol=1e-6, atol=1e-3)

    def test_sizes_are_the_templates_own(self) -> None:
        assert [FaceAligner(template=name).size for name in ("seed", "arcface", "ffhq")] == [
            (112, 96),
            (112, 112),
            (256, 256),
        ]
        np.testing.assert_allclose(FaceAligner((112, 96), template="arcface").template, ARCFACE_112 - (8, 0))
        assert repr(FaceAligner(template="arcface")) == "FaceAligner(size=(112, 112), template='arcface')"

    @pytest.mark.parametrize("side", [256, 512, 1024])
    def test_ffhq_is_the_square_on_eyes_and_mouth(self, side: int) -> None:
        """The square's corners, by the data set's rule in plain vectors, land on the crop's."""
        left, right, _, mouth_left, mouth_right = TURNED_FACE
        eyes, mouth = (left + right) / 2, (mouth_left + mouth_right) / 2
        x = (right - left) - (mouth - eyes)[::-1] * (-1, 1)
        x *= max(2 * np.linalg.norm(right - left), 1.8 * np.linalg.norm(mouth - eyes)) / np.linalg.norm(x)
        y, centre = x[::-1] * (-1, 1), eyes + 0.1 * (mouth - eyes)
        corners = np.array([centre - x - y, centre - x + y, centre + x + y, centre + x - y])
        aligner = FaceAligner((side, side), template="ffhq")
        found = apply(aligner.transform(TURNED_FACE), corners)
        np.testing.assert_allclose(found, np.array([[0, 0], [0, 1], [1, 1], [1, 0]]) * side, atol=1e-6)
        found = apply(FaceAligner((side, side), 0.5, "ffhq").transform(TURNED_FACE), corners)
        np.testing.assert_allclose(found, side / 4 + np.array([[0, 0], [0, 1], [1, 1], [1, 0]]) * side / 2, atol=1e-6)
        with pytest.raises(ValueError, match="landmarks fit no face"):
            aligner.transform(np.full((5, 2), 7.0))

    def test_points_of_ones_own(self) -> None:
        own = ARCFACE_112 * 0.5 + (20, 30)
        aligner = FaceAligner((160, 140), template=own)
        np.testing.assert_array_equal(aligner.template, own)
        np.testing.assert_allclose(apply(aligner.transform(ARCFACE_112), ARCFACE_112), own, atol=1e-9)
        wide = FaceAligner((160, 140), margin=0.5, template=own.tolist())
        np.testing.assert_allclose(wide.template, (own + (70, 80)) / 2)

    def test_points_that_are_nearly_one(self) -> None:
        """So that the crop's matrix would not be finite."""
        with pytest.raises(ValueError, match="landmarks fit no face"):
            FaceAligner(template="ffhq").transform(ARCFACE_112 * 1e-312)

    @pytest.mark.parametrize(
        ("template", "message"),
        [
            ("ArcFace", "template must be 'seed' or 'arcface' or 'ffhq'"),
            (np.ones((4, 2)), r"template must be .* got the shape \(4, 2\)"),
            (np.full((5, 2), np.nan), "template holds NaN or infinity"),
            (np.full((5, 2), 7), "template holds five equal points"),
            (np.outer(np.arange(5), (3, 2)) + 9, "template holds five points on a line"),
            (ARCFACE_112.T.reshape(5, 2), r"template seems to be reshape\(5, 2\) of a row"),
            (ARCFACE_112[[1, 0, 2, 4, 3]], "template seems to be the mirror image of a face"),
            (np.ones((5, 2)), "five equal points"),
            (ARCFACE_112 / 112, "template holds shares of the crop: .* multiply by"),
            (ARCFACE_112 - 300, "template has no point within the crop, which is 112 pixels high and 112 wide"),
            (ARCFACE_112 * 1e30, "template has no point within the crop"),
        ],
    )
    def test_no_template(self, template: object, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            FaceAligner((112, 112), template=template)
        with pytest.raises(ValueError, match="size must be given"):
            FaceAligner(template=ARCFACE_112)


def test_landmarks_of_a_detector_without_onet() -> None:
    with pytest.raises(ValueError, match="they are zeros, as a detector's without O-Net: networks=3 runs it"):
        FaceAligner().align(np.full((50, 50, 3), 9, np.uint8), np.zeros(10))
