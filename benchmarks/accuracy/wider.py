"""WIDER FACE in its own format, and its own evaluation.

S. Yang, P. Luo, C. C. Loy, X. Tang, "WIDER FACE: A Face Detection Benchmark", CVPR 2016. The data set's home page
offers the photographs (WIDER_val), the labels (wider_face_split) and the evaluation's lists (eval_tools/ground_truth).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SETTINGS", "Photo", "average_precision", "read_faces", "read_lists", "read_set"]

SETTINGS = ("easy", "medium", "hard")
STEPS = 1000  # thresholds at which precision and recall are taken
IOU = 0.5

Boxes = NDArray[np.float64]


@dataclass(frozen=True)
class Photo:
    """`name`: "event/file"; `faces`: (n, 4) x, y, width, height; `counted`: the faces that each setting counts."""

    name: str
    path: Path
    faces: Boxes
    counted: dict[str, NDArray[np.bool_]]


def read_set(folder: Path) -> list[Photo]:
    """The validation set, wherever under `folder` its parts were unpacked."""
    faces = read_faces(find(folder, "wider_face_val_bbx_gt.txt"))
    counted = {setting: read_lists(find(folder, f"wider_{setting}_val.mat")) for setting in SETTINGS}
    images = find(folder, "WIDER_val") / "images"
    photos = []
    for name, boxes in faces.items():
        masks = {setting: np.zeros(len(boxes), bool) for setting in SETTINGS}
        for setting, mask in masks.items():
            numbers = counted[setting].get(name.removesuffix(".jpg"), [])
            if len(numbers) and max(numbers) >= len(boxes):
                sys.exit(f"wider_{setting}_val.mat names face {max(numbers) + 1} of {name}, which has {len(boxes)}")
            mask[numbers] = True
        photos.append(Photo(name, images / name, boxes, masks))
    return photos


def find(folder: Path, name: str) -> Path:
    """The shortest path of that name in the folder."""
    found = sorted(folder.rglob(name), key=lambda path: (len(path.parts), path))
    if not found:
        sys.exit(f"{folder} holds no {name}: unpack WIDER_val.zip, wider_face_split.zip and eval_tools.zip there")
    return found[0]


def read_faces(path: Path) -> dict[str, Boxes]:
    """wider_face_val_bbx_gt.txt: a photograph's name, the number of its faces, a line for each: x y w h and attributes.

    A photograph without faces has one line of zeros.
    """
    lines: Iterator[str] = iter(path.read_text().splitlines())
    faces: dict[str, Boxes] = {}
    for name in lines:
        if not name.strip():
            continue
        count = int(next(lines))
        rows = [[float(v) for v in next(lines).split()[:4]] for _ in range(max(count, 1))]
        faces[name.strip()] = np.array(rows[:count], np.float64).reshape(-1, 4)
    return faces


def read_lists(path: Path) -> dict[str, list[int]]:
    """wider_{easy,medium,hard}_val.mat: by "event/photo" (no suffix), the faces that the setting counts, from 0."""
    from scipy.io import loadmat

    content: Any = loadmat(str(path))
    lists: dict[str, list[int]] = {}
    for event, files, kept in zip(content["event_list"], content["file_list"], content["gt_list"], strict=True):
        for file, numbers in zip(files[0].ravel(), kept[0].ravel(), strict=True):
            name = f"{event[0].item()}/{file.item()}"
            lists[name] = [int(n) - 1 for n in np.asarray(numbers).ravel()]
    return lists


def average_precision(photos: list[Photo], dets: dict[str, NDArray[Any]], setting: str) -> float:
    """The area under the curve of precision over recall, as the data set's own evaluation takes it.

    Scores are stretched to 0..1 over all photographs. In each, detections go from the best score to the least; one
    that overlaps a face of the photograph by 0.5 or more is given to the face it overlaps most: it counts neither way
    if the setting does not count that face, finds it the first time, and is wrong after that. Precision and recall
    are taken at 1000 thresholds. The area is that under the least falling curve above them.

    Args:
        dets: by photograph, (n, 5) x1, y1, x2, y2, score.
    """
    scores = np.concatenate([np.empty(0), *(np.asarray(d, np.float64).reshape(-1, 5)[:, 4] for d in dets.values())])
    low, high = (scores.min(), scores.max()) if len(scores) else (0.0, 1.0)
    proposed, found = np.zeros(STEPS), np.zeros(STEPS)
    faces = 0
    thresholds = 1 - np.arange(1, STEPS + 1) / STEPS
    for photo in photos:
        counted = photo.counted[setting]
        faces += int(counted.sum())
        rows = np.asarray(dets.get(photo.name, np.empty((0, 5))), np.float64).reshape(-1, 5)
        if not len(rows) or not len(photo.faces):
            continue  # the evaluation skips photographs without faces
        rows = rows[np.argsort(-rows[:, 4], kind="stable")]
        is_proposal, finds = match(rows, photo.faces, counted)
        reached = np.searchsorted(-(rows[:, 4] - low) / max(high - low, 1e-12), -thresholds, side="right")
        proposed += np.concatenate([[0], np.cumsum(is_proposal)])[reached]
        found += np.concatenate([[0], np.cumsum(finds)])[reached]
    recall = found / max(faces, 1)
    precision = np.divide(found, proposed, out=np.zeros(STEPS), where=proposed > 0)
    return area(recall, precision)


def match(rows: Boxes, faces: Boxes, counted: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Of each detection, best first: does it count, and does it find a face that was not found before?"""
    is_proposal, finds = np.ones(len(rows), bool), np.zeros(len(rows), bool)
    found = np.zeros(len(faces), bool)
    for i, row in enumerate(rows):
        overlaps = overlap(row[:4], faces)
        best = int(overlaps.argmax())
        if overlaps[best] < IOU:
            continue
        if not counted[best]:
            is_proposal[i] = False
        elif not found[best]:
            found[best] = finds[i] = True
    return is_proposal, finds


def overlap(box: Boxes, faces: Boxes) -> Boxes:
    """Intersection over union of inclusive x1, y1, x2, y2 with (n, 4) x, y, width, height.

    The evaluation takes the far corner of either to be x + width and then counts inclusively: all are a pixel larger.
    """
    corner, corners = box[2:] + 1, faces[:, :2] + faces[:, 2:]
    shared = np.minimum(corner, corners) - np.maximum(box[:2], faces[:, :2]) + 1
    common = np.maximum(shared, 0).prod(axis=1)
    of = np.prod(corner - box[:2] + 1) + (faces[:, 2:] + 1).prod(axis=1) - common
    return np.asarray(common / of)


def area(recall: NDArray[np.float64], precision: NDArray[np.float64]) -> float:
    """Under the least falling curve above the points, as PASCAL VOC takes it."""
    r = np.concatenate([[0], recall, [1]])
    p = np.concatenate([[0], precision, [0]])
    p = np.maximum.accumulate(p[::-1])[::-1]
    return float(np.sum(np.diff(r) * p[1:]))
