"""``python -m mtcnn``: the command ``mtcnn``."""

import sys

from mtcnn.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
