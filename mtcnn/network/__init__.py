"""Import path of the package `mtcnn` on PyPI: see mtcnn.compat.mtcnn.network."""

from mtcnn.compat.mtcnn.network import __getattr__ as __getattr__
