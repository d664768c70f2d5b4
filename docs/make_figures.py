#!/usr/bin/env python3
"""Draws the pictures of docs/images, running the cascade stage by stage and the cookbook's code: make figures."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

import pytrt
from mtcnn import FaceAligner, TrtMtcnn, create_engines, draw_faces
from mtcnn.cascade import Level, pyramid
from mtcnn.engines import NETWORKS, load_engine
from mtcnn.engines.devices import cpu_device
from mtcnn.params import PRESETS
from pytrt import testing

IMAGES = Path(__file__).resolve().parent / "images"
ENGINES = Path(__file__).parents[1] / "build" / "figures"
MINSIZE = 24
PANEL = 340
GREEN = (64, 220, 64)

Picture = npt.NDArray[np.uint8]
Array = npt.NDArray[np.float32]


def main() -> None:
    photo = np.asarray(cv2.imread(str(IMAGES / "astronaut.jpg")), np.uint8)
    p = PRESETS["fast"]
    height, width = photo.shape[:2]
    levels = pyramid(height, width, MINSIZE, p.factor, p.level_size)

    device = cpu_device()
    create_engines(ENGINES, flavour="cpu")
    engines = [load_engine(ENGINES / f"{network}.engine", device, network) for network in NETWORKS]
    stages = pytrt.Stages(device, *engines)
    stages.load([photo], [(height, width)])
    plan = [(0, *level) for level in levels]
    stages.pnet(plan, p.thresholds[0], 1, 1, p.max_rnet)  # an overlap over 1: nothing is suppressed
    cells = stages.boxes()[0]
    stages.pnet(plan, p.thresholds[0], p.nms_thresholds[0], p.nms_thresholds[1], p.max_rnet)
    proposals = stages.boxes()[0]
    stages.rnet(p.thresholds[1], p.nms_thresholds[2], p.max_onet)
    refined = stages.boxes()[0]
    stages.onet(p.thresholds[2], p.nms_thresholds[3])
    dets, landmarks, _ = stages.boxes()
    stages.unload()

    expected = TrtMtcnn([ENGINES / f"{n}.engine" for n in NETWORKS], "cpu", "fast").detect(photo, MINSIZE)
    assert np.array_equal(dets, expected[0]) and np.array_equal(landmarks, expected[1]), "not what detect() finds"

    canvas = draw_canvas(photo, levels)
    crops = pytrt.crop_resize(photo, squares(proposals), 24)
    panels = [
        (f"1  pyramid, packed for P-Net: {len(levels)} scales", canvas),
        (f"2  P-Net: {len(cells)} of its cells may be faces", draw_boxes(photo, cells)),
        (f"3  overlaps suppressed: {len(proposals)} proposals", draw_boxes(photo, proposals)),
        ("4  what R-Net sees: crops of 24 x 24", mosaic(to_pixels(crops))),
        (f"5  R-Net keeps {len(refined)}, corrected", draw_boxes(photo, refined)),
        (f"6  O-Net: {len(dets)} face{'s' if len(dets) != 1 else ''}, five points", draw_faces(photo, dets, landmarks)),
    ]
    drawn = [caption(text, picture) for text, picture in panels]
    rows = [np.hstack(drawn[i : i + 3]) for i in (0, 3)]
    write(IMAGES / "cascade.png", np.vstack(rows))

    found = TrtMtcnn([ENGINES / f"{n}.engine" for n in NETWORKS], "cpu").detect(photo)
    write(IMAGES / "astronaut-detected.jpg", draw_faces(photo, *found))
    write(IMAGES / "astronaut-aligned.png", FaceAligner((112, 112)).align(photo, found[1][0]))
    write(IMAGES / "astronaut-blurred.jpg", run_recipe("blurred.jpg"))


def run_recipe(result: str) -> Picture:
    """The picture that the cookbook's code of that name writes."""
    names: dict[str, Any] = {}
    docs = Path(__file__).resolve().parent
    blocks = re.findall(r"^```python\n(.*?)^```", (docs / "cookbook.md").read_text(), re.M | re.S)
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            Path("docs").symlink_to(docs)
            for block in (blocks[0], *(b for b in blocks if f'"{result}"' in b)):
                exec(compile(block, "cookbook.md", "exec"), names)
            return np.asarray(cv2.imread(result), np.uint8)
        finally:
            os.chdir(here)


