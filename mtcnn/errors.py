"""The errors of this library; most are pytrt's, which raises them too. A wrong argument is a plain ValueError or
TypeError that names it."""

from pytrt.exceptions import ClosedError, DeviceError, EngineError, MtcnnError

__all__ = [
    "ClosedError",
    "DarkPictureError",
    "DeviceError",
    "EngineError",
    "MtcnnError",
    "NoFaceError",
    "UnusedParameterWarning",
]


class UnusedParameterWarning(UserWarning):
    """A parameter was given that changes nothing, because of what others are; the message says which, and the mend."""


class NoFaceError(MtcnnError):
    """A picture shows no face where one was asked for."""


class DarkPictureError(ValueError):
    """A picture holds levels 0 and 1 alone, in which no face is found: it was scaled to 0..1, or is a mask.

    Attributes:
        name: the argument that it came as.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return (
            f"{self.name} holds levels 0 and 1 alone, levels must lie in 0..255: multiply by 255, {self.name} * 255, "
            f"or where it was made by astype(np.uint8), before that; a camera's picture that is as dark shows no face: "
            "catch mtcnn.DarkPictureError"
        )
