"""Checks of arguments: each returns the plain value or raises an error that names the argument."""

from __future__ import annotations

import math
import numbers
import os
import re
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

__all__ = [
    "choice",
    "device",
    "flag",
    "instance",
    "meant",
    "number",
    "numbers_in_unit",
    "pair",
    "path",
    "range_in_unit",
    "shown",
    "size",
    "some_numbers",
    "whole",
]

_Kind = TypeVar("_Kind")
_Choice = TypeVar("_Choice", bound=str)

_NO_LIMIT = 1e9  # a greatest value that nobody means: it keeps sums finite
_MOST_SHOWN = 200  # characters of a wrong value that an error repeats


def shown(value: object) -> str:
    """A wrong value as errors tell it: whatever its length, and where its repr() fails, as that of an int does which
    has more digits than Python prints.
    """
    try:
        text = repr(value)
    except Exception:
        return f"{type(value).__name__} that cannot be printed"
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 1]}…"


def number(value: object, name: str, low: float, high: float, open_ends: bool = False) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, got {shown(value)}")
    try:
        plain = float(value)
    except OverflowError:
        plain = math.inf
    inside = low < plain < high if open_ends else low <= plain <= high
    if not inside or not math.isfinite(plain):  # NaN is not inside, either
        where = f"in ({low:g}, {high:g})" if open_ends else f"{low:g} to {high:g}"
        if not open_ends and low > -_NO_LIMIT and high >= _NO_LIMIT and not plain > high:
            where = f"at least {low:g}"
        raise ValueError(f"{name} must be {where}, got {shown(value)}")
    return plain


def numbers_in_unit(values: object, name: str, count: int, what: str) -> tuple[Any, ...]:
    """`count` numbers in [0, 1]."""
    found = _items(values, count + 1, f"{name} must be {count} numbers ({what})")
    if len(found) != count:
        got = len(found) if len(found) < count else "more"
        raise ValueError(f"{name} must be {count} numbers ({what}), got {got}")
    return tuple(number(v, f"{name}[{i}]", low=0, high=1) for i, v in enumerate(found))


def range_in_unit(values: object, name: str) -> tuple[float, float]:
    """(low, high) in [0, 1]."""
    low, high = numbers_in_unit(values, name, 2, "low, high")
    if low > high:
        raise ValueError(f"{name} must be (low, high), got {low:g} and {high:g}: the lower one comes first")
    return low, high


def some_numbers(values: object, name: str, low: float, high: float, most: int) -> tuple[float, ...]:
    """One number or more, `most` at most."""
    found = _items(values, most + 1, f"{name} must be 1 to {most} numbers in a tuple, such as (1.0,)")
    if not 1 <= len(found) <= most:
        got = len(found) if len(found) <= most else "more"
        raise ValueError(f"{name} must be 1 to {most} numbers, got {got}")
    return tuple(number(v, f"{name}[{i}]", low, high) for i, v in enumerate(found))


def _items(values: object, most: int, expected: str) -> list[Any]:
    """The first `most` of them, since there may be no end."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise TypeError(f"{expected}, got {shown(values)}")
    try:
        return list(islice(values, most))
    except (TypeError, NotImplementedError) as error:  # an array of no dimension, a memoryview of several
        raise TypeError(f"{expected}, got {shown(values)}") from error


def whole(value: object, name: str, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be a whole number, got {shown(value)}")
    plain = int(value)
    if not low <= plain <= high:
        raise ValueError(f"{name} must be {low} to {high}, got {shown(plain)}")
    return plain


def rotations(value: object, name: str) -> tuple[int, ...] | str:
    """ "auto", or a tuple of some of 0, 90, 180 and 270, each once."""
    expected = f'{name} must be "auto" or a tuple of some of 0, 90, 180 and 270, each once, such as (0, 90)'
    if isinstance(value, str) and value == "auto":
        return value
    if isinstance(value, str):
        raise ValueError(f"{expected}, got {shown(value)}")
    found = [whole(v, f"{name}[{i}]", 0, 270) for i, v in enumerate(_items(value, 5, expected))]
    if not found or len(set(found)) != len(found) or any(degrees % 90 for degrees in found):
        raise ValueError(f"{expected}, got {shown(value)}")
    return tuple(found)


def size(value: object, name: str) -> tuple[int, int] | None:
    """(height, width), or None; one number is a square's."""
    if value is None:
        return None
    expected = f"{name} must be (height, width), one number for a square, or None"
    found = pair(value, expected, one_is_both=True)
    return whole(found[0], f"{name}[0]", 1, 1 << 24), whole(found[1], f"{name}[1]", 1, 1 << 24)