def draw_canvas(photo: Picture, levels: tuple[Level, ...]) -> Picture:
    """The first canvas, with each tile's frame."""
    height, width, tiles = testing.pack_levels([(h, w) for h, w, _, _ in levels])[0]
    canvas = np.full((height, width, 3), 40, np.uint8)
    frames = []
    for level, cell_y, cell_x, cells_y, cells_x, y, x in tiles:
        h, w = 2 * (cells_y - 1) + 12, 2 * (cells_x - 1) + 12
        pixels = to_pixels(pytrt.resize(photo, levels[level][0], levels[level][1])[np.newaxis])[0]
        canvas[y : y + h, x : x + w] = pixels[2 * cell_y :, 2 * cell_x :][:h, :w]
        frames.append((x, y, w, h))
    for x, y, w, h in frames:
        cv2.rectangle(canvas, (x, y), (x + w - 1, y + h - 1), GREEN, 1)
    return canvas


def to_pixels(planes: Array) -> Picture:
    """Network input (n, 3, h, w) RGB back to BGR (n, h, w, 3)."""
    return np.asarray(np.rint(planes[:, ::-1] * 128 + 127.5).transpose(0, 2, 3, 1), np.uint8)


def squares(dets: Array) -> npt.NDArray[np.int32]:
    """Each box made square about its centre, in whole pixels, as R-Net's crops are."""
    x1, y1, x2, y2 = dets[:, :4].T
    w, h = x2 - x1 + 1, y2 - y1 + 1
    side = np.maximum(w, h)
    x, y = np.floor(x1 + (w - side) / 2 + 0.5), np.floor(y1 + (h - side) / 2 + 0.5)
    whole = np.floor(side + 0.5)
    return np.stack([x, y, x + whole - 1, y + whole - 1], axis=1).astype(np.int32)


def mosaic(crops: Picture) -> Picture:
    columns = int(np.ceil(np.sqrt(len(crops))))
    side = PANEL // columns
    picture = np.full((PANEL, PANEL, 3), 40, np.uint8)
    for i, crop in enumerate(crops):
        y, x = side * (i // columns), side * (i % columns)
        picture[y : y + side - 1, x : x + side - 1] = cv2.resize(crop, (side - 1, side - 1), None, 0, 0, cv2.INTER_AREA)
    return picture


def draw_boxes(photo: Picture, dets: Array) -> Picture:
    """The worst first, so that the best lie on top; brighter where surer."""
    drawn: Picture = np.asarray(photo * 0.6, np.uint8)
    for x1, y1, x2, y2, score in dets[np.argsort(dets[:, 4])]:
        colour = tuple(int(c * (0.3 + 0.7 * (score - 0.6) / 0.4)) for c in GREEN)
        cv2.rectangle(drawn, (round(float(x1)), round(float(y1))), (round(float(x2)), round(float(y2))), colour, 1)
    return drawn


def caption(text: str, picture: Picture) -> Picture:
    scale = PANEL / max(picture.shape[:2])
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    panel = np.full((PANEL + 34, PANEL + 10, 3), 255, np.uint8)
    small: Any = cv2.resize(picture, size, None, 0, 0, cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    left = 5 + (PANEL - size[0]) // 2
    panel[30 : 30 + size[1], left : left + size[0]] = small
    cv2.putText(panel, text, (5, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (30, 30, 30), 1, cv2.LINE_AA)
    return panel


def write(path: Path, picture: Picture) -> None:
    options = [cv2.IMWRITE_PNG_COMPRESSION, 9] if path.suffix == ".png" else [cv2.IMWRITE_JPEG_QUALITY, 90]
    if not cv2.imwrite(str(path), picture, options):
        raise OSError(f"cannot write {path}")
    print(path)


if __name__ == "__main__":
    main()
