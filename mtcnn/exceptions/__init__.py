"""Import path of the package `mtcnn` on PyPI: see mtcnn.compat.mtcnn.exceptions."""

from mtcnn.compat.mtcnn.exceptions import *
