"""`mtcnn video`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mtcnn.cli.console import counting, echo_json, say
from mtcnn.cli.film_options import film_cluster_options, film_range_options, film_writer_options
from mtcnn.cli.options import SETTINGS, FilePath, a_file, detector_options, keeping_options, tell_unused
from mtcnn.pipeline.options import DetectorOptions
from mtcnn.runtime.text import is_whole
from mtcnn.scale.options import ClusterOptions

if TYPE_CHECKING:
    from mtcnn.pipeline.film_writer import FilmWriter

__all__ = ["command"]


@click.command("video", context_settings=SETTINGS)
@click.argument("source", shell_complete=a_file)
@click.option(
    "--output",
    type=FilePath(),
    metavar="FILE",
    help="film with the faces drawn: .mp4, .mkv, .mov, .webm, .avi; of a folder of films: a folder",
)
@click.option("--json", "as_json", is_flag=True, help="a line of JSON for each picture looked at, on standard output")
@click.option("--window/--no-window", default=None, help="show it; default where there is a display and no --output")
@click.option(
    "--every",
    type=click.IntRange(1),
    help="detect in every N-th picture, keep faces between",
    show_default="1; 10 with --track",
)
@click.option("--track", is_flag=True, help="number the faces, and follow them between the pictures detected in")
@film_range_options
@click.option("--most", type=click.IntRange(1), help="stop after so many pictures", show_default="all")
@film_writer_options
@click.option("--show-fps", is_flag=True, help="write on the pictures how many a second are worked on")
@click.option("--threads", type=click.IntRange(0, 1024), default=0, help="0: one a core")
@keeping_options(resumes=True)
@film_cluster_options
@detector_options
def command(
    source: str,
    output: Path | None,
    as_json: bool,
    window: bool | None,
    every: int | None,
    track: bool,
    start: float | None,
    end: float | None,
    most: int | None,
    codec: str | None,
    crf: int | None,
    show_fps: bool,
    threads: int,
    resume: bool,
    overwrite: bool,
    cluster: ClusterOptions | None,
    detector: DetectorOptions,
) -> int:
    """Find the faces in SOURCE: a film's file, a camera's number (0 is the first), a stream's URL (rtsp://...), or a
    folder of films, with all that is below it.

    The film that is written has the times, the sound and the subtitles of the one that is read. It appears once it is
    whole; where the source ends before its time, what was written is kept and the exit code is 3, and so is a film
    that --overwrite was to replace. A camera or a stream is not waited for: pictures that come too fast are left out
    and counted. Reading, detecting and writing overlap.

    With --track each face has a number, which stays the same; in the pictures between those that are detected in, R-Net
    and O-Net look where faces are expected, and what is new is looked for backwards, too.

    Of a folder, --output is one, too, and each line of --json has the film's name as "file"; what cannot be read or
    written is said and counted, and the exit code is then 3. With --ray each film is a task of a cluster.

    The window shows a film at its own pace; q, Escape or its button closes it, and ends the work.
    """
    from mtcnn.cli.run import CANCELLED, FAILED, PARTLY, fail
    from mtcnn.files import Inputs, check_output
    from mtcnn.pipeline.camera import Camera
    from mtcnn.pipeline.drawn_film import VideoOptions
    from mtcnn.pipeline.film import Film, files_in
    from mtcnn.pipeline.film_writer import FilmWriter
    from mtcnn.pipeline.looking import seen_as_json
    from mtcnn.pipeline.video import run_through
    from mtcnn.pipeline.window import Window

    options = VideoOptions(detector, every, track, start, end, most, codec, crf, show_fps)
    if output is None and (codec is not None or crf is not None):
        raise click.UsageError("--codec and --crf are for the film that --output writes")
    is_camera = is_whole(source)
    if not is_camera and os.path.isdir(source):
        from mtcnn.cli.video_folder import draw_folder

        if window:
            raise click.UsageError("--window shows one film, and not a folder of them")
        if output is None and not as_json:
            raise click.ClickException("nothing to do: say --output FOLDER or --json")
        if output is None and (resume or overwrite):
            raise click.UsageError("--resume and --overwrite are for the folder that --output writes")
        if output is None:
            tell_unused(["show_fps"], "the films that --output writes")
        if cluster:
            tell_unused(["threads"], "work on this machine (with --ray: --cores)")
        return draw_folder(Path(source), output, options, as_json, resume, overwrite, threads, cluster)
    if cluster or resume:
        raise click.UsageError(f"{'--ray' if cluster else '--resume'} is for folders of films")
    if not (is_camera or "://" in source or os.path.exists(source)):
        raise click.ClickException(f"there is no file {source}")  # before it is said that there is no display
    if window is None:
        window = output is None and not as_json and Window.problem() is None
    if not (window or output or as_json):
        raise click.ClickException(f"nothing to do: {Window.problem()}; say --output FILE or --json")
    if output is None:
        tell_unused(["overwrite"], "the film that --output writes")
        if not window:
            tell_unused(["show_fps"], "the pictures of --output and --window")
    if window and (problem := Window.problem()):
        raise click.ClickException(f"--window cannot be used: {problem}")
    if output is not None:
        check_output(output, Inputs(lambda: files_in(source)), overwrite=overwrite)
    film = Camera(int(source)) if is_camera else Film(source, start, end)
    if film.live and not (start is None and end is None):
        raise click.UsageError("--start and --end are for films, which cameras and streams are not")
    for note in film.notes:
        say(note)
    sinks: list[Any] = []
    writer = None if output is None else FilmWriter(output, film, codec, crf)
    if writer is not None:
        sinks.append(writer)
        click.get_current_context().call_on_close(lambda: writer.finish(whole=False))
    if window:
        sinks.append(Window(source, None if film.live else film.fps))
    # JSON that goes to the same screen shows how far it is
    total = min(filter(None, (most, film.due)), default=None)
    bar = counting("pictures", quiet=as_json and sys.stdout.isatty(), total=total)
    with detector.make(threads) as model, bar as counter:

        def on_seen(frame: Any, seen: Any) -> None:
            if as_json and (line := seen_as_json(frame, seen)) is not None:
                echo_json(line)
            counter.advance()

        ran = run_through(film, options.look(model, film), sinks, on_seen, most, show_fps=show_fps)
    text = f"pictures: {ran.pictures}, faces: {ran.faces}, {ran.pictures_a_second:.1f} pictures/s"
    if film.live:
        text += f", left out: {ran.dropped}"
    if writer is not None:
        text += _end(writer, output, whole=film.live or not (ran.cancelled or ran.problem))
    say(text)
    if ran.cancelled:
        fail("mtcnn video", "cancelled")
        return CANCELLED
    if ran.problem:
        fail("mtcnn video", ran.problem)
        return PARTLY if ran.pictures else FAILED
    return 0


def _end(writer: FilmWriter, output: Path | None, whole: bool) -> str:
    """Put the film in its place, and tell where that is."""
    writer.finish(whole)
    for note in writer.all_notes():
        say(note)
    if not writer.is_written:
        return ", nothing written"
    text = f", written: {writer.path}"
    if writer.path != output and not os.path.samefile(writer.path, output or writer.path):
        text += f" ({output} is kept)"
    return text
