"""Where the console commands start: here, and not in `mtcnn`, so that `pytrt` can tell whose `mtcnn` it is."""

from __future__ import annotations

__all__ = ["create_engines", "mtcnn"]


def create_engines() -> int:
    """The command `create_engines`."""
    from mtcnn.cli.create_engines import main

    return main()


def mtcnn() -> int:
    """The command `mtcnn`."""
    from mtcnn.cli.main import main

    return main()
