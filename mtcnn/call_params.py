"""The parameters of a call, which are checked when they come for the first time: in a loop all calls give the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from mtcnn.params import Params, make_params
from mtcnn.runtime.unused import warn_unused
from mtcnn.without_effect import warnings_of

__all__ = ["call_params"]

_MOST = 256  # calls that are remembered
_PLAIN = frozenset({int, float, str, bool, type(None)})
_PRESETS = (type(None), str, Params)


class _Checked(NamedTuple):
    of: tuple[Params, str | Params | None]  # which are kept, since their ids are parts of the key
    params: Params
    warnings: tuple[str, ...]


_checked: dict[tuple[object, ...], _Checked] = {}


def call_params(
    own: Params, preset: str | Params | None, changes: Mapping[str, Any], *, refining: bool = False
) -> Params:
    """The parameters of a call of a detector, with a warning for each that is without effect.

    Args:
        own: the detector's.
        preset, changes: what the call gives; of a preset without ``max_work`` the detector's holds.
        refining: for R-Net and O-Net alone.
    """
    if preset is None and not changes:
        return own
    mine = _plain(changes) if type(preset) in _PRESETS else None
    if mine is None:
        known = _check(own, preset, changes, refining)
    else:
        key = (id(own), id(preset) if isinstance(preset, Params) else preset, refining, *mine)
        found = _checked.get(key)
        if found is None:
            changes = {name: list(value) if kinds[0] is list else value for name, kinds, value in mine}
            found = _check(own, preset, changes, refining)
            if len(_checked) >= _MOST:
                _checked.clear()
            _checked[key] = found
        known = found
    for text in known.warnings:
        warn_unused(text)
    return known.params


def _check(own: Params, preset: str | Params | None, changes: Mapping[str, Any], refining: bool) -> _Checked:
    base = own if preset is None else preset
    limit = {}
    if preset is not None and not (isinstance(preset, Params) and preset.max_work is not None):
        limit = {"max_work": own.max_work}
    p = make_params(base, {**limit, **changes})
    return _Checked((own, preset), p, warnings_of(p, base, changes, own=preset is None, refining=refining))


def _plain(changes: Mapping[str, Any]) -> list[tuple[str, tuple[type, ...], Any]] | None:
    """Name, types (of a sequence and of what is in it) and value of each, a tuple where others may change it meanwhile.

    None where a value is not what its types and what it equals tell.
    """
    plain: list[tuple[str, tuple[type, ...], Any]] = []
    for name, value in changes.items():
        kind = type(value)
        if kind is tuple or kind is list:
            value = tuple(value)
            inner = tuple(map(type, value))
            if not _PLAIN.issuperset(inner):
                return None
            plain.append((name, (kind, *inner), value))
        elif kind in _PLAIN:
            plain.append((name, (kind,), value))
        else:
            return None
    return plain
