import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtcnn import TrtMtcnn, face_quality, head_pose
from mtcnn.quality import FaceQuality
from mtcnn.templates import ARCFACE

# The nose stands out by 0.6 of the distance from eyes to mouth.
_MODEL = np.column_stack([ARCFACE, [0, 0, -0.6 * (ARCFACE[3:, 1].mean() - ARCFACE[:2, 1].mean()), 0, 0]])


def turn(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Right-handed, x to the right, y down, z away: first the pitch, then the yaw, then the roll."""
    y, p, r = np.radians([-yaw, -pitch, roll])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)


class TestPose:
    @given(st.floats(-80, 80), st.floats(-80, 80), st.floats(-179, 179), st.floats(0.05, 50), st.floats(-500, 5000))
    def test_a_turned_face_from_afar(self, yaw: float, pitch: float, roll: float, scale: float, shift: float) -> None:
        seen = (_MODEL @ turn(yaw, pitch, roll).T)[:, :2] * scale + shift
        np.testing.assert_allclose(head_pose(seen), (yaw, pitch, roll), atol=1e-4)
        np.testing.assert_allclose(head_pose(seen.T.ravel()), (yaw, pitch, roll), atol=1e-4)

    def test_signs(self) -> None:
        """The nose moves where the face looks."""
        frontal = np.array([[30, 50], [66, 50], [48, 70], [34, 92], [62, 92]], float)
        right, up = frontal.copy(), frontal.copy()
        right[2] += (8, 0)
        up[2] -= (0, 8)
        assert head_pose(right)[0] > 10 > abs(head_pose(right)[1]) + 5
        assert head_pose(up)[1] > head_pose(frontal)[1] + 8 and abs(head_pose(up)[0]) < 0.5

    def test_from_near(self) -> None:
        """A camera ten faces away bends the angles by a few degrees at most."""
        for pose in ((0, 0, 0), (30, 10, 15), (-45, -20, -30), (15, 25, 5)):
            points = (_MODEL - _MODEL.mean(axis=0)) @ turn(*pose).T
            seen = points[:, :2] * (1 / (1 + points[:, 2:] / 400))
            np.testing.assert_allclose(head_pose(seen), pose, atol=4)

    def test_of_detected_faces(self, detector: TrtMtcnn, astronaut: np.ndarray) -> None:
        _, landmarks = detector.detect(astronaut)
        yaw, pitch, roll = head_pose(landmarks[0])
        mirrored = detector.detect(np.ascontiguousarray(astronaut[:, ::-1]))[1][0]
        np.testing.assert_allclose(head_pose(mirrored), (-yaw, pitch, -roll), atol=3)
        middle = tuple(map(float, landmarks[0, [2, 7]]))
        turned = cv2.warpAffine(astronaut, cv2.getRotationMatrix2D(middle, -15, 1), (512, 512))  # clockwise
        found = detector.detect(np.asarray(turned, np.uint8))[1][0]
        np.testing.assert_allclose(head_pose(found), (yaw, pitch, roll + 15), atol=4)

    def test_wrong_points(self) -> None:
        for wrong in (np.ones((5, 2)), np.full(10, np.nan), np.ones(9)):
            with pytest.raises(ValueError, match="landmarks"):
                head_pose(wrong)


class TestQuality:
    def test_what_is_worse_has_less(self, detector: TrtMtcnn, astronaut: np.ndarray) -> None:
        (face,) = detector.faces(astronaut)
        best = face.quality()
        assert 0.5 < best.value < 1 and 90 < best.size < 110
        for worse in (
            cv2.GaussianBlur(astronaut, (9, 9), 0),
            cv2.resize(astronaut, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA),
            cv2.resize(astronaut, (300, 512), interpolation=cv2.INTER_AREA),  # as if it looked aside
        ):
            (other,) = detector.faces(np.asarray(worse, np.uint8))
            assert other.quality().value < 0.9 * best.value
        assert detector.faces(cv2.GaussianBlur(astronaut, (9, 9), 0))[0].quality().sharpness < best.sharpness / 4

    def test_is_shown_in_a_line(self) -> None:
        quality = FaceQuality(0.72599, 98.295, 643.78, 1.4751, -17.044, 3.1493)
        assert repr(quality) == "FaceQuality(value=0.726, size=98, sharpness=644, yaw=1, pitch=-17, roll=3)"

    def test_sharpness_is_the_variance_of_the_laplacian(self, detector: TrtMtcnn, astronaut: np.ndarray) -> None:
        (face,) = detector.faces(astronaut)
        crop = face.align((112, 112), template="arcface").astype(np.float32)
        laplacian = cv2.Laplacian(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), cv2.CV_32F)[1:-1, 1:-1]
        np.testing.assert_allclose(face.quality().sharpness, laplacian.var(), rtol=1e-3)

    def test_other_orders_of_channels(self, detector: TrtMtcnn, astronaut: np.ndarray) -> None:
        dets, landmarks = detector.detect(astronaut)
        rgb = np.ascontiguousarray(astronaut[:, :, ::-1])
        assert face_quality(rgb, dets[0], landmarks[0], color="rgb") == face_quality(astronaut, dets[0], landmarks[0])

    @pytest.mark.parametrize("det", [[1, 2, 3, 4], [1, 2, 3, 4, np.nan], [[1, 2, 3, 4, 5]]])
    def test_wrong_boxes(self, det: list[float], detector: TrtMtcnn, astronaut: np.ndarray) -> None:
        _, landmarks = detector.detect(astronaut)
        with pytest.raises(ValueError, match="det must be"):
            face_quality(astronaut, det, landmarks[0])
