"""The errors of this library. A wrong argument is a plain ValueError or TypeError that names it."""

__all__ = ["ClosedError", "DeviceError", "EngineError", "MtcnnError", "NoFaceError"]


class MtcnnError(Exception):
    """Base of every error that is not about a wrong argument."""


class EngineError(MtcnnError):
    """An engine file is missing, damaged or does not fit this machine."""


class DeviceError(MtcnnError):
    """The device asked for, its driver or its runtime library is not there."""


class ClosedError(MtcnnError):
    """A detector or network was used after ``close()``."""


class NoFaceError(MtcnnError):
    """A picture shows no face where one was asked for."""
