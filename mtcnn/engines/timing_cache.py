"""The file that keeps TensorRT's measurements for the next build, with a JSON file beside it that says it is one."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from mtcnn.engines.settings import TENSORRT_FLAVOURS
from mtcnn.engines.store import engines_folder
from mtcnn.errors import EngineError
from mtcnn.files import Inputs, OutputError, check_output, read_regular, replacing

__all__ = ["check_timing_cache", "read_timing_cache", "write_timing_cache"]

_KEY = "timing_cache_sha256"
_MOST = 1 << 16  # bytes of the JSON


def check_timing_cache(path: Path, taken: Sequence[Path], *, overwrite: bool) -> None:
    """Refuse, before a build that takes minutes, a file whose place a timing cache must not take.

    Args:
        taken: what the build reads, and the engines that it writes, which need not be there yet.
        overwrite: whether the user said that what is there may be replaced.

    Raises:
        EngineError: it is one of these, a folder, or was not written as a timing cache.
    """
    files = Inputs(lambda: taken)
    try:
        for one in (path, _beside(path)):
            if os.path.realpath(one) in map(os.path.realpath, taken):
                raise EngineError(f"timing cache: {one} is a model or an engine of this build: name another file")
            check_output(one, files, overwrite=True)
            is_ours = _is_ours(path) if one == path else _said(path) is not None
            if not (overwrite or is_ours) and one.is_file() and one.stat().st_size and path not in _usual():
                raise EngineError(
                    f"{one} is no timing cache that create_engines wrote: name another file, or replace it with "
                    "--overwrite (overwrite=True)"
                )
    except OutputError as error:
        raise EngineError(f"timing cache: {error}") from error


def read_timing_cache(path: Path | None) -> bytes:
    """What an earlier build measured; nothing where that cannot be read."""
    try:
        return read_regular(path) if path else b""
    except OSError:
        return b""  # a build without it is only slower


def write_timing_cache(path: Path, cache: bytes) -> None:
    """Write it; each file appears once it is whole, the description first.

    Raises:
        EngineError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(_beside(path)) as file:
            file.write(json.dumps({_KEY: hashlib.sha256(cache).hexdigest()}).encode() + b"\n")
        with replacing(path) as file:
            file.write(cache)
    except OSError as error:
        raise EngineError(f"cannot write the timing cache {path}: {error.strerror or error}") from error


def _usual() -> list[Path]:
    """Where commands keep it unless told otherwise: what is there is ours, from versions that described none."""
    return [engines_folder(flavour) / "timing.cache" for flavour in TENSORRT_FLAVOURS]


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _said(path: Path) -> str | None:
    try:
        said = json.loads(read_regular(_beside(path), _MOST))
    except (OSError, ValueError, RecursionError):
        return None
    return said.get(_KEY) if isinstance(said, dict) else None


def _is_ours(path: Path) -> bool:
    said = _said(path)
    return said is not None and said == hashlib.sha256(read_timing_cache(path)).hexdigest()
