#!/usr/bin/env python3
"""Compares the instructions of a detection with the committed figures: python -m benchmarks.instructions.check.

Figures are kept for each compiler that made the module; --update writes those of this one. With --models, a folder of
ONNX models with L-Net, it tells instead what refining the landmarks costs, of --image if that is given.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

import pytrt
from benchmarks.instructions.callgrind import (
    ISA,
    LNET,
    ROOT,
    STAGES,
    CountingError,
    UnknownInstructionError,
    count,
    why_not,
)
from mtcnn import create_engines

FIGURES = Path(__file__).with_name("figures.json")
TOLERANCE = 0.1
PRESETS = ("fast", "accurate")


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare the instructions of a detection with the committed figures.")
    parser.add_argument("--update", action="store_true", help="make what is counted now the figures to compare with")
    parser.add_argument("--models", type=Path, metavar="DIR", help="with lnet.onnx: count that")
    parser.add_argument("--image", type=Path, default=ROOT / "docs" / "images" / "astronaut.jpg", metavar="FILE")
    options = parser.parse_args()
    if reason := why_not():
        print(f"instructions: not counted: {reason}")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder, "astronaut.npy")
        np.save(image, np.asarray(cv2.imread(str(options.image))))
        create_engines(folder, options.models, flavour="cpu")
        try:
            if options.models:
                print("\n".join(share(preset, count(image, Path(folder), Path(folder), preset)) for preset in PRESETS))
                return 0
            counted = count(image, Path(folder), Path(folder))
        except UnknownInstructionError as error:
            print(f"instructions: not counted: {error}")
            return 0
        except CountingError as error:
            print(f"instructions: {error}")
            return 1
    compiler = compiler_of(Path(pytrt._pytrt.__file__))
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    text, good = compare(counted, figures.get(compiler), compiler)
    print(text)
    if options.update:
        figures[compiler] = counted
        FIGURES.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")
        print(f"written: {FIGURES}")
        return 0
    return 0 if good else 1


def share(preset: str, counted: dict[str, int]) -> str:
    """What L-Net takes of a detection without it."""
    lnet, rest = counted.get(LNET, 0), sum(n for stage, n in counted.items() if stage != LNET)
    return f"{preset:<9}{rest / 1e6:9.3f} million, L-Net {lnet / 1e6:9.3f}, {lnet / rest:.1%}"


def compiler_of(module: Path) -> str:
    """Name and major version of what compiled a module, as its .comment section says."""
    found = re.search(rb"(GCC): \([^)]*\) (\d+)|(clang) version (\d+)", module.read_bytes())
    if not found:
        return "unknown"
    name, major = (group.decode() for group in found.groups() if group)
    return f"{name.lower()} {major}"


def compare(counted: dict[str, int], figures: dict[str, int] | None, compiler: str) -> tuple[str, bool]:
    """What to tell, and whether no stage takes more than it may. Fewer instructions are told of, too."""
    lines = [f"instructions of a detection of astronaut.jpg ({ISA}, one thread, {compiler}), millions:"]
    good = True
    for stage in (*STAGES, "all"):
        now, before = (sum(c.values()) if stage == "all" else c[stage] for c in (counted, figures or counted))
        line = f"{stage:<5}{now / 1e6:9.3f}"
        if figures:
            change = now / before - 1
            line += f"  was {before / 1e6:9.3f}  {change:+7.1%}"
            if change > TOLERANCE:
                good = False
                line += f"  more than {TOLERANCE:.0%} above the figure"
            elif change < -TOLERANCE:
                line += "  better: make instructions INSTRUCTIONS=--update keeps it"
        lines.append(line)
    if not figures:
        lines.append(f"there are no figures for {compiler}: make instructions INSTRUCTIONS=--update makes them")
    return "\n".join(lines), good


if __name__ == "__main__":
    sys.exit(main())
