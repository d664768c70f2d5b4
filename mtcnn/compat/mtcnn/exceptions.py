"""The error that `mtcnn.MTCNN` raises for what is no picture."""

__all__ = ["InvalidImage"]


class InvalidImage(ValueError):
    """What was given as a picture is none, or cannot be decoded."""
