"""``python -m mtcnn``: the command ``mtcnn``."""

import sys

from pytrt.commands import mtcnn

if __name__ == "__main__":
    sys.exit(mtcnn())
