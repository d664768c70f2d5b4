"""Import path of the package `mtcnn` on PyPI: see mtcnn.compat.mtcnn.images."""

from mtcnn.compat.mtcnn.images import *
