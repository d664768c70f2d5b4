"""`mtcnn blur`."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mtcnn.cli.console import counting, say
from mtcnn.cli.film_options import film_cluster_options, film_writer_options
from mtcnn.cli.folder_run import FolderRun
from mtcnn.cli.options import (
    SETTINGS,
    FilePath,
    Number,
    a_file,
    detector_options,
    jobs_option,
    keeping_options,
    size,
    tell_unused,
)
from mtcnn.pipeline.options import DetectorOptions
from mtcnn.scale.options import ClusterOptions, require_ray

if TYPE_CHECKING:
    from mtcnn.detector import TrtMtcnn
    from mtcnn.pipeline.blur import BlurredFilm
    from mtcnn.pipeline.blur_options import BlurOptions
    from mtcnn.pipeline.known_people import KnownPeople
    from mtcnn.pipeline.output_folder import OutputFolder
    from mtcnn.pipeline.pictures import Detected
    from mtcnn.pipeline.read import Found

__all__ = ["command"]

# Rather one too many than one too few.
LOW_THRESHOLDS = (0.5, 0.6, 0.4)
MINSIZE = 20.0


@click.command("blur", context_settings=SETTINGS)
@click.argument("source", type=FilePath(), metavar="INPUT", shell_complete=a_file)
@click.option(
    "--output",
    type=FilePath(),
    required=True,
    metavar="OUT",
    help="a file, or a folder that is there; of a folder: a folder",
)
@click.option("--how", type=click.Choice(["blur", "pixelate", "fill"]), default="blur", help="fill leaves nothing")
@click.option("--shape", type=click.Choice(["ellipse", "box"]), default="ellipse")
@click.option("--margin", type=Number(0, 4), default=0.3, help="share of the box added on each side")
@click.option("--keep", type=FilePath(), multiple=True, metavar="PICTURE", help="of a person who is not hidden")
@click.option("--embedder", metavar="MODEL.onnx", help="face recognition network, for --keep")
@click.option("--embedder-size", type=size, metavar="HxW", help="where the model takes any size")
@click.option("--embedder-output", metavar="NAME", help="where the model has several")
@click.option("--threshold", type=Number(), help="greatest distance taken for one person", show_default="1.19")
@film_writer_options
@keeping_options(resumes=True)
@jobs_option
@film_cluster_options
@detector_options
def command(
    source: Path,
    output: Path,
    how: str,
    shape: str,
    margin: float,
    keep: tuple[Path, ...],
    embedder: str | None,
    embedder_size: tuple[int, int] | None,
    embedder_output: str | None,
    threshold: float | None,
    codec: str | None,
    crf: int | None,
    resume: bool,
    overwrite: bool,
    jobs: int,
    cluster: ClusterOptions | None,
    detector: DetectorOptions,
) -> int:
    """Write INPUT again without the faces in it: a picture, a film, or a folder of both, with all that is below it.

    Of each face 36 means are left, or fewer; with --how fill nothing. Pictures lose all that their files say beside
    the pixels: place, camera, thumbnail. Films keep times, sound and subtitles; they are read twice, so that a face is
    hidden half a second before it is first found and after it is last found, too, and between two pictures in which
    it is found that are up to a second apart.

    What cannot be read or written is said and counted, and the exit code is then 3. With --ray the films of a folder
    are worked on by a cluster, one task each.
    """
    from mtcnn.pipeline.blur_options import BlurOptions
    from mtcnn.pipeline.film_names import FILM_ENDINGS
    from mtcnn.pipeline.hide import Hiding

    if bool(keep) != bool(embedder):
        raise click.UsageError("--keep PICTURE and --embedder MODEL.onnx go together: it tells who is who")
    if not keep:
        tell_unused(["embedder_size", "embedder_output", "threshold"], "--keep")
    if not os.path.lexists(source):
        if str(source).isdigit() or re.match(r"[a-z][a-z0-9+.-]+:/", str(source)):
            raise click.ClickException(f"{source} is no file: blur reads a film twice, so save the stream to one first")
        raise click.ClickException(f"there is no {source}")
    detector = replace(detector, thresholds=detector.thresholds or LOW_THRESHOLDS)
    options = BlurOptions(
        detector,
        Hiding(how, shape, margin),
        keep,
        embedder,
        embedder_size,
        embedder_output,
        threshold,
        codec,
        crf,
    )
    if source.is_dir():
        return _blur_folder(source, output, options, resume, overwrite, jobs, cluster)
    if cluster:
        raise click.UsageError("--ray is for folders of films")
    if resume:
        raise click.UsageError("--resume is for folders")
    if output.is_dir():  # as cp takes it
        output = output / source.name
    if source.suffix.lower() in FILM_ENDINGS:
        return _blur_film(source, output, options, overwrite, jobs)
    return _blur_picture(source, output, options, overwrite, jobs)


for _parameter in command.params:
    if _parameter.name == "minsize":
        _parameter.default = MINSIZE
    elif _parameter.name == "thresholds" and isinstance(_parameter, click.Option):
        _parameter.show_default = ",".join(map(str, LOW_THRESHOLDS))


def _blur_picture(source: Path, output: Path, options: BlurOptions, overwrite: bool, jobs: int) -> int:
    from mtcnn.cli.run import PARTLY
    from mtcnn.files import Inputs, check_output
    from mtcnn.pipeline.blur import blur_picture
    from mtcnn.pipeline.pictures import detect_pictures
    from mtcnn.pipeline.read import FLAWS, Flaw, Found
    from mtcnn.pipeline.write import encode_picture, write_picture

    if options.codec is not None or options.crf is not None:
        raise click.UsageError("--codec and --crf are for films")
    inputs = Inputs(lambda: [source, *options.files])
    check_output(output, inputs, overwrite=overwrite)
    with options.detector.make(jobs) as model:
        people = options.people(model)

        def work(result: Detected[Found]) -> tuple[Any, int, int, str | None, Flaw | None]:
            if result.img is None:
                return None, 0, 0, result.problem, None
            return *blur_picture(result, options.hiding, people), None, result.flaw

        ((img, hidden, kept, problem, flaw),) = detect_pictures(model, [Found(source, Path(source.name))], work, 1)
    if problem:
        raise click.ClickException(f"{source}: {problem}")
    encode_picture(output, img[:1, :1])  # a wrong ending is told before folders are made
    write_picture(output, img, inputs, overwrite=overwrite)
    say(f"hidden: {hidden}{_kept(kept, options)}, written: {output}")
    if flaw:  # there may be faces that were not found
        say(f"{source}: {FLAWS[flaw]}", fg="red")
    return PARTLY if flaw else 0


def _blur_film(source: Path, output: Path, options: BlurOptions, overwrite: bool, jobs: int) -> int:
    from mtcnn.cli.run import CANCELLED, FAILED, PARTLY, fail
    from mtcnn.files import Inputs, check_output
    from mtcnn.pipeline.blur import blur_film
    from mtcnn.pipeline.film_codecs import check_ending

    check_ending(output)
    check_output(output, Inputs(lambda: [source, *options.files]), overwrite=overwrite)
    with options.detector.make(jobs) as model:
        people = options.people(model)
        with counting("pictures, twice", total=lambda ended: _total_of(source)) as bar:
            done = blur_film(
                source,
                output,
                model,
                options.hiding,
                people,
                codec=options.codec,
                crf=options.crf,
                seen=bar.advance,
            )
    for note in done.notes:
        say(note)
    kept = _kept(done.kept, options)
    say(f"pictures: {done.pictures}, hidden: {done.hidden}{kept}, written: {done.path or 'nothing'}")
    if done.cancelled:
        fail("mtcnn blur", "cancelled")
        return CANCELLED
    if done.problem:
        fail("mtcnn blur", done.problem)
        return PARTLY if done.pictures else FAILED
    return 0


def _kept(kept: int, options: BlurOptions) -> str:
    """What a run says of --keep: faces of whom it names, which stay as they are."""
    return f", kept: {kept}" if options.keep else ""


def _total_of(source: Path) -> int | None:
    from mtcnn.errors import MtcnnError
    from mtcnn.pipeline.film import Film

    try:
        with closing(Film(str(source))) as film:
            return 2 * film.due or None
    except MtcnnError:  # the work meets it, too
        return None


def _blur_folder(
    source: Path,
    output: Path,
    options: BlurOptions,
    resume: bool,
    overwrite: bool,
    jobs: int,
    cluster: ClusterOptions | None,
) -> int:
    from mtcnn.cli.keeping import can_be_resumed
    from mtcnn.cli.run import CANCELLED
    from mtcnn.files import Inputs
    from mtcnn.pipeline.film import pyav
    from mtcnn.pipeline.film_codecs import choose_encoding
    from mtcnn.pipeline.film_names import FILM_ENDINGS
    from mtcnn.pipeline.find import find_pictures
    from mtcnn.pipeline.formats import Skipped, readable_suffixes
    from mtcnn.pipeline.output_folder import OutputFolder
    from mtcnn.pipeline.own_files import OwnFiles

    if cluster:
        require_ray()
    run = FolderRun(source, output, resume=resume, overwrite=overwrite)
    counts = run.counts
    skipped = Skipped()
    code = 0

    def all_files(skipped: Skipped | None = None) -> Iterator[Found]:
        return find_pictures([source], skipped, readable_suffixes() | FILM_ENDINGS, own=own)

    own = OwnFiles()
    inputs = Inputs(lambda: [*(found.path for found in all_files()), *options.files])
    if options.codec is not None:
        choose_encoding(pyav(), output / "film.mkv", options.codec, options.crf)
    with ExitStack() as stack:
        model = stack.enter_context(options.detector.make(threads=1))
        people = options.people(model)
        stack.enter_context(can_be_resumed())
        folder = stack.enter_context(OutputFolder(output, inputs, overwrite=overwrite))
        own.also(folder.holds)
        run.refuse_an_earlier_one(folder)
        files = list(all_files(skipped))
        if files:
            folder.check_settings(options.settings(), begin=not resume)
        files = run.still_to_do(files, folder)
        films = [found for found in files if found.path.suffix.lower() in FILM_ENDINGS]
        pictures = [found for found in files if found.path.suffix.lower() not in FILM_ENDINGS]
        work = _FolderWork(folder, options, counts)
        try:
            with counting("files", total=len(files)) as bar:
                for _ in work.pictures(pictures, model, people, jobs):
                    bar.advance()
                for _ in work.films(films, jobs, cluster):
                    bar.advance()
        except KeyboardInterrupt:
            code = CANCELLED
    done = f"pictures: {counts['pictures']}, films: {counts['films']}, hidden: {counts['hidden']}"
    done += _kept(counts["kept"], options)
    code = run.end(code, done, skipped)
    if not files and not counts["done before"] and not code:
        raise click.ClickException(f"no pictures or films in {source}")
    return code


@dataclass
class _FolderWork:
    """What is done with the files of a folder, each problem being that of its file."""

    folder: OutputFolder
    options: BlurOptions
    counts: Counter[str]

    def __post_init__(self) -> None:
        from mtcnn.cli.keeping import Problems

        self._problems = Problems()

    def pictures(self, found: list[Found], model: TrtMtcnn, people: KnownPeople | None, jobs: int) -> Iterator[None]:
        from mtcnn.pipeline.pictures import detect_pictures
        from mtcnn.pipeline.write import drawing_name

        if not found:
            return
        for one in found:
            self.folder.name_for(os.path.abspath(one.path), drawing_name(one.name))
        work = lambda result: self._picture(result, people)  # noqa: E731
        with closing(detect_pictures(model, found, work, jobs)) as results:
            for hidden, kept, wrong, problem in results:
                self._count("pictures", wrong, hidden, problem, kept)
                yield

    def films(self, found: list[Found], jobs: int, cluster: ClusterOptions | None) -> Iterator[None]:
        from mtcnn.files import OutputError
        from mtcnn.pipeline.blur_options import try_film
        from mtcnn.pipeline.film_names import name_of_film

        tasks = []
        for one in found:
            try:
                name = self.folder.name_for(os.path.abspath(one.path), name_of_film(one.name))
                tasks.append((one.path, self.folder.path_for(name), self.options))
            except OutputError as error:
                self._count("films", "not written", 0, str(error))
                yield
        if cluster and tasks:
            from mtcnn.scale.films import each_film

            tasks = [(path.absolute(), target.absolute(), options) for path, target, options in tasks]
            results = each_film(cluster, try_film, tasks)
        else:
            results = ((task, try_film(*task, jobs)) for task in tasks)
        for (path, *_), done in results:
            self._film(path, done)
            yield

    def _picture(self, result: Detected[Found], people: KnownPeople | None) -> tuple[int, int, str | None, str | None]:
        """The faces hidden, and kept; what kind of thing is wrong with it, and what that is."""
        from mtcnn.files import NoMoreOutputError, OutputError
        from mtcnn.pipeline.blur import blur_picture
        from mtcnn.pipeline.read import FLAWS
        from mtcnn.pipeline.write import encode_picture

        path = result.found.path
        if result.img is None:
            return 0, 0, "unreadable", f"{path}: {result.problem}"
        img, hidden, kept = blur_picture(result, self.options.hiding, people)
        name = self.folder.name_of(os.path.abspath(path))
        try:
            self.folder.note(name, result.flaw)
            self.folder.write(name, encode_picture(self.folder.folder / name, img))
        except NoMoreOutputError:
            raise
        except OutputError as error:
            return 0, 0, "not written", str(error)
        return hidden, kept, result.flaw, f"{path}: {FLAWS[result.flaw]}" if result.flaw else None

    def _film(self, path: Path, done: BlurredFilm | Exception) -> None:
        if isinstance(done, Exception):
            self._count("films", "not written", 0, f"{path}: {str(done).splitlines()[0]}")
            return
        for note in done.notes:
            say(note)
        if done.cancelled:
            raise KeyboardInterrupt
        wrong = None if not done.problem else "truncated" if done.path else "unreadable"
        if done.path:
            self.folder.note(self.folder.name_of(os.path.abspath(path)), "truncated" if done.problem else None)
        problem = done.problem and f"{path}: {done.problem.removeprefix(f'{path} ')}"
        self._count("films", wrong, done.hidden, problem, done.kept)

    def _count(self, kind: str, wrong: str | None, hidden: int, problem: str | None, kept: int = 0) -> None:
        """A picture or film that was worked on, also where something is wrong with it."""
        self.counts.update([kind] if wrong is None else [kind, wrong])
        self.counts.update(hidden=hidden, kept=kept)
        if problem:
            self._problems.add(problem)
