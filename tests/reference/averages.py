"""What the preset "accurate" averages."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .nms import overlaps
from .params import Params

Array = NDArray[np.float32]
Answer = tuple[Array, Array, Array]  # probability (n,), regression (n, 4), landmarks (n, 10)

SWAPPED = [1, 0, 2, 4, 3]  # eyes and mouth corners change places in a mirror


def mirror_mean(plain: Answer, mirrored: Answer) -> Answer:
    """The mean of O-Net's answers for crops and for their mirror images."""
    prob, reg, marks = mirrored
    # The left side of a mirrored box is the right side of the box, and moves the other way.
    reg = np.stack([-reg[:, 2], reg[:, 1], -reg[:, 0], reg[:, 3]], axis=1)
    x, y = marks[:, :5], marks[:, 5:]
    marks = np.concatenate([1 - x[:, SWAPPED], y[:, SWAPPED]], axis=1)
    two = np.float32(2)
    return (plain[0] + prob) / two, (plain[1] + reg) / two, (plain[2] + marks) / two


def average_suppressed(
    boxes: Array, scores: Array, landmarks: Array, kept: NDArray[np.intp], p: Params
) -> tuple[Array, Array, NDArray[np.intp]]:
    """Each kept box and its landmarks: the mean, weighted by score, with those it suppressed that overlap it enough.
    And how many these are."""
    order = np.argsort(-scores, kind="stable")
    suppressor = np.full(len(boxes), -1)
    for k in kept[::-1]:  # the best that overlaps comes last and stays
        after = order[np.flatnonzero(order == k)[0] + 1 :]
        suppressor[after[overlaps(boxes[k], boxes[after], "min") > p.nms_thresholds[3]]] = k
    mean_boxes, mean_landmarks, neighbours = [], [], []
    for k in kept:
        near = np.flatnonzero((suppressor == k) & (overlaps(boxes[k], boxes, "union") > p.average_above))
        members = [k, *near[~np.isin(near, kept)]]
        neighbours.append(len(members) - 1)
        weights = scores[members][:, np.newaxis]
        mean_boxes.append((weights * boxes[members]).sum(0) / weights.sum())
        mean_landmarks.append((weights * landmarks[members]).sum(0) / weights.sum())
    return (
        np.array(mean_boxes, np.float32).reshape(-1, 4),
        np.array(mean_landmarks, np.float32).reshape(-1, 10),
        np.array(neighbours, np.intp),
    )


def voted(scores: Array, neighbours: NDArray[np.intp], vote: float) -> Array:
    """1 - (1 - score) (1 - vote)^n, with n the neighbours, three at most."""
    return (1 - (1 - scores) * np.float32(1 - vote) ** np.minimum(neighbours, 3)).astype(np.float32)
