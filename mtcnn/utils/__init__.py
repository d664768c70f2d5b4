"""Conveniences under the names that they have in `mtcnn` 1.0 on PyPI, for code written for it."""
