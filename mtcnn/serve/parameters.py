"""The cascade's parameters as text, as requests have them."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from typing import Any, Union, get_args, get_origin, get_type_hints

from mtcnn import checks
from mtcnn.params import Params, make_params, unknown_parameter
from mtcnn.without_effect import unused

__all__ = ["read_parameters", "unused_parameters"]

_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_MOST = 200  # characters of a value


def read_parameters(given: Iterable[tuple[str, str]], own: Params) -> Params:
    """What a request asks for.

    Args:
        given: names and values: those of :class:`mtcnn.Params`, sequences with commas ("0.6,0.7,0.7"), and "preset".
        own: what the server was started with, which a request changes; a preset replaces all of it but ``minsize``.
            ``max_work`` can be lowered, not raised.

    Raises:
        ValueError, TypeError: a name that there is not or that comes twice, or a wrong value.
    """
    values = _values(given)
    preset = values.pop("preset", None)
    base: str | Params = own
    if preset is not None:
        base = preset
        values = {"minsize": own.minsize, **values}
    asked = make_params(base, values)
    if own.max_work is None or (asked.max_work is not None and asked.max_work <= own.max_work):
        return asked
    if "max_work" in values and values["max_work"] is not None:
        raise ValueError(f"max_work must be at most {own.max_work:g}, this server's, got {asked.max_work:g}")
    return make_params(asked, {"max_work": own.max_work})


def unused_parameters(given: Iterable[tuple[str, str]], own: Params, asked: Params) -> list[str]:
    """Which of a request's parameters change nothing, and why.

    Args:
        asked: what read_parameters() made of the others.
    """
    values = _values(given)
    preset = values.pop("preset", None)
    return list(unused(asked, values, own if preset is None else make_params(preset, {})))


def _values(given: Iterable[tuple[str, str]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, text in given:
        if name in values:
            raise ValueError(f"{checks.shown(name)} is given twice; several numbers go with commas, as in 0.6,0.7,0.7")
        if name not in _KINDS:  # color: files of pictures know their own
            raise unknown_parameter(name, ("preset",))
        values[name] = _read(name, text, _KINDS[name])
        if name == "max_size" and values[name] is not None and len(values[name]) == 1:
            (values[name],) = values[name]  # a square's
    return values


def _read(name: str, text: str, kind: Any) -> Any:
    expected, read = _reader(kind)
    try:
        if len(text) > _MOST:
            raise ValueError
        return read(text.strip())
    except (ValueError, KeyError):
        raise ValueError(f"{name} must be {expected}, got {checks.shown(text)}") from None


def _reader(kind: Any) -> tuple[str, Callable[[str], Any]]:
    """What a value of this type is called, and what reads it."""
    parts = get_args(kind)
    if str in parts:  # rotations: a word, or numbers
        expected, read = _reader(parts[0])
        return f'"auto" or {expected}', lambda text: text if text == "auto" else read(text)
    if get_origin(kind) in (Union, types.UnionType):
        (rest,) = (part for part in parts if part is not type(None))
        expected, read = _reader(rest)
        return f"{expected} or none", lambda text: None if text.lower() == "none" else read(text)
    if get_origin(kind) is tuple:
        _, read = _reader(parts[0])
        return "numbers with commas between them", lambda text: tuple(read(n) for n in text.strip("[]()").split(","))
    if kind is bool:
        return "true or false", lambda text: _FLAGS[text.lower()]
    if kind is int:
        return "a whole number", _int
    return ("a number", float) if kind is float else ("a word", str)


def _int(text: str) -> int:
    if len(text) > 20:  # Python refuses to read thousands of digits with advice on how to allow it
        raise ValueError
    return int(text)


_KINDS = {**get_type_hints(Params), "preset": str}
