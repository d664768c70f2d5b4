"""Average precision of face boxes, with the evaluator of COCO."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.bootstrap import Outcomes

__all__ = ["BoxScores", "evaluate_boxes", "require_evaluator"]

IOU = 0.5
MOST = 100_000  # detections a picture: COCO's own limit of 100 is too low for a crowd


@dataclass(frozen=True)
class BoxScores:
    """How well boxes were found; `recall` and `false_positives` are those of all detections that were given.

    Attributes:
        ap: average precision at an overlap (intersection over union) of 0.5, COCO's 101 points of recall.
        recall: found faces over labelled ones.
        false_positives: detections an image that are no face.
        curve: score, recall and false positives an image, (n, 3), best score first.
        outcomes: the same by picture, in the labels' order, for intervals.
    """

    ap: float
    recall: float
    false_positives: float
    curve: NDArray[np.float64]
    outcomes: Outcomes

    def summary(self) -> dict[str, float]:
        return {"ap": self.ap, "recall": self.recall, "false_positives": self.false_positives}

    def at_false_positives(self, most: float) -> tuple[float, float]:
        """The greatest recall at no more than `most` false positives an image, and the least score that gives it."""
        within = np.flatnonzero(self.curve[:, 2] <= most)
        return (float(self.curve[within[-1], 1]), float(self.curve[within[-1], 0])) if len(within) else (0.0, 1.0)


def require_evaluator() -> None:
    """End a command where COCO's evaluator is missing, before minutes of work that would need it."""
    if importlib.util.find_spec("pycocotools") is None:
        sys.exit("average precision needs pycocotools: pip install pycocotools")


def evaluate_boxes(labels: Mapping[str, Any], dets: Mapping[int, NDArray[Any]]) -> BoxScores:
    """Compare detections with labels in COCO's format.

    A face with `ignore` (or `iscrowd`) set need not be found: a detection whose best free match it is counts neither
    as right nor as wrong. pycocotools knows no `ignore`; it does leave out what lies outside a range of areas, so such
    faces get the area 0. (As `iscrowd` they would match whatever lies inside them, however small.)

    Args:
        labels: COCO's dictionary: `images` and `annotations` with `bbox` [x, y, width, height].
        dets: by image id, (n, 5) x1, y1, x2, y2, score, inclusive pixels.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, found = COCO(), COCO()
    truth.dataset = {
        "images": list(labels["images"]),
        "categories": [{"id": 1, "name": "face"}],
        "annotations": [_annotation(i, face) for i, face in enumerate(labels["annotations"], 1)],
    }
    found.dataset = {
        "images": truth.dataset["images"],
        "categories": truth.dataset["categories"],
        "annotations": _detections(dets),
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        found.createIndex()
        run = COCOeval(truth, found, "bbox")
        run.params.iouThrs = np.array([IOU])
        run.params.areaRng, run.params.areaRngLbl = [[0.5, 1e12]], ["all"]
        run.params.maxDets = [MOST]
        run.evaluate()
        run.accumulate()
    precision = run.eval["precision"]
    counted = [result for result in run.evalImgs if result is not None]
    places = {image["id"]: place for place, image in enumerate(truth.dataset["images"])}
    faces = np.zeros(len(places))
    for result in counted:
        faces[places[result["image_id"]]] += (~np.asarray(result["gtIgnore"], bool)).sum()
    return _scores(float(precision.mean()) if faces.any() else 0.0, counted, faces, places)


def _annotation(number: int, face: Mapping[str, Any]) -> dict[str, Any]:
    ignored = face.get("ignore") or face.get("iscrowd")
    x, y, w, h = face["bbox"]
    area = 0 if ignored else max(w * h, 1)
    return {
        "id": number,
        "image_id": face["image_id"],
        "category_id": 1,
        "bbox": [x, y, w, h],
        "area": area,
        "iscrowd": 0,
    }


def _detections(dets: Mapping[int, NDArray[Any]]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for image, boxes in dets.items():
        for x1, y1, x2, y2, score in np.asarray(boxes, np.float64):
            box = [x1, y1, x2 - x1 + 1, y2 - y1 + 1]
            area = max(box[2] * box[3], 1)
            row = {"id": len(rows) + 1, "image_id": image, "category_id": 1, "bbox": box, "area": area, "score": score}
            rows.append(row)
    return rows


def _scores(
    ap: float, counted: Sequence[Mapping[str, Any]], faces: NDArray[np.float64], places: Mapping[Any, int]
) -> BoxScores:
    scores, right, wrong = [np.empty(0)], [np.empty(0, bool)], [np.empty(0, bool)]
    image = [np.empty(0, np.int64)]
    for result in counted:
        matched, ignored = result["dtMatches"][0] > 0, result["dtIgnore"][0].astype(bool)
        scores.append(np.asarray(result["dtScores"], np.float64))
        right.append(matched & ~ignored)
        wrong.append(~matched & ~ignored)
        image.append(np.full(len(matched), places[result["image_id"]], np.int64))
    score = np.concatenate(scores)
    order = np.argsort(-score, kind="stable")
    is_right, is_wrong = np.concatenate(right)[order], np.concatenate(wrong)[order]
    hits, misses = is_right.cumsum(), is_wrong.cumsum()
    curve = np.column_stack([score[order], hits / max(faces.sum(), 1), misses / max(len(places), 1)])
    counts = is_right | is_wrong
    outcomes = Outcomes(score[order][counts], is_right[counts], np.concatenate(image)[order][counts], faces)
    recall, false_positives = (float(curve[-1, 1]), float(curve[-1, 2])) if len(curve) else (0.0, 0.0)
    return BoxScores(ap, recall, false_positives, curve, outcomes)
