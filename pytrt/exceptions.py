"""The errors of this library. A wrong argument is a plain ValueError or TypeError that names it.

They are defined here, below everything that raises them, and without the native module: `mtcnn` re-exports them.
"""

__all__ = ["BuildCancelled", "ClosedError", "DeviceError", "EngineError", "MtcnnError"]


class MtcnnError(Exception):
    """Base of every error that is not about a wrong argument."""


class EngineError(MtcnnError):
    """An engine file is missing, damaged or does not fit this machine."""


class DeviceError(MtcnnError):
    """The device asked for, its driver or its runtime library is not there or fails."""


class ClosedError(MtcnnError):
    """A detector or network was used after ``close()``."""


class BuildCancelled(MtcnnError):
    """BuildProgress.cancel() was called."""
