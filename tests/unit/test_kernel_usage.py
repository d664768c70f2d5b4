"""What `make cuda` reads in the compiler's log."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

LOG = """\
ptxas info    : Compiling entry function '_ZN8trtmtcnn4cuda10run_kernelINS0_8SortRunsEEEvlT_' for 'sm_90'
ptxas info    : Function properties for _ZN8trtmtcnn4cuda10run_kernelINS0_8SortRunsEEEvlT_
    0 bytes stack frame, {spilled} bytes spill stores, 0 bytes spill loads
ptxas info    : Used 40 registers, used 0 barriers
ptxas info    : Compiling entry function '_ZN8trtmtcnn4cuda15run_warp_kernelINS0_12KeepGreedilyEEEvT_' for 'sm_75'
ptxas info    : Function properties for _ZN8trtmtcnn4cuda15run_warp_kernelINS0_12KeepGreedilyEEEvT_
    8 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 255 registers, used 0 barriers
"""


def check(tmp_path: Path, log: str) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "ptxas.log"
    path.write_text(log)
    command = [sys.executable, str(ROOT / "tools" / "kernel_usage.py"), str(path)]
    return subprocess.run(command, capture_output=True, text=True)


def test_table(tmp_path: Path) -> None:
    ended = check(tmp_path, LOG.format(spilled=0))
    assert ended.returncode == 0 and ended.stderr == ""
    rows = [line.split() for line in ended.stdout.splitlines()]
    assert rows == [
        ["registers/warps", "an", "SM", "sm_75", "sm_90", "stack"],
        ["KeepGreedily", "(a", "warp", "each)", "255/8", "-", "8", "B"],
        ["SortRuns", "-", "40/48", "0", "B"],
    ]


def test_markdown_of_several_logs(tmp_path: Path) -> None:
    first, second = tmp_path / "1.log", tmp_path / "2.log"
    first.write_text(LOG.format(spilled=0))
    second.write_text(LOG.format(spilled=0).replace("8SortRuns", "8MakeKeys").replace("sm_75", "sm_87"))
    command = [sys.executable, str(ROOT / "tools" / "kernel_usage.py"), str(first), str(second), "--markdown"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0 and ended.stderr == ""
    assert ended.stdout.splitlines() == [
        "| registers/warps, of | sm_75, 32 | sm_87, 48 | sm_90, 64 |",
        "|---|---|---|---|",
        "| KeepGreedily (a warp each) | 255/8 | 255/8 |  |",
        "| MakeKeys, SortRuns |  |  | 40/48 |",
    ]


def test_spills(tmp_path: Path) -> None:
    ended = check(tmp_path, LOG.format(spilled=16))
    assert ended.returncode == 1
    assert ended.stderr == "SortRuns spills 16 bytes on sm_90\n"


def test_a_log_of_nothing(tmp_path: Path) -> None:
    assert check(tmp_path, "nvcc fatal : what?\n").returncode == 1
