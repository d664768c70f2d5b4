"""What draws lines, dots and letters on pictures: OpenCV where it is installed, else Pillow."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from mtcnn.errors import MtcnnError
from mtcnn.runtime.opencv import opencv, picture_library

__all__ = ["Pen", "pen_for"]

Colour: TypeAlias = tuple[int, int, int]
Point: TypeAlias = tuple[int, int]

_LETTERS = 30  # pixels from line to line of OpenCV's letters at scale 1, about


class Pen(Protocol):
    """Draws on one picture, of which colours have the order. It is done once it is finished."""

    def rectangle(self, corner: Point, opposite: Point, colour: Colour, width: int | None) -> None:
        """width: of its line, which lies on the edge; None fills it. Both corners belong to it."""
        ...

    def dot(self, centre: Point, radius: int, colour: Colour) -> None: ...

    def text_size(self, text: str, scale: float, width: int) -> tuple[int, int, int]:
        """(width, height above the line that letters stand on, height below it)."""
        ...

    def text(self, text: str, start: Point, scale: float, colour: Colour, width: int) -> None:
        """start: the left end of the line that letters stand on."""
        ...

    def finish(self) -> None: ...


def pen_for(img: npt.NDArray[np.uint8]) -> Pen:
    """What draws on (H, W, 3), which lies in memory as one block.

    Raises:
        MtcnnError: neither OpenCV nor Pillow is installed.
    """
    return _OpenCvPen(img) if picture_library().name == "OpenCV" else _PillowPen(img)


class _OpenCvPen:
    def __init__(self, img: npt.NDArray[np.uint8]) -> None:
        self._cv2 = opencv("drawing")
        self._img = img
        self._font = self._cv2.FONT_HERSHEY_SIMPLEX

    def rectangle(self, corner: Point, opposite: Point, colour: Colour, width: int | None) -> None:
        self._cv2.rectangle(self._img, corner, opposite, colour, self._cv2.FILLED if width is None else width)

    def dot(self, centre: Point, radius: int, colour: Colour) -> None:
        self._cv2.circle(self._img, centre, radius, colour, self._cv2.FILLED, self._cv2.LINE_AA)

    def text_size(self, text: str, scale: float, width: int) -> tuple[int, int, int]:
        (length, height), below = self._cv2.getTextSize(text, self._font, scale, width)
        return length, height, below

    def text(self, text: str, start: Point, scale: float, colour: Colour, width: int) -> None:
        self._cv2.putText(self._img, text, start, self._font, scale, colour, width, self._cv2.LINE_AA)

    def finish(self) -> None:
        pass


class _PillowPen:
    def __init__(self, img: npt.NDArray[np.uint8]) -> None:
        from PIL import Image, ImageDraw

        self._img = img
        self._copy = Image.fromarray(img)
        self._draw: Any = ImageDraw.Draw(self._copy)

    def rectangle(self, corner: Point, opposite: Point, colour: Colour, width: int | None) -> None:
        (x1, x2), (y1, y2) = (sorted(pair) for pair in zip(corner, opposite, strict=True))
        if width is None:
            self._draw.rectangle((x1, y1, x2, y2), fill=colour)
        else:
            outer, inner = width // 2, (width - 1) // 2
            for left, top, right, bottom in (
                (x1 - outer, y1 - outer, x2 + outer, y1 + inner),
                (x1 - outer, y2 - inner, x2 + outer, y2 + outer),
                (x1 - outer, y1 - outer, x1 + inner, y2 + outer),
                (x2 - inner, y1 - outer, x2 + outer, y2 + outer),
            ):
                self._draw.rectangle((left, top, right, bottom), fill=colour)

    def dot(self, centre: Point, radius: int, colour: Colour) -> None:
        x, y = centre
        self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    def text_size(self, text: str, scale: float, width: int) -> tuple[int, int, int]:
        font = self._font(scale)
        left, top, right, bottom = self._draw.textbbox((0, 0), text, font=font, anchor="ls")
        return round(right - min(left, 0)), round(-top), max(round(bottom), 0) + 1

    def text(self, text: str, start: Point, scale: float, colour: Colour, width: int) -> None:
        self._draw.text(
            start, text, colour, font=self._font(scale), anchor="ls", stroke_width=max(0, width - 2), stroke_fill=colour
        )

    def finish(self) -> None:
        self._img[:] = np.asarray(self._copy)

    def _font(self, scale: float) -> Any:
        from PIL import ImageFont

        try:
            return ImageFont.load_default(_LETTERS * scale)
        except (ImportError, TypeError) as error:  # built without FreeType; older
            raise MtcnnError("letters on pictures need Pillow 10.1 with FreeType: pip install -U pillow") from error
