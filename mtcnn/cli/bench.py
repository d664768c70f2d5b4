"""`mtcnn bench`."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from mtcnn.cli.console import echo, echo_json, say
from mtcnn.cli.options import SETTINGS, THRESHOLDS_HELP, FilePath, Number, Thresholds, precision_option, thresholds
from mtcnn.engines.settings import Precision
from mtcnn.params import PRESETS
from mtcnn.pipeline.options import DetectorOptions

__all__ = ["command"]

_COLUMNS = ("preset", "faces", "first_ms", "median_ms", "p95_ms", "batch_per_s")


@click.command("bench", context_settings=SETTINGS)
@click.argument("source", type=FilePath())
@click.option("--minsize", type=Number(), default=40, help="side of the smallest face looked for, pixels")
@click.option("--thresholds", type=thresholds, metavar="P,R,O", help=THRESHOLDS_HELP, show_default="the preset's")
@click.option("--device", default="auto", help='"auto", "cpu", "cuda" or "cuda:N"')
@precision_option
@click.option("--threads", type=click.IntRange(0, 1024), default=0, help="0: one a core")
@click.option("--calls", type=click.IntRange(1, 100_000), help="detections", show_default="30, or the whole film")
@click.option("--backend", metavar="NAME,...", help="of keras, keras-batch, onnxruntime, openvino, native")
@click.option("--json", "as_json", is_flag=True)
def command(
    source: Path,
    minsize: float,
    thresholds: Thresholds | None,
    device: str,
    precision: Precision,
    threads: int,
    calls: int | None,
    backend: str | None,
    as_json: bool,
) -> int:
    """Time detection on this machine with a picture of yours, for each preset.

    Milliseconds of the first call, the median and the 95th percentile of the others; pictures a second with
    detect_batch, 8 at a time. Reading the file is not counted.

    With --backend, SOURCE is a picture or a film, and what is compared is what runs the three networks: each backend
    runs them in the same plain cascade in Python, one call a pyramid level. TrtMtcnn itself (preset fast) comes last.
    """
    detector = DetectorOptions("fast", minsize, device, thresholds, precision)
    if backend is not None:
        return _compare_backends(source, backend, detector, threads, calls, as_json)
    return _compare_presets(source, detector, threads, calls or 30, as_json)


def _compare_presets(picture: Path, options: DetectorOptions, threads: int, calls: int, as_json: bool) -> int:
    from mtcnn.pipeline.read import read_picture

    img = read_picture(picture)
    rows = []
    runtime = ""
    for preset in PRESETS:
        with replace(options, preset=preset).make(threads) as detector:
            runtime = detector.runtime
            rows.append({"preset": preset, **_measure(detector, img, calls)})
    height, width = img.shape[:2]
    where = f"{_machine()}, {runtime}"
    if as_json:
        size = {"width": width, "height": height, "minsize": options.minsize}
        echo_json({"picture": str(picture), **size, "machine": where, "presets": rows}, indent=1)
        return 0
    echo(f"{picture}, {width}x{height}, minsize {options.minsize:g}; {where}")
    echo(" ".join(f"{name:>11}" for name in _COLUMNS))
    for row in rows:
        echo(" ".join(f"{row[n]:>11.1f}" if isinstance(row[n], float) else f"{row[n]:>11}" for n in _COLUMNS))
    return 0


def _compare_backends(
    source: Path, names: str, options: DetectorOptions, threads: int, calls: int | None, as_json: bool
) -> int:
    from mtcnn.backends.compare import compare_backends, number_of, pictures_of, race
    from mtcnn.backends.networks import BACKENDS
    from mtcnn.cli.console import counting

    backends = [name.strip() for name in names.split(",")]
    if unknown := [name for name in backends if name not in BACKENDS]:
        raise click.BadParameter(f"there is no backend {unknown[0]!r}: {', '.join(BACKENDS)}", param_hint="--backend")
    if options.device not in ("auto", "cpu"):
        raise click.BadParameter("backends are compared on the CPU", param_hint="--device")
    runners = compare_backends(
        list(dict.fromkeys(backends)),
        replace(options, device="cpu"),
        threads,
        lambda name, error: say(f"{name} is left out: {error}", fg="yellow"),
    )
    if len(runners) == 1:
        raise click.ClickException("there is no backend to compare TrtMtcnn with")
    with counting("pictures", total=number_of(source, calls)) as bar:
        race(runners, pictures_of(source, calls), bar.advance)
    count = len(runners[0].seconds)
    if not count:
        raise click.ClickException(f"{source} has no pictures")
    rows = [
        {
            "backend": runner.name,
            "per_s": runner.pictures_a_second,
            "median_ms": 1000 * sorted(runner.seconds)[count // 2],
            "faces": runner.faces,
            "apart_px": runner.apart,
        }
        for runner in runners
    ]
    if as_json:
        report = {"source": str(source), "pictures": count, "minsize": options.minsize, "machine": _machine()}
        echo_json(report | {"backends": rows}, indent=1)
        return 0
    echo(f"{source}, {count} pictures, minsize {options.minsize:g}; {_machine()}")
    echo(f"{'backend':>12} {'pictures/s':>11} {'median_ms':>10} {'faces':>6} {'apart_px':>9}")
    for row in rows:
        apart = "-" if row["apart_px"] is None else f"{row['apart_px']:.4f}"
        numbers = f"{row['per_s']:>11.1f} {row['median_ms']:>10.1f} {row['faces']:>6} {apart:>9}"
        echo(f"{row['backend']:>12} {numbers}")
    return 0


def _machine() -> str:
    from mtcnn.engines.environment import collect_environment

    cpu = collect_environment()["CPU"]
    return f"{cpu['model']}, {cpu['usable cores']} cores"


def _measure(detector: Any, img: Any, calls: int) -> dict[str, float | int]:
    times = []
    faces = 0
    for _ in range(calls + 1):
        began = time.perf_counter()
        faces = len(detector.detect(img)[0])
        times.append(1000 * (time.perf_counter() - began))
    batch = [img] * 8
    detector.detect_batch(batch)
    began = time.perf_counter()
    rounds = max(1, calls // 8)
    for _ in range(rounds):
        detector.detect_batch(batch)
    seconds = time.perf_counter() - began
    warm = sorted(times[1:])
    return {
        "faces": faces,
        "first_ms": times[0],
        "median_ms": warm[len(warm) // 2],
        "p95_ms": warm[min(len(warm) - 1, int(0.95 * len(warm)))],
        "batch_per_s": rounds * len(batch) / seconds,
    }
