"""What is run under callgrind: detections.py IMAGE.npy TIMES FOLDER, with engines of that folder."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from mtcnn import TrtMtcnn

image, times, folder = sys.argv[1:]
picture = np.load(image)
engines = [Path(folder, f"{network}.engine") for network in ("pnet", "rnet", "onet")]
with TrtMtcnn(engines, device="cpu", preset="accurate", threads=1) as detector:
    for _ in range(int(times)):
        faces = detector.detect(picture, minsize=40)[0]
print(len(faces))
