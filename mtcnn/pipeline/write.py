"""Pictures written to files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mtcnn.errors import MtcnnError
from mtcnn.pipeline.read import Picture
from mtcnn.runtime.opencv import opencv

__all__ = ["encode_picture", "keep", "write_picture"]


def write_picture(path: Path, img: Picture, sources: Sequence[Path] = ()) -> None:
    """A file in the format of its ending, its folders made where they are missing.

    sources: what must not be overwritten.

    Raises:
        MtcnnError: it cannot be written.
    """
    keep(path, sources)
    data = encode_picture(path, img)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise MtcnnError(f"cannot write {path}: {error.strerror or error}") from error


def encode_picture(path: Path, img: Picture) -> bytes:
    """What a file of that name holds.

    Raises:
        MtcnnError: its ending is no picture's.
    """
    cv2 = opencv()
    options = [cv2.IMWRITE_JPEG_QUALITY, 97] if path.suffix.lower() in (".jpg", ".jpeg") else []
    try:
        whole, data = cv2.imencode(path.suffix, img, options)
    except cv2.error:
        raise MtcnnError(f"cannot write {path}: its ending is no picture's, like .jpg or .png") from None
    if not whole:
        raise MtcnnError(f"cannot write {path}: OpenCV cannot encode it")
    return bytes(data)


def keep(path: Path, sources: Sequence[Path]) -> None:
    """Refuse to write what is read.

    Raises:
        MtcnnError: `path` is one of the sources.
    """
    for source in sources:
        if path.exists() and source.exists() and path.samefile(source):
            raise MtcnnError(f"{path} would be overwritten with what is made of it: choose another place")