def pair(value: object, expected: str, *, one_is_both: bool = False) -> tuple[Any, Any]:
    """The two items of a tuple, a list or an array, unchecked.

    Args:
        expected: what is said of others.
        one_is_both: one whole number stands for both.
    """
    if one_is_both and isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return value, value
    is_in_order = hasattr(value, "__getitem__") and not isinstance(value, (Mapping, str, bytes, bytearray))
    if not is_in_order or len(found := _items(value, 3, expected)) != 2:
        raise TypeError(f"{expected}, got {shown(value)}")
    return found[0], found[1]


def instance(value: object, kind: type[_Kind], name: str) -> _Kind:
    if not isinstance(value, kind):
        got = f"the class itself: {kind.__name__}() makes one" if value is kind else shown(value)
        raise TypeError(f"{name} must be a {kind.__name__}, got {got}")
    return value


def path(value: object, name: str) -> Path:
    if not isinstance(value, (str, bytes, os.PathLike)):
        raise TypeError(f"{name} must be a path (str or pathlib.Path), got {shown(value)}")
    text = os.fsdecode(value)
    if "\0" in text:
        raise ValueError(f"{name} must be a path, which has no null characters, got {shown(value)}")
    return Path(text)


def choice(
    value: object, name: str, choices: tuple[_Choice, ...], others: Mapping[str, _Choice] | None = None
) -> _Choice:
    """One of `choices`. others: what other packages call them, by those names."""
    if not isinstance(value, str) or value not in choices:
        wanted = f"{name} must be {' or '.join(map(repr, choices))}, got {shown(value)}"
        raise ValueError(wanted + meant(value, choices, others or {}))
    return choices[choices.index(value)]


def meant(value: object, choices: Iterable[str], others: Mapping[str, str]) -> str:
    """What ends the error about a choice that there is not: "; did you mean 'rgb'?", or nothing."""
    if not isinstance(value, str):
        return ""
    import difflib  # which takes longer to import than all of this module

    text = value[:80].lower()
    names = {name.lower(): name for name in choices} | dict(others)
    alike = difflib.get_close_matches(text, names, n=1)
    return f"; did you mean {names[alike[0]]!r}?" if alike else ""


def device(value: object, name: str) -> str:
    """ "auto", "cpu", "cuda" or "cuda:N", also of what such a text stands for, as a torch.device does."""
    try:
        text = value if isinstance(value, str) else str(value)
    except Exception:  # an object's own
        text = ""
    if text not in ("auto", "cpu") and not re.fullmatch(r"cuda(:\d{1,4})?", text, re.ASCII):
        meant = _device_meant(value, text)
        mend = f'; did you mean "{meant}"?' if meant else ""
        raise ValueError(f'{name} must be "auto", "cpu", "cuda" or "cuda:N", got {shown(value)}{mend}')
    return text


def _device_meant(value: object, text: str) -> str | None:
    """What other packages call so."""
    if value is None:
        return "auto"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"cuda:{value}" if 0 <= value < 10_000 else "cpu" if value == -1 else None
    lower = text.lower().replace("gpu", "cuda")
    if re.fullmatch(r"\d{1,4}", lower, re.ASCII):
        lower = f"cuda:{lower}"
    return lower if lower in ("auto", "cpu") or re.fullmatch(r"cuda(:\d{1,4})?", lower, re.ASCII) else None


def flag(value: object, name: str) -> bool:
    if not isinstance(value, bool) and type(value).__name__ not in ("bool", "bool_"):
        raise TypeError(f"{name} must be True or False, got {shown(value)}")
    return bool(value)
