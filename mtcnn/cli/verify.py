"""`mtcnn verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mtcnn.cli.console import echo, echo_json
from mtcnn.cli.options import (
    SETTINGS,
    FilePath,
    Number,
    detector_options,
    embedder_options,
    keeping_options,
    make_verifier,
    tell_unused,
)
from mtcnn.params import FaceChoice, Template
from mtcnn.pipeline.options import DetectorOptions

if TYPE_CHECKING:
    from mtcnn.files import Inputs
    from mtcnn.recognition.verify import EmbeddedFace

__all__ = ["command"]

DIFFERENT = 4


@click.command("verify", context_settings=SETTINGS)
@click.argument("a", type=FilePath())
@click.argument("b", type=FilePath())
@click.option("--metric", type=click.Choice(["euclidean", "cosine"]), default="euclidean")
@click.option("--threshold", type=Number(0, 2), help="greatest distance of one person; default 1.19, cosine 0.71")
@click.option("--draw", type=FilePath(), metavar="FILE", help="a picture of the two aligned faces")
@click.option("--json", "as_json", is_flag=True)
@keeping_options(resumes=False)
@embedder_options
@detector_options
def command(
    a: Path,
    b: Path,
    metric: str,
    threshold: float | None,
    draw: Path | None,
    as_json: bool,
    overwrite: bool,
    embedder: str,
    embedder_size: tuple[int, int] | None,
    embedder_output: str | None,
    face: FaceChoice,
    template: Template,
    detector: DetectorOptions,
) -> int:
    """Tell whether the pictures A and B show one person.

    Exit codes: 0 one person, 4 two persons, 3 no face in one of them, 1 an error.
    """
    from mtcnn.cli.run import PARTLY
    from mtcnn.files import Inputs, check_output
    from mtcnn.pipeline.read import read_picture

    inputs = Inputs(lambda: (a, b, embedder))
    if draw is None:
        tell_unused(["overwrite"], "the file of --draw")
    else:
        check_output(draw, inputs, overwrite=overwrite)
    pictures = [read_picture(a), read_picture(b)]
    with detector.make() as model:
        verifier = make_verifier(model, embedder, embedder_size, embedder_output, face, metric, threshold, template)
        result = verifier.verify(*pictures)
    if draw is not None:
        _draw(draw, result.faces, inputs, overwrite)
    without = [str(path) for path, one in zip((a, b), result.faces, strict=True) if one is None]
    if as_json:
        scores = [None if one is None else round(float(one.det[4]), 5) for one in result.faces]
        report = {"same": result.same, "distance": result.distance, "threshold": result.threshold, "scores": scores}
        echo_json(report | {"metric": metric, "without_a_face": without})
    elif result.same is None:
        echo(f"no face in {' and '.join(without)}")
    else:
        echo("one person" if result.same else "two persons", fg="green" if result.same else "red", end="")
        echo(f": distance {result.distance:.3f}, threshold {result.threshold:.3f}")
    if result.same is None:
        return PARTLY
    return 0 if result.same else DIFFERENT


def _draw(path: Path, faces: tuple[EmbeddedFace | None, EmbeddedFace | None], inputs: Inputs, overwrite: bool) -> None:
    import numpy as np

    from mtcnn.pipeline.write import write_picture

    seen = [face.crop for face in faces if face is not None]
    if not seen:
        raise click.ClickException(f"{path} is not written: there is no face in either picture")
    blank = np.zeros_like(seen[0])
    write_picture(
        path, np.hstack([blank if face is None else face.crop for face in faces]), inputs, overwrite=overwrite
    )
