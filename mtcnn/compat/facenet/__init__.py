"""The face detector of facenet-pytorch 2.6, without its pins on old torch and NumPy; PyTorch itself is optional.

``from facenet_pytorch import MTCNN`` becomes ``from mtcnn.compat.facenet import MTCNN``. The recognition network
``InceptionResnetV1`` stays with facenet-pytorch, whose input this detector makes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mtcnn.compat.facenet.crops import extract_face
from mtcnn.compat.facenet.detector import MTCNN
from mtcnn.compat.facenet.tensors import fixed_image_standardization, prewhiten

__all__ = ["MTCNN", "extract_face", "fixed_image_standardization", "prewhiten"]

_ELSEWHERE = ("InceptionResnetV1", "ONet", "PNet", "RNet", "training")


if not TYPE_CHECKING:  # to which any name would be there

    def __getattr__(name: str) -> Any:
        if name in _ELSEWHERE:
            raise ImportError(
                f"{name} is not part of the detector: from facenet_pytorch import {name}, beside this one"
            )
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
