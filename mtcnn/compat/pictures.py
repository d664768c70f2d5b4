"""Pictures as other packages take them, RGB, as the detector takes them, BGR."""

from __future__ import annotations

import sys
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from mtcnn.images import as_bgr

__all__ = ["bgr_from_rgb", "is_tensor", "numpy_from_tensor"]


def is_tensor(img: object) -> TypeGuard[Any]:
    """Whether this is a torch tensor, or of a subclass."""
    torch = sys.modules.get("torch")  # whoever has a tensor has imported it
    return torch is not None and isinstance(img, torch.Tensor)


def numpy_from_tensor(tensor: Any, name: str = "img") -> npt.NDArray[Any]:
    """Return a tensor (H, W, 3) or (n, H, W, 3) of any device as an array.

    Raises:
        ValueError: channels come first.
    """
    shape = tuple(tensor.shape)
    if len(shape) in (3, 4) and shape[-1] not in (1, 3, 4) and shape[-3] in (1, 3, 4):
        order = "1, 2, 0" if len(shape) == 3 else "0, 2, 3, 1"
        raise ValueError(f"{name} has the shape {shape}, but channels come last: {name}.permute({order})")
    array: npt.NDArray[Any] = tensor.detach().cpu().numpy()
    return array


def bgr_from_rgb(img: Any, name: str = "img") -> npt.NDArray[np.uint8]:
    """Return a picture in RGB as BGR uint8 (H, W, 3).

    Args:
        img: an array or a tensor of any device (H, W, 3), levels 0..255; a PIL picture, which is not turned as its EXIF
            orientation says.
        name: what to call the argument in an error.

    Raises:
        TypeError, ValueError: as :func:`mtcnn.images.as_bgr`.
    """
    return as_bgr(numpy_from_tensor(img, name) if is_tensor(img) else img, name, "rgb", turn=False)
