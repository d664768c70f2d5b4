"""What `mtcnn.MTCNN(stages=...)` takes: which networks look at a picture, in this order.

They name stages; the work is done by the native core.
"""

from __future__ import annotations

from typing import NoReturn

from mtcnn.compat.mtcnn.network import INSTEAD
from mtcnn.errors import MtcnnError

__all__ = ["StageONet", "StagePNet", "StageRNet"]


class _Stage:
    WEIGHTS: str

    def __init__(self, stage_name: str, stage_id: int, weights: str) -> None:
        if weights != self.WEIGHTS:
            raise ValueError(
                f"weights must be {self.WEIGHTS!r}, which are built in, got {weights!r}: "
                "convert others to ONNX, then create_engines(models=folder) and TrtMtcnn(engines)"
            )
        self.name = stage_name
        self.id = stage_id

    @property
    def model(self) -> NoReturn:
        raise MtcnnError(f"{self.name} holds no Keras model: {INSTEAD}")

    def __call__(self, *args: object, **kwargs: object) -> NoReturn:
        raise MtcnnError(
            f"{self.name} cannot be called alone: pytrt.Stages runs the stages one by one; see docs/api.md"
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class StagePNet(_Stage):
    """P-Net over the image pyramid: proposes boxes."""

    WEIGHTS = "pnet.lz4"

    def __init__(self, stage_name: str = "Stage PNET", stage_id: int = 1, weights: str = WEIGHTS) -> None:
        super().__init__(stage_name, stage_id, weights)


class StageRNet(_Stage):
    """R-Net over the proposals: rejects most, corrects the rest."""

    WEIGHTS = "rnet.lz4"

    def __init__(self, stage_name: str = "Stage RNET", stage_id: int = 2, weights: str = WEIGHTS) -> None:
        super().__init__(stage_name, stage_id, weights)


class StageONet(_Stage):
    """O-Net over what is left: final boxes, scores and landmarks."""

    WEIGHTS = "onet.lz4"

    def __init__(self, stage_name: str = "Stage ONET", stage_id: int = 3, weights: str = WEIGHTS) -> None:
        super().__init__(stage_name, stage_id, weights)
