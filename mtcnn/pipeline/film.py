"""Films and streams, read by PyAV: each picture upright and with its own time."""

from __future__ import annotations

import bisect
import contextlib
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from mtcnn.errors import MtcnnError
from mtcnn.pipeline.film_frame import FilmFrame
from mtcnn.pipeline.orientation import Orientation, orientation, quarter_turns
from mtcnn.pipeline.read import Picture
from mtcnn.runtime.optional import import_optional
from mtcnn.runtime.pixel_limit import most_pixels, too_large

__all__ = ["Film", "files_in", "pyav"]

_PATIENCE = 10  # seconds, with a stream that falls silent
_SLACK = 0.5  # seconds that a film may end before the time its file says
_MOST_RATE = 1_000_000  # pictures a second, of the fastest cameras
_BACK = 0.25  # seconds; times that go back further begin anew
_COPIED = ("audio", "subtitle")
_MATRICES = {5: 5, 6: 5}  # ffmpeg's colour matrices by the names that its scaler has for them
_UNSPECIFIED = 2


class Film:
    """What pictures are read from, in order; whatever their file keeps of their times is kept.

    Args:
        source: a file's path, or a URL.
        start, end: seconds from the film's beginning; pictures from `start` on, before `end`. None: all.

    Attributes:
        live: it has no end of its own; who is slower than it misses pictures.
        fps: pictures a second, about; rate: the same as a fraction.
        due: how many pictures are to be read, about; 0: unknown, or without end.
        damaged: how many pictures could not be decoded as they were.
        notes: what of the film cannot be kept.

    Raises:
        MtcnnError: it cannot be opened, or holds no pictures; PyAV is not installed.
    """

    def __init__(self, source: str, start: float | None = None, end: float | None = None) -> None:
        self._av = pyav()
        self.source = source
        self._is_file = "://" not in source
        if self._is_file and not Path(source).is_file():
            if os.path.exists(source):
                raise MtcnnError(f"{source} is no regular file; a camera is named by its number, as 0 of /dev/video0")
            raise MtcnnError(f"there is no file {source}")
        self._start, self._end = start or 0.0, end
        self._container = self._open()
        try:
            self._stream = self._find_pictures()
            self.live = not self._is_file and not self._container.duration
            self._origin = Fraction(max(self._container.start_time or 0, 0), 1_000_000)
            self._base: Fraction = self._stream.time_base
            self._rate = _rate(self._stream)
            self.fps = float(self._rate)
            self._times = self._scan() if self._start > 0 and not self.live else None
            self.due = self._count_due()
            if self._times and self._pts_at(self._start) > self._times[-1]:
                last = float(self._times[-1] * self._base - self._origin)
                raise MtcnnError(
                    f"start is {self._start:g} s, and the last picture of {self.source} is at {last:.3f} s"
                )
            if self._times:
                first = int((self._origin + Fraction(self._start)) / self._base)
                self._container.seek(max(first, self._times[0]), stream=self._stream, backward=True)
        except BaseException:
            self._container.close()
            raise
        self.copied = [s for s in self._container.streams if s.type in _COPIED and s.codec_context is not None]
        self.notes = self._left_out()
        self.damaged = 0
        self._read = 0
        self._decoded = 0
        self._trailing: list[Any] = []
        self._last = 0.0  # the end of the picture before
        self._before: float | None = None  # its time
        self._is_on_its_side = False  # rows and columns are swapped
        self._shift = 0  # of times that began anew, units
        self._broken: str | None = None
        self._is_over = False  # `end` was reached
        self._frames = self._decode()

    @property
    def time_base(self) -> Fraction:
        """The unit of its times, seconds."""
        return self._base

    @property
    def rate(self) -> Fraction:
        return self._rate

    @property
    def start(self) -> float:
        return self._start

    @property
    def start_offset(self) -> Fraction:
        """What is to be taken from the file's times so that the pictures from `start` on begin at 0, seconds."""
        return self._origin + Fraction(self._start)

    @property
    def metadata(self) -> dict[str, str]:
        return dict(self._container.metadata)

    @property
    def colours(self) -> dict[str, int]:
        """Matrix, primaries and transfer of its pictures, as ffmpeg numbers them."""
        context = self._stream.codec_context
        return {name: int(getattr(context, name)) for name in ("colorspace", "color_primaries", "color_trc")}

    @property
    def sample_aspect_ratio(self) -> Fraction | None:
        ratio = self._stream.sample_aspect_ratio or None
        return 1 / ratio if ratio and self._is_on_its_side else ratio

    def read(self) -> FilmFrame | None:
        """The next picture; None where there is none any more."""
        frame = next(self._frames, None)
        self._read += frame is not None
        return frame

    def rest(self) -> list[Any]:
        """Packets of sound and subtitles that came after the last picture."""
        packets, self._trailing = self._trailing, []
        return packets

    def problem(self) -> str | None:
        """Why it ended, where that was too early."""
        if self.live:
            return f"{self.source} gives no more pictures: the camera or stream is gone"
        if self._is_over:
            return None
        due = f"some {self.due}" if self.due and not self._stream.frames else str(self.due or "its")
        ends = f"{self.source} ends after {self._read} of {due} pictures"
        if self._decoded == 0:
            if self.due or self._broken:
                return f"{ends}: it is truncated or damaged"
            return f"{self.source} is empty, or its pictures cannot be decoded"
        if self._broken or self._is_short():
            return f"{ends}, at {self._last:.3f} s: it is truncated or damaged"
        if self.damaged:
            return f"{self.source}: {self.damaged} pictures are damaged, in whole or in part"
        return None

    def close(self) -> None:
        self._container.close()

    def _open(self) -> Any:
        name = f"file:{os.path.abspath(self.source)}" if self._is_file else self.source
        waits = {} if self._is_file else {"timeout": (_PATIENCE, _PATIENCE)}
        try:
            return self._av.open(name, metadata_errors="replace", **waits)
        except (self._av.error.FFmpegError, ValueError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or str(error)
            if isinstance(error, self._av.error.ExitError):
                why = f"no answer for {_PATIENCE} s"
            raise MtcnnError(f"{self.source} cannot be opened as a film, camera or stream: {why}") from None

    def _find_pictures(self) -> Any:
        streams = self._container.streams
        video = [s for s in streams.video if s.codec_context is not None and not _is_cover(s)]
        if not video:
            only = "sound only" if streams.audio else "no pictures"
            raise MtcnnError(f"{self.source} holds {only}: there is nothing to find faces in")
        stream = next((s for s in video if s is streams.best("video")), video[0])
        stream.thread_type = "AUTO"
        context = stream.codec_context
        if problem := too_large(context.width, context.height):
            raise MtcnnError(f"{self.source} is too large: {problem}")
        context.options = {**context.options, "max_pixels": str(most_pixels())}  # of pictures that say another size
        return stream

    def _scan(self) -> list[int] | None:
        """The times of all pictures, without decoding them: to tell the numbers of those that a later one comes
        with. None where the file does not have them."""
        times = []
        with contextlib.closing(self._open()) as container:
            stream = container.streams[self._stream.index]
            with contextlib.suppress(self._av.error.FFmpegError):
                for packet in container.demux(stream):
                    if packet.size and not packet.is_discard:
                        if packet.pts is None:
                            return None
                        times.append(packet.pts)
        return sorted(times)

    def _count_due(self) -> int:
        if self.live:
            return 0
        if self._times:
            first = bisect.bisect_left(self._times, self._pts_at(self._start))
            last = len(self._times) if self._end is None else bisect.bisect_left(self._times, self._pts_at(self._end))
            return max(0, last - first)
        count = int(self._stream.frames) or round(self._length() * self.fps)
        return count if self._end is None else min(count or 1 << 40, round(self._end * self.fps))

    def _length(self) -> float:
        """Seconds, as the file says; 0: it does not."""
        if self._stream.duration:
            return float(self._stream.duration * self._base)
        if tagged := _seconds(self._stream.metadata.get("DURATION", "")):
            return tagged - float(self._origin)
        return (self._container.duration or 0) / 1_000_000

    def _is_short(self) -> bool:
        """Whether the pictures end before the file says that they do."""
        frames = int(self._stream.frames)
        is_short = self._length() - _SLACK > self._last
        if frames and self._times is None:
            if self._read >= frames - 2:  # containers' counts may be one or two off
                return False
            entries = self._stream.index_entries
            if self._is_file and len(entries) and not is_short:  # cut by an edit list, as phones do
                return bool(max(e.pos + e.size for e in entries) > os.path.getsize(self.source))
            return True
        return is_short

    def _left_out(self) -> list[str]:
        notes = []
        if others := sum(s.type == "video" and s is not self._stream for s in self._container.streams):
            notes.append(f"{self.source} has {others} further picture streams, which are left out")
        if (pixels := self._stream.codec_context.format) is not None:
            if any(part.bits > 8 for part in pixels.components):
                notes.append(f"{self.source} has {max(p.bits for p in pixels.components)} bits a colour: 8 are used")
            if any(part.is_alpha for part in pixels.components):
                notes.append(f"{self.source} has an alpha channel, which is not looked at")
        return notes

    def _pts_at(self, seconds: float) -> int:
        """The first time, in units, that is not before `seconds`; those of files are rounded, to a millisecond say."""
        return -int(-(self._origin + Fraction(seconds) - Fraction(1, 1_000_000)) // self._base)

    def _decode(self) -> Iterator[FilmFrame]:
        start, end = self._pts_at(self._start), None if self._end is None else self._pts_at(self._end)
        packets: list[Any] = []
        for frame in self._decoded_frames(packets):
            self._decoded += 1
            pts, index = self._place(frame)
            if self._start > 0 and pts < start:
                continue
            if end is not None and pts >= end:
                self._is_over = True
                break
            seconds = float(pts * self._base - self._origin)
            if self._before is not None:  # a stumble of less than _BACK
                seconds = max(seconds, self._before)
            self._before = seconds
            duration = float((getattr(frame, "duration", 0) or 0) * self._base)
            self._last = max(self._last, seconds + (duration or 1 / self.fps))
            taken = [p for p in packets if self._is_within(p)]
            packets.clear()
            self.damaged += bool(frame.is_corrupt)
            yield FilmFrame(index, seconds, self._upright(frame), duration, taken)
        self._trailing += [p for p in packets if self._is_within(p)]

    def _decoded_frames(self, packets: list[Any]) -> Iterator[Any]:
        """The decoded pictures; packets of the streams that are copied are put into `packets`."""
        errors = self._av.error.FFmpegError
        try:
            for packet in self._container.demux([self._stream, *self.copied]):
                if packet.stream.index != self._stream.index:
                    if packet.size and not self.live:
                        packets.append(packet)
                    continue
                try:
                    frames = packet.decode()
                except errors as error:  # threads of the decoder tell late, also with the empty packet that ends it
                    self.damaged += bool(packet.size) or not isinstance(error, self._av.error.EOFError)
                    continue
                yield from frames
        except errors as error:
            if not isinstance(error, self._av.error.EOFError):
                self._broken = str(error)

    def _place(self, frame: Any) -> tuple[int, int]:
        """A picture's time, in units, and its number."""
        pts = frame.pts if frame.pts is not None else frame.dts
        after = round((self._last + float(self._origin)) / self._base)
        if pts is None:
            pts = after
        elif (
            self._before is not None and float((pts + self._shift) * self._base - self._origin) < self._before - _BACK
        ):  # a recording after another, say
            self._shift = after - pts
        pts += self._shift
        index = bisect.bisect_left(self._times, pts) if self._times else self._decoded - 1
        return int(pts), index

    def _is_within(self, packet: Any) -> bool:
        pts = packet.pts if packet.pts is not None else packet.dts
        if pts is None:
            return False
        seconds = float(pts * packet.time_base - self._origin)
        is_after_start = seconds >= self._start or not self._start  # sound begins before 0, to settle
        return is_after_start and (self._end is None or seconds < self._end)

    def _upright(self, frame: Any) -> Picture:
        space = int(frame.colorspace)
        matrix = None if space == _UNSPECIFIED else _MATRICES.get(space, space)
        try:
            try:
                img: Picture = frame.to_ndarray(format="bgr24", src_colorspace=matrix)
            except ValueError:  # a matrix that the scaler does not know
                img = frame.to_ndarray(format="bgr24")
        except self._av.error.FFmpegError as error:
            name = frame.format.name
            raise MtcnnError(f"{self.source} has pictures of the layout {name}, which ffmpeg cannot convert") from error
        turn = _turn(frame)
        self._is_on_its_side = turn.swap
        return turn.apply(img)


def files_in(source: str) -> list[str]:
    """What of a source may name a file: all of it, and what comes after each colon of URLs like file:///a.mp4 and
    cache:file:///a.mp4."""
    return [source, *(source[at + 1 :] for at, character in enumerate(source) if character == ":")]


def pyav() -> Any:
    """PyAV, which tells what is wrong by exceptions alone.

    Raises:
        MtcnnError: it is not installed.
    """
    av = import_optional("av", "video")
    av.logging.set_level(None)
    return av


def _rate(stream: Any) -> Fraction:
    """Pictures a second, of a stream: 25 where it does not say, or what cannot be."""
    rate = stream.average_rate or stream.guessed_rate
    if rate and 0 < rate < 1000:
        return Fraction(rate)
    # Else it may be the unit of its times, 1/1000 in .mkv; or the film is of a fast camera.
    seconds = (stream.duration or 0) * (stream.time_base or 0)
    counted = Fraction(stream.frames) / seconds if stream.frames and seconds > 0 else 0
    return Fraction(counted) if 0 < counted < _MOST_RATE else Fraction(25)


def _turn(frame: Any) -> Orientation:
    try:
        side = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # a kind that PyAV does not know is there, too: EXIF data, the views of stereo films
        return quarter_turns(int(frame.rotation))
    return orientation(None if side is None else bytes(side))


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & type(stream.disposition).attached_pic)


def _seconds(text: str) -> float:
    """ "00:01:02.5" in seconds; 0 where it is something else."""
    try:
        hours, minutes, seconds = text.split(":")
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    except ValueError:
        return 0.0
