"""Where the console commands start: here, and not in `mtcnn`, so that `pytrt` can tell whose `mtcnn` it is."""

from __future__ import annotations

import os
from collections.abc import Callable

__all__ = ["create_engines", "mtcnn"]

_CANCELLED = 130  # as shells count Ctrl-C


def create_engines() -> int:
    """The command `create_engines`."""

    def load() -> Callable[[], int]:
        from mtcnn.cli.create_engines import main

        return main

    return _run(load, "create_engines")


def mtcnn() -> int:
    """The command `mtcnn`."""

    def load() -> Callable[[], int]:
        from mtcnn.cli.main import main

        return main

    return _run(load, "mtcnn")


def _run(load: Callable[[], Callable[[], int]], name: str) -> int:
    try:
        main = load()
    except KeyboardInterrupt:  # before there is anything that would say so
        os.write(2, f"{name}: cancelled\n".encode())
        return _CANCELLED
    return main()
