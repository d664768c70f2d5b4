"""Ends a run that hangs: watchdog.py RUNNER SECONDS GRACE REPORT. A process of its own, started by processes.Watchdog.

Its standard input says, a line each, which process group is at work, 0 for none. Where that input is still open after
SECONDS, the group is killed; where it is GRACE seconds later, too, the runner itself, and the report says so. Where it
ends before, the runner has, and what is at work goes, too.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def main() -> int:
    runner, seconds, grace, report = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4])
    group = 0
    for limit in (seconds, grace):
        ends = time.monotonic() + limit
        while (left := ends - time.monotonic()) > 0:
            if not select.select([sys.stdin], [], [], left)[0]:
                break
            said = os.read(sys.stdin.fileno(), 4096)
            if not said:  # the runner has ended, or was itself killed in the middle of a part
                if group:
                    kill(os.killpg, group)
                return 0
            if lines := said.decode().split():
                group = int(lines[-1])
        if group:
            kill(os.killpg, group)
    kill(os.kill, runner)
    note(report, f"the run hung and was ended {seconds + grace:.0f} s after its start")
    return 1


def kill(how: Callable[[int, int], None], which: int) -> None:
    with suppress(OSError):  # it has ended by itself
        how(which, signal.SIGKILL)


def note(path: Path, why: str) -> None:
    try:
        report = json.loads(path.read_text())
    except (OSError, ValueError):
        report = {}
    report.setdefault("failed", []).append({"part": "watchdog", "why": why})
    path.parent.mkdir(parents=True, exist_ok=True)
    other = path.with_suffix(".watchdog")
    other.write_text(json.dumps(report, indent=1) + "\n")
    os.replace(other, path)


if __name__ == "__main__":
    sys.exit(main())
