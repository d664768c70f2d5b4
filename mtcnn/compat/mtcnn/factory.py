"""`NetworkFactory` of `mtcnn` 0.1, which builds Keras models: it can be imported, but not used."""

from __future__ import annotations

from typing import NoReturn

from mtcnn.compat.mtcnn.network import INSTEAD
from mtcnn.errors import MtcnnError

__all__ = ["NetworkFactory"]


class NetworkFactory:
    """Says what to use instead of the Keras models."""

    def build_pnet(self, input_shape: object = None) -> NoReturn:
        _refuse()

    def build_rnet(self, input_shape: object = None) -> NoReturn:
        _refuse()

    def build_onet(self, input_shape: object = None) -> NoReturn:
        _refuse()

    def build_P_R_O_nets_from_file(self, weights_file: object) -> NoReturn:
        _refuse()


def _refuse() -> NoReturn:
    raise MtcnnError(f"NetworkFactory builds Keras models, which trt-mtcnn does without: {INSTEAD}")
