"""Import path of the package `mtcnn` on PyPI: see mtcnn.compat.mtcnn.stages."""

from mtcnn.compat.mtcnn.stages import *
