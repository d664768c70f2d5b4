"""`mtcnn video` of a folder: its films one after the other, or each as a task of a cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mtcnn.cli.console import counting, echo_json, say
from mtcnn.cli.folder_run import FolderRun
from mtcnn.scale.options import ClusterOptions, require_ray

if TYPE_CHECKING:
    from mtcnn.detector import TrtMtcnn
    from mtcnn.pipeline.drawn_film import DrawnFilm, VideoOptions
    from mtcnn.pipeline.output_folder import OutputFolder
    from mtcnn.pipeline.read import Found

__all__ = ["draw_folder"]


def draw_folder(
    source: Path,
    output: Path | None,
    options: VideoOptions,
    as_json: bool,
    resume: bool,
    overwrite: bool,
    threads: int,
    cluster: ClusterOptions | None,
) -> int:
    """The exit code. Each problem is that of its film; only a disk that is full ends the run."""
    from mtcnn.cli.keeping import Problems, can_be_resumed
    from mtcnn.cli.run import CANCELLED
    from mtcnn.files import Inputs
    from mtcnn.pipeline.film import pyav
    from mtcnn.pipeline.film_codecs import choose_encoding
    from mtcnn.pipeline.film_names import FILM_ENDINGS
    from mtcnn.pipeline.find import find_pictures
    from mtcnn.pipeline.formats import Skipped
    from mtcnn.pipeline.output_folder import OutputFolder
    from mtcnn.pipeline.own_files import OwnFiles

    if cluster:
        require_ray()
    run = FolderRun(source, output, resume=resume, overwrite=overwrite)
    counts = run.counts
    skipped, problems = Skipped(), Problems()
    code = 0
    folder: OutputFolder | None = None
    own = OwnFiles()

    def films_in(skipped: Skipped | None = None) -> Iterator[Found]:
        return find_pictures([source], skipped, FILM_ENDINGS, own=own)

    if options.codec is not None:  # wrong for all of them
        choose_encoding(pyav(), Path("film.mkv"), options.codec, options.crf)
    with ExitStack() as stack:
        model = None if cluster else stack.enter_context(options.detector.make(threads))
        stack.enter_context(can_be_resumed(output is not None))
        if output is not None:
            inputs = Inputs(lambda: (found.path for found in films_in()))
            folder = stack.enter_context(OutputFolder(output, inputs, overwrite=overwrite))
            own.also(folder.holds)
            run.refuse_an_earlier_one(folder)
        films = list(films_in(skipped))
        if not films:
            raise click.ClickException(f"no films in {source}" + (f"; skipped: {skipped}" if skipped else ""))
        if folder is not None:
            folder.check_settings(options.settings(), begin=not resume)
            films = run.still_to_do(films, folder)
        try:
            with counting("films", total=len(films)) as bar:
                for path, done in _drawn(films, folder, options, as_json, model, cluster):
                    wrong, problem = _told(path, done)
                    counts.update(["films"] if wrong is None else ["films", wrong])
                    if problem:
                        problems.add(problem)
                    if folder is not None and not isinstance(done, Exception) and done.path:
                        name = folder.name_of(os.path.abspath(path))
                        folder.note(name, wrong)
                    if not isinstance(done, Exception):
                        counts["pictures"] += done.pictures
                        counts["faces"] += done.faces
                    bar.advance()
        except KeyboardInterrupt:
            code = CANCELLED
    text = f"films: {counts['films']}, pictures: {counts['pictures']}, faces: {counts['faces']}"
    return run.end(code, text, skipped)


def _drawn(
    films: list[Found],
    folder: OutputFolder | None,
    options: VideoOptions,
    as_json: bool,
    model: TrtMtcnn | None,
    cluster: ClusterOptions | None,
) -> Iterator[tuple[Path, DrawnFilm | Exception]]:
    from mtcnn.files import OutputError
    from mtcnn.pipeline.drawn_film import try_drawing
    from mtcnn.pipeline.film_names import name_of_film

    tasks: list[tuple[Path, Path | None]] = []
    for found in films:
        target = None
        if folder is not None:
            try:
                target = folder.path_for(folder.name_for(os.path.abspath(found.path), name_of_film(found.name)))
            except OutputError as error:
                yield found.path, error
                continue
        tasks.append((found.path, target))
    if cluster is None:
        for path, target in tasks:
            yield path, try_drawing(path, target, options, as_json, 0, echo_json, model)
        return
    from mtcnn.scale.films import each_film

    named = {path.absolute(): path for path, _ in tasks}
    distant = [(path.absolute(), target and target.absolute(), options, as_json) for path, target in tasks]
    for (path, *_), done in each_film(cluster, try_drawing, distant) if distant else ():
        if not isinstance(done, Exception):
            for line in done.lines:
                echo_json(line | {"file": str(named[path])})
            done.notes = [note.replace(str(path), str(named[path])) for note in done.notes]
            done.problem = done.problem and done.problem.replace(str(path), str(named[path]))
        yield named[path], done


def _told(path: Path, done: DrawnFilm | Exception) -> tuple[str | None, str | None]:
    """What kind of thing is wrong with a film, and what is said of it."""
    if isinstance(done, Exception):
        text = str(done).splitlines()[0] if str(done) else type(done).__name__
        return "not written", text if text.startswith("cannot write") or str(path) in text else f"{path}: {text}"
    for note in done.notes:
        say(note)
    if done.cancelled:
        raise KeyboardInterrupt
    if not done.problem:
        return None, None
    kind = "truncated" if done.pictures else "unreadable"
    return kind, f"{path}: {done.problem.removeprefix(f'{path} ').removeprefix(f'{path}: ')}"
