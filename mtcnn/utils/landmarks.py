"""Import path of the package `mtcnn` on PyPI: see mtcnn.compat.mtcnn.landmarks."""

from mtcnn.compat.mtcnn.landmarks import *
