"""The errors of this library; most are pytrt's, which raises them too. A wrong argument is a plain ValueError or
TypeError that names it."""

from pytrt.exceptions import ClosedError, DeviceError, EngineError, MtcnnError

__all__ = ["ClosedError", "DeviceError", "EngineError", "MtcnnError", "NoFaceError"]


class NoFaceError(MtcnnError):
    """A picture shows no face where one was asked for."""
