"""How settings compare on pictures that they were not chosen on: python -m benchmarks.accuracy.other_pictures.

The labelled photographs, changed as cameras, sites and editors change pictures: at other scales, compressed, blurred,
darker, brighter, mirrored, moved by a pixel. What a setting owes to the very pixels of the photographs is lost there;
what it owes to their faces and scenes is not: those of others need photographs of others, which --coco takes. "Chosen
on half" is what choosing among the settings is worth: the best on a half of the photographs, measured on the other.
Prints tables in Markdown.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from benchmarks.accuracy import bootstrap
from benchmarks.accuracy.average_precision import evaluate_boxes
from benchmarks.accuracy.bootstrap import Outcomes
from benchmarks.accuracy.compare import FORMER, read_spec
from benchmarks.peers.processes import ROOT
from benchmarks.peers.processor import machine
from mtcnn import TrtMtcnn

__all__ = ["CHANGES", "LabelledSet", "chosen_on_half", "figures_of", "joined", "moved_labels", "read_set"]

SETTINGS = ("accurate", f"accurate {FORMER}", "fast")
FIGURES = ("ap", *(f"recall_at_{most:g}" for most in bootstrap.FALSE_POSITIVES))
LEAST_SIDE = 20  # pixels: smaller faces are ignored, as wider100's labels have it
SPLITS, SEED = 400, 18
COST_STEP, COST_TURNS = 5, 5  # of every fifth picture the least of five turns
ALL = "all of these"
ERRORS = Console(stderr=True)

Image = NDArray[np.uint8]
Change = Callable[[Image], Image]
Detections = dict[int, NDArray[np.float32]]


def scaled(by: float) -> Change:
    def change(img: Image) -> Image:
        height, width = img.shape[:2]
        method = cv2.INTER_AREA if by < 1 else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(img, (round(width * by), round(height * by)), interpolation=method), np.uint8)

    return change


def compressed(quality: int) -> Change:
    def change(img: Image) -> Image:
        _, content = cv2.imencode(".jpg", img, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR), np.uint8)

    return change


def blurred(sigma: float) -> Change:
    return lambda img: np.asarray(cv2.GaussianBlur(img, (0, 0), sigma), np.uint8)


def brighter(by: float) -> Change:
    return lambda img: np.clip(img * np.float32(by), 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class View:
    """A change of a picture, and where its pixels go: x' = scale * x + shift, or mirrored."""

    change: Change
    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    is_mirror: bool = False


CHANGES: dict[str, View] = {
    "as it is": View(lambda img: img),
    "scale 0.5": View(scaled(0.5), 0.5),
    "scale 0.7": View(scaled(0.7), 0.7),
    "scale 1.4": View(scaled(1.4), 1.4),
    "scale 2": View(scaled(2), 2.0),
    "JPEG, quality 30": View(compressed(30)),
    "JPEG, quality 60": View(compressed(60)),
    "JPEG, quality 90": View(compressed(90)),
    "blur of 1 pixel": View(blurred(1)),
    "blur of 2 pixels": View(blurred(2)),
    "0.5 times as bright": View(brighter(0.5)),
    "1.6 times as bright": View(brighter(1.6)),
    "mirrored": View(lambda img: np.ascontiguousarray(img[:, ::-1]), is_mirror=True),
    "without its first column": View(lambda img: np.ascontiguousarray(img[:, 1:]), shift=(-1.0, 0.0)),
    "without its first row": View(lambda img: np.ascontiguousarray(img[1:]), shift=(0.0, -1.0)),
}


@dataclass(frozen=True)
class LabelledSet:
    """Pictures with labels in COCO's format.

    Attributes:
        paths: of the pictures, in the labels' order.
        labels: COCO's dictionary.
        sources: (pictures,) which of them come from one source, such as a film: those are drawn together.
    """

    paths: list[Path]
    labels: dict[str, Any]
    sources: NDArray[np.int64]


