"""Import path of the package `mtcnn` on PyPI: its modules are in mtcnn.compat.mtcnn."""
