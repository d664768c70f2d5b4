"""Pictures to work on, and what was said of them, for the tests of mtcnn.scale."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tests.conftest import ROOT


def make_pictures(folder: Path, count: int, scale: int = 1) -> Path:
    """Three people's pictures, no two alike; one without a face, one empty file, one that is no picture."""
    img = cv2.imread(str(ROOT / "docs" / "images" / "astronaut.jpg"))
    assert img is not None
    for i in range(count):
        path = folder / ("ann", "bob", "cleo/old")[i % 3] / f"{i:04}.{'png' if i % 4 else 'jpg'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        turned = cv2.convertScaleAbs(img[:, ::-1] if i % 2 else img, alpha=0.6 + 0.4 * i / count)
        part = turned[i % 40 : 300 - i % 7, 100 + i % 50 : 400]
        cv2.imwrite(str(path), part.repeat(scale, 0).repeat(scale, 1))
    cv2.imwrite(str(folder / "ann" / "gray.png"), np.full((90, 80, 3), 128, np.uint8))
    (folder / "bob" / "broken.jpg").write_bytes(b"no picture")
    (folder / "bob" / "empty.png").touch()
    (folder / "notes.txt").write_text("not looked at")
    return folder


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """The rows of all parts, in their order, less what is null."""
    import pyarrow.parquet as pq

    rows = [row for path in sorted(folder.glob("part-*.parquet")) for row in pq.read_table(path).to_pylist()]
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def as_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]
