"""What is no picture, and what to do about it."""

from __future__ import annotations

import os
from typing import NoReturn

from mtcnn.images.gpu import is_on_gpu
from mtcnn.runtime.opencv import has_opencv

__all__ = ["refuse"]


def refuse(img: object, name: str) -> NoReturn:
    """Raise the TypeError of what is no array."""
    if img is None:
        raise TypeError(
            f"{name} is None; cv2.imread returns None for a file it cannot read: check the path; and a VideoCapture "
            "where there is no camera, or no more of a film"
        )
    if isinstance(img, str) and img.lower().startswith(("http:", "https:", "ftp:", "data:")):
        raise TypeError(
            f"{name} is an address, not an array, and nothing is fetched: save the picture to a file and read that, "
            f"or decode the bytes that you fetch: {_decoding('content')}"
        )
    if isinstance(img, (str, os.PathLike)):
        reading = f"PIL.Image.open({name})"
        if has_opencv():
            reading = f"cv2.imread({name})  # BGR; where RGB is wanted {reading}"
        raise TypeError(f"{name} is a path, not an array; read the picture first: {reading}")
    if isinstance(img, (bytes, bytearray)) or (isinstance(img, memoryview) and img.ndim == 1):
        raise TypeError(f"{name} is bytes, not an array; decode the picture first: {_decoding(name)}")
    kind = type(img)
    wanted = f"{name} must be a NumPy array, got {kind.__module__}.{kind.__qualname__}"
    if is_on_gpu(img):
        wanted = f'{name} is in a GPU\'s memory, which a detector with device="cuda" reads, not the CPU'
    if kind.__name__ == "PyCapsule":
        raise TypeError(f"{wanted}; pass the array that it was made from, which says where it is and on what stream")
    if kind.__name__ == "UMat":
        raise TypeError(f"{wanted}; bring it to the CPU's memory: {name}.get()")
    if kind.__module__.partition(".")[0] == "cupy":
        raise TypeError(f"{wanted}; bring it to the CPU: cupy.asnumpy({name})")
    if hasattr(img, "cpu") and hasattr(img, "numpy"):
        raise TypeError(
            f'{wanted}; bring it to the CPU: {name}.cpu().numpy(), (H, W, 3), with color="rgb" where it is RGB'
        )
    if isinstance(img, tuple) and len(img) == 2 and isinstance(img[0], bool):
        raise TypeError(f"{wanted}; of a VideoCapture's read() the second is the picture: is_there, {name} = ...")
    if isinstance(img, (list, tuple)):
        raise TypeError(f"{wanted}; convert it with np.asarray({name}), or see detect_batch for many pictures")
    if hasattr(img, "read"):
        raise TypeError(f"{wanted}, a file; decode the picture first: {_decoding(f'{name}.read()')}")
    if _is_array_like(img):
        raise TypeError(f"{wanted}; convert it with np.asarray({name})")
    raise TypeError(wanted)


def _decoding(data: str) -> str:
    """What decodes bytes with what is installed."""
    if has_opencv():
        return f"cv2.imdecode(np.frombuffer({data}, np.uint8), cv2.IMREAD_COLOR)"
    return f"PIL.Image.open(io.BytesIO({data}))"


def _is_array_like(img: object) -> bool:
    """Whether np.asarray makes more of it than an array of one object."""
    return isinstance(img, memoryview) or any(hasattr(type(img), name) for name in ("__array__", "__array_interface__"))
