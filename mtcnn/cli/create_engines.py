"""The command `create_engines`: `mtcnn engines` by its older name."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from mtcnn.cli.engines import command
from mtcnn.cli.run import run

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the engines; 0 on success, 1 on an error, 2 on wrong arguments, 130 on Ctrl-C."""
    return run(command, arguments, "create_engines")


if __name__ == "__main__":
    sys.exit(main())
