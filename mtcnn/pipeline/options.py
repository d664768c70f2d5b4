"""How a detector is made, as one value that can be handed on, to other processes too."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtcnn.detector import TrtMtcnn

__all__ = ["DetectorOptions"]


@dataclass(frozen=True)
class DetectorOptions:
    """What :class:`mtcnn.TrtMtcnn` is made with.

    Attributes:
        preset, minsize, device: as TrtMtcnn takes them.
    """

    preset: str
    minsize: float
    device: str = "auto"

    def make(self, threads: int = 0) -> TrtMtcnn:
        """A detector; threads: 1 where several pictures are worked on at the same time, 0 for one a core.

        Raises:
            EngineError, DeviceError, ValueError: as :class:`mtcnn.TrtMtcnn`.
        """
        from mtcnn.detector import TrtMtcnn  # here: the command line's --help does without NumPy

        return TrtMtcnn(threads=threads, **asdict(self))

    def settings(self) -> dict[str, Any]:
        """What results depend on, for records of a run: all but the device."""
        return {name: value for name, value in asdict(self).items() if name != "device"}
