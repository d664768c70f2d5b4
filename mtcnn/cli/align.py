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
from mtcnn.cli.options import SETTINGS, PathOrUri, detector_options, jobs_option, keeping_options, ray_options, size
from mtcnn.params import FACE_CHOICES, TEMPLATES
from mtcnn.pipeline.options import DetectorOptions
from mtcnn.scale.options import ClusterOptions

if TYPE_CHECKING:
    from mtcnn.align import FaceAligner
    from mtcnn.pipeline.formats import Skipped
    from mtcnn.pipeline.output_folder import OutputFolder
    from mtcnn.pipeline.pictures import Detected
    from mtcnn.pipeline.read import Found

__all__ = ["command"]


@click.command("align", context_settings=SETTINGS)
@click.argument("source", metavar="IN", type=PathOrUri(path_type=Path, file_okay=False))
@click.argument("output", metavar="OUT", type=PathOrUri(path_type=Path, file_okay=False))
@click.option("--size", "crop_size", type=size, default="112x96", metavar="HxW", help="112x96 and 112x112 are usual")
@click.option(
    "--template",
    type=click.Choice(TEMPLATES),
    show_default="arcface of square crops, seed of others",
    help="where the five points go",
)
@click.option("--margin", type=click.FloatRange(0, 4), default=0.0, help="share of the crop added on each side")
@click.option("--face", type=click.Choice(FACE_CHOICES), default=FACE_CHOICES[0], help="which of several in a picture")
@click.option("--format", "suffix", type=click.Choice(["png", "jpg"]), default="png", help="of the crops")
@keeping_options(resumes=True)
@click.option("--json", "as_json", is_flag=True, help="the counts as JSON, on standard output")
@jobs_option
@ray_options
@detector_options
def command(
    source: Path | str,
    output: Path | str,
    crop_size: tuple[int, int],
    template: str | None,
    margin: float,
    face: str,
    suffix: str,
    resume: bool,
    overwrite: bool,
    as_json: bool,
    jobs: int,
    cluster: ClusterOptions | None,
    detector: DetectorOptions,
) -> int:
    """Make aligned face crops of all pictures in the folder IN, in the same folders below OUT.

    One crop a picture, of the face that --face chooses: turned, scaled and cut so that eyes, nose and mouth lie
    where recognition networks expect them. Pictures are turned first as their EXIF orientation says.

    OUT/manifest.jsonl has a line for each picture: its crop, all its faces and which was taken; or that there is
    no face, or why it cannot be read. --resume skips the pictures in it; --overwrite begins anew, replaces crops one
    by one, and in the end removes what it did not replace. Other files in OUT stay as they are.

    With --ray, IN and OUT may be URIs (s3://...), and OUT gets Parquet files with a row for each picture.
    """
    from mtcnn.cli.cluster import refuse_uris, run_on_cluster
    from mtcnn.cli.keeping import can_be_resumed, done_before, ended, refuse_missing
    from mtcnn.cli.run import PARTLY
    from mtcnn.pipeline.formats import Skipped

    if os.path.exists(source) and os.path.exists(output) and os.path.samefile(source, output):
        raise click.UsageError("OUT must be another folder than IN")
    if template is None:  # embedders take square crops as ArcFace's
        template = "arcface" if crop_size[0] == crop_size[1] else "seed"
    settings = {"size": list(crop_size), "template": template, "margin": margin, "face": face, "format": suffix}
    settings |= detector.settings()
    began = time.perf_counter()
    skipped = Skipped()
    if cluster:
        settings["command"] = "align"
        counts, before, code = run_on_cluster(settings, [source], output, detector, resume, overwrite, cluster)
    else:
        refuse_uris(source, output)
        refuse_missing([str(source)])
        with can_be_resumed():
            counts, before, code = _align(
                Path(source), Path(output), settings, resume, overwrite, jobs, detector, skipped
            )
    seconds = time.perf_counter() - began
    truncated = counts.pop("truncated", 0)
    total = sum(counts.values())
    statuses = [*STATUSES, *(["not written"] if counts["not written"] else [])]
    if as_json:
        report: dict[str, Any] = {**{status: counts[status] for status in statuses}, "seconds": round(seconds, 3)}
        if before.total():
            report["before"] = dict(before)
        echo_json(report)
    text = f"pictures: {total}, " + ", ".join(f"{status}: {counts[status]}" for status in statuses)
    if truncated:
        text += f", truncated: {truncated}"
    text += done_before(before) + f", {total / max(seconds, 1e-9):.1f} pictures/s"
    if skipped:
        text += f"; skipped: {skipped}"
    wrong = counts["unreadable"] + counts["not written"] + before["unreadable"]
    say(ended(code, text), fg="red" if code or wrong else None)
    sys.stdout.flush()
    if total == 0 and not before.total() and not code:
        raise click.ClickException(f"no pictures in {source}")
    return code or (PARTLY if wrong else 0)


