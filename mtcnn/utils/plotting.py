"""Import path of the package `mtcnn` on PyPI: see mtcnn.compat.mtcnn.plotting."""

from mtcnn.compat.mtcnn.plotting import *
