"""Writes what the CPU path finds, for machines without one: python -m tests.gpu.make_expected.

The project's own pictures go to expected.json; --data FILE writes what is in the labelled pictures, which the tests
read where TRT_MTCNN_GPU_EXPECTED names that file.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from mtcnn import TrtMtcnn
from mtcnn.params import PRESETS, Preset
from tests.gpu.frames import FRAMES, read
from tests.gpu.machine import Faces, photos, wider

EXPECTED = Path(__file__).with_name("expected.json")


def find_all() -> list[dict[str, Any]]:
    entries = []
    with TrtMtcnn(device="cpu") as detector:
        for preset in PRESETS:
            for name, frame in FRAMES.items():
                for minsize in (40, 24) if name == "astronaut" else (40,):
                    faces = detector.detect(frame(), minsize, preset=preset)
                    entries.append(entry_of(faces, frame=name, preset=preset, minsize=minsize))
    return entries


def find_in_data() -> list[dict[str, Any]]:
    fast: tuple[Preset, ...] = ("fast",)
    with TrtMtcnn(device="cpu") as detector:
        return [
            entry_of(detector.detect(read(str(path)), 40, preset=preset), picture=path.name, preset=preset, minsize=40)
            for paths, presets in ((photos(), tuple(PRESETS)), (wider(), fast))
            for path in paths
            for preset in presets
        ]


def entry_of(faces: Faces, **what: Any) -> dict[str, Any]:
    dets, landmarks = faces
    return what | {
        "dets": [[round(float(v), 4) for v in row] for row in dets],
        "landmarks": [[round(float(v), 3) for v in row] for row in landmarks],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, metavar="FILE", help="write what is found in the labelled pictures")
    parser.add_argument("--check", action="store_true", help="only tell whether the file still says what is found")
    options = parser.parse_args()
    if options.data:
        return write(options.data, find_in_data())
    entries = find_all()
    if options.check:
        known = json.loads(EXPECTED.read_text())
        apart = [
            f"{new['frame']}, {new['preset']}" for old, new in zip(known, entries, strict=False) if not same(old, new)
        ]
        if len(known) != len(entries):
            apart.append(f"{len(known)} results instead of {len(entries)}")
        print(f"{EXPECTED.name}: {'differs: ' + ', '.join(apart) if apart else 'as found'}")
        return 1 if apart else 0
    return write(EXPECTED, entries)


def same(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether two entries are of the same and say the same, to what rounding may change."""
    if any(old[key] != new[key] for key in ("frame", "preset", "minsize")):
        return False
    faces = [(np.array(old[key], np.float64), np.array(new[key], np.float64)) for key in ("dets", "landmarks")]
    return all(a.shape == b.shape and np.allclose(a, b, atol=0.05) for a, b in faces)


def write(path: Path, entries: list[dict[str, Any]]) -> int:
    path.write_text("[\n" + ",\n".join(json.dumps(entry) for entry in entries) + "\n]\n")
    print(f"{path.name}: {len(entries)} results, {sum(len(e['dets']) for e in entries)} faces")
    return 0


if __name__ == "__main__":
    sys.exit(main())
