"""Pictures in which no face can be found because they are too dark: mostly such whose levels are in another range."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from mtcnn.errors import DarkPictureError
from mtcnn.runtime.once import Said

__all__ = ["NO_FACE_UP_TO", "brightest_if_dark", "check_not_dark", "dark_pictures"]

log = logging.getLogger("mtcnn")

# The brightest level of a picture that shows no face. Of 21 photographs of faces, scaled so that their brightest level
# is 15, none had a face that was found; with 16 one had, with 20 five, with 32 seventeen.
NO_FACE_UP_TO = 15

_are_usual: ContextVar[bool] = ContextVar("dark_pictures", default=False)
_said = Said()


@contextmanager
def dark_pictures() -> Iterator[None]:
    """Where pictures come from files and films, `check_not_dark` lets all pass: a picture of the night, or one frame of
    a film that fades, ends no run.
    """
    before = _are_usual.set(True)
    try:
        yield
    finally:
        _are_usual.reset(before)


def check_not_dark(img: Any, name: str) -> None:
    """Say why a picture, uint8 (H, W, 3), shows no face, where its levels do. To be called when none was found.

    Raises:
        DarkPictureError: it holds 0 and 1 alone. One that is wholly black passes.
    """
    if _are_usual.get():
        return
    top = brightest_if_dark(img)
    if top == 1:
        raise DarkPictureError(name)
    if top and _said.is_first("dark"):
        mend = f"; of 4 bits, {name} * 17" if top == NO_FACE_UP_TO else f"; a map of labels, {name} * (255 // {top})"
        log.warning(
            "%s is nowhere brighter than level %d of 255, in which no face is found%s (said once)", name, top, mend
        )


def brightest_if_dark(img: Any) -> int | None:
    """The brightest level of a picture, uint8 (H, W, 3), where that is too dark for a face; None of another.

    It is looked for in ever more pixels: of nearly all pictures the first tell.
    """
    if not hasattr(img, "max"):  # in a GPU's memory, by an interface that cannot compute
        return None
    height, width = img.shape[:2]
    for part in (img[height // 2, width // 2], img[::16, ::16], img):
        top = int(part.max())
        if top > NO_FACE_UP_TO:
            return None
    return top
