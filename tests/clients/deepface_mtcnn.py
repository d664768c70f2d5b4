"""DeepFace finds faces with its backend "mtcnn", which imports our `mtcnn.MTCNN` for the original.

`make deepface` runs it in an environment that has deepface, but neither `mtcnn` from PyPI nor TensorFlow.
With --any it takes whatever `mtcnn` it finds, with --direct it leaves DeepFace out; --json FILE keeps the faces,
--against FILE compares with those.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ASTRONAUT = ROOT / "docs" / "images" / "astronaut.jpg"
PHOTOS = Path(os.environ.get("TRT_MTCNN_DATA") or ROOT.parent / "shared" / "data") / "photos"

# What the backend returned for the astronaut with mtcnn 0.1.1 and TensorFlow 2.21 on 2026-11-21: --any --json
ORIGINAL = {"x": 179, "y": 58, "w": 89, "h": 115, "left_eye": [247, 103], "right_eye": [204, 100]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--any", action="store_true", help="whatever mtcnn there is")
    parser.add_argument("--direct", action="store_true", help="MTCNN().detect_faces itself")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the faces")
    parser.add_argument("--against", type=Path, metavar="FILE", help="faces to compare with")
    options = parser.parse_args()
    pictures = [ASTRONAUT, *sorted(PHOTOS.glob("*.jpg"))]
    with tempfile.TemporaryDirectory() as home:
        os.environ["DEEPFACE_HOME"] = home  # where it would keep weights
        found = {
            path.name: faces for path, faces in zip(pictures, map(detector(options.direct), pictures), strict=True)
        }
    if not options.any and not options.direct:
        check_ours(found)
    if options.json:
        options.json.write_text(json.dumps(found))
    theirs = json.loads(options.against.read_text()) if options.against else {}
    for name, faces in found.items():
        print(f"{name}: {len(faces)} faces", *([compare(faces, theirs[name])] if name in theirs else []))
    if theirs:
        print("all:", compare_all(found, theirs))
    print(f"{len(found)} pictures, {sum(map(len, found.values()))} faces, by {versions()}")
    return 0


def detector(direct: bool) -> Callable[[Path], list[dict[str, Any]]]:
    """What finds the faces of a picture, best first, as DeepFace says where they are."""
    if not direct:
        return through_deepface
    import cv2

    from mtcnn import MTCNN

    original = MTCNN()

    def detect(path: Path) -> list[dict[str, Any]]:
        faces = original.detect_faces(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB))
        return [
            {**dict(zip("xywh", face["box"], strict=True)), "confidence": float(face["confidence"])} for face in faces
        ]

    return detect


def through_deepface(path: Path) -> list[dict[str, Any]]:
    from deepface import DeepFace

    faces = DeepFace.extract_faces(str(path), detector_backend="mtcnn", enforce_detection=False)
    return [
        {
            **{key: to_plain(value) for key, value in face["facial_area"].items()},
            "confidence": float(face["confidence"]),
        }
        for face in faces
        if face["confidence"] > 0  # 0 is its way of saying none
    ]


def to_plain(value: Any) -> Any:
    return [int(n) for n in value] if isinstance(value, (list, tuple)) else value if value is None else int(value)


def check_ours(found: dict[str, list[dict[str, Any]]]) -> None:
    """The faces are those that our `MTCNN` returns, and on the picture known for it the original's."""
    import cv2

    import mtcnn

    assert Path(mtcnn.__file__).parent == ROOT / "mtcnn", mtcnn.__file__
    assert "tensorflow" not in sys.modules
    ours = mtcnn.MTCNN()
    for name, faces in found.items():
        img = cv2.imread(str(ASTRONAUT if name == ASTRONAUT.name else PHOTOS / name))
        y, x = img.shape[0] // 2, img.shape[1] // 2  # the border that DeepFace adds before it detects
        framed = cv2.copyMakeBorder(img, y, y, x, x, cv2.BORDER_CONSTANT)
        direct = ours.detect_faces(cv2.cvtColor(framed, cv2.COLOR_BGR2RGB))
        # what DeepFace calls left is the person's left
        eyes = {name: [shift(face["keypoints"][name], x, y) for face in direct] for name in ("left_eye", "right_eye")}
        assert [face["left_eye"] for face in faces] == eyes["right_eye"], (name, faces, direct)
        assert [face["right_eye"] for face in faces] == eyes["left_eye"], (name, faces, direct)
    (face,) = found[ASTRONAUT.name]
    assert overlap(face, ORIGINAL) > 0.9, face
    for eye in ("left_eye", "right_eye"):
        assert max(abs(a - b) for a, b in zip(face[eye], ORIGINAL[eye], strict=True)) <= 3, face


def compare_all(found: dict[str, list[dict[str, Any]]], theirs: dict[str, list[dict[str, Any]]]) -> str:
    names = sorted(set(found) & set(theirs))
    both = sum(len(pairs(found[name], theirs[name])) for name in names)
    ours, others = sum(len(found[name]) for name in names), sum(len(theirs[name]) for name in names)
    return f"{both} in both (IoU > 0.5), {ours - both} only here, {others - both} only there"


def compare(faces: list[dict[str, Any]], others: list[dict[str, Any]]) -> str:
    shared = pairs(faces, others)
    lowest = min((iou for _, _, iou in shared), default=1)
    return f"({len(others)} there, {len(shared)} in both, lowest IoU {lowest:.2f})"


def pairs(faces: list[dict[str, Any]], others: list[dict[str, Any]]) -> list[tuple[int, int, float]]:
    """Each face with the one that it overlaps most, IoU > 0.5, best pair first; none twice."""
    scored = [(i, j, overlap(a, b)) for i, a in enumerate(faces) for j, b in enumerate(others)]
    chosen: list[tuple[int, int, float]] = []
    for i, j, iou in sorted(scored, key=lambda pair: -pair[2]):
        if iou > 0.5 and all(i != a and j != b for a, b, _ in chosen):
            chosen.append((i, j, iou))
    return chosen


def shift(point: list[int], x: int, y: int) -> list[int]:
    return [point[0] - x, point[1] - y]


def overlap(a: dict[str, Any], b: dict[str, Any]) -> float:
    width = min(a["x"] + a["w"], b["x"] + b["w"]) - max(a["x"], b["x"])
    height = min(a["y"] + a["h"], b["y"] + b["h"]) - max(a["y"], b["y"])
    if width <= 0 or height <= 0:
        return 0.0
    return float(width * height / (a["w"] * a["h"] + b["w"] * b["h"] - width * height))


def versions() -> str:
    known = []
    for package in ("deepface", "trt-mtcnn", "mtcnn", "tensorflow", "tensorflow-cpu"):
        try:
            known.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(known)


if __name__ == "__main__":
    sys.exit(main())
