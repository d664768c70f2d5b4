"""Pictures and films written again without the faces in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mtcnn.detector import TrtMtcnn
from mtcnn.errors import MtcnnError
from mtcnn.pipeline.film import Film
from mtcnn.pipeline.film_faces import faces_of_film
from mtcnn.pipeline.film_writer import FilmWriter
from mtcnn.pipeline.hide import Hiding, hide
from mtcnn.pipeline.known_people import KnownPeople
from mtcnn.pipeline.pictures import Detected, SourceT
from mtcnn.pipeline.read import Picture
from mtcnn.runtime.interrupts import uninterrupted

__all__ = ["BlurredFilm", "blur_film", "blur_picture"]


@dataclass
class BlurredFilm:
    """How it went.

    Attributes:
        path: of what was written; None: nothing.
        hidden: faces, of all pictures together.
        kept: faces that are not hidden, of people who are known, as they were found.
        problem: why it ended too early.
    """

    path: Path | None = None
    pictures: int = 0
    hidden: int = 0
    kept: int = 0
    problem: str | None = None
    cancelled: bool = False
    notes: list[str] = field(default_factory=list)


def blur_picture(result: Detected[SourceT], hiding: Hiding, people: KnownPeople | None) -> tuple[Picture, int, int]:
    """The picture of a result without its faces, how many were hidden, and how many kept."""
    assert result.img is not None
    boxes = result.dets[:, :4]
    if people is not None:
        boxes = boxes[~people.among(result.img, result.dets, result.landmarks)]
    return hide(result.img, boxes, hiding), len(boxes), len(result.dets) - len(boxes)


def blur_film(
    source: Path,
    output: Path,
    detector: TrtMtcnn,
    hiding: Hiding,
    people: KnownPeople | None = None,
    *,
    codec: str | None = None,
    crf: int | None = None,
    keep_part: bool = True,
    on_total: Callable[[int], None] = lambda count: None,
    seen: Callable[[], None] = lambda: None,
) -> BlurredFilm:
    """Write a film without the faces in it, in two passes: where all of them are is known before a picture is written.

    Args:
        keep_part: keep what there is of a film where the work is cancelled.
        on_total: told how many times `seen` will be called, about.

    Raises:
        MtcnnError, ValueError: it cannot be read or written.
    """
    result = BlurredFilm()
    film = Film(str(source))
    result.notes += film.notes
    if film.live:
        raise MtcnnError(f"{source} has no end: only films can be read twice")
    on_total(2 * film.due)
    try:
        writer = FilmWriter(output, film, codec, crf, keep_metadata=False)  # says at once what is wrong with it
    except BaseException:
        film.close()
        raise
    is_whole = False
    try:
        hidden, times, result.kept = faces_of_film(film, detector, people, seen)
        result.problem = film.problem()
        film.close()
        film = Film(str(source))
        writer.continue_like(film)
        for boxes, seconds in zip(hidden, times, strict=True):
            frame = film.read()
            if frame is None or frame.seconds != seconds:  # a face would be where it is not hidden
                how = "to its end" if frame is None else "as it was: it changes, or is damaged"
                result.problem = result.problem or f"{source} cannot be read again {how}"
                break
            with uninterrupted():  # else it may be written and not counted
                writer.write(hide(frame.img, boxes, hiding), frame)
                result.hidden += len(boxes)
                result.pictures += 1
                seen()
        writer.write_rest(film.rest())
        is_whole = not result.problem
    except KeyboardInterrupt:
        result.cancelled = True
    finally:
        film.close()
        if result.cancelled and not keep_part:
            writer.discard()
        writer.finish(is_whole)
    result.notes += writer.all_notes()
    result.path = writer.path if writer.is_written else None
    return result
