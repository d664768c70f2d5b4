"""Tries an installed trt-mtcnn, away from its sources: python smoke.py PHOTO, in an environment that holds the wheel.

The photo has one face. The engines are made on the way. Fails where the package is not the environment's own.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import cv2

import pytrt
from mtcnn import MTCNN, TrtMtcnn
from mtcnn.utils.images import load_image


def main(photo: str) -> None:
    assert Path(pytrt.__file__).is_relative_to(sys.prefix), f"{pytrt.__file__} is not of {sys.prefix}"
    commands = Path(sysconfig.get_path("scripts"))
    with tempfile.TemporaryDirectory() as folder:
        run(commands / "create_engines", "--output", folder)
        with TrtMtcnn([Path(folder, f"{name}.engine") for name in ("pnet", "rnet", "onet")]) as detector:
            dets, landmarks = detector.detect(cv2.imread(photo))
        assert dets.shape == (1, 5) and landmarks.shape == (1, 10) and dets[0, 4] > 0.99, dets
        assert [len(faces) for faces in MTCNN().detect_faces([photo, load_image(photo)])] == [1, 1]
        assert '"score"' in run(commands / "mtcnn", "detect", photo, "--json")
        run(commands / "mtcnn", "triton", Path(folder, "models"))
    print(f"Python {sys.version.split()[0]}: the wheel finds", dets[0].round(2))


def run(*command: object) -> str:
    return subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main(*sys.argv[1:])
