"""A face cut out of a picture and squashed to a square."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mtcnn import checks
from mtcnn.compat.facenet.tensors import import_torch
from mtcnn.compat.pictures import bgr_from_rgb, is_tensor, numpy_from_tensor
from mtcnn.images.codec import codec
from mtcnn.images.pillow import is_picture
from mtcnn.images.resize import resize_area

__all__ = ["extract_face", "path_of_face", "picture_size"]


def extract_face(
    img: Any,
    box: Sequence[float] | npt.NDArray[Any],
    image_size: int = 160,
    margin: float = 0,
    save_path: str | os.PathLike[str] | None = None,
) -> Any:
    """Return what a box shows as a float32 tensor (3, ``image_size``, ``image_size``), RGB levels 0..255.

    Args:
        img: RGB: a PIL picture, which is resized bilinearly; an array or a tensor (H, W, 3), averaged over areas.
        box: ``[x1, y1, x2, y2]``, pixels; what lies outside the picture is left out.
        image_size: side of the crop, pixels; the box is squashed to it.
        margin: how much more to show, in pixels of the crop, half on each side.
        save_path: write the crop there, too; folders are made.

    Raises:
        MtcnnError: PyTorch is not installed, or, for arrays that are saved, OpenCV or Pillow.
        OSError: the file cannot be written.
        TypeError, ValueError: a wrong argument, or a box that lies outside the picture.
    """
    torch = import_torch()
    size = checks.whole(image_size, "image_size", 1, 1 << 15)
    window = _window(box, size, checks.number(margin, "margin", 0, size - 1e-6), picture_size(img))
    crop = _crop_pil(img, window, size) if is_picture(img) else _crop_array(img, window, size)
    if save_path is not None:
        _save(crop, checks.path(save_path, "save_path"))
    return torch.from_numpy(np.array(crop, np.float32).transpose(2, 0, 1).copy())


def picture_size(img: Any) -> tuple[int, int]:
    """(width, height) of a picture of any kind."""
    width, height = img.size if is_picture(img) else img.shape[1::-1]
    return int(width), int(height)


def path_of_face(path: str | os.PathLike[str], i: int) -> str:
    """Where the face number `i` of a picture is saved: name.jpg, name_2.jpg, name_3.jpg, ..."""
    stem, ending = os.path.splitext(os.fspath(path))
    return f"{stem}_{i + 1}{ending}" if i else f"{stem}{ending}"


def _window(box: Any, size: int, margin: float, picture: tuple[int, int]) -> tuple[int, int, int, int]:
    """The box with its margin, in whole pixels of the picture; one at least."""
    corners = np.asarray(box, np.float64)
    if corners.shape != (4,) or not np.isfinite(corners).all():
        raise ValueError(f"box must be four finite numbers, [x1, y1, x2, y2], got {box!r}")
    low, high, limit = corners[:2], corners[2:], np.array(picture)
    if (high <= 0).any() or (low >= limit).any() or (high < low).any():
        raise ValueError(
            f"box lies outside the picture, which is {picture[0]}x{picture[1]} pixels, or is empty: {box!r}"
        )
    half = margin * (high - low) / (size - margin) / 2
    x1, y1 = (int(n) for n in np.maximum(low - half, 0))
    x2, y2 = (int(n) for n in np.minimum(high + half, limit))
    return x1, y1, max(x2, x1 + 1), max(y2, y1 + 1)


def _crop_pil(img: Any, window: tuple[int, int, int, int], size: int) -> Any:
    from PIL import Image

    return img.crop(window).convert("RGB").resize((size, size), Image.Resampling.BILINEAR)


def _crop_array(img: Any, window: tuple[int, int, int, int], size: int) -> npt.NDArray[np.uint8]:
    """RGB uint8. A tensor's pixels are averaged as PyTorch does, an array's as OpenCV."""
    x1, y1, x2, y2 = window
    whole = numpy_from_tensor(img) if is_tensor(img) else img
    crop = bgr_from_rgb(whole[y1:y2, x1:x2])[:, :, ::-1]
    if is_tensor(img):
        torch = import_torch()
        levels = torch.from_numpy(crop.transpose(2, 0, 1).astype(np.float32))
        resized = torch.nn.functional.adaptive_avg_pool2d(levels, (size, size)).byte().numpy().transpose(1, 2, 0)
    else:
        resized = resize_area(np.ascontiguousarray(crop), size, size)
    return np.asarray(resized, np.uint8)


def _save(crop: Any, path: os.PathLike[str]) -> None:
    name = os.fspath(path)
    os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
    if is_picture(crop):
        crop.save(name)
        return
    data = codec().encode(os.path.splitext(name)[1], np.ascontiguousarray(crop[:, :, ::-1]), quality=95)
    if data is None:
        raise ValueError(f"save_path must end like a picture's name, .png or .jpg, got {name!r}")
    with open(name, "wb") as file:
        file.write(data)
