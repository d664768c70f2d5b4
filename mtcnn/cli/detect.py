"""`mtcnn detect`."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mtcnn.cli.console import say
from mtcnn.cli.options import (
    SETTINGS,
    FilePath,
    PathOrUri,
    a_file,
    detector_options,
    jobs_option,
    keeping_options,
    ray_options,
    tell_unused,
)
from mtcnn.params import RESULT_FORMATS
from mtcnn.pipeline.options import DetectorOptions
from mtcnn.scale.options import ClusterOptions

if TYPE_CHECKING:
    from mtcnn.files import Inputs
    from mtcnn.pipeline.formats import Skipped
    from mtcnn.pipeline.output_folder import OutputFolder
    from mtcnn.pipeline.pictures import Detected
    from mtcnn.pipeline.read import Found
    from mtcnn.pipeline.results import Results
    from mtcnn.pipeline.whole_results import PrintedJson, WholeResults, YoloLabels

    AnyResults = Results | WholeResults | PrintedJson | YoloLabels

__all__ = ["command"]

# Also where it is a file that the shell appends to.
STANDARD_OUTPUT = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


@click.command("detect", context_settings=SETTINGS)
@click.argument("paths", nargs=-1, required=True, shell_complete=a_file)
@click.option("--format", "layout", type=click.Choice(RESULT_FORMATS), help="default: by --output's ending, else table")
@click.option("--json", "as_json", is_flag=True, help="the same as --format jsonl; to a FILE.json as --format json")
@click.option("--output", type=PathOrUri(), metavar="FILE", help="write there instead of to the screen")
@click.option("--quality", is_flag=True, help="how good faces are: pose, sharpness, size; in JSON and COCO")
@keeping_options(resumes=True)
@click.option("--draw", type=FilePath(), metavar="DIR", help="pictures with their faces drawn go there")
@click.option("--central", is_flag=True, help="only the most central face of each picture")
@jobs_option
@ray_options
@detector_options
def command(
    paths: tuple[str, ...],
    layout: str | None,
    as_json: bool,
    output: Path | str | None,
    quality: bool,
    resume: bool,
    overwrite: bool,
    draw: Path | None,
    central: bool,
    jobs: int,
    cluster: ClusterOptions | None,
    detector: DetectorOptions,
) -> int:
    """Find the faces in pictures: files, folders with all that is below them, and globs ("photos/**/*.jpg").

    "-" reads names of pictures from standard input, one a line or each ended by a NUL (find -print0). A picture
    that several names lead to is given once. Files of folders that are not read are counted.

    One line a face (table, CSV) or a picture (JSON Lines), written as they are found; files of JSON, COCO and Parquet
    are whole in the end; YOLO's labels are a folder, of a file a picture. A picture that is cut off, damaged or too
    dark for a face is marked and counted. One that cannot be read, or whose drawing cannot be written, is reported and
    counted, and the exit code is then 3.

    A FILE that is there is kept: --resume goes on where it ends, with the settings that it was made with, and
    --overwrite replaces it once the new one is whole.

    With --ray, pictures may also be named by URIs (s3://...), and --output is a folder or a URI that gets Parquet
    files with a row for each picture.
    """
    from mtcnn.cli.cluster import refuse_uris, run_on_cluster
    from mtcnn.cli.keeping import can_be_resumed, done_before, ended, tell_empty
    from mtcnn.cli.run import PARTLY
    from mtcnn.files import is_special
    from mtcnn.pipeline.find import NAMES
    from mtcnn.pipeline.formats import Skipped
    from mtcnn.pipeline.records import format_of

    if as_json and layout not in (None, "json", "jsonl"):
        raise click.UsageError(f"--json and --format {layout} contradict each other")
    began = time.perf_counter()
    # On a terminal, the table of a folder that is drawn would only scroll by.
    shown = bool(layout or as_json or not draw or not sys.stdout.isatty())
    resumable = True
    skipped = Skipped()
    if cluster:
        if NAMES in paths:
            raise click.UsageError("- reads names of this machine's pictures, and goes without --ray")
        if output is None or as_json or layout or draw or quality:
            raise click.UsageError("--ray writes Parquet files: it needs --output, and takes no --format or --draw")
        settings = {"command": "detect", "central": central}
        settings |= detector.settings()
        counts, before, code = run_on_cluster(settings, paths, output, detector, resume, overwrite, cluster)
    else:
        refuse_uris(output, *(path for path in paths if "://" in path and not os.path.exists(path)))
        file = Path(output) if output and str(output) not in STANDARD_OUTPUT else None
        if as_json and layout is None and not (file and file.suffix.lower() == ".json"):
            layout = "jsonl"
        layout = format_of(file, layout)
        if resume and (file is None or layout == "table"):
            raise click.UsageError("--resume needs --output and another --format than table")
        if file is None and draw is None:
            tell_unused(["overwrite"], "the files of --output or --draw")
        if quality and layout not in ("json", "jsonl", "coco"):
            raise click.UsageError(f"--quality goes with --format json, jsonl or coco, and not with {layout}")
        resumable = file is not None and layout != "table" and not is_special(file)
        with can_be_resumed(resumable):
            counts, before, code = _detect(
                paths, layout, file, resume, overwrite, draw, central, quality, jobs, detector, skipped, shown=shown
            )
    pictures, unreadable = counts["pictures"], counts["unreadable"]
    text = f"pictures: {pictures}, faces: {counts['faces']}, unreadable: {unreadable}"
    for flaw in ("truncated", "damaged", "dark"):
        if counts[flaw]:
            text += f", {flaw}: {counts[flaw]}"
    if draw:
        text += f", drawn in {draw}: {counts['drawn']}"
    if counts["not drawn"]:
        text += f", not drawn: {counts['not drawn']}"
    if counts["not written"]:
        text += f", not written: {counts['not written']}"
    wrong = unreadable + before["unreadable"] + counts["not drawn"] + counts["not written"]
    text += done_before(before) + f", {pictures / max(time.perf_counter() - began, 1e-9):.1f} pictures/s"
    if skipped:
        text += f"; skipped: {skipped}"
    tell_empty(skipped)
    say(ended(code, text, can_resume=resumable), fg="red" if code or wrong else None)
    if pictures == 0 and not before.total() and not code:
        raise click.ClickException(f"no pictures in {', '.join(paths)}")
    return code or (PARTLY if wrong else 0)


def _detect(
    paths: tuple[str, ...],
    layout: str,
    output: Path | None,
    resume: bool,
    overwrite: bool,
    draw: Path | None,
    central: bool,
    quality: bool,
    jobs: int,
    detector: DetectorOptions,
    skipped: Skipped,
    *,
    shown: bool,
) -> tuple[Counter[str], Counter[str], int]:
    """What was counted, what earlier runs did, the exit code.

    shown: whether results go to standard output, where there is no file.
    """
    from mtcnn.cli.console import count_ahead, counting
    from mtcnn.cli.keeping import Problems, refuse_missing
    from mtcnn.cli.run import CANCELLED
    from mtcnn.files import Inputs, NoMoreOutputError, OutputError, is_special
    from mtcnn.pipeline.find import find_pictures, read_names
    from mtcnn.pipeline.output_folder import OutputFolder
    from mtcnn.pipeline.own_files import OwnFiles
    from mtcnn.pipeline.pictures import detect_pictures
    from mtcnn.pipeline.whole_results import YoloLabels
    from mtcnn.runtime.interrupts import uninterrupted
    from mtcnn.runtime.opencv import picture_library

    counts: Counter[str] = Counter()
    code = 0
    own = OwnFiles(output)
    with ExitStack() as stack:
        model = stack.enter_context(detector.make(threads=1))
        refuse_missing(paths)
        picture_library()  # before results are begun
        names = read_names(paths, sys.stdin.buffer if sys.stdin else None)
        folder: OutputFolder | None = None

        def pictures(skipped: Skipped | None = None) -> Iterator[Found]:
            return find_pictures(names, skipped, own=own)

        def new(skipped: Skipped | None = None) -> Iterator[Found]:
            return (one for one in pictures(skipped) if not results.is_done(one.path) or work.lacks(one))

        inputs = Inputs(lambda: (found.path for found in pictures()))
        settings = detector.settings() | ({"central": True} if central else {})
        of_results = settings | ({"quality": True} if quality else {})
        if draw:
            _refuse_drawing_into(draw, map(Path, names))
            _refuse_results_among(draw, output)
            folder = stack.enter_context(OutputFolder(draw, inputs, overwrite=overwrite))
            own.also(folder.holds)
        results = _open_results(output, layout, inputs, of_results, resume, overwrite, shown)
        stack.enter_context(results)
        if isinstance(results, YoloLabels):
            own.also(results.holds)
        if folder:  # now that nothing else is refused
            folder.check_settings(settings, begin=not resume)
        on_screen = output is None and sys.stdout.isatty()
        work = _Work(layout, central, quality, folder, results, to_terminal=on_screen)
        bar = stack.enter_context(counting("pictures", quiet=shown and on_screen, total=count_ahead(new)))
        problems = Problems()
        whole = nullcontext if output is None or is_special(output) else uninterrupted  # a pipe may not be read
        detected = stack.enter_context(closing(detect_pictures(model, work.named(new(skipped)), work, jobs)))
        try:
            for text, count, unreadable, flaw, undrawn in detected:
                if text is not None:
                    with whole():
                        try:
                            results.add(text)
                        except NoMoreOutputError:
                            raise
                        except OutputError as error:  # of this picture's labels
                            problems.add(str(error))
                            counts["not written"] += 1
                        counts.update(pictures=1, faces=count, unreadable=int(unreadable is not None))
                        if flaw:
                            counts[flaw] += 1
                    if unreadable is not None and (output is not None or not shown):  # else the screen has it
                        problems.add(unreadable)
                if undrawn is not None:
                    problems.add(undrawn)
                counts["not drawn"] += undrawn is not None
                counts["drawn"] += draw is not None and undrawn is None and unreadable is None
                bar.advance()
            results.finish()
        except KeyboardInterrupt:
            code = CANCELLED
    before = Counter(done=len(results.done.names) - results.done.unreadable, unreadable=results.done.unreadable)
    return counts, before, code


def _open_results(
    output: Path | None,
    layout: str,
    inputs: Inputs,
    settings: dict[str, Any],
    resume: bool,
    overwrite: bool,
    shown: bool,
) -> AnyResults:
    from mtcnn.pipeline.records import WHOLE
    from mtcnn.pipeline.results import Results
    from mtcnn.pipeline.whole_results import PrintedJson, WholeResults, YoloLabels

    if output is not None and layout == "yolo":
        return YoloLabels(output, inputs, settings, resume=resume, overwrite=overwrite)
    if output is not None and layout in WHOLE:
        return WholeResults(output, layout, inputs, settings, resume=resume, overwrite=overwrite)
    if layout == "json":
        return PrintedJson()
    return Results(output, layout, inputs, settings, resume=resume, overwrite=overwrite, silent=not shown)


def _refuse_drawing_into(folder: Path, paths: Iterable[Path]) -> None:
    """Refuse at once what would refuse the drawing of each picture."""
    for path in paths:
        target = folder if os.path.isdir(path) else folder / path.name
        if os.path.exists(path) and os.path.exists(target) and os.path.samefile(target, path):
            raise click.ClickException(
                f"{path} would be overwritten with what is made of it: choose another folder for --draw"
            )


def _refuse_results_among(folder: Path, output: Path | None) -> None:
    """A drawing has the name of its picture: in the folder of drawings, results of such a name would be replaced."""
    from mtcnn.pipeline.formats import readable_suffixes

    among = output is not None and os.path.realpath(output.parent) == os.path.realpath(folder)
    if output and among and output.suffix.lower() in readable_suffixes():
        raise click.UsageError(f"--output {output} is named as a drawing, in the folder of --draw: name it .jsonl")


class _Work:
    """What is done with each picture, in the thread that found its faces."""

    def __init__(
        self,
        layout: str,
        central: bool,
        quality: bool,
        drawings: OutputFolder | None,
        results: AnyResults,
        *,
        to_terminal: bool,
    ) -> None:
        from mtcnn.pipeline.records import LINES

        self._layout = layout if layout in LINES else "jsonl"
        self._central, self._quality, self._to_terminal = central, quality, to_terminal
        self._drawings, self._results = drawings, results

    def lacks(self, found: Found) -> bool:
        """Whether a picture's drawing is missing that an earlier run could not write, or was not asked for."""
        return self._drawings is not None and not self._drawings.has(os.path.abspath(found.path))

    def named(self, pictures: Iterator[Found]) -> Iterator[Found]:
        """The pictures; each one's drawing, and its labels, have a name then."""
        from mtcnn.pipeline.whole_results import YoloLabels
        from mtcnn.pipeline.write import drawing_name

        for found in pictures:
            if isinstance(self._results, YoloLabels):
                self._results.name(found)
            if self._drawings:
                self._drawings.name_for(os.path.abspath(found.path), drawing_name(found.name))
            yield found

    def __call__(self, result: Detected[Found]) -> tuple[str | None, int, str | None, str | None, str | None]:
        """Its lines, None where these are there; its number of faces, why it could not be read, its flaw, why it could
        not be drawn."""
        from mtcnn.pipeline.crops import most_central
        from mtcnn.pipeline.records import picture_as_text

        if self._central:
            result = most_central(result)
        undrawn = self._draw(result)
        is_done = self._results.is_done(result.found.path)
        text = None if is_done else picture_as_text(self._layout, result, self._to_terminal, self._quality)
        unreadable = None if result.problem is None else f"{result.found.path}: {result.problem}"
        return text, len(result.dets), unreadable, result.flaw, undrawn

    def _draw(self, result: Detected[Found]) -> str | None:
        from mtcnn.draw import draw_faces
        from mtcnn.files import NoMoreOutputError, OutputError
        from mtcnn.pipeline.write import encode_picture

        if self._drawings is None:
            return None
        name = self._drawings.name_of(os.path.abspath(result.found.path))
        if result.img is None:
            return None
        drawn = draw_faces(result.img, result.dets, result.landmarks)
        try:
            self._drawings.write(name, encode_picture(self._drawings.folder / name, drawn))
        except NoMoreOutputError:
            raise
        except OutputError as error:
            return str(error)
        return None
