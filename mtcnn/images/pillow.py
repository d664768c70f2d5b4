"""PIL pictures, known by their class: Pillow is not imported."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["is_picture", "orientation", "pixels", "turned", "turned_size"]

_ORIENTATION = 0x0112  # EXIF's tag
# How the pixels of a file are turned to stand upright, by EXIF's orientation.
_TURNS: dict[int, Callable[[npt.NDArray[Any]], npt.NDArray[Any]]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}
_AS_THEY_ARE = ("L", "RGB", "I", "F")
_WITH_ALPHA = ("LA", "La", "P", "PA", "RGBA", "RGBa")  # of a palette the transparent entries may be any


def is_picture(img: object) -> bool:
    """Whether this is a PIL picture: an instance of PIL.Image.Image, of whatever module its class is."""
    kind: Any = type(img)
    return _is_picture(kind)


def pixels(img: Any, name: str, turn: bool) -> npt.NDArray[Any]:
    """The pixels, gray (H, W), RGB (H, W, 3) or RGBA (H, W, 4): uint8, or of 16 bits and more as the mode holds them.

    Raises:
        ValueError: its file cannot be decoded, or its mode converted.
    """
    mode = str(img.mode)
    try:
        if mode in _AS_THEY_ARE or mode.startswith("I;16"):
            array = np.asarray(img)
        else:
            plain = img.convert("LA") if mode == "La" else img  # Pillow's one conversion of it
            array = np.asarray(plain.convert("RGBA" if mode in _WITH_ALPHA else "RGB"))
    except (AttributeError, EOFError, OSError, SyntaxError, TypeError, ValueError) as error:
        raise ValueError(f"{name} is a PIL picture of mode {mode} that cannot be read: {error}") from error
    return turned(array, orientation(img)) if turn else array


def turned(array: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """A view of the pixels that stands upright, by EXIF's orientation."""
    turn = _TURNS.get(orientation)
    return turn(array) if turn else array


def turned_size(img: Any) -> tuple[int, int]:
    """(height, width) of the picture when it stands upright."""
    width, height = img.size
    return (width, height) if orientation(img) >= 5 else (height, width)


def orientation(img: Any) -> int:
    """Its EXIF orientation, 1 to 8; 1: it stands upright."""
    try:
        found = int(img.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged EXIF data, of which Pillow raises many kinds, says nothing
        return 1
    return found if found in _TURNS else 1


@lru_cache(maxsize=64)
def _is_picture(kind: Any) -> bool:
    return any(base.__module__ == "PIL.Image" and base.__name__ == "Image" for base in kind.__mro__)