def main() -> int:
    options = read_options()
    specs = list(dict.fromkeys((*SETTINGS, *options.also)))
    sets = {file.parent.name: read_set(file, options.source) for file in options.coco}
    if not options.coco:
        sets = {"wider100": read_set(options.data / "wider100" / "annotations.json")}
    print(f"{machine()}, minsize {options.minsize:g}")
    if options.cost:
        for name, labelled in sets.items():
            print(f"\n{name}, CPU time beside {SETTINGS[-1]}'s:\n")
            others = [spec for spec in specs if spec != SETTINGS[-1]]
            for spec, share in costs([*others, SETTINGS[-1]], labelled.paths[::COST_STEP], options.minsize).items():
                print(f"{share:6.2f}  {spec}")
        return 0
    report: dict[str, Any] = {}
    for name, labelled in sets.items():
        views = CHANGES if not options.coco or options.change else {"as it is": CHANGES["as it is"]}
        found = {view: {} for view in views}  # type: dict[str, dict[str, Outcomes]]
        for spec in specs:
            for view, outcomes in detect(spec, labelled, views, options.minsize).items():
                found[view][spec] = outcomes
        if len(views) > 1:
            found[ALL] = {spec: joined([found[view][spec] for view in views]) for spec in specs}
        rows = {view: compare(outcomes, labelled.sources, options.figure) for view, outcomes in found.items()}
        half = chosen_on_half(found[ALL if ALL in found else "as it is"], labelled.sources, options.figure)
        report[name] = {"figure": options.figure, "pictures": len(labelled.paths), "rows": rows, "half": half}
        print(f"\n{name}, {len(labelled.paths)} pictures: {options.figure.replace('_', ' ')}\n\n{as_markdown(rows)}\n")
        print(
            f"The best on half of the pictures, on the other half: {half['chosen']:.3f}, {specs[0]} {half['first']:.3f}"
        )
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    return 0


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", metavar="DIR")
    parser.add_argument("--coco", type=Path, nargs="+", default=[], metavar="FILE", help="labels beside their pictures")
    parser.add_argument("--source", default="", metavar="REGEX", help="what of a file's name is that of its source")
    parser.add_argument("--change", action="store_true", help="change those pictures, too")
    parser.add_argument("--also", nargs="+", default=[], metavar='"PRESET NAME=VALUE ..."', help="more settings")
    parser.add_argument("--minsize", type=float, default=20, help="smallest face, pixels (default %(default)s)")
    parser.add_argument("--figure", choices=FIGURES, default=FIGURES[2], help="what is compared (default %(default)s)")
    parser.add_argument("--cost", action="store_true", help="tell instead what the settings cost")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results there")
    return parser.parse_args()


def read_set(file: Path, source: str = "") -> LabelledSet:
    labels = json.loads(file.read_text())
    names = [image["file_name"] for image in labels["images"]]
    matches = [re.match(source, name) if source else None for name in names]
    sources = [match.group() if match else name for match, name in zip(matches, names, strict=True)]
    return LabelledSet([file.parent / name for name in names], labels, np.unique(sources, return_inverse=True)[1])


def detect(spec: str, labelled: LabelledSet, views: Mapping[str, View], minsize: float) -> dict[str, Outcomes]:
    """What a setting finds in each view of the pictures."""
    preset, params = read_spec(spec)
    found: dict[str, Detections] = {view: {} for view in views}
    widths = {}
    with TrtMtcnn(device="cpu", preset=preset, **params) as detector:
        for image, path in zip(track(labelled.labels["images"], spec, console=ERRORS), labelled.paths, strict=True):
            img = np.asarray(cv2.imread(str(path)), np.uint8)
            widths[image["id"]] = img.shape[1]
            for name, view in views.items():
                own = params.get("minsize", minsize)
                found[name][image["id"]] = detector.detect(view.change(img), own)[0]
    return {
        name: evaluate_boxes(moved_labels(labelled.labels, views[name], widths), dets).outcomes
        for name, dets in found.items()
    }


def moved_labels(labels: Mapping[str, Any], view: View, widths: Mapping[int, int]) -> dict[str, Any]:
    """The labels in the view's pixels; faces that are too small there are ignored."""
    moved = []
    for face in labels["annotations"]:
        x, y, width, height = face["bbox"]
        if view.is_mirror:
            x = widths[face["image_id"]] - x - width
        box = [view.scale * x + view.shift[0], view.scale * y + view.shift[1], view.scale * width, view.scale * height]
        ignore = bool(face.get("ignore") or face.get("iscrowd")) or min(box[2:]) < LEAST_SIDE
        moved.append({**face, "bbox": box, "ignore": int(ignore)})
    return {**labels, "annotations": moved}


