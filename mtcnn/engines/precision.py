"""Which precision a detector computes in: what a flavour has, and what "auto" takes."""

from __future__ import annotations

import json
import logging
import math
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

from mtcnn import checks
from mtcnn.engines.devices import cpu_model
from mtcnn.engines.networks import NETWORKS
from mtcnn.engines.settings import CPU, DETECTOR_PRECISIONS
from mtcnn.engines.store import engines_folder, models_folder, read_model
from mtcnn.errors import EngineError
from mtcnn.files import locked, read_regular, replacing

__all__ = ["FASTER", "check_precision", "choose_precision", "fastest_precision", "times_faster", "why_not"]

log = logging.getLogger("mtcnn")

_NAMED_ELSEWHERE = {
    **dict.fromkeys(("float32", "float", "single", "32"), "fp32"),
    **dict.fromkeys(("float16", "half", "16"), "fp16"),
    "bfloat16": "bf16",
}
FASTER = 1.5  # how much faster than fp32 "auto" wants another precision to be
_FORMAT = 1  # of the kept decision
_SHAPES = {"pnet": (1, 3, 160, 240), "rnet": (32, 3, 24, 24), "onet": (16, 3, 48, 48)}  # that are timed
_ROUNDS, _SECONDS = 9, 0.1  # of each network, at most; two rounds at least


def check_precision(precision: object) -> str:
    """The precision, where a detector can be asked for it.

    Raises:
        ValueError, TypeError: it cannot.
    """
    checked: str = checks.choice(precision, "precision", DETECTOR_PRECISIONS, _NAMED_ELSEWHERE)
    return checked


def why_not(precision: str, flavour: str) -> str | None:
    """Why engines of a flavour do not compute in a precision; None where they do."""
    if precision == "bf16" and flavour != CPU:
        return "precision 'bf16' is for CPUs: a GPU's engines are 'fp32' or 'fp16'"
    if precision == "fp16" and flavour == CPU:
        return "precision 'fp16' is for GPUs; a CPU's engines are 'fp32' or 'bf16', which is float16 on 64-bit Arm"
    return None


def choose_precision(precision: str, flavour: str) -> str:
    """What engines of a flavour are to compute in: "fp32", "fp16" or "bf16", for "auto" the one that it takes here.

    Raises:
        ValueError: the flavour has no such precision.
    """
    if precision == "auto":
        return fastest_precision(flavour)
    if problem := why_not(precision, flavour):
        raise ValueError(problem)
    return precision


def fastest_precision(flavour: str) -> str:
    """What "auto" takes: "bf16" on a CPU that it makes at least FASTER times faster, else "fp32".

    Where bf16 has no kernels of its own, nothing needs to be measured. Where it has, both are timed once, and what
    came out is kept beside the engines, so that results depend on no later timing.
    """
    ratio = times_faster() if flavour == CPU else None
    return "bf16" if ratio is not None and ratio >= FASTER else "fp32"


def times_faster() -> float | None:
    """How many times faster bf16 is on this CPU than fp32, as it was once measured; None where it has no kernels."""
    import pytrt

    kernels, reason = pytrt.bf16_kernels()
    return None if reason else _kept_ratio(kernels, str(engines_folder(CPU).parent))


@lru_cache(maxsize=8)
def _kept_ratio(kernels: str, folder: str) -> float:
    import mtcnn

    path = Path(folder) / "precision.json"
    of = {"format": _FORMAT, "version": mtcnn.__version__, "CPU": cpu_model(), "kernels": kernels}
    if kept := _read(path, of):
        return kept
    try:
        with locked(path.parent):  # one of several processes decides for all
            if kept := _read(path, of):
                return kept
            ratio = _measure()
            with replacing(path) as file:
                file.write(json.dumps({**of, "times_faster": ratio}).encode() + b"\n")
    except (OSError, EngineError) as error:
        ratio = _measure()
        log.info("what precision 'auto' takes is decided for this process alone: %s", error)
    log.info("bf16 is %.2f times as fast as fp32 on this CPU", ratio)
    return ratio


def _read(path: Path, of: dict[str, Any]) -> float | None:
    """The ratio there; None where there is none for this CPU, these kernels and this version."""
    try:
        fields = json.loads(read_regular(path, 1 << 16))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(fields, dict) or any(fields.get(name) != value for name, value in of.items()):
        return None
    ratio = fields.get("times_faster")
    return ratio if isinstance(ratio, float) and 0 < ratio < math.inf else None


def _measure() -> float:
    """The networks on one thread, in turns, the least time of each."""
    import numpy as np

    import pytrt

    device = pytrt.CpuDevice("", 1)
    least: dict[tuple[str, str], float] = {}
    for network in NETWORKS:
        model = read_model(models_folder() / f"{network}.onnx")
        values = np.linspace(-1, 1, int(np.prod(_SHAPES[network])), dtype=np.float32).reshape(_SHAPES[network])
        engines = {precision: device.load_engine(model, precision) for precision in ("fp32", "bf16")}
        started = time.perf_counter()
        for done in range(_ROUNDS):
            if done >= 2 and time.perf_counter() - started > _SECONDS:
                break
            for precision, engine in engines.items():
                began = time.perf_counter()
                engine.infer(values)
                seconds = time.perf_counter() - began
                least[network, precision] = min(least.get((network, precision), seconds), seconds)
    fp32, bf16 = (sum(least[network, precision] for network in NETWORKS) for precision in ("fp32", "bf16"))
    return round(fp32 / bf16, 3)
