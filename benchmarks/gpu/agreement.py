"""How far the faces of flavour "cuda" are from the CPU's: python -m benchmarks.gpu.agreement PICTURE_OR_FOLDER...

On a GPU, or with --emulate the same kernels as loops on the CPU. Prints the largest differences over all pictures, and
fails where a picture has other faces or a difference is larger than --most allows.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
import numpy.typing as npt

from mtcnn import TrtMtcnn, create_engines
from mtcnn.engines.settings import CUDA
from pytrt.testing import EmulatedGpu

MOST = {"fp32": (1e-3, 1e-3), "fp16": (2, 1e-2)}  # pixels, and scores, that faces may differ by

Array = npt.NDArray[np.float32]
Faces = tuple[Array, Array]


def kernel_detector(emulate: bool, precision: str) -> TrtMtcnn:
    engines = create_engines(flavour=CUDA, precision=precision)
    if not emulate:
        return TrtMtcnn(engines, device="cuda")
    gpu = EmulatedGpu("", kernels=True)
    with (
        mock.patch("mtcnn.detector.gpu_flavour", lambda: CUDA),
        mock.patch("mtcnn.detector.cuda_device", lambda flavour, ordinal: gpu),
    ):
        return TrtMtcnn(engines, device="cuda")


def differences(ours: Faces, theirs: Faces) -> tuple[float, float] | None:
    """The largest of pixels and of scores; None where the faces are not the same. Equal scores may change places."""
    if len(ours[0]) != len(theirs[0]):
        return None
    if not len(ours[0]):
        return 0.0, 0.0
    order = np.abs(ours[0][:, np.newaxis] - theirs[0]).max(axis=2).argmin(axis=0)
    if sorted(order) != list(range(len(order))):
        return None
    boxes, points = np.abs(ours[0][order] - theirs[0]), np.abs(ours[1][order] - theirs[1])
    return float(max(boxes[:, :4].max(), points.max())), float(boxes[:, 4].max())


def pictures(paths: list[Path]) -> list[Path]:
    """Those named, and those of folders, in the order of their names."""
    found: list[Path] = []
    for path in paths:
        found += sorted(p for p in path.rglob("*") if p.suffix in (".jpg", ".png")) if path.is_dir() else [path]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", type=Path, nargs="+", metavar="PICTURE_OR_FOLDER")
    parser.add_argument("--emulate", action="store_true", help="the kernels as loops on the CPU")
    parser.add_argument("--limit", type=int, default=sys.maxsize, help="pictures at most")
    parser.add_argument("--minsize", type=float, default=40)
    parser.add_argument("--preset", default="accurate")
    parser.add_argument("--precision", choices=sorted(MOST), default="fp32", help="of the kernels; default: fp32")
    parser.add_argument("--most", type=float, help="pixels, and scores; default: 0.001, in float16 2 and 0.01")
    options = parser.parse_args()
    most_pixels = most_score = 0.0
    faces = others = seen = 0
    with kernel_detector(options.emulate, options.precision) as gpu, TrtMtcnn(device="cpu") as cpu:
        for path in pictures(options.paths)[: options.limit]:
            img = cv2.imread(str(path))
            if img is None:
                continue
            ours, theirs = (
                d.detect(np.asarray(img, np.uint8), options.minsize, preset=options.preset) for d in (gpu, cpu)
            )
            found = differences(ours, theirs)
            seen += 1
            faces += len(theirs[0])
            if found is None:
                others += 1
                print(f"{path}: {len(ours[0])} faces, {len(theirs[0])} on the CPU")
                continue
            most_pixels, most_score = max(most_pixels, found[0]), max(most_score, found[1])
        runtime = gpu.runtime
    print(
        f"{runtime}, {options.precision}, {options.preset}, minsize {options.minsize:g}: "
        f"{seen} pictures, {faces} faces, {others} pictures with others; "
        f"largest differences {most_pixels:.2g} px, {most_score:.2g} of scores"
    )
    pixels, score = (options.most, options.most) if options.most is not None else MOST[options.precision]
    return 1 if others or most_pixels > pixels or most_score > score or not seen else 0


if __name__ == "__main__":
    sys.exit(main())
