"""What `mtcnn align` and `mtcnn crop` do with a folder of pictures, and what they say of it."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from mtcnn.cli.console import echo_json, say
from mtcnn.cli.options import Number, PathOrUri, detector_options, jobs_option, keeping_options
from mtcnn.params import ALL_FACES, FACE_CHOICES
from mtcnn.pipeline.options import DetectorOptions
from mtcnn.scale.options import ClusterOptions

if TYPE_CHECKING:
    from mtcnn.pipeline.crop_files import Decision
    from mtcnn.pipeline.crops import Cutter
    from mtcnn.pipeline.formats import Skipped
    from mtcnn.pipeline.read import Found

__all__ = ["CropsJob", "crops_options", "make_crops", "quality_settings"]

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class CropsJob:
    """What is to be made.

    Attributes:
        settings: what crops depend on, with the command and its face, format, and what `quality_settings` gives.
        make_cutter: what makes crops of these.
        status: of a picture of which there are crops.
        resume, overwrite, as_json, jobs, detector, cluster: the options.
    """

    settings: dict[str, Any]
    make_cutter: Callable[[], Cutter]
    status: str
    resume: bool
    overwrite: bool
    as_json: bool
    jobs: int
    detector: DetectorOptions
    cluster: ClusterOptions | None = None


def crops_options(face: str | None) -> Callable[[Command], Command]:
    """IN, OUT and the options that both commands have.

    face: the default of --face; None: "all", but for --best-shot, which compares the prominent ones.
    """

    def add(command: Command) -> Command:
        wrapped: Any = command
        folder = PathOrUri(file_okay=False)
        for option in (
            detector_options,
            jobs_option,
            click.option("--json", "as_json", is_flag=True, help="the counts as JSON, on standard output"),
            keeping_options(resumes=True),
            click.option("--best-shot", is_flag=True, help="one crop of each folder: the one of the best quality"),
            click.option("--min-quality", type=Number(0, 1), default=0.0, help="of faces that are cut out"),
            click.option("--quality", is_flag=True, help="say how good faces are: pose, sharpness, size"),
            click.option("--format", "suffix", type=click.Choice(["png", "jpg"]), default="png", help="of the crops"),
            click.option(
                "--face",
                type=click.Choice([*FACE_CHOICES, ALL_FACES]),
                default=face,
                show_default=face or ALL_FACES,
                help="which of several in a picture",
            ),
            click.argument("output", metavar="OUT", type=folder),
            click.argument("source", metavar="IN", type=folder),
        ):
            wrapped = option(wrapped)
        return cast(Command, wrapped)

    return add


def quality_settings(face: str, quality: bool, min_quality: float, best_shot: bool) -> dict[str, Any]:
    """What is said of quality, in a manifest's settings: nothing where nobody asked."""
    if best_shot and face == ALL_FACES:
        raise click.UsageError("--best-shot takes one face of a picture, and --face all takes all: say one")
    given = {"quality": quality, "min_quality": min_quality, "best_shot": best_shot}
    return {name: value for name, value in given.items() if value}


def make_crops(source: Path | str, output: Path | str, job: CropsJob) -> int:
    """Do it and say what was done; the exit code."""
    from mtcnn.cli.cluster import refuse_uris, run_on_cluster
    from mtcnn.cli.keeping import can_be_resumed, done_before, ended, refuse_missing
    from mtcnn.cli.run import PARTLY
    from mtcnn.pipeline.formats import Skipped

    if os.path.exists(source) and os.path.exists(output) and os.path.samefile(source, output):
        raise click.UsageError("OUT must be another folder than IN")
    began = time.perf_counter()
    skipped = Skipped()
    if job.cluster:
        if job.settings.get("best_shot"):
            raise click.UsageError("--best-shot compares all pictures of a folder, and goes without --ray")
        counts, before, code = run_on_cluster(
            job.settings, [source], output, job.detector, job.resume, job.overwrite, job.cluster
        )
    else:
        refuse_uris(source, output)
        refuse_missing([str(source)])
        with can_be_resumed():
            counts, before, code = _make_crops(Path(source), Path(output), job, skipped)
    seconds = time.perf_counter() - began
    flaws = {flaw: counts.pop(flaw) for flaw in ("truncated", "damaged", "dark") if flaw in counts}
    crops = counts.pop("crops", 0)
    total = sum(counts.values())
    rare = [status for status in ("low quality", "not best", "not written") if counts[status]]
    statuses = [job.status, "no face", "unreadable", *rare]
    if job.as_json:
        report: dict[str, Any] = {**{status: counts[status] for status in statuses}, "seconds": round(seconds, 3)}
        if job.settings["face"] == ALL_FACES:
            report["crops"] = crops
        if before.total():
            report["before"] = dict(before)
        echo_json(report)
    text = f"pictures: {total}, " + ", ".join(f"{status}: {counts[status]}" for status in statuses)
    if job.settings["face"] == ALL_FACES and not job.cluster:
        text += f", crops: {crops}"
    text += "".join(f", {flaw}: {count}" for flaw, count in flaws.items())
    text += done_before(before) + f", {total / max(seconds, 1e-9):.1f} pictures/s"
    if skipped:
        text += f"; skipped: {skipped}"
    wrong = counts["unreadable"] + counts["not written"] + before["unreadable"]
    say(ended(code, text), fg="red" if code or wrong else None)
    sys.stdout.flush()
    if total == 0 and not before.total() and not code:
        raise click.ClickException(f"no pictures in {source}")
    return code or (PARTLY if wrong else 0)


