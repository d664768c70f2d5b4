"""What is run under callgrind: detections.py IMAGE.npy TIMES FOLDER [PRESET], with engines of that folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast

import numpy as np

from mtcnn import TrtMtcnn
from mtcnn.params import DEFAULT_PRESET, Preset

image, times, folder, *preset = sys.argv[1:]
picture = np.load(image)
engines = [Path(folder, f"{network}.engine") for network in ("pnet", "rnet", "onet", "lnet")]
engines = [path for path in engines if path.exists()]  # L-Net may be missing
with TrtMtcnn(
    engines, device="cpu", preset=cast(Preset, preset[0] if preset else DEFAULT_PRESET), threads=1
) as detector:
    for _ in range(int(times)):
        faces = detector.detect(picture, minsize=40)[0]
print(len(faces))
