"""Import path of the package `mtcnn` on PyPI: see mtcnn.compat.mtcnn.bboxes."""

from mtcnn.compat.mtcnn.bboxes import *
