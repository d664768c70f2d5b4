"""`mtcnn detect`."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from mtcnn.cli.console import say
from mtcnn.cli.options import SETTINGS, PathOrUri, a_file, detector_options, jobs_option, ray_options
from mtcnn.pipeline.options import DetectorOptions
from mtcnn.scale.options import ClusterOptions

if TYPE_CHECKING:
    from mtcnn.pipeline.pictures import Detected
    from mtcnn.pipeline.read import Found

__all__ = ["command"]


@click.command("detect", context_settings=SETTINGS)
@click.argument("paths", nargs=-1, required=True, shell_complete=a_file)
@click.option("--format", "layout", type=click.Choice(["table", "jsonl", "csv"]), help="default table")
@click.option("--json", "as_json", is_flag=True, help="the same as --format jsonl")
@click.option("--output", type=PathOrUri(path_type=Path), metavar="FILE", help="write there instead of to the screen")
@click.option("--resume", is_flag=True, help="go on with --output where it ends")
@click.option("--draw", type=click.Path(path_type=Path), metavar="DIR", help="pictures with their faces drawn go there")
@click.option("--central", is_flag=True, help="only the most central face of each picture")
@jobs_option
@ray_options
@detector_options
def command(
    paths: tuple[str, ...],
    layout: str | None,
    as_json: bool,
    output: Path | str | None,
    resume: bool,
    draw: Path | None,
    central: bool,
    jobs: int,
    cluster: ClusterOptions | None,
    detector: DetectorOptions,
) -> int:
    """Find the faces in pictures: files, folders with all that is below them, and globs ("photos/**/*.jpg").

    One line a face (table, CSV) or a picture (JSON Lines), written as they are found. A picture that cannot be
    read is reported and counted, and the exit code is then 3.

    With --ray, pictures may also be named by URIs (s3://...), and --output is a folder or a URI that gets Parquet
    files with a row for each picture.
    """
    from mtcnn.cli.cluster import refuse_uris, run_on_cluster
    from mtcnn.cli.run import PARTLY

    if as_json and layout not in (None, "jsonl"):
        raise click.UsageError(f"--json and --format {layout} contradict each other")
    began = time.perf_counter()
    if cluster:
        if output is None or as_json or layout or draw:
            raise click.UsageError("--ray writes Parquet files: it needs --output, and takes no --format or --draw")
        settings = {"command": "detect", "central": central}
        settings |= detector.settings()
        counts, before, code = run_on_cluster(settings, paths, output, detector, resume, cluster)
    else:
        layout = "jsonl" if as_json else layout or "table"
        if resume and (output is None or layout == "table"):
            raise click.UsageError("--resume needs --output and --format jsonl or csv")
        refuse_uris(output, *(path for path in paths if "://" in path and not os.path.exists(path)))
        file = Path(output) if output else None
        counts, before, code = _detect(paths, layout, file, resume, draw, central, jobs, detector)
    pictures, unreadable = counts["pictures"], counts["unreadable"]
    text = f"pictures: {pictures}, faces: {counts['faces']}, unreadable: {unreadable}"
    if before:
        text += f", done before: {before}"
    text += f", {pictures / max(time.perf_counter() - began, 1e-9):.1f} pictures/s"
    say(f"{'cancelled; done: ' if code else ''}{text}", fg="red" if code or unreadable else None)
    if pictures == 0 and not before and not code:
        raise click.ClickException(f"no pictures in {', '.join(paths)}")
    return code or (PARTLY if unreadable else 0)


def _detect(
    paths: tuple[str, ...],
    layout: str,
    output: Path | None,
    resume: bool,
    draw: Path | None,
    central: bool,
    jobs: int,
    detector: DetectorOptions,
) -> tuple[Counter[str], int, int]:
    """Numbers of pictures, faces and unreadable pictures, of pictures that were done before, the exit code."""
    from mtcnn.cli.console import count_ahead, counting
    from mtcnn.cli.run import CANCELLED
    from mtcnn.pipeline.find import find_pictures
    from mtcnn.pipeline.pictures import detect_pictures

    counts: Counter[str] = Counter()
    code = 0
    drawer = _Drawer(draw) if draw else None
    with ExitStack() as stack:
        model = stack.enter_context(detector.make(threads=1))
        out, done = stack.enter_context(_results(output, layout, resume))
        found = find_pictures(paths, without=draw)
        total = count_ahead(lambda: (f for f in find_pictures(paths, without=draw) if str(f.path) not in done))
        if drawer:
            found = drawer.named(found)
        found = (f for f in found if str(f.path) not in done)
        bar = stack.enter_context(counting("pictures", quiet=output is None and sys.stdout.isatty(), total=total))
        work = _Work(layout, central, drawer, output is None and sys.stdout.isatty())
        results = stack.enter_context(closing(detect_pictures(model, found, work, jobs)))
        try:
            for text, count, problem in results:
                out.write(text)
                out.flush()
                counts.update(pictures=1, faces=count, unreadable=int(problem))
                bar.advance()
        except KeyboardInterrupt:
            code = CANCELLED
    return counts, len(done), code


@contextmanager
def _results(path: Path | None, layout: str, resume: bool) -> Iterator[tuple[TextIO, set[str]]]:
    """Where results go, and the names of those that are there already."""
    from mtcnn.pipeline.records import names_done, table_header

    if path is None:
        sys.stdout.write(table_header(layout))
        yield sys.stdout, set()
        return
    done: set[str] = set()
    length = 0
    if resume and path.exists():
        done, length = names_done(path, layout)
        os.truncate(path, length)
    with open(path, "a" if length else "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        if length == 0:
            file.write(table_header(layout))
        yield file, done


class _Work:
    """What is done with each picture, in the thread that found its faces."""

    def __init__(self, layout: str, central: bool, drawer: _Drawer | None, to_terminal: bool) -> None:
        self._layout, self._central, self._drawer, self._to_terminal = layout, central, drawer, to_terminal

    def __call__(self, result: Detected[Found]) -> tuple[str, int, bool]:
        """Its lines, the number of its faces, whether it could not be read."""
        from mtcnn.pipeline.crops import most_central
        from mtcnn.pipeline.records import picture_as_text

        if self._central:
            result = most_central(result)
        if self._drawer:
            self._drawer.draw(result)
        return picture_as_text(self._layout, result, self._to_terminal), len(result.dets), result.problem is not None


class _Drawer:
    """Writes pictures with their faces, each under its name in the folder that it was found in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken: set[Path] = set()

    def named(self, pictures: Iterator[Found]) -> Iterator[Found]:
        """The pictures, of equal names all but the first with a number."""
        for found in pictures:
            name, n = found.name, 2
            while name in self._taken:
                name = found.name.with_name(f"{found.name.stem}-{n}{found.name.suffix}")
                n += 1
            self._taken.add(name)
            yield found._replace(name=name)

    def draw(self, result: Detected[Found]) -> None:
        from mtcnn.draw import draw_faces
        from mtcnn.pipeline.write import write_picture

        if result.img is None:
            return
        drawn = draw_faces(result.img, result.dets, result.landmarks)
        write_picture(self._folder / result.found.name, drawn, [result.found.path])
