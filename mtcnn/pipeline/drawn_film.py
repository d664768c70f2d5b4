"""What `mtcnn video` does to the films of a folder, each by itself: also in another process, of a cluster say."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtcnn.pipeline.options import DetectorOptions

if TYPE_CHECKING:
    from mtcnn.detector import TrtMtcnn
    from mtcnn.pipeline.film_frame import FilmFrame
    from mtcnn.pipeline.looking import Look, Seen
    from mtcnn.pipeline.video import Frames

__all__ = ["DrawnFilm", "VideoOptions", "try_drawing"]

OnLine = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class VideoOptions:
    """How faces are found in a film, which part of it is read, and how it is written.

    Attributes:
        every: one of so many pictures is detected in; None: the usual number.
        start, end: seconds, as :class:`mtcnn.pipeline.film.Film` takes them.
        most: pictures to stop after.
    """

    detector: DetectorOptions
    every: int | None = None
    track: bool = False
    start: float | None = None
    end: float | None = None
    most: int | None = None
    codec: str | None = None
    crf: int | None = None
    show_fps: bool = False

    def settings(self) -> dict[str, Any]:
        """What is written depends on: by the options' names, as JSON has it."""
        given = {name: getattr(self, name) for name in ("every", "start", "end", "most", "codec", "crf")}
        given |= {"track": self.track or None, "show_fps": self.show_fps or None}
        return {name: value for name, value in given.items() if value is not None} | self.detector.settings()

    def look(self, detector: TrtMtcnn, film: Frames) -> Look:
        from mtcnn.pipeline.looking import EveryNth, Tracked
        from mtcnn.tracking import Tracker

        if not self.track:
            return EveryNth(detector, self.every or 1)
        tracker = Tracker(detector, fps=film.fps)
        if self.every is not None:
            tracker = Tracker(detector, fps=film.fps, every=self.every)
        return Tracked(tracker, late=not film.live)


@dataclass
class DrawnFilm:
    """How it went with a film.

    Attributes:
        path: of what was written; None: nothing.
        lines: of JSON, about pictures, where nobody was told them as they came.
        problem: why it ended too early, or was not even begun.
    """

    path: Path | None = None
    pictures: int = 0
    faces: int = 0
    problem: str | None = None
    cancelled: bool = False
    notes: list[str] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)


def try_drawing(
    source: Path,
    output: Path | None,
    options: VideoOptions,
    as_lines: bool,
    threads: int,
    on_line: OnLine | None = None,
    detector: TrtMtcnn | None = None,
) -> DrawnFilm:
    """A film with the faces drawn; what is wrong with it is its result's problem.

    Args:
        output: None: nothing is written.
        as_lines: tell the faces of each picture that was looked at.
        on_line: told them as they come.
        detector: finds the faces; None: one of its own, with so many `threads`.

    Raises:
        NoMoreOutputError: nothing more can be written.
    """
    from mtcnn.errors import MtcnnError
    from mtcnn.files import NoMoreOutputError

    done = DrawnFilm()
    try:
        with ExitStack() as stack:
            model = detector or stack.enter_context(options.detector.make(threads))
            _draw(source, output, options, done, on_line or done.lines.append if as_lines else None, model)
    except NoMoreOutputError:
        raise
    except (MtcnnError, ValueError, OSError) as error:
        done.problem = str(error)
    return done


def _draw(
    source: Path,
    output: Path | None,
    options: VideoOptions,
    done: DrawnFilm,
    on_line: OnLine | None,
    detector: TrtMtcnn,
) -> None:
    from mtcnn.pipeline.film import Film
    from mtcnn.pipeline.film_writer import FilmWriter
    from mtcnn.pipeline.looking import seen_as_json
    from mtcnn.pipeline.video import run_through

    def on_seen(frame: FilmFrame, seen: Seen) -> None:
        done.pictures += 1
        done.faces += len(seen.dets)
        if on_line is not None and (line := seen_as_json(frame, seen)) is not None:
            on_line({"file": str(source)} | line)

    film = Film(str(source), options.start, options.end)
    done.notes += film.notes
    writer = None
    try:
        if output is not None:
            writer = FilmWriter(output, film, options.codec, options.crf)
        sinks = [] if writer is None else [writer]
        look = options.look(detector, film)
        ran = run_through(film, look, sinks, on_seen, options.most, show_fps=options.show_fps)
        done.problem, done.cancelled = ran.problem, ran.cancelled
        if writer is not None and not ran.cancelled:  # else another run does it again
            writer.finish(whole=not ran.problem)
            done.notes += writer.all_notes()
            done.path = writer.path if writer.is_written else None
    finally:
        film.close()
        if writer is not None:
            writer.discard()
