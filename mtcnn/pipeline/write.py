"""Pictures written to files."""

from __future__ import annotations

from pathlib import Path

from mtcnn.files import Inputs, OutputError, check_output, make_folder, output_error, remove_empty, replacing
from mtcnn.images.codec import codec
from mtcnn.pipeline.read import Picture

__all__ = ["drawing_name", "encode_picture", "write_picture"]

# Endings that are written by another name only.
_AS = {
    **dict.fromkeys((".jfi", ".jfif", ".jif", ".jpe", ".mpo", ".pjp", ".pjpeg"), ".jpg"),
    **dict.fromkeys((".j2c", ".j2k", ".jpf", ".jpx"), ".jp2"),
    ".dib": ".bmp",
    ".pnm": ".ppm",
    ".sr": ".ras",
}
_WRITTEN = {".avif", ".bmp", ".gif", ".hdr", ".jp2", ".jpeg", ".jpg", ".png", ".ppm", ".ras", ".tif", ".tiff", ".webp"}
_ONLY_READ = {".apng", ".gif", ".hdr", ".heic", ".heif", ".hif", ".pam", ".pbm", ".pgm", ".pic"}


def write_picture(path: Path, img: Picture, inputs: Inputs, *, overwrite: bool = False) -> None:
    """A file in the format of its ending, its folders made where they are missing.

    Raises:
        OutputError: it cannot be written, or must not be.
    """
    check_output(path, inputs, overwrite=overwrite)
    data = encode_picture(path, img)
    made: list[Path] = []
    try:
        made = make_folder(path.parent)
        with replacing(path) as file:
            file.write(data)
    except OSError as error:
        remove_empty(made)
        raise output_error(path, error) from error


def encode_picture(path: Path, img: Picture) -> bytes:
    """What a file of that name holds.

    Raises:
        OutputError: its ending is no picture's.
    """
    by = codec()
    ending = _AS.get(path.suffix.lower(), path.suffix)
    data = by.encode(ending, img)
    if data is None:
        if ending.lower() in _WRITTEN:
            size = f"{img.shape[1]}x{img.shape[0]}"
            raise OutputError(f"cannot write {path}: {by.name} writes no {size} pixels as {ending}; .png takes any")
        raise OutputError(f"cannot write {path}: its ending is no picture's, like .jpg or .png")
    return data


def drawing_name(name: Path) -> Path:
    """The name of a picture's drawing: its own, and .png after it where its format is only read, or has no colours."""
    return name.with_name(f"{name.name}.png") if name.suffix.lower() in _ONLY_READ else name