def costs(specs: Sequence[str], paths: Sequence[Path], minsize: float) -> dict[str, float]:
    """CPU time of one thread beside that of the last setting: of each picture the least of some turns."""
    images = [np.asarray(cv2.imread(str(path)), np.uint8) for path in paths]
    total = dict.fromkeys(specs, 0.0)
    with TrtMtcnn(device="cpu", threads=1) as detector:
        for img in images:
            best = dict.fromkeys(specs, float("inf"))
            for _ in range(COST_TURNS):
                for spec in specs:
                    preset, params = read_spec(spec)
                    began = time.process_time()
                    detector.detect(img, minsize, preset=preset, **params)
                    best[spec] = min(best[spec], time.process_time() - began)
            for spec, seconds in best.items():
                total[spec] += seconds
    return {spec: seconds / total[specs[-1]] for spec, seconds in total.items()}


def joined(parts: Sequence[Outcomes]) -> Outcomes:
    """Outcomes of several views of the same pictures as those of one set, a view's pictures after another's."""
    pictures = len(parts[0].faces)
    scores = np.concatenate([part.scores for part in parts])
    order = np.argsort(-scores, kind="stable")
    right = np.concatenate([part.right for part in parts])[order]
    image = np.concatenate([part.image + i * pictures for i, part in enumerate(parts)])[order]
    return Outcomes(scores[order], right, image, np.concatenate([part.faces for part in parts]))


def figures_of(outcomes: Outcomes, weights: NDArray[np.float64], figure: str) -> NDArray[np.float64]:
    """A figure in every draw; weights: (draws, pictures), of a view."""
    views = len(outcomes.faces) // weights.shape[1]
    return np.array([bootstrap.box_figures(outcomes, np.tile(row, views))[figure] for row in weights])


def compare(found: Mapping[str, Outcomes], sources: NDArray[np.int64], figure: str) -> dict[str, list[float]]:
    """Setting -> value, low, high: of the first the figure itself, of the others what they have more."""
    weights = bootstrap.draws(int(sources.max()) + 1)[:, sources]
    drawn = {spec: figures_of(outcomes, weights, figure) for spec, outcomes in found.items()}
    first, *others = drawn
    intervals = {first: bootstrap.interval(drawn[first])}
    intervals |= {spec: bootstrap.interval(drawn[spec] - drawn[first]) for spec in others}
    return {spec: [one.value, one.low, one.high] for spec, one in intervals.items()}


def chosen_on_half(found: Mapping[str, Outcomes], sources: NDArray[np.int64], figure: str) -> dict[str, Any]:
    """Means over random halves: of the setting that is best on one, on the other; and of the first setting there."""
    random = np.random.default_rng(SEED)
    count = int(sources.max()) + 1
    in_half = np.array([random.permutation(count) < count / 2 for _ in range(SPLITS)])[:, sources].astype(float)
    here, there = (np.array([figures_of(o, w, figure) for o in found.values()]) for w in (in_half, 1 - in_half))
    best = here.argmax(axis=0)
    times = dict(zip(found, np.bincount(best, minlength=len(found)).tolist(), strict=True))
    return {"chosen": float(there[best, np.arange(SPLITS)].mean()), "first": float(there[0].mean()), "times": times}


def as_markdown(rows: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """A row for each view; differences that leave 0 outside are bold."""
    first, *others = next(iter(rows.values()))
    lines = [
        f"| | {first} | " + " | ".join(f"{spec} less it" for spec in others) + " |",
        "|---" * (2 + len(others)) + "|",
    ]
    for view, row in rows.items():
        value, low, high = row[first]
        cells = [f"{value:.3f} ({low:.3f}..{high:.3f})"]
        for spec in others:
            value, low, high = row[spec]
            mark = "**" if low > 0 or high < 0 else ""
            cells.append(f"{mark}{value:+.3f}{mark} ({low:+.3f}..{high:+.3f})")
        lines.append(f"| {view} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
