"""How settings compare on pictures that they were not chosen on: python -m benchmarks.accuracy.other_pictures.

The labelled photographs, changed as cameras, sites and editors change pictures: at other scales, compressed, blurred,
darker, brighter, mirrored, moved by a pixel. What a setting owes to the very pixels of the photographs is lost there;
what it owes to their faces and scenes is not: those of others need photographs of others, which --coco takes. --faces
and --sides measure one kind of face: all others are ignored, as wider100's labels ignore small ones. "Chosen on half"
is what choosing among the settings is worth: the best on a half of the photographs, measured on the other.
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
from benchmarks.accuracy.average_precision import evaluate_boxes, require_evaluator
from benchmarks.accuracy.bootstrap import Outcomes
from benchmarks.accuracy.compare import FORMER, in_cell, one_line, read_spec
from benchmarks.peers.processes import ROOT
from benchmarks.peers.processor import machine
from mtcnn import TrtMtcnn

__all__ = ["CHANGES", "LabelledSet", "chosen_on_half", "figures_of", "joined", "moved_labels", "only_faces", "read_set"]

SETTINGS = ("accurate", *(f"accurate {params}" for params in FORMER.values()), "fast")
FIGURES = ("ap", *(f"recall_at_{most:g}" for most in bootstrap.FALSE_POSITIVES))
SIDES = (20.0, float("inf"))  # pixels: faces with a shorter side outside are ignored; wider100's labels begin at 20
SPLITS, SEED = 400, 18
COST_STEP, COST_TURNS = 5, 5  # of every fifth picture the least of five turns
TINT = (-15, -5, 15)  # levels more of blue, green, red: nearer to skin, which the networks were trained on
AS_IT_IS, ALL = "as it is", "all of these"
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


def enlarged_again(by: float) -> Change:
    """What a site's thumbnail is when it is enlarged: of the size that it had, without the detail."""

    def change(img: Image) -> Image:
        height, width = img.shape[:2]
        return np.asarray(cv2.resize(scaled(by)(img), (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)

    return change


def noisy(sigma: float) -> Change:
    """Gaussian noise, the same in every run."""

    def change(img: Image) -> Image:
        noise = np.random.default_rng(SEED).normal(0, sigma, img.shape)
        return np.clip(np.rint(img + noise), 0, 255).astype(np.uint8)

    return change


def grey(img: Image) -> Image:
    return np.asarray(cv2.cvtColor(cv2.cvtColor(img, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), np.uint8)


def tinted(img: Image) -> Image:
    return np.clip(img.astype(np.int16) + np.array(TINT, np.int16), 0, 255).astype(np.uint8)


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
    AS_IT_IS: View(lambda img: img),
    "scale 0.5": View(scaled(0.5), 0.5),
    "scale 0.7": View(scaled(0.7), 0.7),
    "scale 1.4": View(scaled(1.4), 1.4),
    "scale 2": View(scaled(2), 2.0),
    "half its resolution": View(enlarged_again(0.5)),
    "JPEG, quality 10": View(compressed(10)),
    "JPEG, quality 30": View(compressed(30)),
    "JPEG, quality 60": View(compressed(60)),
    "JPEG, quality 90": View(compressed(90)),
    "blur of 1 pixel": View(blurred(1)),
    "blur of 2 pixels": View(blurred(2)),
    "noise of 10 levels": View(noisy(10)),
    "grey": View(grey),
    "grey, tinted": View(lambda img: tinted(grey(img))),
    "0.25 times as bright": View(brighter(0.25)),
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
    require_evaluator()
    specs = list(dict.fromkeys((*SETTINGS, *map(one_line, options.also))))
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
    sides = [side if np.isfinite(side) else None for side in options.sides]
    report: dict[str, Any] = {"machine": machine(), "minsize": options.minsize, "sides": sides, "sets": {}}
    for name, kind in ((name, kind) for name in sets for kind in options.faces):
        if all(face["ignore"] for face in only_faces(sets[name].labels, kind)["annotations"]):
            sys.exit(f"--faces {kind!r}: {name}'s labels have no such face that counts")
    for name, labelled in sets.items():
        views = {view: CHANGES[view] for view in options.views}
        found: dict[str, dict[str, Outcomes]] = {view: {} for view in (*views, *options.faces)}
        for spec in specs:
            for view, outcomes in detect(spec, labelled, views, options).items():
                found[view][spec] = outcomes
        if len(views) > 1:
            found[ALL] = {spec: joined([found[view][spec] for view in views]) for spec in specs}
        rows = {view: compare(outcomes, labelled.sources, options.figure) for view, outcomes in found.items()}
        half = chosen_on_half(found[ALL if len(views) > 1 else next(iter(views))], labelled.sources, options.figure)
        faces = {view: round(outcomes[specs[0]].faces.sum()) for view, outcomes in found.items()}
        report["sets"][name] = {
            "figure": options.figure,
            "pictures": len(labelled.paths),
            "faces": faces,
            "rows": rows,
            "half": half,
        }
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
    views = f'"all" or of {"; ".join(CHANGES)} (default all, with --coco {AS_IT_IS})'
    parser.add_argument("--views", nargs="+", choices=(*CHANGES, "all"), metavar="VIEW", help=views)
    parser.add_argument(
        "--faces", nargs="+", default=[], metavar="NAME=VALUE", help="a row of faces so labelled: pose=1"
    )
    parser.add_argument(
        "--sides", nargs=2, type=float, default=SIDES, metavar=("LOW", "HIGH"), help="faces' shorter side"
    )
    parser.add_argument("--also", nargs="+", default=[], metavar='"PRESET NAME=VALUE ..."', help="more settings")
    parser.add_argument("--minsize", type=float, default=20, help="smallest face, pixels (default %(default)s)")
    parser.add_argument("--figure", choices=FIGURES, default=FIGURES[2], help="what is compared (default %(default)s)")
    parser.add_argument("--cost", action="store_true", help="tell instead what the settings cost")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results there")
    options = parser.parse_args()
    if "all" in (options.views or ([] if options.coco else ["all"])):
        options.views = list(CHANGES)
    options.views = options.views or [AS_IT_IS]
    if wrong := [kind for kind in options.faces if "=" not in kind]:
        parser.error(f"--faces {wrong[0]!r}: must be NAME=VALUE, as in pose=1")
    if options.faces and AS_IT_IS not in options.views:
        parser.error(f"--faces is measured on the view {AS_IT_IS!r}: add it to --views")
    return options


def read_set(file: Path, source: str = "") -> LabelledSet:
    labels = json.loads(file.read_text())
    names = [image["file_name"] for image in labels["images"]]
    matches = [re.match(source, name) if source else None for name in names]
    sources = [match.group() if match else name for match, name in zip(matches, names, strict=True)]
    return LabelledSet([file.parent / name for name in names], labels, np.unique(sources, return_inverse=True)[1])


def detect(
    spec: str, labelled: LabelledSet, views: Mapping[str, View], options: argparse.Namespace
) -> dict[str, Outcomes]:
    """What a setting finds in each view of the pictures, and of each kind of face in them as they are."""
    preset, params = read_spec(spec)
    found: dict[str, Detections] = {view: {} for view in views}
    widths = {}
    with TrtMtcnn(device="cpu", preset=preset, **params) as detector:
        for image, path in zip(track(labelled.labels["images"], spec, console=ERRORS), labelled.paths, strict=True):
            img = np.asarray(cv2.imread(str(path)), np.uint8)
            widths[image["id"]] = img.shape[1]
            for name, view in views.items():
                own = params.get("minsize", options.minsize)
                found[name][image["id"]] = detector.detect(view.change(img), own)[0]
    labels = {name: moved_labels(labelled.labels, views[name], widths, options.sides) for name in views}
    outcomes = {name: evaluate_boxes(labels[name], dets).outcomes for name, dets in found.items()}
    kinds = {kind: only_faces(labels[AS_IT_IS], kind) for kind in options.faces}
    return outcomes | {kind: evaluate_boxes(chosen, found[AS_IT_IS]).outcomes for kind, chosen in kinds.items()}


def moved_labels(
    labels: Mapping[str, Any], view: View, widths: Mapping[int, int], sides: Sequence[float] = SIDES
) -> dict[str, Any]:
    """The labels in the view's pixels; faces whose shorter side lies outside `sides` there are ignored."""
    moved = []
    for face in labels["annotations"]:
        x, y, width, height = face["bbox"]
        if view.is_mirror:
            x = widths[face["image_id"]] - x - width
        box = [view.scale * x + view.shift[0], view.scale * y + view.shift[1], view.scale * width, view.scale * height]
        ignore = bool(face.get("ignore") or face.get("iscrowd")) or not sides[0] <= min(box[2:]) < sides[1]
        moved.append({**face, "bbox": box, "ignore": int(ignore)})
    return {**labels, "annotations": moved}


def only_faces(labels: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """kind: "pose=1"; faces whose label says otherwise are ignored."""
    name, _, value = kind.partition("=")
    faces = [
        face | {"ignore": int(bool(face.get("ignore")) or str(face.get(name)) != value)}
        for face in labels["annotations"]
    ]
    return {**labels, "annotations": faces}


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
        value, *ends = row[first]
        cells = [in_cell(value, ends, ".3f")]
        for spec in others:
            value, *ends = row[spec]
            cells.append(in_cell(value, ends, ".3f", is_difference=True))
        lines.append(f"| {view} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
