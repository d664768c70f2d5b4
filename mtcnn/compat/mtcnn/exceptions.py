"""The errors that `mtcnn.MTCNN` raises for what is no picture."""

from mtcnn.errors import DarkPictureError

__all__ = ["DarkImage", "InvalidImage"]


class InvalidImage(ValueError):
    """What was given as a picture is none, or cannot be decoded."""


class DarkImage(InvalidImage, DarkPictureError):
    """A picture holds levels 0 and 1 alone."""
