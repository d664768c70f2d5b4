"""Text of others on a terminal and for programs: names of files, what servers answer."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

__all__ = ["as_json", "as_utf8", "fit", "from_utf8", "is_whole", "printable", "width"]

# Controls (C0, C1), formats (orders of writing, invisible marks), bytes that are no UTF-8, breaks of lines.
_HARMFUL = ("Cc", "Cf", "Cs", "Zl", "Zp")
_MOST_DIGITS = 9
_JOINERS = "\u200c\u200d"  # parts of words and of emoji


def printable(text: str) -> str:
    """The text as one line that no terminal obeys: each control, order of writing and stray byte as its escape, \\x1b.

    A byte that is no UTF-8, which Python's file names hold as a surrogate, becomes the escape of the byte.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(c) if unicodedata.category(c) in _HARMFUL and c not in _JOINERS else c for c in text)


def as_utf8(name: str) -> str:
    """A file's name for what takes UTF-8 alone: itself, or, where it has bytes that are none, with these and its
    backslashes escaped. Two names never become the same: one that looks escaped has its backslashes escaped, too.
    `from_utf8` is the way back.
    """
    escaped = _in_utf8(name)
    return _in_utf8(name.replace("\\", "\\\\")) if "\\udc" in escaped else escaped


def from_utf8(text: str) -> str:
    """The name that `as_utf8` was given."""
    if "\\udc" not in text:
        return text
    return re.sub(r"\\(\\|udc[89a-f][0-9a-f])", lambda found: chr(int(found[1][1:] or "5c", 16)), text)


def _in_utf8(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # os.fsdecode's
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def is_whole(text: str, most_digits: int = _MOST_DIGITS) -> bool:
    """Whether it is digits 0 to 9, not too many for int(); str.isdigit() takes "²" and a million of them."""
    return text.isascii() and text.isdigit() and len(text) <= most_digits


def width(text: str) -> int:
    """Columns that printable text takes on a terminal: two for East Asian wide characters, none for accents alone."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if character in _JOINERS or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def fit(text: str, columns: int) -> str:
    """The text made printable and exactly so wide: filled with spaces, or its end after "…"."""
    text = printable(text)
    missing = columns - width(text)
    if missing < 0:
        kept = len(text)
        room = columns - 1
        while kept and _columns(text[kept - 1]) <= room:
            kept -= 1
            room -= _columns(text[kept])
        text = f"…{text[kept:]}"
        missing = room
    return text + " " * missing


def as_json(value: Any, indent: int | None = None) -> str:
    """JSON of printable ASCII alone."""
    import json  # here: the command line's --help does without

    return json.dumps(value, indent=indent).replace("\x7f", "\\u007f")
