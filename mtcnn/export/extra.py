"""What `pip install 'trt-mtcnn[export]'` brings, imported where it is needed."""

from __future__ import annotations

import importlib
from typing import Any

from mtcnn.errors import MtcnnError

__all__ = ["need"]


def need(module: str) -> Any:
    """The module.

    Raises:
        MtcnnError: it is not installed; the message says how to get it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MtcnnError(f"this needs {module.partition('.')[0]}: pip install 'trt-mtcnn[export]'") from error
