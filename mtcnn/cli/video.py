"""`mtcnn video`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from mtcnn.cli.console import counting, echo_json, say
from mtcnn.cli.options import SETTINGS, a_file, detector_options, keeping_options
from mtcnn.pipeline.options import DetectorOptions

__all__ = ["command"]


@click.command("video", context_settings=SETTINGS)
@click.argument("source", shell_complete=a_file)
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE", help="film with the faces drawn, .mp4 or .avi"
)
@click.option("--json", "as_json", is_flag=True, help="a line of JSON for each picture, on standard output")
@click.option("--window/--no-window", default=None, help="show it; default where there is a display and no --output")
@click.option("--every", type=click.IntRange(1), default=1, help="detect in every N-th picture, keep faces between")
@click.option("--most", type=click.IntRange(1), help="stop after so many pictures", show_default="all")
@click.option("--threads", type=click.IntRange(0, 1024), default=0, help="0: one a core")
@keeping_options(resumes=False)
@detector_options
def command(
    source: str,
    output: Path | None,
    as_json: bool,
    window: bool | None,
    every: int,
    most: int | None,
    threads: int,
    overwrite: bool,
    detector: DetectorOptions,
) -> int:
    """Find the faces in SOURCE: a film's file, a camera's number (0 is the first), or a stream's URL (rtsp://...).

    Reading, detecting and writing overlap. The number on the picture is pictures a second. Where the source ends
    before its time, what was written is kept and the exit code is 3; so is a film that --overwrite was to replace.
    The window shows a film at its own pace; q, Escape or its button closes it, and ends the work.
    """
    from mtcnn.cli.run import CANCELLED, PARTLY, fail
    from mtcnn.files import Inputs, check_output
    from mtcnn.pipeline.records import faces_as_json
    from mtcnn.pipeline.video import Film, FilmWriter, Window, files_in, run_through

    if not (source.isdigit() or "://" in source or os.path.exists(source)):
        raise click.ClickException(f"there is no file {source}")  # before it is said that there is no display
    if window is None:
        window = output is None and not as_json and Window.problem() is None
    if not (window or output or as_json):
        raise click.ClickException(f"nothing to do: {Window.problem()}; say --output FILE or --json")
    if window and (problem := Window.problem()):
        raise click.ClickException(f"--window cannot be used: {problem}")
    if output is not None:
        check_output(output, Inputs(lambda: files_in(source)), overwrite=overwrite)
    film = Film(source)
    sinks: list[Any] = []
    writer = None if output is None else FilmWriter(output, film.fps, film.size)
    if writer is not None:
        sinks.append(writer)
        click.get_current_context().call_on_close(writer.unlock)
    if window:
        sinks.append(Window(source, None if film.live else film.fps))

    def write_json(index: int, seconds: float, dets: Any, landmarks: Any) -> None:
        echo_json({"frame": index, "seconds": round(seconds, 3), "faces": faces_as_json(dets, landmarks)})

    # JSON that goes to the same screen shows how far it is
    total = min(filter(None, (most, film.due)), default=None)
    bar = counting("pictures", quiet=as_json and sys.stdout.isatty(), total=total)
    with detector.make(threads) as model, bar as counter:

        def seen(index: int, seconds: float, dets: Any, landmarks: Any) -> None:
            if as_json:
                write_json(index, seconds, dets, landmarks)
            counter.advance()

        ran = run_through(film, model, sinks, seen, every, most)
    text = f"pictures: {ran.pictures}, faces: {ran.faces}, {ran.pictures_a_second:.1f} pictures/s"
    if writer is not None:
        # a camera or stream has no other end
        if ran.pictures and (film.live or not (ran.cancelled or ran.problem)):
            writer.finish()
        text += f", written: {writer.path}"
        if writer.path != output:
            text += f" ({output} is kept)"
    say(text)
    if ran.cancelled:
        fail("mtcnn video", "cancelled")
        return CANCELLED
    if ran.problem:
        fail("mtcnn video", ran.problem)
        return PARTLY
    return 0
