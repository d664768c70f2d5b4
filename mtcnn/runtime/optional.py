"""Packages that only some of the functions need, imported where they are used."""

from __future__ import annotations

import importlib
from typing import Any

from mtcnn.errors import MtcnnError
from mtcnn.runtime.install import install_command

__all__ = ["import_optional"]


def import_optional(module: str, extra: str = "export") -> Any:
    """The module, whose package the optional dependencies `extra` of trt-mtcnn bring.

    Raises:
        MtcnnError: it is not installed; the message says how to get it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        why = "" if isinstance(error, ModuleNotFoundError) else f", which cannot be loaded ({error})"
        raise MtcnnError(f"this needs {module.partition('.')[0]}{why}: {install_command(extra)}") from error
