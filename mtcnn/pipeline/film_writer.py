"""Films written by PyAV: each picture at its own time, sound and subtitles beside them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mtcnn.errors import MtcnnError
from mtcnn.files import (
    NoMoreOutputError,
    OutputError,
    is_special,
    make_folder,
    output_error,
    remove_empty,
    temporary_beside,
)
from mtcnn.images.resize import resize_linear
from mtcnn.pipeline.film import pyav
from mtcnn.pipeline.film_codecs import choose_encoding
from mtcnn.pipeline.film_frame import FilmFrame
from mtcnn.pipeline.film_sound import Track, tracks_for
from mtcnn.pipeline.read import Picture
from mtcnn.runtime import handles
from mtcnn.runtime.priority import same_priority

__all__ = ["FilmWriter", "Template"]

_LEAST_FREE = 8_000_000  # bytes of a disk, for what is still to be written of a film
_CONSTANT_RATE = (".avi",)
_MOST_RATE = 1000  # pictures a second, of those
_UNSPECIFIED = 2
_MATRICES = {5: 5, 6: 5}  # ffmpeg's colour matrices by the names that its scaler has for them


class Template(Protocol):
    """What a film is written like: a Film, or a Camera."""

    @property
    def time_base(self) -> Fraction: ...
    @property
    def rate(self) -> Fraction: ...
    @property
    def start_offset(self) -> Fraction: ...
    @property
    def metadata(self) -> dict[str, str]: ...
    @property
    def colours(self) -> dict[str, int]: ...
    @property
    def sample_aspect_ratio(self) -> Fraction | None: ...
    @property
    def start(self) -> float: ...
    @property
    def copied(self) -> Sequence[Any]: ...


class FilmWriter:
    """A film that appears at its path once it is closed; until then a temporary file beside it grows.

    Args:
        like: what it is made of: its times, sound, subtitles and colours.
        codec: "h264", "hevc", "vp9", "av1" or an encoder of ffmpeg; None: what goes with the ending, H.264 in .mp4.
        crf: constant quality, as the codec counts it; None: a good one.
        keep_metadata: title, date, place and so on.

    Attributes:
        path: where the film is, once it is finished.
        notes: what could not be kept; resized: how many pictures were scaled to the size of the first.

    Raises:
        ValueError: an ending, codec or crf that cannot be.
        MtcnnError: it cannot be written, or another process writes it.
    """

    def __init__(
        self,
        path: Path,
        like: Template,
        codec: str | None = None,
        crf: int | None = None,
        *,
        keep_metadata: bool = True,
    ) -> None:
        self._av = pyav()
        self._encoding = choose_encoding(self._av, path, codec, crf)
        if is_special(path):
            raise OutputError(f"cannot write {path}: a film must be a regular file")
        if path.suffix.lower() in _CONSTANT_RATE and like.rate > _MOST_RATE:
            raise MtcnnError(
                f"{path.suffix} holds {_MOST_RATE} pictures a second at most, and the film has {float(like.rate):g}: "
                "name a .mp4 or .mkv"
            )
        self.path, self.notes, self.resized = path, list[str](), 0
        self._like, self._keep_metadata = like, keep_metadata
        self._count = 0
        self._last: int | None = None  # time of the picture before, in units
        self._container: Any = None
        self._tracks: dict[int, Track] = {}
        self._size = (0, 0)
        self._files = ExitStack()
        try:
            self._files.callback(remove_empty, make_folder(path.parent))
            self._temporary = self._files.enter_context(temporary_beside(path))
            self._container = self._av.open(f"file:{os.path.abspath(self._temporary)}", "w", options=self._options())
        except OSError as error:
            self.discard()
            raise output_error(path, error) from error
        except BaseException:
            self.discard()
            raise
        if self._encoding_id() not in self._container.supported_codecs:
            self.discard()
            other = "another codec" if path.suffix.lower() == ".mkv" else "a .mkv, or another codec"
            raise ValueError(f"codec must be one that goes into {path.suffix}, got {codec}: name {other}")

    def continue_like(self, like: Template) -> None:
        """Before the first picture: take sound and subtitles from there, the same film opened anew."""
        self._like = like

    def write(self, img: Picture, frame: FilmFrame) -> bool:
        # The index of a film is written last, and needs room.
        if shutil.disk_usage(self._temporary.parent).free < _LEAST_FREE:
            raise NoMoreOutputError(f"the disk is full: {self.path} ends after {self._count} pictures")
        if self._count == 0:
            self._begin(img)
        with self._said():
            for packet in frame.packets:
                self._copy(packet)
            for packet in self._stream.encode(self._encodable(img, frame)):
                self._container.mux(packet)
        self._count += 1
        return True

    def write_rest(self, packets: Sequence[Any]) -> None:
        """Sound and subtitles after the last picture."""
        if self._count:
            with self._said():
                for packet in packets:
                    self._copy(packet)

    def close(self) -> None:
        """Write what is still to be written.

        Raises:
            MtcnnError: it cannot be written.
        """
        container, self._container = self._container, None
        if container is None:
            return
        try:
            if self._count:
                with self._said():
                    for packet in self._stream.encode(None):
                        container.mux(packet)
                    for track in self._tracks.values():
                        for packet in track.end():
                            container.mux(packet)
                    container.close()
        except BaseException:
            self._count = 0
            raise
        finally:
            if not self._count:
                self._close_quietly(container)

    def finish(self, whole: bool) -> None:
        """Put the film in its place; one that is not whole replaces no other, but goes beside it, as
        NAME.partial.mp4. One without pictures leaves nothing."""
        try:
            self.close()
            if self._count and os.path.exists(self._temporary):
                target = Path(os.path.realpath(self.path))
                if not whole and target.exists() and target.stat().st_size:
                    target = self.path = next(name for name in _partials(target) if not os.path.lexists(name))
                handles.replace(self._temporary, target)
        except OSError as error:
            raise output_error(self.path, error) from error
        finally:
            self._files.close()

    @property
    def is_written(self) -> bool:
        return self._count > 0

    def all_notes(self) -> list[str]:
        """What could not be kept, once all is written."""
        if not self.resized:
            return self.notes
        return [*self.notes, f"{self.resized} pictures have another size than the first, and were scaled to it"]

    def discard(self) -> None:
        """Leave nothing."""
        container, self._container = self._container, None
        self._count = 0
        if container is not None:
            self._close_quietly(container)
        self._files.close()

    def _close_quietly(self, container: Any) -> None:
        with suppress(self._av.error.FFmpegError, OSError, ValueError):
            container.close()

    def _options(self) -> dict[str, str]:
        # browsers begin to play before they have all of it
        return {"movflags": "faststart"} if self.path.suffix.lower() in (".mp4", ".m4v", ".mov") else {}

    def _encoding_id(self) -> str:
        return str(self._av.Codec(self._encoding.name, "w").canonical_name)

    def _begin(self, img: Picture) -> None:
        height, width = img.shape[:2]
        if self._encoding.needs_even_sides and (height % 2 or width % 2):
            self.notes.append(
                f"{self._encoding.name} needs even sides: {width}x{height} is written as "
                f"{width + width % 2}x{height + height % 2}"
            )
            height, width = height + height % 2, width + width % 2
        self._size = height, width
        with self._said():
            self._stream = self._container.add_stream(
                self._encoding.name, rate=self._like.rate, options=self._encoding.options
            )
            context = self._stream.codec_context
            context.width, context.height, context.pix_fmt = width, height, self._encoding.pixels
            if self.path.suffix.lower() in _CONSTANT_RATE:
                self._base = 1 / self._like.rate
            else:
                self._base = self._like.time_base
                if self._encoding.name == "mpeg4" and self._base.denominator > 65535:
                    self._base = Fraction(1, 30_000)
            context.time_base = self._base
            if ratio := self._like.sample_aspect_ratio:
                context.sample_aspect_ratio = ratio
            for name, value in self._like.colours.items():
                setattr(context, name, value)
            with same_priority(), _quiet_svt():
                self._open_encoder(context)
            self._tracks, notes = tracks_for(
                self._container,
                self._like.copied,
                self._like.start_offset,
                self.path,
                keep_titles=self._keep_metadata,
            )
            self.notes += notes
            if self._keep_metadata:
                self._container.metadata.update(self._like.metadata)

    def _open_encoder(self, context: Any) -> None:
        try:
            context.open()
        except (self._av.error.FFmpegError, ValueError) as error:
            name, (height, width) = self._encoding.name, self._size
            raise MtcnnError(
                f"ffmpeg's {name} cannot encode {self.path}, {width}x{height} with {float(self._like.rate):g} pictures "
                f"a second: {getattr(error, 'strerror', None) or error}; choose another codec"
            ) from error

    def _copy(self, packet: Any) -> None:
        if (track := self._tracks.get(packet.stream.index)) is not None:
            for out in track.take(packet):
                self._container.mux(out)

    def _encodable(self, img: Picture, frame: FilmFrame) -> Any:
        height, width = self._size
        h, w = img.shape[:2]
        if (h + h % 2, w + w % 2) == (height, width) and (h, w) != (height, width):
            img = np.pad(img, ((0, height - h), (0, width - w), (0, 0)), "edge")
        elif (h, w) != (height, width):  # a stream may change its size
            img = resize_linear(img, height, width)
            self.resized += 1
        picture = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(img), "bgr24")
        space = self._like.colours.get("colorspace", _UNSPECIFIED)
        matrix = None if space == _UNSPECIFIED else _MATRICES.get(space, space)
        wide = "JPEG" if self._encoding.pixels.startswith("yuvj") else "MPEG"
        try:
            picture = picture.reformat(format=self._encoding.pixels, dst_colorspace=matrix, dst_color_range=wide)
        except ValueError:  # a matrix that the scaler does not know
            picture = picture.reformat(format=self._encoding.pixels, dst_color_range=wide)
        pts = round(Fraction(frame.seconds - self._like.start) / self._base)
        if self._last is not None:
            pts = max(pts, self._last + 1)  # times that do not rise cannot be written
        self._last = pts
        picture.pts, picture.time_base = pts, self._base
        picture.duration = round(Fraction(frame.duration) / self._base)
        return picture

    def _said(self) -> Any:
        return _Said(self._av.error.FFmpegError, self.path)


class _Said:
    """Errors of ffmpeg as those of an output."""

    def __init__(self, errors: type[Exception], path: Path) -> None:
        self._errors, self._path = errors, path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, OSError):
            raise output_error(self._path, error) from error
        if isinstance(error, self._errors):
            raise MtcnnError(f"cannot write {self._path}: {getattr(error, 'strerror', None) or error}") from error


@contextmanager
def _quiet_svt() -> Iterator[None]:
    """SVT-AV1 tells its settings, unless an environment variable asks for errors alone."""
    given = os.environ.get("SVT_LOG")
    os.environ.setdefault("SVT_LOG", "1")
    try:
        yield
    finally:
        if given is None:
            os.environ.pop("SVT_LOG", None)


def _partials(path: Path) -> Iterator[Path]:
    yield path.with_suffix(f".partial{path.suffix}")
    yield from (path.with_suffix(f".partial-{n}{path.suffix}") for n in count(2))
