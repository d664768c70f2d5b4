"""Detects in a picture and keeps what it found: detect_to.py PICTURE OUT.npz [PRECISION]; --compare A.npz B.npz
[PRECISION] compares two, the second of that precision.

PICTURE: a file that OpenCV reads, or the OUT of another run, which holds its picture.
"""

from __future__ import annotations

import platform
import sys

import numpy as np

# Two processors may differ by so much in pixels and scores: they round alike, but add in another order.
WITHIN = {"fp32": (1e-2, 1e-4), "bf16": (1.0, 0.02)}


def detect(source: str, out: str, precision: str = "fp32") -> None:
    import pytrt.testing
    from mtcnn import TrtMtcnn
    from mtcnn.params import PRESETS

    if source.endswith(".npz"):
        img = np.load(source)["img"]
    else:
        import cv2

        img = cv2.imread(source)
    found = {}
    for preset in PRESETS:
        with TrtMtcnn(device="cpu", preset=preset, precision=precision) as detector:
            found[f"{preset}_dets"], found[f"{preset}_landmarks"] = detector.detect(img, 40)
    halved = {f"halved_{width}": pytrt.testing.halve(img[:33, :width]) for width in range(1, 70, 3)}
    np.savez(out, img=img, **found, **halved)
    faces = [len(found[f"{p}_dets"]) for p in PRESETS]
    print(f"{platform.machine()}, {pytrt.isa()} kernels, {precision}: {faces} faces")


def compare(a: str, b: str, precision: str = "fp32") -> int:
    ours, theirs = np.load(a), np.load(b)
    pixels = score = 0.0
    for name in ours.files:
        if ours[name].shape != theirs[name].shape or not len(ours[name]):
            sys.exit(f"{name}: {ours[name].shape} here, {theirs[name].shape} there")
        if name == "img" or name.startswith("halved"):
            if not np.array_equal(ours[name], theirs[name]):
                sys.exit(f"{name}: other pixels there")
            continue
        apart = np.abs(ours[name].astype(float) - theirs[name])
        if name.endswith("dets"):
            score = max(score, apart[:, 4].max())
            apart = apart[:, :4]
        pixels = max(pixels, apart.max())
    print(f"boxes and points at most {pixels:.1e} px apart, scores {score:.1e}")
    most_pixels, most_score = WITHIN[precision]
    return int(pixels > most_pixels or score > most_score)


if __name__ == "__main__":
    if sys.argv[1] == "--compare":
        sys.exit(compare(*sys.argv[2:]))
    detect(*sys.argv[1:])
