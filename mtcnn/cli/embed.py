"""`mtcnn embed`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mtcnn.cli.console import echo_json, say
from mtcnn.cli.options import (
    SETTINGS,
    a_file,
    detector_options,
    embedder_options,
    jobs_option,
    make_verifier,
)
from mtcnn.pipeline.options import DetectorOptions

if TYPE_CHECKING:
    from mtcnn.pipeline.pictures import Detected
    from mtcnn.pipeline.read import Found
    from mtcnn.recognition.verify import EmbeddedFace

__all__ = ["command"]


@click.command("embed", context_settings=SETTINGS)
@click.argument("paths", nargs=-1, required=True, shell_complete=a_file)
@click.option("--output", required=True, type=click.Path(path_type=Path), metavar="FILE", help=".npz or .parquet")
@click.option("--json", "as_json", is_flag=True, help="the counts as JSON, on standard output")
@embedder_options
@jobs_option
@detector_options
def command(
    paths: tuple[str, ...],
    output: Path,
    as_json: bool,
    embedder: str,
    embedder_size: tuple[int, int] | None,
    face: str,
    jobs: int,
    detector: DetectorOptions,
) -> int:
    """Write the vector of the face in each picture: files, folders, globs.

    A .npz file has the arrays files (n,), embeddings (n, d) float32 of length 1, boxes (n, 4) and scores (n,); a
    .parquet file (needs pyarrow) the same as columns file, embedding, box, score. Pictures without a face, and
    those that cannot be read, are counted and left out.
    """
    from mtcnn.cli.console import count_ahead, counting
    from mtcnn.cli.run import PARTLY
    from mtcnn.pipeline.find import find_pictures
    from mtcnn.pipeline.pictures import detect_pictures
    from mtcnn.pipeline.vectors import open_vectors

    without = unreadable = written = 0
    with detector.make(threads=1) as model, open_vectors(output) as vectors:
        verifier = make_verifier(model, embedder, embedder_size, face)

        def work(result: Detected[Found]) -> tuple[Detected[Found], EmbeddedFace | None]:
            if result.img is None:
                return result, None
            return result, verifier.embed_detected([(result.img, result.dets, result.landmarks)])[0]

        total = count_ahead(lambda: find_pictures(paths))
        with (
            counting("pictures", total=total) as bar,
            closing(detect_pictures(model, find_pictures(paths), work, jobs)) as results,
        ):
            for result, one in results:
                bar.advance()
                if result.problem is not None:
                    unreadable += 1
                    say(f"{result.found.path}: {result.problem}", fg="red")
                elif one is None:
                    without += 1
                else:
                    vectors.add(str(result.found.path), one)
                    written += 1
        if written + without + unreadable == 0:
            raise click.ClickException(f"no pictures in {', '.join(paths)}")
    if as_json:
        echo_json({"written": written, "no face": without, "unreadable": unreadable})
    say(f"{output}: vectors: {written}, no face: {without}, unreadable: {unreadable}")
    return PARTLY if unreadable else 0
