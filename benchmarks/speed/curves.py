"""How cost grows: with the pixels of a picture, and with the faces in it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.processes import Detector
from benchmarks.speed.contest import Entry, race
from benchmarks.speed.quiet import Quiet
from benchmarks.speed.summary import fit_line
from benchmarks.speed.work import ASTRONAUT, Image, Work, grid_of_faces, read_picture, resized
from mtcnn import TrtMtcnn

__all__ = ["FACES", "SIZES", "SOME_FACES", "cost_over_faces", "cost_over_pixels", "draw"]

SIZES = {
    "VGA": (640, 480),
    "720p": (1280, 720),
    "1080p": (1920, 1080),
    "1440p": (2560, 1440),
    "4K": (3840, 2160),
    "8K": (7680, 4320),
}
FACES = (0, 1, 5, 10, 20, 50, 100, 200, 300, 400, 500)
SOME_FACES = (0, 1, 5, 10, 20, 50, 100)
FACE_SIDE = 100  # of a face with some background
FACES_SIZE = SIZES["4K"]


def cost_over_pixels(detectors: Sequence[Detector], scene: Image, minsize: float, rounds: int) -> dict[str, Any]:
    """Of one scene, stretched."""
    pictures = {label: resized(scene, width, height) for label, (width, height) in SIZES.items()}
    found = measure(detectors, pictures, minsize, rounds)
    return {
        "x": "pixels",
        "minsize": minsize,
        "labels": list(SIZES),
        **fitted(found, [w * h for w, h in SIZES.values()]),
    }


def cost_over_faces(
    detectors: Sequence[Detector], minsize: float, rounds: int, counts: Sequence[int] = FACES
) -> dict[str, Any]:
    """Of a 4K picture with more and more copies of a face."""
    width, height = FACES_SIZE
    face = one_face()
    pictures = {str(count): grid_of_faces(face, count, width, height) for count in counts}
    found = measure(detectors, pictures, minsize, rounds)
    return {"x": "faces", "minsize": minsize, "labels": list(pictures), **fitted(found, list(counts))}


def measure(
    detectors: Sequence[Detector], pictures: Mapping[str, Image], minsize: float, rounds: int
) -> dict[str, list[dict[str, Any]]]:
    """For each detector its results, picture by picture."""
    found: dict[str, list[dict[str, Any]]] = {d.name: [] for d in detectors}
    with tempfile.TemporaryDirectory() as folder:
        for label, picture in pictures.items():
            paths = Work(label, (picture,)).save(Path(folder))
            quiet = Quiet.of(d.process.pid for d in detectors)
            entries = [Entry(d.name, minsize, {1: d}) for d in detectors]  # whatever it was started with
            for result in race(entries, paths, rounds, quiet, detectors[0].name, detectors[0].name):
                found[result["detector"]].append(result)
            paths[0].unlink()  # 100 MB at 8K
    return found


def fitted(found: Mapping[str, list[dict[str, Any]]], x: Sequence[int]) -> dict[str, Any]:
    """Curves, with None where a detector failed, and the line that each is nearest to."""
    curves = {}
    for name, results in found.items():
        good = [(value, r["median_ms"]) for value, r in zip(x, results, strict=True) if "error" not in r]
        if len(good) < 3:
            continue
        a, b, error = fit_line(*zip(*good, strict=True))
        curves[name] = {
            **{key: [r.get(key) for r in results] for key in ("median_ms", "p10_ms", "p90_ms", "faces")},
            "line": {"ms_at_0": round(a, 4), "ms_per_x": b, "largest_error": round(error, 4)},
        }
    return {"values": list(x), "curves": curves}


def one_face() -> Image:
    """The astronaut's, with some background."""
    picture = read_picture(str(ASTRONAUT))
    with TrtMtcnn(device="cpu") as detector:
        x1, y1, x2, y2 = detector.detect(picture)[0][0, :4]
    half = 0.75 * max(x2 - x1, y2 - y1)
    cx, cy = (x1 + x2) / 2, (y1 + y2) / 2
    top, bottom, left, right = (int(max(0, v)) for v in (cy - half, cy + half, cx - half, cx + half))
    return resized(np.ascontiguousarray(picture[top:bottom, left:right]), FACE_SIDE, FACE_SIDE)


def draw(curves: Sequence[Mapping[str, Any]], path: Path) -> None:
    """A plot of each, side by side. The same figures give the same file."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams |= {
        "svg.hashsalt": "trt-mtcnn",
        "svg.fonttype": "none",
        "font.size": 9,
        "axes.grid": True,
        "grid.alpha": 0.3,
    }
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(curves), figsize=(4.6 * len(curves), 3.4), squeeze=False)
    for axis, curve in zip(axes[0], curves, strict=True):
        pixels = curve["x"] == "pixels"
        x = np.asarray(curve["values"], float) / (1e6 if pixels else 1)
        for name, found in curve["curves"].items():
            middle, low, high = (np.array(found[key], float) for key in ("median_ms", "p10_ms", "p90_ms"))
            (line,) = axis.plot(x, middle, marker="o", markersize=3, linewidth=1, label=name)
            axis.fill_between(x, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
        axis.set_xlabel(
            "megapixels (640x480 to 8K)" if pixels else f"faces in a {FACES_SIZE[0]}x{FACES_SIZE[1]} picture"
        )
        axis.set_ylabel("ms")
        axis.set_xlim(left=0)
        axis.set_ylim(bottom=0)
        axis.legend(frameon=False)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
