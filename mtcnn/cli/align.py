"""`mtcnn align`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mtcnn.cli.crops import CropsJob, crops_options, make_crops, quality_settings
from mtcnn.cli.options import SETTINGS, Number, ray_options, size
from mtcnn.params import FACE_CHOICES, TEMPLATES, Template
from mtcnn.pipeline.options import DetectorOptions
from mtcnn.scale.options import ClusterOptions

if TYPE_CHECKING:
    from mtcnn.pipeline.crops import Cutter

__all__ = ["command"]


@click.command("align", context_settings=SETTINGS)
@click.option("--size", "crop_size", type=size, default="112x96", metavar="HxW", help="112x96 and 112x112 are usual")
@click.option(
    "--template",
    type=click.Choice(TEMPLATES),
    show_default="arcface of square crops, seed of others",
    help="where the five points go",
)
@click.option("--margin", type=Number(0, 4), default=0.0, help="share of the crop added on each side")
@ray_options
@crops_options(face=FACE_CHOICES[0])
def command(
    source: Path | str,
    output: Path | str,
    crop_size: tuple[int, int],
    template: Template | None,
    margin: float,
    face: str,
    suffix: str,
    quality: bool,
    min_quality: float,
    best_shot: bool,
    resume: bool,
    overwrite: bool,
    as_json: bool,
    jobs: int,
    cluster: ClusterOptions | None,
    detector: DetectorOptions,
) -> int:
    """Make aligned face crops of all pictures in the folder IN, in the same folders below OUT.

    One crop a picture, of the face that --face chooses: turned, scaled and cut so that eyes, nose and mouth lie
    where recognition networks expect them. Pictures are turned first as their EXIF orientation says. With --face all,
    photo_1.png, photo_2.png, ... are the faces of photo.jpg, best score first. With --best-shot, OUT/ann.png is the
    best one of all pictures in IN/ann.

    OUT/manifest.jsonl has a line for each picture: its crop, all its faces and which was taken; or that there is
    no face, or why it cannot be read. --resume skips the pictures in it; --overwrite begins anew, replaces crops one
    by one, and in the end removes what it did not replace. Other files in OUT stay as they are.

    With --ray, IN and OUT may be URIs (s3://...), and OUT gets Parquet files with a row for each picture.
    """
    asked = quality_settings(face, quality, min_quality, best_shot)
    if template is None:  # embedders take square crops as ArcFace's
        template = "arcface" if crop_size[0] == crop_size[1] else "seed"
    settings = {"command": "align", "size": list(crop_size), "template": template, "margin": margin}
    settings |= {"face": face, "format": suffix} | asked

    def make_cutter() -> Cutter:
        from mtcnn.align import FaceAligner
        from mtcnn.pipeline.crops import Cutter, cut_aligned

        aligner = FaceAligner(crop_size, margin, template)
        return Cutter(cut_aligned(aligner), face, "aligned", bool(asked), min_quality)

    settings |= detector.settings()
    job = CropsJob(settings, make_cutter, "aligned", resume, overwrite, as_json, jobs, detector, cluster)
    return make_crops(source, output, job)
