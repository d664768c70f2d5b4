"""The interfaces of other packages, answered by our detector: `mtcnn.compat.mtcnn` is PyPI's `mtcnn`."""
