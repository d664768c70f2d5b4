"""`mtcnn crop`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mtcnn.cli.crops import CropsJob, crops_options, make_crops, quality_settings
from mtcnn.cli.options import SETTINGS, Number
from mtcnn.params import ALL_FACES, FACE_CHOICES
from mtcnn.pipeline.options import DetectorOptions

if TYPE_CHECKING:
    from mtcnn.pipeline.crops import Cutter

__all__ = ["command"]


@click.command("crop", context_settings=SETTINGS)
@click.option("--margin", type=Number(0, 4), default=0.0, help="share of the box added on each side")
@click.option("--square", is_flag=True, help="the square about the box, black where the picture ends")
@crops_options(face=None)
def command(
    source: Path | str,
    output: Path | str,
    margin: float,
    square: bool,
    face: str | None,
    suffix: str,
    quality: bool,
    min_quality: float,
    best_shot: bool,
    resume: bool,
    overwrite: bool,
    as_json: bool,
    jobs: int,
    detector: DetectorOptions,
) -> int:
    """Cut the faces of all pictures in the folder IN out as they lie, in the same folders below OUT.

    photo_1.png, photo_2.png, ... are the faces of photo.jpg, best score first; with another --face than all, photo.png
    is the one that it chooses. Crops end where the picture does, but for --square. The manifest, --resume, --overwrite
    and --best-shot are those of mtcnn align.
    """
    face = face or (FACE_CHOICES[0] if best_shot else ALL_FACES)
    asked = quality_settings(face, quality, min_quality, best_shot)
    settings = {"command": "crop", "margin": margin, "square": square, "face": face, "format": suffix} | asked

    chosen = face

    def make_cutter() -> Cutter:
        from mtcnn.pipeline.crops import Cutter, cut_box

        return Cutter(cut_box(margin, square), chosen, "cropped", bool(asked), min_quality)

    settings |= detector.settings()
    job = CropsJob(settings, make_cutter, "cropped", resume, overwrite, as_json, jobs, detector)
    return make_crops(source, output, job)
