"""`mtcnn bench`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from mtcnn.cli.options import SETTINGS
from mtcnn.params import PRESETS

__all__ = ["command"]

_COLUMNS = ("preset", "faces", "first_ms", "median_ms", "p95_ms", "batch_per_s")


@click.command("bench", context_settings=SETTINGS)
@click.argument("picture", type=click.Path(path_type=Path))
@click.option("--minsize", type=float, default=40, help="side of the smallest face looked for, pixels")
@click.option("--device", default="auto", help='"auto", "cpu", "cuda" or "cuda:N"')
@click.option("--threads", type=click.IntRange(0, 1024), default=0, help="0: one a core")
@click.option("--calls", type=click.IntRange(1, 100_000), default=30, help="of each preset")
@click.option("--json", "as_json", is_flag=True)
def command(picture: Path, minsize: float, device: str, threads: int, calls: int, as_json: bool) -> int:
    """Time detection on this machine with a picture of yours, for each preset.

    Milliseconds of the first call, the median and the 95th percentile of the others; pictures a second with
    detect_batch, 8 at a time. Reading the file is not counted.
    """
    import json

    from mtcnn.cli.machine import find_out
    from mtcnn.cli.pictures import read_picture
    from mtcnn.detector import TrtMtcnn

    img = read_picture(picture)
    rows = []
    runtime = ""
    for preset in PRESETS:
        with TrtMtcnn(device=device, threads=threads, preset=preset, minsize=minsize) as detector:
            runtime = detector.runtime
            rows.append({"preset": preset, **_measure(detector, img, calls)})
    height, width = img.shape[:2]
    cpu = find_out()["CPU"]
    where = f"{cpu['model']}, {cpu['usable cores']} cores, {runtime}"
    if as_json:
        report = {"picture": str(picture), "width": width, "height": height, "minsize": minsize, "machine": where}
        click.echo(json.dumps(report | {"presets": rows}, indent=1))
        return 0
    click.echo(f"{picture}, {width}x{height}, minsize {minsize:g}; {where}")
    click.echo(" ".join(f"{name:>11}" for name in _COLUMNS))
    for row in rows:
        click.echo(" ".join(f"{row[n]:>11.1f}" if isinstance(row[n], float) else f"{row[n]:>11}" for n in _COLUMNS))
    return 0


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
