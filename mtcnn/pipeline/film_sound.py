"""Sound and subtitles of a film that go into another: as they are, or, where its container takes no such sound, as
another kind of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

__all__ = ["Track", "tracks_for"]

_OPUS_RATE, _OPUS_SAMPLES = 48_000, 960  # a second; a frame


class Track(Protocol):
    """One stream of sound or subtitles on its way."""

    def take(self, packet: Any) -> Iterator[Any]:
        """What to write of a packet of the film."""
        ...

    def end(self) -> Iterator[Any]:
        """What is still to be written."""
        ...


def tracks_for(
    container: Any, streams: Sequence[Any], offset: Fraction, path: Path, *, keep_titles: bool = True
) -> tuple[dict[int, Track], list[str]]:
    """Tracks in `container` by the index of the film's stream, and what is said of those that change or go missing.

    Each keeps its language and what it is for: the default, forced, a comment, ...

    offset: what is to be taken from their times, seconds.
    keep_titles: keep what the streams are called, too.
    """
    tracks: dict[int, Track] = {}
    notes = []
    for stream in streams:
        name = stream.codec_context.codec.canonical_name
        kind = "sound" if stream.type == "audio" else "subtitles"
        if name in container.supported_codecs:
            added = container.add_stream_from_template(stream)
            tracks[stream.index] = _Copy(added, offset)
            _describe(added, stream, keep_titles)
        elif stream.type == "audio" and "opus" in container.supported_codecs:
            tracks[stream.index] = opus = _Opus(container, stream, offset)
            _describe(opus.stream, stream, keep_titles)
            notes.append(f"{path.suffix} takes no {name}: sound is written as Opus")
        else:
            notes.append(f"{path.suffix} takes no {name}: these {kind} are left out, .mkv may keep them")
    return tracks, notes


def _describe(added: Any, source: Any, keep_titles: bool) -> None:
    said = source.metadata
    if language := said.get("language"):
        added.metadata["language"] = language
    if keep_titles and (title := said.get("title") or said.get("name")):  # .mp4 has it as the name
        added.metadata["title"] = title
    added.disposition = source.disposition


class _Copy:
    def __init__(self, stream: Any, offset: Fraction) -> None:
        self._stream, self._offset = stream, offset
        self._last: Fraction | None = None
        # In .mp4 pauses between subtitles are empty ones, which the writer adds itself.
        self._least = 2 if stream.codec_context.name == "mov_text" else 0

    def take(self, packet: Any) -> Iterator[Any]:
        if packet.size <= self._least:
            return
        base = packet.time_base
        dts = packet.dts if packet.dts is not None else packet.pts
        if self._last is not None and (dts * base - self._offset) < self._last:  # times that begin anew, or stumble
            self._offset = dts * base - self._last
        shift = round(self._offset / base)
        packet.dts = dts - shift
        if packet.pts is not None:
            packet.pts = max(packet.pts, dts) - shift
        self._last = packet.dts * base + Fraction(packet.duration or 0) * base
        if self._stream.type == "subtitle":  # which may overlap
            self._last = packet.dts * base
        packet.stream = self._stream
        yield packet

    def end(self) -> Iterator[Any]:
        return iter(())


class _Opus:
    def __init__(self, container: Any, source: Any, offset: Fraction) -> None:
        import av

        self._errors = av.error.FFmpegError
        layout = "mono" if source.codec_context.layout.nb_channels == 1 else "stereo"
        self.stream = container.add_stream("libopus", rate=_OPUS_RATE, layout=layout)
        self._resampler = av.AudioResampler("flt", layout, _OPUS_RATE, _OPUS_SAMPLES)
        self._offset = offset

    def take(self, packet: Any) -> Iterator[Any]:
        try:
            frames = packet.decode()
        except self._errors:  # damaged sound
            return
        for frame in frames:
            if frame.pts is not None:
                frame.pts -= round(self._offset / frame.time_base)
            yield from self._encode(frame)

    def end(self) -> Iterator[Any]:
        yield from self._encode(None)
        yield from self.stream.encode(None)

    def _encode(self, frame: Any) -> Iterator[Any]:
        for resampled in self._resampler.resample(frame):
            yield from self.stream.encode(resampled)
