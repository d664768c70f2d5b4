"""`mtcnn embed`."""

from __future__ import annotations

import functools
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from mtcnn.cli.console import echo_json, say
from mtcnn.cli.options import (
    SETTINGS,
    FilePath,
    a_file,
    detector_options,
    embedder_options,
    jobs_option,
    keeping_options,
    make_verifier,
)
from mtcnn.params import ALL_FACES, FACE_CHOICES, FaceChoice, Template
from mtcnn.pipeline.options import DetectorOptions

if TYPE_CHECKING:
    from mtcnn.pipeline.formats import Skipped
    from mtcnn.pipeline.pictures import Detected
    from mtcnn.pipeline.read import Found
    from mtcnn.recognition.verify import EmbeddedFace

__all__ = ["command"]


@click.command("embed", context_settings=SETTINGS)
@click.argument("paths", nargs=-1, required=True, shell_complete=a_file)
@click.option("--output", required=True, type=FilePath(), metavar="FILE", help=".npz or .parquet")
@click.option("--json", "as_json", is_flag=True, help="the counts as JSON, on standard output")
@keeping_options(resumes=True)
@functools.partial(embedder_options, faces=(*FACE_CHOICES, ALL_FACES))
@jobs_option
@detector_options
def command(
    paths: tuple[str, ...],
    output: Path,
    resume: bool,
    overwrite: bool,
    as_json: bool,
    embedder: str,
    embedder_size: tuple[int, int] | None,
    embedder_output: str | None,
    face: FaceChoice | Literal["all"],
    template: Template,
    jobs: int,
    detector: DetectorOptions,
) -> int:
    """Write the vector of the face in each picture: files, folders, globs; "-" reads names.

    A .npz file has the arrays files (n,), embeddings (n, d) float32 of length 1, boxes (n, 4) and scores (n,); a
    .parquet file (needs pyarrow) the same as columns file, embedding, box, score. Pictures without a face, and
    those that cannot be read, are counted and left out. With --face all there is a row for each face, best score first.

    FILE appears once it is whole; until then FILE.partial has what is done, and --resume goes on with it, or adds new
    pictures to a FILE that is whole. --overwrite makes FILE anew.
    """
    from mtcnn.cli.keeping import can_be_resumed, done_before, ended, tell_empty
    from mtcnn.cli.run import PARTLY
    from mtcnn.pipeline.formats import Skipped
    from mtcnn.pipeline.read import FLAWS

    network = embedder, embedder_size, embedder_output
    choice = face, template
    skipped = Skipped()
    with can_be_resumed():
        counts, before, written, code = _embed(
            paths, output, resume, overwrite, network, choice, jobs, detector, skipped
        )
    if as_json:
        report = {"written": written}
        report |= {status: counts[status] + before[status] for status in ("no face", "unreadable")}
        echo_json(report)
    text = f"{output}: pictures: {counts['pictures']}, vectors: {counts['vectors']}, no face: {counts['no face']}"
    text += f", unreadable: {counts['unreadable']}"
    text += "".join(f", {flaw}: {counts[flaw]}" for flaw in FLAWS if counts[flaw])
    text += done_before(before) + (f"; skipped: {skipped}" if skipped else "")
    tell_empty(skipped)
    say(ended(code, text))
    if not counts.total() and not before.total() and not code:
        raise click.ClickException(f"no pictures in {', '.join(paths)}")
    return code or (PARTLY if counts["unreadable"] + before["unreadable"] else 0)


def _embed(
    paths: tuple[str, ...],
    output: Path,
    resume: bool,
    overwrite: bool,
    network: tuple[str, tuple[int, int] | None, str | None],
    choice: tuple[FaceChoice | Literal["all"], Template],
    jobs: int,
    detector: DetectorOptions,
    skipped: Skipped,
) -> tuple[Counter[str], Counter[str], int, int]:
    """The number of pictures of each status and of vectors in this run; of each status in those before; of all vectors;
    the exit code.
    """
    from mtcnn.cli.console import count_ahead, counting
    from mtcnn.cli.keeping import refuse_missing
    from mtcnn.cli.run import CANCELLED
    from mtcnn.files import Inputs
    from mtcnn.pipeline.find import find_pictures, read_names
    from mtcnn.pipeline.own_files import OwnFiles
    from mtcnn.pipeline.pictures import detect_pictures
    from mtcnn.pipeline.read import FLAWS
    from mtcnn.pipeline.vectors import Vectors
    from mtcnn.runtime.interrupts import uninterrupted

    counts: Counter[str] = Counter()
    code = 0
    with ExitStack() as stack:
        model = stack.enter_context(detector.make(threads=1))
        face, template = choice
        one = FACE_CHOICES[0] if face == ALL_FACES else face
        verifier = make_verifier(model, *network, one, template=template)
        refuse_missing(paths)
        names = read_names(paths, sys.stdin.buffer if sys.stdin else None)
        model_file, size, layer = network
        settings = {"embedder": _digest(model_file), "embedder_size": size and list(size), "face": face}
        settings |= {"template": template}
        settings |= {"embedder_output": layer} if layer else {}
        settings |= detector.settings()
        own = OwnFiles(output)
        inputs = Inputs(lambda: [model_file, *(found.path for found in find_pictures(names, own=own))])
        keeping = {"resume": resume, "overwrite": overwrite}
        vectors = stack.enter_context(Vectors(output, inputs, settings, **keeping))

        def work(result: Detected[Found]) -> tuple[Detected[Found], list[EmbeddedFace]]:
            if result.img is None:
                return result, []
            detected = [(result.img, result.dets, result.landmarks)]
            if face == ALL_FACES:
                return result, verifier.embed_all_detected(detected)[0]
            found = verifier.embed_detected(detected)[0]
            return result, [] if found is None else [found]

        def new(skipped: Skipped | None = None) -> Iterator[Found]:
            return (one for one in find_pictures(names, skipped, own=own) if not vectors.is_done(str(one.path)))

        bar = stack.enter_context(counting("pictures", total=count_ahead(new)))
        results = stack.enter_context(closing(detect_pictures(model, new(skipped), work, jobs)))
        try:
            for result, faces in results:
                bar.advance()
                if result.flaw:
                    say(f"{result.found.path}: {FLAWS[result.flaw]}", fg="yellow")
                if result.problem is not None:
                    status = "unreadable"
                    say(f"{result.found.path}: {result.problem}", fg="red")
                else:
                    status = "embedded" if faces else "no face"
                with uninterrupted():
                    vectors.add(str(result.found.path), status, faces)
                    counts.update({"pictures": 1, status: 1, "vectors": len(faces)})
                    counts.update([result.flaw] if result.flaw else ())
            if counts or vectors.done:
                vectors.finish()
        except KeyboardInterrupt:
            code = CANCELLED
    return counts, vectors.statuses, vectors.count, code


def _digest(path: str) -> str:
    import hashlib

    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
