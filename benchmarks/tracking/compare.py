"""What following faces costs and gains, beside detecting in every picture: python -m benchmarks.tracking.compare FILM

Prints id switches, fragments, recall against every-picture detection, pictures a second; then the same of two people
who cross, of which the truth is known.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.tracking.crossing import FPS, crossing, persons
from benchmarks.tracking.truth import agreement
from mtcnn import TrtMtcnn
from mtcnn.images import Picture
from mtcnn.pipeline.film import Film
from mtcnn.tracking import Tracker, Tracks

PEOPLE = 10  # pairs that cross


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("film", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="labelled photographs")
    parser.add_argument("--most", type=int, default=1_000_000, help="pictures of the film")
    parser.add_argument("--every", type=int, nargs="+", default=[1, 4, 8, 12])
    parser.add_argument("--rounds", type=int, default=3, help="of which the fastest counts, picture by picture")
    parser.add_argument("--threads", type=int, default=0)
    arguments = parser.parse_args()
    print(f"{date.today()}, {platform.processor() or platform.machine()}, {arguments.film.name}")
    pictures = list(_pictures(arguments.film, arguments.most))
    for preset in ("fast", "accurate"):
        with TrtMtcnn(preset=preset, threads=arguments.threads) as detector:
            _compare(detector, preset, pictures, arguments.every, arguments.rounds)
            if (arguments.data / "lfw_landmarks").is_dir():
                _cross(detector, preset, arguments.data, arguments.every)


def _pictures(film: Path, most: int) -> Iterable[tuple[Picture, float]]:
    source = Film(str(film))
    for _ in range(most):
        if (frame := source.read()) is None:
            break
        yield frame.img, frame.seconds
    source.close()


def _compare(
    detector: TrtMtcnn, preset: str, pictures: Sequence[tuple[Picture, float]], everies: Sequence[int], rounds: int
) -> None:
    """Who is who is what every-picture detection gives, joined by overlap alone."""
    detected = [detector.detect(img) for img, _ in pictures]
    joined = Tracker(every=1, carry=0.0, smooth=False)
    known = [joined.update(*d, seconds) for d, (_, seconds) in zip(detected, pictures, strict=True)]
    truth = [(tracks.ids, tracks.dets[:, :4]) for tracks in known]
    runs: dict[str, Callable[[], list[Any]]] = {"each picture": lambda: [detector.detect(img) for img, _ in pictures]}
    for every in everies:
        runs[f"step, {every}"] = lambda every=every: _steps(detector, every, pictures)  # type: ignore[misc]
        runs[f"follow, {every}"] = lambda every=every: list(  # type: ignore[misc]
            Tracker(detector, every=every).follow(pictures)
        )
    best = dict.fromkeys(runs, float("inf"))
    results: dict[str, list[Any]] = {}
    for _ in range(rounds):
        for name, run in runs.items():  # in turns, so that what else the machine does hits all alike
            began = time.perf_counter()
            results[name] = run()
            best[name] = min(best[name], time.perf_counter() - began)
    each = best.pop("each picture")
    print(f"{preset}, each picture: {len(pictures) / each:.1f} pictures/s")
    for name, seconds in best.items():
        got = agreement(truth, results[name])
        print(
            f"{preset}, {name:10}: {len(pictures) / seconds:6.1f} pictures/s ({each / seconds:.2f} times), recall "
            f"{got.recall:.4f} of {got.faces}, extra {got.extra}, switches {got.switches}, fragments {got.fragments}, "
            f"ids {got.ids}"
        )


def _steps(detector: TrtMtcnn, every: int, pictures: Sequence[tuple[Picture, float]]) -> list[Tracks]:
    tracker = Tracker(detector, every=every)
    return [tracker.step(img, seconds) for img, seconds in pictures]


def _cross(detector: TrtMtcnn, preset: str, data: Path, everies: Sequence[int]) -> None:
    for hidden in (0.0, 0.5, 1.0):
        for every in everies:
            sums = np.zeros(5, int)
            for pair in range(PEOPLE):
                film = list(crossing(persons(data, 2 * pair, 2 * pair + 1), hidden))
                tracks = Tracker(detector, every=every).follow((img, i / FPS) for i, (img, _, _) in enumerate(film))
                got = agreement([(numbers, boxes) for _, numbers, boxes in film], list(tracks))
                sums += [got.faces, got.found, got.extra, got.switches, got.fragments]
            faces, found, extra, switches, fragments = sums
            print(
                f"{preset}, {PEOPLE} pairs cross, hidden {hidden:.0%}, every {every}: recall {found / faces:.4f} of "
                f"{faces}, extra {extra}, switches {switches}, fragments {fragments}"
            )


if __name__ == "__main__":
    main()
