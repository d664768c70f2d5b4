"""Tries an installed trt-mtcnn, away from its sources: python smoke.py PHOTO, in an environment that holds the wheel.

The photo has one face. The engines are made on the way. Fails where the package is not the environment's own. Without
OpenCV, of which musl has none, Pillow reads the photo, and what reads files itself is left out.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import numpy as np

import pytrt
from mtcnn import MTCNN, TrtMtcnn
from mtcnn.utils.images import load_image

try:
    import cv2
except ImportError:
    cv2 = None
    from PIL import Image


def main(photo: str) -> None:
    assert Path(pytrt.__file__).is_relative_to(sys.prefix), f"{pytrt.__file__} is not of {sys.prefix}"
    commands = Path(sysconfig.get_path("scripts"))
    with tempfile.TemporaryDirectory() as folder:
        run(commands / "create_engines", "--output", folder)
        with TrtMtcnn([Path(folder, f"{name}.engine") for name in ("pnet", "rnet", "onet")]) as detector:
            dets, landmarks = detector.detect(read(photo))
        assert dets.shape == (1, 5) and landmarks.shape == (1, 10) and dets[0, 4] > 0.99, dets
        assert len(MTCNN().detect_faces(read(photo)[:, :, ::-1])) == 1
        if cv2:
            assert [len(faces) for faces in MTCNN().detect_faces([photo, load_image(photo)])] == [1, 1]
            assert '"score"' in run(commands / "mtcnn", "detect", photo, "--json")
        run(commands / "mtcnn", "triton", Path(folder, "models"))
    print(f"Python {sys.version.split()[0]}, {pytrt.isa()}: the wheel finds", dets[0].round(2))


def read(photo: str) -> np.ndarray:
    return cv2.imread(photo) if cv2 else np.asarray(Image.open(photo).convert("RGB"))[:, :, ::-1]


def run(*command: object) -> str:
    return subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main(*sys.argv[1:])
