"""The package `mtcnn` on PyPI, 0.1 and 1.0: its detector and the modules that people import beside it."""
