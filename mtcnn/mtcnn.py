"""Import path of the package `mtcnn` on PyPI: see mtcnn.compat.mtcnn.detector."""

from mtcnn.compat.mtcnn.detector import *