STATUSES = ("aligned", "no face", "unreadable")


def _align(
    source: Path,
    output: Path,
    settings: dict[str, Any],
    resume: bool,
    overwrite: bool,
    jobs: int,
    detector: DetectorOptions,
    skipped: Skipped,
) -> tuple[Counter[str], Counter[str], int]:
    """The number of pictures of each status, in this run and in those before; the exit code."""
    from mtcnn.align import FaceAligner
    from mtcnn.cli.console import count_ahead, counting
    from mtcnn.cli.keeping import Problems
    from mtcnn.cli.run import CANCELLED
    from mtcnn.files import Inputs
    from mtcnn.pipeline.find import find_pictures
    from mtcnn.pipeline.manifest import Manifest
    from mtcnn.pipeline.output_folder import OutputFolder
    from mtcnn.pipeline.pictures import detect_pictures

    counts: Counter[str] = Counter()
    code = 0
    with ExitStack() as stack:
        model = stack.enter_context(detector.make(threads=1))

        def new(skipped: Skipped | None = None) -> Iterator[Found]:
            return (found for found in pictures(skipped) if str(found.name) not in manifest.done)

        def pictures(skipped: Skipped | None = None) -> Iterator[Found]:
            return (found for found in find_pictures([source], skipped) if not folder.holds(found.path))

        inputs = Inputs(lambda: (found.path for found in pictures()))
        keeping = {"resume": resume, "overwrite": overwrite}
        folder = stack.enter_context(OutputFolder(output, inputs, overwrite=overwrite))
        manifest = stack.enter_context(Manifest(output, source, inputs, settings, **keeping))
        folder.know((manifest.crops | manifest.replaced).items())
        aligner = FaceAligner(settings["size"], settings["margin"], settings["template"])
        crops = _Crops(folder, aligner, settings["face"], settings["format"])
        bar = stack.enter_context(counting("pictures", total=count_ahead(new)))
        problems = Problems()
        found = crops.named(new(skipped))
        decisions = stack.enter_context(closing(detect_pictures(model, found, crops.decide, jobs)))
        try:
            for line, problem in decisions:
                if line["status"] == "unreadable":
                    problems.add(f"{line['file']}: {line['problem']}")
                if problem is None:
                    manifest.add(line)
                else:  # a later run tries it again
                    problems.add(problem)
                counts[line["status"] if problem is None else "not written"] += 1
                counts["truncated"] += "truncated" in line
                bar.advance()
            if counts or manifest.done:
                begun_anew = manifest.begun_anew
                manifest.finish()
                for problem in folder.remove_all_but(manifest.crops.values()) if begun_anew else ():
                    problems.add(problem)
                    counts["not written"] += 1
        except KeyboardInterrupt:
            code = CANCELLED
    return counts, manifest.statuses, code


class _Crops:
    """Chooses faces, cuts and writes them."""

    def __init__(self, folder: OutputFolder, aligner: FaceAligner, face: str, suffix: str) -> None:
        self._folder, self._aligner, self._face, self._suffix = folder, aligner, face, suffix

    def named(self, pictures: Iterator[Found]) -> Iterator[Found]:
        """The pictures; each one's crop has a name then: those of a.jpg and a.png get two."""
        for found in pictures:
            wanted, other = found.name.with_suffix(f".{self._suffix}"), Path(f"{found.name}.{self._suffix}")
            self._folder.name_for(str(found.name), wanted, other)
            yield found

    def decide(self, result: Detected[Found]) -> tuple[dict[str, Any], str | None]:
        """Write the crop; return the manifest's line, and why the crop could not be written. Any thread."""
        from mtcnn.files import NoMoreOutputError, OutputError
        from mtcnn.pipeline.crops import cut_face
        from mtcnn.pipeline.write import encode_picture

        name = self._folder.name_of(str(result.found.name))
        line, crop = cut_face(str(result.found.name), result, self._aligner, self._face)
        if crop is None:
            return line, None
        try:
            self._folder.write(name, encode_picture(self._folder.folder / name, crop))
        except NoMoreOutputError:
            raise
        except OutputError as error:
            return line, str(error)
        return line | {"crop": name}, None
