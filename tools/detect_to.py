"""Detects in a picture and keeps what it found: detect_to.py PICTURE OUT.npz; --compare A.npz B.npz compares two.

PICTURE: a file that OpenCV reads, or the OUT of another run, which holds its picture.
"""

from __future__ import annotations

import platform
import sys

import numpy as np

PIXELS, SCORE = 1e-2, 1e-4  # two processors may differ by so much: they round alike, but add in another order


def detect(source: str, out: str) -> None:
    import pytrt
    from mtcnn import TrtMtcnn
    from mtcnn.params import PRESETS

    if source.endswith(".npz"):
        img = np.load(source)["img"]
    else:
        import cv2

        img = cv2.imread(source)
    found = {}
    for preset in PRESETS:
        with TrtMtcnn(device="cpu", preset=preset) as detector:
            found[f"{preset}_dets"], found[f"{preset}_landmarks"] = detector.detect(img, 40)
    np.savez(out, img=img, **found)
    print(f"{platform.machine()}, {pytrt.isa()} kernels: {[len(found[f'{p}_dets']) for p in PRESETS]} faces")


def compare(a: str, b: str) -> int:
    ours, theirs = np.load(a), np.load(b)
    pixels = score = 0.0
    for name in ours.files:
        if ours[name].shape != theirs[name].shape or not len(ours[name]):
            sys.exit(f"{name}: {ours[name].shape} here, {theirs[name].shape} there")
        apart = np.abs(ours[name].astype(float) - theirs[name])
        if name.endswith("dets"):
            score = max(score, apart[:, 4].max())
            apart = apart[:, :4]
        pixels = max(pixels, apart.max())
    print(f"boxes and points at most {pixels:.1e} px apart, scores {score:.1e}")
    return int(pixels > PIXELS or score > SCORE)


if __name__ == "__main__":
    if sys.argv[1] == "--compare":
        sys.exit(compare(*sys.argv[2:]))
    detect(*sys.argv[1:])
