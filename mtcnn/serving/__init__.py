"""Serving with Triton Inference Server: ``write_repository`` for the server, ``Client`` for what calls it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtcnn.serving.client import Client as Client
    from mtcnn.serving.errors import ModelNotReadyError as ModelNotReadyError
    from mtcnn.serving.errors import RequestRefusedError as RequestRefusedError
    from mtcnn.serving.errors import ServerTimeoutError as ServerTimeoutError
    from mtcnn.serving.errors import ServerUnavailableError as ServerUnavailableError
    from mtcnn.serving.errors import ServingError as ServingError
    from mtcnn.serving.repository import write_repository as write_repository

_HOMES = {
    "Client": "client",
    "ModelNotReadyError": "errors",
    "RequestRefusedError": "errors",
    "ServerTimeoutError": "errors",
    "ServerUnavailableError": "errors",
    "ServingError": "errors",
    "write_repository": "repository",
}

__all__ = [
    "Client",
    "ModelNotReadyError",
    "RequestRefusedError",
    "ServerTimeoutError",
    "ServerUnavailableError",
    "ServingError",
    "write_repository",
]


if not TYPE_CHECKING:  # to which any name would be there

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'mtcnn.serving' has no attribute {name!r}")
        value = getattr(importlib.import_module(f"mtcnn.serving.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
