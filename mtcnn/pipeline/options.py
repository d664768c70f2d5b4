"""How a detector is made, as one value that can be handed on, to other processes too."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtcnn.detector import TrtMtcnn
    from mtcnn.engines.settings import Precision
    from mtcnn.params import Params

__all__ = ["DetectorOptions"]


@dataclass(frozen=True)
class DetectorOptions:
    """What :class:`mtcnn.TrtMtcnn` is made with.

    Attributes:
        preset, minsize, device, thresholds, precision, rotations: as TrtMtcnn takes them; thresholds None and
            rotations None: the preset's.
    """

    preset: str
    minsize: float
    device: str = "auto"
    thresholds: tuple[float, float, float] | None = None
    precision: Precision = "fp32"
    rotations: tuple[int, ...] | str | None = None

    def make(self, threads: int = 0, max_work: float | None = None) -> TrtMtcnn:
        """A detector; threads: 1 where several pictures are worked on at the same time, 0 for one a core.

        max_work: where strangers choose the pictures: see :class:`mtcnn.params.Params`.

        Raises:
            EngineError, DeviceError, ValueError: as :class:`mtcnn.TrtMtcnn`.
        """
        from mtcnn.detector import TrtMtcnn  # here: the command line's --help does without NumPy

        return TrtMtcnn(threads=threads, max_work=max_work, **self._given())

    def params(self) -> Params:
        """The cascade's parameters.

        Raises:
            ValueError, TypeError: a value out of range.
        """
        from mtcnn.params import make_params

        others = ("preset", "device", "precision")
        return make_params(self.preset, {k: v for k, v in self._given().items() if k not in others})

    def settings(self) -> dict[str, Any]:
        """What results depend on, for records of a run: all but the device; the precision where it is not "fp32"."""
        given = {name: value for name, value in self._given().items() if (name, value) != ("precision", "fp32")}
        given.pop("device")
        return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}  # as in JSON

    def _given(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}
