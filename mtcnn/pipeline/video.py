"""Films, cameras and streams: read, detect and write, each in its own thread, a few pictures apart."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Protocol

from mtcnn.draw import draw_faces
from mtcnn.images.pens import pen_for
from mtcnn.pipeline.film_frame import FilmFrame
from mtcnn.pipeline.looking import Look, Seen
from mtcnn.pipeline.read import Picture
from mtcnn.runtime.interrupts import uninterrupted
from mtcnn.runtime.threads import starting_threads

__all__ = ["Frames", "Sink", "VideoResult", "run_through"]

_AHEAD = 4  # pictures between two threads
_LIVE_AHEAD = 1  # of a source that does not wait: what is shown is to be what is seen

OnSeen = Callable[[FilmFrame, Seen], None]


class Frames(Protocol):
    """What pictures are read from: a Film, or a Camera."""

    live: bool
    fps: float

    def read(self) -> FilmFrame | None: ...

    def problem(self) -> str | None: ...

    def close(self) -> None: ...


class Sink(Protocol):
    def write(self, img: Picture, frame: FilmFrame) -> bool:
        """False: the user wants no more."""
        ...

    def close(self) -> None: ...


@dataclass
class VideoResult:
    """How it went.

    Attributes:
        dropped: pictures of a live source that came while earlier ones were worked on.
    """

    pictures: int = 0
    faces: int = 0
    dropped: int = 0
    seconds: float = 0.0
    problem: str | None = None
    cancelled: bool = False

    @property
    def pictures_a_second(self) -> float:
        return self.pictures / self.seconds if self.seconds else 0.0


@dataclass
class _Looked:
    frame: FilmFrame
    seen: Seen
    fps: float


def run_through(
    film: Frames,
    look: Look,
    sinks: Sequence[Sink],
    on_seen: OnSeen | None,
    most: int | None = None,
    *,
    show_fps: bool = False,
) -> VideoResult:
    """Look at each picture and hand it, with its faces drawn, to the sinks. Closes film and sinks, whatever happens.

    A live source is not waited for, nor does it wait: of pictures that come too fast the newest are looked at.

    Args:
        most: pictures to stop after.
        show_fps: write on each picture how many a second are worked on.
    """
    stop = threading.Event()
    result = VideoResult()
    read: queue.Queue[FilmFrame | None] = queue.Queue(_LIVE_AHEAD if film.live else _AHEAD)
    looked: queue.Queue[_Looked | None] = queue.Queue(_LIVE_AHEAD if film.live else _AHEAD)
    errors: list[BaseException] = []
    threads = [
        threading.Thread(target=_guarded, args=(work, errors, stop, end), name=name)
        for name, work, end in (
            ("read", lambda: _read(film, read, stop, most, result), read),
            ("detect", lambda: _look(look, read, looked, stop), looked),
        )
    ]
    began = time.perf_counter()
    try:
        with starting_threads("end other work"):
            for thread in threads:
                thread.start()
        while (one := looked.get()) is not None:
            if on_seen:
                on_seen(one.frame, one.seen)
            with uninterrupted():  # else it may be written and not counted
                is_wanted = _hand_out(one, sinks, show_fps=show_fps)
                result.pictures += 1
                result.faces += len(one.seen.dets)
            if not is_wanted:
                most = result.pictures
                break
            if film.live and result.pictures == most:
                break
    except KeyboardInterrupt:
        result.cancelled = True
    finally:
        stop.set()
        for thread in threads:
            _drain(read)
            _drain(looked)
            if thread.ident is not None:  # started
                thread.join()
        result.seconds = time.perf_counter() - began
        with ExitStack() as closing:
            for close in (film.close, *(sink.close for sink in sinks)):
                closing.callback(close)
            if not result.cancelled and result.pictures != most and not errors:
                result.problem = film.problem()
    if errors:
        raise errors[0]
    return result


def _hand_out(one: _Looked, sinks: Sequence[Sink], *, show_fps: bool) -> bool:
    """Draw the faces and write the picture; whether all sinks want more."""
    if not sinks:
        return True
    drawn = draw_faces(one.frame.img, one.seen.dets, one.seen.landmarks, labels=one.seen.labels())
    if show_fps:
        _write_fps(drawn, one.fps)
    wanted = [sink.write(drawn, one.frame) for sink in sinks]
    return all(wanted)


def _guarded(
    work: Callable[[], None], errors: list[BaseException], stop: threading.Event, end: queue.Queue[Any]
) -> None:
    try:
        work()
    except BaseException as error:
        errors.append(error)
        stop.set()
    finally:
        _put(end, None, stop, last=True)


def _read(
    film: Frames, out: queue.Queue[FilmFrame | None], stop: threading.Event, most: int | None, result: VideoResult
) -> None:
    count = 0
    while not stop.is_set() and (film.live or count != most):
        frame = film.read()
        if frame is None:
            return
        count += 1
        if film.live:
            result.dropped += _put_newest(out, frame)
        else:
            _put(out, frame, stop)


def _look(
    look: Look, frames: queue.Queue[FilmFrame | None], out: queue.Queue[_Looked | None], stop: threading.Event
) -> None:
    fps, before = 0.0, time.perf_counter()
    for frame, seen in look(_until_stopped(frames, stop)):
        now = time.perf_counter()
        latest = 1 / max(now - before, 1e-6)
        fps = latest if fps == 0 else 0.9 * fps + 0.1 * latest
        before = now
        _put(out, _Looked(frame, seen, fps), stop)


def _until_stopped(frames: queue.Queue[FilmFrame | None], stop: threading.Event) -> Iterator[FilmFrame]:
    while not stop.is_set():
        try:
            frame = frames.get(timeout=0.1)  # not for ever: who stops all takes what is left, the end with it
        except queue.Empty:
            continue
        if frame is None:
            return
        yield frame


def _put(target: queue.Queue[Any], item: Any, stop: threading.Event, last: bool = False) -> None:
    """Wait for room, but not for a reader that has gone."""
    while True:
        try:
            target.put(item, timeout=0.1)
            return
        except queue.Full:
            if stop.is_set() and not last:
                return
            if stop.is_set():
                _drain(target)


def _put_newest(target: queue.Queue[Any], item: Any) -> int:
    """Put it in the place of what waits there; returns how many items that were."""
    dropped = 0
    while True:
        try:
            target.put_nowait(item)
            return dropped
        except queue.Full:
            try:
                target.get_nowait()
                dropped += 1
            except queue.Empty:
                pass


def _drain(items: queue.Queue[Any]) -> None:
    try:
        while True:
            items.get_nowait()
    except queue.Empty:
        pass


def _write_fps(img: Picture, fps: float) -> None:
    scale = max(0.5, img.shape[0] / 900)
    place = (round(8 * scale), round(24 * scale))
    pen = pen_for(img)
    for colour, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        pen.text(f"{fps:.1f} fps", place, 0.7 * scale, colour, width)
    pen.finish()
