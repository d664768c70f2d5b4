"""Folders of files as strangers have them: odd names, damaged pictures, links, pipes.

A run over one is cut anywhere and taken up. In the end each picture stands once in the results, and nothing in the
folder has changed.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from mtcnn import TrtMtcnn
from mtcnn.files import Inputs
from mtcnn.pipeline.find import find_pictures
from mtcnn.pipeline.formats import Skipped
from mtcnn.pipeline.made_of import MANIFEST, NAMES
from mtcnn.pipeline.pictures import Detected, detect_pictures
from mtcnn.pipeline.read import Found
from mtcnn.pipeline.records import picture_as_text, read_done
from mtcnn.pipeline.results import Results
from tests.fuzz.choices import Choices

__all__ = ["run_over"]

STEMS = (
    *("a", "b", ".a", "a b", "a,b", '"', "~", "*", "-", "--output", "=1+1"),
    *("a\nb", "a\r\nb", "\x1b[31m", "\u202e", "\udcff", "猫"),
)
ENDINGS = (".jpg", ".png", ".JPG", ".jfif", ".gif", ".bmp", ".heic", ".txt", "", ".jpg.gz", ".webp", ".tif", ".pgm")
MOST_FILES = 8


@lru_cache(maxsize=1)
def pictures() -> tuple[bytes, ...]:
    """One small picture in several formats."""
    img = np.random.default_rng(0).integers(0, 256, (13, 17, 3), np.uint8)
    return tuple(bytes(cv2.imencode(ending, img)[1]) for ending in (".jpg", ".png", ".bmp", ".webp", ".tif", ".ppm"))


def run_over(c: Choices, detector: TrtMtcnn) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name, "in")
        folder.mkdir()
        fill(c, folder, MOST_FILES)
        before = state(folder)
        layout = c.pick(("jsonl", "csv"))
        output = Path(name, f"out.{layout}")
        skipped = Skipped()
        found = Counter(str(one.path) for one in find_pictures([folder], skipped))
        assert max(found.values(), default=1) == 1
        run(detector, folder, output, layout, most=c.whole(0, MOST_FILES))
        if output.exists():
            os.truncate(output, c.whole(0, output.stat().st_size))
        run(detector, folder, output, layout, most=None, resume=output.exists())
        assert state(folder) == before
        if found:
            lines = output.read_text(encoding="utf-8", errors="surrogateescape")
            assert read_done(output, layout).names >= set(list(found)[: -1 if layout == "csv" else None])
            if layout == "jsonl":
                assert lines.count("\n") == len(found)


def fill(c: Choices, folder: Path, most: int) -> None:
    """Make files, links, pipes and folders in a folder."""
    for _ in range(c.whole(0, most)):
        path = folder / (c.pick(STEMS) + c.pick(ENDINGS))
        make = c.pick((picture, picture, cut_picture, noise, nothing, link, circle, pipe, subfolder, record))
        if not os.path.lexists(path):
            make(c, path)


def picture(c: Choices, path: Path) -> None:
    path.write_bytes(c.pick(pictures()))


def cut_picture(c: Choices, path: Path) -> None:
    whole = c.pick(pictures())
    path.write_bytes(whole[: c.whole(0, len(whole))])


def noise(c: Choices, path: Path) -> None:
    path.write_bytes(c.pick(pictures())[: c.whole(0, 30)] + c.take(c.whole(0, 30)))


def nothing(c: Choices, path: Path) -> None:
    path.touch()


def link(c: Choices, path: Path) -> None:
    path.symlink_to(path.parent / (c.pick(STEMS) + c.pick(ENDINGS)))


def circle(c: Choices, path: Path) -> None:
    path.symlink_to(c.pick((path.parent, path, Path("."), Path(".."))), target_is_directory=True)


def pipe(c: Choices, path: Path) -> None:
    os.mkfifo(path)


def record(c: Choices, path: Path) -> None:
    """What says that files are made of others, or something like it, where a command would have put it."""
    files = [str(one) for one in path.parent.iterdir()]
    lines = b""
    for _ in range(c.whole(0, 4)):
        name = c.pick(STEMS) + c.pick(ENDINGS)
        source = c.pick((*files, name, f"{name}#1", f"{path.parent}/", "..", "", 1, None, []))
        lines += c.pick((json.dumps([name, source]).encode() + b"\n", b"[[[[\n", b'["a', c.take(c.whole(0, 9)) + b"\n"))
    (path.parent / NAMES).write_bytes(lines)
    header = json.dumps({"settings": {}, "source": c.pick((str(path.parent), str(path.parent.parent), "/", 1))})
    (path.parent / MANIFEST).write_bytes(c.pick((header.encode() + b"\n", b"", b"[]\n", header.encode()[:9])))


def subfolder(c: Choices, path: Path) -> None:
    path.mkdir()
    fill(c, path, 3)


def run(detector: TrtMtcnn, folder: Path, output: Path, layout: str, most: int | None, resume: bool = False) -> None:
    """What `mtcnn detect FOLDER --output OUTPUT` does; it stops after so many pictures."""
    work: Callable[[Detected[Found]], str] = lambda result: picture_as_text(layout, result)  # noqa: E731
    inputs = Inputs(lambda: (one.path for one in find_pictures([folder])))
    with Results(output, layout, inputs, {}, resume=resume) as results:
        left: Iterator[Found] = (one for one in find_pictures([folder]) if str(one.path) not in results.done.names)
        texts = detect_pictures(detector, left, work, jobs=1)
        with contextlib.closing(texts):
            for number, text in enumerate(texts):
                if number == most:
                    return
                results.add(text)
        results.finish()


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    """What lies in a folder, links not followed."""
    found = {}
    for where, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(where, name)
            kind = path.lstat().st_mode
            whole = os.readlink(path).encode(errors="surrogateescape") if path.is_symlink() else b""
            found[str(path)] = (kind, path.read_bytes() if path.is_file() and not path.is_symlink() else whole)
    return found
