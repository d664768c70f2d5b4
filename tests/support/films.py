"""Films to read, made by PyAV."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["SUBTITLE", "empty_film", "make_film", "packets", "picture_times", "pictures_of"]

SUBTITLE = b"hello"


def make_film(
    path: Path,
    pictures: Sequence[np.ndarray],
    times: Sequence[float] | None = None,
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rotation: int = 0,
    sound: bool = False,
    subtitles: str | None = None,
    metadata: dict[str, str] | None = None,
    colours: dict[str, int] | None = None,
    options: dict[str, str] | None = None,
    ratio: Fraction | None = None,
    rate: int = 10,
) -> Path:
    """A film whose pictures (BGR) have those times, in seconds: 10 a second where none are given."""
    import av

    times = [i / 10 for i in range(len(pictures))] if times is None else times
    path.parent.mkdir(exist_ok=True)
    with av.open(str(path), "w", options=options or {}) as container:
        container.metadata.update(metadata or {})
        stream: Any = container.add_stream(codec, rate=rate)
        context = stream.codec_context
        context.height, context.width = pictures[0].shape[:2]
        context.pix_fmt = pixels
        context.time_base = Fraction(1, 1000)
        context.sample_aspect_ratio = ratio or Fraction(1)
        for name, value in (colours or {}).items():
            setattr(context, name, value)
        if codec == "libx264":
            context.options = {"crf": "12", "preset": "ultrafast"}
        if rotation:
            stream.set_display_rotation(rotation)
        audio: Any = container.add_stream("aac", rate=48_000, layout="mono") if sound else None
        text: Any = container.add_mux_stream(subtitles) if subtitles else None
        if text is not None:
            text.time_base = Fraction(1, 1000)
        for img, seconds in zip(pictures, times):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(img), "bgr24")
            frame.pts, frame.time_base = round(1000 * seconds), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if text is not None:
            packet = av.Packet(SUBTITLE if subtitles != "mov_text" else b"\0\5" + SUBTITLE)
            packet.stream, packet.time_base = text, Fraction(1, 1000)
            packet.pts = packet.dts = 200
            packet.duration = 300
            container.mux(packet)
        if audio is not None:
            for i in range(round(48_000 * max(times[-1], 0.1)) // 1024):
                wave = np.sin(np.arange(1024 * i, 1024 * (i + 1)) * 0.06).astype(np.float32)
                heard = av.AudioFrame.from_ndarray(wave[None], "fltp", "mono")
                heard.sample_rate, heard.pts, heard.time_base = 48_000, 1024 * i, Fraction(1, 48_000)
                container.mux(audio.encode(heard))
            container.mux(audio.encode(None))
    return path


def empty_film(path: Path) -> Path:
    """A film of no pictures."""
    import av

    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("mjpeg" if path.suffix == ".avi" else "libx264", rate=10)
        context = stream.codec_context
        context.width = context.height = 64
        context.pix_fmt = "yuvj420p" if path.suffix == ".avi" else "yuv420p"
        container.start_encoding()
    return path


def packets(path: Path, kind: str) -> list[tuple[float, bytes]]:
    """Times and bytes of what a film's first stream of a kind holds."""
    import av

    with av.open(str(path)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        return [(float(p.pts * p.time_base), bytes(p)) for p in container.demux(stream) if p.size]


def picture_times(path: Path) -> list[float]:
    """Of a film's pictures, in seconds, to a millisecond."""
    import av

    with av.open(str(path)) as container:
        return [round(float(frame.time), 3) for frame in container.decode(video=0)]


def pictures_of(path: Path) -> list[np.ndarray]:
    """BGR, as they are stored."""
    import av

    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
