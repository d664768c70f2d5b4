"""The manifest of `mtcnn align`: its settings, then what was decided for each picture, a line of JSON each."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any

from mtcnn.errors import MtcnnError

__all__ = ["Manifest", "check_settings"]


class Manifest:
    """OUT/manifest.jsonl, open for more lines.

    Attributes:
        done: the pictures that it has already.
        crops: the crops of these.
    """

    def __init__(self, folder: Path, settings: dict[str, Any], resume: bool) -> None:
        self._path = folder / "manifest.jsonl"
        self.done: set[str] = set()
        self.crops: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)
        if self._path.exists():
            if not resume:
                raise MtcnnError(f"{self._path} is there: go on with --resume, or choose another folder")
            self._read(settings)
        self._file = self._path.open("a", encoding="utf-8")
        if self._file.tell() == 0:
            self._write({"settings": settings})

    def add(self, line: dict[str, Any]) -> None:
        self._write(line)

    def __enter__(self) -> Manifest:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def _read(self, settings: dict[str, Any]) -> None:
        data = self._path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        try:
            lines = [json.loads(line) for line in whole.splitlines()]
            before = lines[0]["settings"] if lines else settings
            self.done = {line["file"] for line in lines[1:]}
            self.crops = {line["crop"] for line in lines[1:] if "crop" in line}
        except (ValueError, KeyError, TypeError):
            raise MtcnnError(f"{self._path} is no manifest of mtcnn align: choose another folder") from None
        check_settings(str(self._path), before, settings)
        os.truncate(self._path, len(whole))


def check_settings(where: str, before: dict[str, Any], settings: dict[str, Any]) -> None:
    """Refuse to go on with other settings than those that results were made with."""
    if before != settings:
        names = [name for name in {**settings, **before} if before.get(name) != settings.get(name)]
        changed = ", ".join(f"--{name} was {before.get(name, 'not given')}" for name in names)
        raise MtcnnError(f"{where} was made with other settings: {changed}")
