"""Parameters that were given and change nothing, because of what others are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import lru_cache
from typing import Any

from mtcnn import checks
from mtcnn.params import PRESETS, Params, make_params
from mtcnn.runtime.unused import warn_unused

__all__ = ["unused", "warn_of_unused", "warnings_of"]

_DEFAULTS = {field.name: field.default for field in fields(Params)}
_OF_RNET = ("max_onet",)
_OF_PIXELS = ("nms_boxes", "whole_pixels", "resize")  # of all networks
_OF_ONET = (
    "mirror",
    "mirror_first",
    "mirror_range",
    "second_pass",
    "second_pass_scales",
    "tight_landmarks",
    "average_scores",
    "average_above",
    "vote",
    "landmark_net",
)
_OF_SECOND_PASS = ("second_pass_scales", "tight_landmarks", "average_scores")
_OF_PNET = ("minsize", "factor", "max_rnet", "level_size", "max_work")  # and of the pyramid that it runs on
# Of the sequences, which number is of which network: P-Net 1, R-Net 2, O-Net 3.
_NETWORKS = {"thresholds": (1, 2, 3), "nms_thresholds": (1, 1, 2, 3)}
_NAMES = ("P-Net", "R-Net", "O-Net")


def unused(p: Params, given: Mapping[str, Any], base: Params, *, refining: bool = False) -> Iterator[str]:
    """Why each parameter is without effect that was given and is, and what would give it one.

    What says that something is not to be done (False, no vote) is never told.

    Args:
        p: what is used.
        given: what was asked for, by name.
        base: what `p` would be without that: a sequence must be given whole, though one number of it is meant.
        refining: P-Net does not run.
    """
    for name in given:
        value = getattr(p, name)
        if name in _NETWORKS:
            yield from _unused_numbers(p, name, getattr(base, name), refining)
        elif value is not False and value != _DEFAULTS[name] and (why := _why(p, name, refining)):
            yield f"{name}={checks.shown(value)} has no effect: {why}"


def _unused_numbers(p: Params, name: str, base: tuple[float, ...], refining: bool) -> Iterator[str]:
    for i, (value, usual, network) in enumerate(zip(getattr(p, name), base, _NETWORKS[name], strict=True)):
        if value == usual:
            continue
        if network > p.networks:
            yield f"{name}[{i}]={value:g} has no effect: {_left_out(p, network)}"
        elif refining and network == 1:
            yield f"{name}[{i}]={value:g} has no effect: {_NO_PNET}"


_NO_PNET = "refine() runs R-Net and O-Net alone; it is for detect()"


def _left_out(p: Params, network: int) -> str:
    return f"networks={p.networks} leaves {_NAMES[network - 1]} out; networks={network} runs it"


def _why(p: Params, name: str, refining: bool) -> str | None:
    """Why a parameter changes nothing, where that is so."""
    if p.networks < 2 and (name in _OF_RNET or (refining and name in _OF_PIXELS)):
        return _left_out(p, 2)
    if name in _OF_ONET and p.networks < 3:
        return _left_out(p, 3)
    if refining and name in _OF_PNET:
        return _NO_PNET
    if refining and name == "vote":
        return "refine() has no neighbouring boxes, which vote; it is for detect()"
    if name in _OF_SECOND_PASS and not p.second_pass:
        return 'there is no second pass; second_pass=True, or preset="accurate", makes one'
    if name == "tight_landmarks" and len(p.second_pass_scales) == 1:
        return "the second pass has one square; second_pass_scales=(0.85, 1.1) makes two"
    if name in ("mirror_first", "mirror_range") and not p.mirror:
        return "no crop is mirrored; mirror=True does so"
    if name == "mirror_first" and not p.second_pass:
        return "mirror=True has the only pass mirrored already; second_pass=True makes another"
    if name == "mirror_range" and p.second_pass and not p.mirror_first:
        return "the first pass mirrors nothing; mirror_first=True has it do so"
    if name == "vote" and p.average_above == 1:
        return "no boxes are averaged, which vote; average_above=0.6 averages those that overlap more"
    return None


@lru_cache(maxsize=64)
def _given_in(preset: Params) -> list[str]:
    """The fields that whoever made these parameters has set himself: they are of no preset."""
    return [name for name in _DEFAULTS if all(getattr(preset, name) != getattr(one, name) for one in PRESETS.values())]


def warnings_of(
    p: Params, preset: str | Params, changes: Mapping[str, Any], *, own: bool = False, refining: bool = False
) -> tuple[str, ...]:
    """What to say of what was given and is without effect.

    Args:
        p: what ``make_params(preset, changes)`` made.
        own: `preset` is what the detector has, of which was told when it was made.
        refining: P-Net does not run. What `preset` holds for it may be for detect(), and is not told.
    """
    made = preset if isinstance(preset, Params) and not own and not refining else None
    if not changes and made is None:
        return ()
    base = make_params(preset, {})
    given = dict(changes)
    if made is not None:
        given = dict.fromkeys(_given_in(made)) | given
    return tuple(unused(p, given, base, refining=refining))


def warn_of_unused(p: Params, preset: str | Params, changes: Mapping[str, Any]) -> None:
    """Warn of what was given and is without effect, by the line of the caller's code."""
    for text in warnings_of(p, preset, changes):
        warn_unused(text)
