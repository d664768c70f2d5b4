"""How many pixels a picture may have that is read from a file: a few kilobytes can say that they are billions."""

from __future__ import annotations

from mtcnn.errors import MtcnnError
from mtcnn.runtime import variables
from mtcnn.runtime.text import is_whole

__all__ = ["MOST_PIXELS", "most_pixels", "too_large"]

# 16384 x 16384: 0.8 GB decoded, and a few times that while its faces are found.
MOST_PIXELS = 1 << 28
_MOST = 1 << 30  # of any picture


def most_pixels() -> int:
    """The limit that TRT_MTCNN_MAX_PIXELS sets, else MOST_PIXELS.

    Raises:
        MtcnnError: it is no such number.
    """
    text = variables.value_of(variables.MAX_PIXELS)
    if text is None:
        return MOST_PIXELS
    if not is_whole(text.strip(), len(str(_MOST))) or not 1 <= int(text) <= _MOST:
        raise MtcnnError(f"{variables.MAX_PIXELS} must be a whole number from 1 to {_MOST}, got {text[:50]!r}")
    return int(text)


def too_large(width: int, height: int, most: int | None = None) -> str | None:
    """What is said of a picture or film that has more pixels; None of others.

    Args:
        most: None: most_pixels().
    """
    pixels, limit = width * height, most_pixels() if most is None else most
    if pixels <= limit:
        return None
    said = f"it has {width}x{height} pixels, {pixels:,} in all, of at most {limit:,}"
    can_be_lifted = most is None and pixels <= _MOST
    return f"{said}; where memory allows, {variables.MAX_PIXELS}={pixels} takes it" if can_be_lifted else said
