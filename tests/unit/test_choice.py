from __future__ import annotations

import numpy as np
import pytest

from mtcnn.central import FACE_CHOICES, choose_face

# in a picture 100 high, 200 wide: small and central; large and near; larger and in a corner
DETS = np.array([[97, 47, 103, 53, 0.8], [70, 20, 120, 70, 0.9], [0, 0, 60, 60, 0.7], [150, 5, 160, 15, 0.99]])


@pytest.mark.parametrize(("by", "index"), [("central", 0), ("prominent", 1), ("largest", 2), ("best", 3)])
def test_each_way(by: str, index: int) -> None:
    assert choose_face((100, 200), DETS, by) == index
    assert choose_face(np.zeros((100, 200, 3), np.uint8), DETS, by) == index
    order = [3, 2, 1, 0]
    assert order[choose_face((100, 200), DETS[order], by) or 0] == index


@pytest.mark.parametrize("by", FACE_CHOICES)
def test_no_faces(by: str) -> None:
    assert choose_face((10, 10), np.empty((0, 5)), by) is None


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="by must be 'prominent' or"):
        choose_face((10, 10), DETS, "first")
    with pytest.raises(ValueError, match="dets must have scores"):
        choose_face((10, 10), DETS[:, :4], "best")
    with pytest.raises(ValueError, match="dets must have the shape"):
        choose_face((10, 10), DETS[0], "largest")
