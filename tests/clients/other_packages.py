"""`mtcnn.compat` beside the packages themselves: retina-face, face_recognition, InsightFace, YuNet and supervision.

`make compat` runs it, on the astronaut and, where they are, the photographs of the labelled data.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import cv2
import numpy as np
import supervision

from mtcnn import TrtMtcnn
from mtcnn.compat.supervision import to_detections, to_key_points
from tests.clients.dlib_locations import check_face_recognition
from tests.clients.insight_face import check_insightface
from tests.clients.retina_face import check_retina_face
from tests.clients.yunet_rows import check_yunet

ROOT = Path(__file__).resolve().parents[2]
ASTRONAUT = ROOT / "docs" / "images" / "astronaut.jpg"
DATA = Path(os.environ.get("TRT_MTCNN_DATA") or ROOT.parent / "shared" / "data")


def main() -> int:
    paths = [ASTRONAUT, *sorted(DATA.glob("photos/*.jpg"))]
    check_insightface(ASTRONAUT)
    check_supervision(ASTRONAUT)
    check_retina_face(paths)
    check_face_recognition(paths)
    if model := os.environ.get("YUNET"):
        check_yunet(model, paths)
    else:
        print("YuNet: not compared, make compat YUNET=FILE names its model")
    return 0


def check_supervision(path: Path) -> None:
    img = np.asarray(cv2.imread(str(path)), np.uint8)
    dets, landmarks = TrtMtcnn().detect(img)
    found = to_detections(dets, landmarks)
    assert len(found) == 1 and found.area[0] > 1000 and found.confidence[0] > 0.99
    drawn = supervision.BoxAnnotator().annotate(img.copy(), found)
    assert (drawn != img).any()
    assert len(to_detections(dets[:0], landmarks[:0])) == 0 and len(found[found.confidence > 1]) == 0
    key_points = to_key_points(landmarks)
    assert (supervision.VertexAnnotator(radius=3).annotate(img.copy(), key_points) != img).any()
    print(f"supervision {supervision.__version__}: drawn")


if __name__ == "__main__":
    sys.exit(main())