def _make_crops(source: Path, output: Path, job: CropsJob, skipped: Skipped) -> tuple[Counter[str], Counter[str], int]:
    """The number of pictures of each status, in this run and in those before; the exit code."""
    from mtcnn.cli.console import count_ahead, counting
    from mtcnn.cli.keeping import Problems
    from mtcnn.cli.run import CANCELLED
    from mtcnn.files import Inputs
    from mtcnn.pipeline.crop_files import BestShots, CropFiles
    from mtcnn.pipeline.find import find_pictures
    from mtcnn.pipeline.made_of import MANIFEST
    from mtcnn.pipeline.manifest import Manifest
    from mtcnn.pipeline.output_folder import OutputFolder
    from mtcnn.pipeline.own_files import OwnFiles
    from mtcnn.pipeline.pictures import detect_pictures
    from mtcnn.pipeline.read import FLAWS
    from mtcnn.runtime.interrupts import uninterrupted

    counts: Counter[str] = Counter()
    code = 0
    with ExitStack() as stack:
        model = stack.enter_context(job.detector.make(threads=1))

        def new(skipped: Skipped | None = None) -> Iterator[Found]:
            return (found for found in pictures(skipped) if str(found.name) not in manifest.done)

        def pictures(skipped: Skipped | None = None) -> Iterator[Found]:
            return find_pictures([source], skipped, own=own)

        inputs = Inputs(lambda: (found.path for found in pictures()))
        keeping = {"resume": job.resume, "overwrite": job.overwrite}
        folder = stack.enter_context(OutputFolder(output, inputs, overwrite=job.overwrite))
        own = OwnFiles(output / MANIFEST, holds=folder.holds)
        manifest = stack.enter_context(Manifest(output, source, inputs, job.settings, **keeping))
        folder.know((manifest.replaced | manifest.crops).items())
        files = CropFiles(folder, job.make_cutter(), job.settings["format"])
        bar = stack.enter_context(counting("pictures", total=count_ahead(new)))
        problems = Problems()

        def note(decisions: Iterable[Decision]) -> None:
            for line, problem in decisions:
                if line["status"] == "unreadable":
                    problems.add(f"{line['file']}: {line['problem']}")
                if problem is not None:  # a later run tries it again
                    problems.add(problem)
                with uninterrupted():
                    if problem is None:
                        manifest.add(line)
                    counts[line["status"] if problem is None else "not written"] += 1
                    counts.update(flaw for flaw in FLAWS if flaw in line)
                    counts["crops"] += len(line.get("crops", ()))
                bar.advance()

        try:
            if job.settings.get("best_shot"):
                shots = BestShots(files, source, manifest.qualities)
                encoded = stack.enter_context(closing(detect_pictures(model, new(skipped), files.encode, job.jobs)))
                for line, data, problem in encoded:
                    note(shots.add(line, data, problem))
                note(shots.finish())
            else:
                found = files.named(new(skipped))
                note(stack.enter_context(closing(detect_pictures(model, found, files.decide, job.jobs))))
            if counts or manifest.done:
                begun_anew = manifest.begun_anew
                manifest.finish()
                for problem in folder.remove_all_but(manifest.crops.values()) if begun_anew else ():
                    problems.add(problem)
                    counts["not written"] += 1
        except KeyboardInterrupt:
            code = CANCELLED
    return counts, manifest.statuses, code
