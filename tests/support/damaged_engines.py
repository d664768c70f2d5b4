"""Ways in which a folder of engines is damaged or stale, and what is said of each."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def change(**fields: Any) -> Callable[[Path], None]:
    """Changes fields of R-Net's description; None removes one."""

    def harm(folder: Path) -> None:
        path = folder / "rnet.engine.json"
        said = json.loads(path.read_text()) | fields
        path.write_text(json.dumps({k: v for k, v in said.items() if v is not None}))

    return harm


def rewrite(name: str, edit: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        (folder / name).write_bytes(edit((folder / name).read_bytes()))

    return harm


def flip(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


HARM: dict[str, tuple[Callable[[Path], object], str]] = {
    "no engine": (lambda f: (f / "rnet.engine").unlink(), "there is no "),
    "no description": (lambda f: (f / "rnet.engine.json").unlink(), "there is no description .*rnet.engine.json"),
    "cut off": (rewrite("rnet.engine", lambda b: b[:-100]), "rnet.engine is damaged"),
    "empty": (rewrite("rnet.engine", lambda b: b""), "rnet.engine is damaged"),
    "claims a terabyte": (lambda f: os.truncate(f / "rnet.engine", 1 << 40), "rnet.engine: it has more than 2048 MiB"),
    "description claims": (
        lambda f: os.truncate(f / "rnet.engine.json", 1 << 31),
        "rnet.engine.json: it has more than 1 MiB",
    ),
    "a bit flipped": (rewrite("rnet.engine", flip), "rnet.engine is damaged"),
    "description cut off": (rewrite("rnet.engine.json", lambda b: b[:50]), "rnet.engine.json is damaged"),
    "description no JSON": (rewrite("rnet.engine.json", lambda b: b"\xff\x00"), "rnet.engine.json is damaged"),
    "description a list": (rewrite("rnet.engine.json", lambda b: b"[]"), "rnet.engine.json is of another version"),
    "other format": (change(format=99), "rnet.engine.json is of another version"),
    "field missing": (change(flavour_version=None), "rnet.engine.json is damaged"),
    "field unknown": (change(colour="red"), "rnet.engine.json is damaged"),
    "precision unknown": (change(precision="int3"), "rnet.engine.json is damaged"),
    "flavour unknown": (change(flavour="onnxruntime"), "rnet.engine.json is damaged"),
    "other flavour": (change(flavour="tensorrt"), "rnet.engine is for tensorrt, not tensorrt-rtx"),
    "a CPU's": (change(flavour="cpu"), "rnet.engine is for cpu, not tensorrt-rtx"),
    "other network": (change(network="onet"), "rnet.engine is an engine of onet"),
    "stale": (change(model_sha256="0" * 64), "rnet.engine was made from another model"),
    "other version": (change(flavour_version="1.0.9"), r"rnet.engine was made by tensorrt-rtx 1.0.9; 1\.\d"),
    "other files": (
        lambda f: (f / "rnet.engine").write_bytes((f / "onet.engine").read_bytes()),
        "rnet.engine is damaged or not the one that rnet.engine.json describes",
    ),
}
