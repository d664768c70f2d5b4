"""`mtcnn align`."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mtcnn.cli.console import echo_json, say
from mtcnn.cli.options import SETTINGS, PathOrUri, detector_options, jobs_option, ray_options, size
from mtcnn.params import FACE_CHOICES
from mtcnn.pipeline.options import DetectorOptions
from mtcnn.scale.options import ClusterOptions

if TYPE_CHECKING:
    from mtcnn.align import FaceAligner
    from mtcnn.pipeline.pictures import Detected
    from mtcnn.pipeline.read import Found

__all__ = ["command"]


@click.command("align", context_settings=SETTINGS)
@click.argument("source", metavar="IN", type=PathOrUri(path_type=Path, exists=True, file_okay=False))
@click.argument("output", metavar="OUT", type=PathOrUri(path_type=Path, file_okay=False))
@click.option("--size", "crop_size", type=size, default="112x96", metavar="HxW", help="112x96 and 112x112 are usual")
@click.option("--margin", type=click.FloatRange(0, 4), default=0.0, help="share of the crop added on each side")
@click.option("--face", type=click.Choice(FACE_CHOICES), default=FACE_CHOICES[0], help="which of several in a picture")
@click.option("--format", "suffix", type=click.Choice(["png", "jpg"]), default="png", help="of the crops")
@click.option("--resume", is_flag=True, help="go on where OUT/manifest.jsonl ends")
@click.option("--json", "as_json", is_flag=True, help="the counts as JSON, on standard output")
@jobs_option
@ray_options
@detector_options
def command(
    source: Path | str,
    output: Path | str,
    crop_size: tuple[int, int],
    margin: float,
    face: str,
    suffix: str,
    resume: bool,
    as_json: bool,
    jobs: int,
    cluster: ClusterOptions | None,
    detector: DetectorOptions,
) -> int:
    """Make aligned face crops of all pictures in the folder IN, in the same folders below OUT.

    One crop a picture, of the face that --face chooses: turned, scaled and cut so that eyes, nose and mouth lie
    where recognition networks expect them. Pictures are turned first as their EXIF orientation says.

    OUT/manifest.jsonl has a line for each picture: its crop, all its faces and which was taken; or that there is
    no face, or why it cannot be read. --resume skips the pictures in it.

    With --ray, IN and OUT may be URIs (s3://...), and OUT gets Parquet files with a row for each picture.
    """
    from mtcnn.cli.cluster import refuse_uris, run_on_cluster
    from mtcnn.cli.run import PARTLY

    if os.path.realpath(output) == os.path.realpath(source):
        raise click.UsageError("OUT must be another folder than IN")
    settings = {"size": list(crop_size), "margin": margin, "face": face, "format": suffix}
    settings |= detector.settings()
    began = time.perf_counter()
    if cluster:
        settings["command"] = "align"
        counts, before, code = run_on_cluster(settings, [source], output, detector, resume, cluster)
    else:
        refuse_uris(source, output)
        counts, before, code = _align(Path(source), Path(output), settings, resume, jobs, detector)
    seconds = time.perf_counter() - began
    total = sum(counts.values())
    if as_json:
        report = {**{status: counts[status] for status in STATUSES}, "seconds": round(seconds, 3)}
        echo_json(report)
    text = f"pictures: {total}, " + ", ".join(f"{status}: {counts[status]}" for status in STATUSES)
    if before:
        text += f", done before: {before}"
    text += f", {total / max(seconds, 1e-9):.1f} pictures/s"
    wrong = code or counts["unreadable"]
    say(f"{'cancelled; done: ' if code else ''}{text}", fg="red" if wrong else None)
    sys.stdout.flush()
    if total == 0 and not before and not code:
        raise click.ClickException(f"no pictures in {source}")
    return code or (PARTLY if counts["unreadable"] else 0)


STATUSES = ("aligned", "no face", "unreadable")


def _align(
    source: Path, output: Path, settings: dict[str, Any], resume: bool, jobs: int, detector: DetectorOptions
) -> tuple[Counter[str], int, int]:
    """The number of pictures of each status, of those that were done before, the exit code."""
    from mtcnn.align import FaceAligner
    from mtcnn.cli.console import count_ahead, counting
    from mtcnn.cli.run import CANCELLED
    from mtcnn.pipeline.find import find_pictures
    from mtcnn.pipeline.manifest import Manifest
    from mtcnn.pipeline.pictures import detect_pictures

    counts: Counter[str] = Counter()
    code = 0
    with ExitStack() as stack:
        model = stack.enter_context(detector.make(threads=1))
        manifest = stack.enter_context(Manifest(output, settings, resume))
        aligner = FaceAligner(settings["size"], settings["margin"])
        crops = _Crops(output, manifest.crops, aligner, settings["face"], settings["format"])

        def new() -> Iterator[Found]:
            return (f for f in find_pictures([source], without=output) if str(f.name) not in manifest.done)

        found = crops.named(new())
        bar = stack.enter_context(counting("pictures", total=count_ahead(new)))
        decisions = stack.enter_context(closing(detect_pictures(model, found, crops.decide, jobs)))
        try:
            for line in decisions:
                manifest.add(line)
                counts[line["status"]] += 1
                bar.advance()
        except KeyboardInterrupt:
            code = CANCELLED
    return counts, len(manifest.done), code


class _Crops:
    """Chooses faces, cuts and writes them."""

    def __init__(self, output: Path, taken: set[str], aligner: FaceAligner, face: str, suffix: str) -> None:
        self._output, self._aligner, self._face, self._suffix = output, aligner, face, suffix
        self._taken = taken
        self._names: dict[Path, str] = {}

    def named(self, pictures: Iterator[Found]) -> Iterator[Found]:
        """The pictures, the name of each one's crop noted: a.jpg and a.png get two."""
        for found in pictures:
            name = str(found.name.with_suffix(f".{self._suffix}"))
            if name in self._taken:
                name = f"{found.name}.{self._suffix}"
            self._taken.add(name)
            self._names[found.name] = name
            yield found

    def decide(self, result: Detected[Found]) -> dict[str, Any]:
        """Write the crop; return the manifest's line. Any thread."""
        from mtcnn.pipeline.crops import cut_face
        from mtcnn.pipeline.write import write_picture

        name = self._names.pop(result.found.name)
        line, crop = cut_face(str(result.found.name), result, self._aligner, self._face)
        if crop is None:
            return line
        write_picture(self._output / name, crop)
        return line | {"crop": name}
