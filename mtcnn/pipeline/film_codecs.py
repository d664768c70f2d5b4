"""What films are written as: containers by their ending, codecs by the names that people have for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from mtcnn.errors import MtcnnError

__all__ = ["ENDINGS", "Encoding", "check_ending", "choose_encoding"]

# The codec of each ending where none is asked for. What plays in browsers comes first.
_DEFAULTS = {".mp4": "h264", ".mkv": "h264", ".mov": "h264", ".m4v": "h264", ".webm": "vp9", ".avi": "mjpeg"}
ENDINGS = tuple(_DEFAULTS)

_ENCODERS = {
    "h264": ("libx264", "h264_nvenc", "libopenh264"),
    "hevc": ("libx265", "hevc_nvenc"),
    "h265": ("libx265", "hevc_nvenc"),
    "vp8": ("libvpx",),
    "vp9": ("libvpx-vp9",),
    "av1": ("libsvtav1", "libaom-av1"),
}
# Fast rather than small: the encoder shares the machine with the detector.
_OPTIONS: dict[str, dict[str, str]] = {
    "libx264": {"preset": "veryfast"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"},
    "libvpx": {"deadline": "realtime", "cpu-used": "6", "b": "0"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "6", "row-mt": "1", "b": "0"},
    "libsvtav1": {"preset": "9", "svtav1-params": "rc=0"},
    "libaom-av1": {"cpu-used": "8", "usage": "realtime"},
    "mjpeg": {"qmin": "2", "qmax": "4"},
}
_CRF = {"libx264": 20, "libx265": 22, "libvpx": 10, "libvpx-vp9": 30, "libsvtav1": 30, "libaom-av1": 30}
_MOST_CRF = {"libx264": 51, "libx265": 51}
_PIXELS = {"mjpeg": "yuvj420p"}
_LAYOUTS = ("yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le", "bgr0", "bgr24", "rgb24")


class Encoding(NamedTuple):
    """An encoder of ffmpeg, with its options and its layout of pixels."""

    name: str
    options: dict[str, str]
    pixels: str

    @property
    def needs_even_sides(self) -> bool:
        return self.name not in ("mjpeg", "libvpx", "libvpx-vp9", "libaom-av1", "mpeg4")


def check_ending(path: Path) -> None:
    """Raise ValueError where a name's ending is no film's."""
    if path.suffix.lower() not in _DEFAULTS:
        raise ValueError(f"output must end in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}, got {path}")


def choose_encoding(av: Any, path: Path, codec: str | None, crf: int | None) -> Encoding:
    """How a film of that name is encoded.

    Raises:
        ValueError: there is no such codec, or crf does not fit it.
        MtcnnError: this ffmpeg lacks it.
    """
    check_ending(path)
    wanted = (codec or _DEFAULTS[path.suffix.lower()]).lower()
    name = next((found for found in _ENCODERS.get(wanted, (wanted,)) if _can_encode(av, found)), None)
    if name is None:
        if wanted in _ENCODERS:
            raise MtcnnError(f"PyAV's ffmpeg has no encoder for {wanted}: choose another codec")
        raise ValueError(f"codec must be one of {', '.join(_ENCODERS)} or an encoder of ffmpeg, got {wanted!r:.80}")
    options = dict(_OPTIONS.get(name, {}))
    if name in _CRF:
        most = _MOST_CRF.get(name, 63)
        if crf is not None and not 0 <= crf <= most:
            raise ValueError(f"crf must be 0 (best) to {most} (smallest) with {wanted}, got {crf}")
        options["crf"] = str(_CRF[name] if crf is None else crf)
    elif crf is not None:
        raise ValueError(f"crf must be left out with {wanted}, which has no constant quality")
    return Encoding(name, options, _PIXELS.get(name) or _pixels(av.Codec(name, "w")))


def _pixels(codec: Any) -> str:
    """A layout of pixels that it takes: 8 bits of a fourth as many colours where it can be."""
    taken = [layout.name for layout in codec.video_formats or ()]
    return next((name for name in _LAYOUTS if name in taken or not taken), taken[0] if taken else _LAYOUTS[0])


def _can_encode(av: Any, name: str) -> bool:
    try:
        codec = av.Codec(name, "w")
    except (ValueError, UnicodeError):  # PyAV's own errors of codecs are ValueErrors
        return False
    return bool(codec.type == "video")
