"""Import path of the package `mtcnn` on PyPI: see mtcnn.compat.mtcnn.factory."""

from mtcnn.compat.mtcnn.factory import *
