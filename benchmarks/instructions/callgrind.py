"""Instructions of the cascade's stages, counted by valgrind's callgrind."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["ISA", "LNET", "STAGES", "CountingError", "UnknownInstructionError", "count", "parse", "why_not"]

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("load", "pnet", "rnet", "onet")
LNET = "lnet"  # where there is one
ISA = "avx2"  # valgrind knows nothing newer
DETECTIONS = 2
_LINE = re.compile(r"^\s*([\d,]+) \([^)]*\)\s+\S*:trtmtcnn::TrtMtcnn::(\w+)\(", re.M)


class CountingError(Exception):
    """valgrind ended badly, or the stages are not in what it counted."""


class UnknownInstructionError(CountingError):
    """valgrind met an instruction that it does not know, in Python, NumPy or the system's libraries."""


def why_not() -> str | None:
    """Why this machine cannot count; None where it can."""
    if not shutil.which("valgrind") or not shutil.which("callgrind_annotate"):
        return "valgrind is not installed: sudo apt install valgrind"
    if os.uname().machine != "x86_64":
        return f"the figures are for x86-64, this is {os.uname().machine}"
    return None


def count(image: Path, engines: Path, work: Path, preset: str = "accurate") -> dict[str, int]:
    """Instructions of one detection by stage, the mean of two. image: .npy; work: a folder for callgrind's file.

    Raises:
        CountingError: it could not be counted.
    """
    profile = work / "callgrind.out"
    script = Path(__file__).with_name("detections.py")
    environment = os.environ | {
        "TRT_MTCNN_ISA": ISA,
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": str(ROOT),
    }
    command = ["valgrind", "--tool=callgrind", "-q", f"--callgrind-out-file={profile}", sys.executable, str(script)]
    done = subprocess.run(
        [*command, str(image), str(DETECTIONS), str(engines), preset], capture_output=True, text=True, env=environment
    )
    if "unhandled instruction bytes" in done.stderr:
        raise UnknownInstructionError(f"this valgrind does not know all instructions in use here:\n{done.stderr}")
    if done.returncode or not done.stdout.strip().isdigit() or done.stdout.strip() == "0":
        raise CountingError(f"a detection under valgrind found {done.stdout.strip() or 'nothing'}:\n{done.stderr}")
    annotated = subprocess.run(
        ["callgrind_annotate", "--inclusive=yes", "--threshold=100", str(profile)],
        capture_output=True,
        text=True,
        check=True,
    )
    return {stage: total // DETECTIONS for stage, total in parse(annotated.stdout).items()}


def parse(annotated: str) -> dict[str, int]:
    """Inclusive instructions of each stage, from what callgrind_annotate prints.

    Raises:
        CountingError: a stage is not there.
    """
    found = {name: int(number.replace(",", "")) for number, name in _LINE.findall(annotated)}
    if missing := [stage for stage in STAGES if stage not in found]:
        raise CountingError(f"callgrind saw no TrtMtcnn::{missing[0]}: was the module stripped of its symbols?")
    return {stage: found[stage] for stage in (*STAGES, LNET) if stage in found}
