#!/usr/bin/env python3
"""Times `mtcnn align --ray local` with one and with two actors of one thread each, and one process, in turns.

    build/ray/bin/python benchmarks/scale/ray_speed.py FOLDER

`make ray` makes that environment. The pictures are taken several times, so that starting does not hide the work.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PART = 50
RAY = ["--ray", "local", "--jobs", "1", "--part", str(PART), "--actors"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="of pictures")
    parser.add_argument("--times", type=int, default=10, help="each picture is taken so often")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    runners = {
        "one process, 1 thread": ["--jobs", "1"],
        "one process, 2 threads": ["--jobs", "2"],
        "Ray, 1 actor": [*RAY, "1"],
        "Ray, 2 actors": [*RAY, "2"],
    }
    found: dict[str, list[dict[str, float]]] = {name: [] for name in runners}
    with tempfile.TemporaryDirectory() as temporary:
        pictures = Path(temporary, "in")
        for i in range(options.times):
            (pictures / str(i)).parent.mkdir(exist_ok=True)
            copy(options.folder, pictures / str(i))
        for number in range(options.rounds):
            for name, arguments in runners.items():
                out = Path(temporary, f"out-{number}-{name}")
                found[name].append(measure(pictures, out, arguments))
                print(json.dumps({name: found[name][-1]}), file=sys.stderr)
    for name, rounds in found.items():
        medians = {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
        print(f"{name:24}", ", ".join(f"{key} {value:.1f}" for key, value in medians.items()))
    return 0


def copy(folder: Path, to: Path) -> None:
    for path in folder.resolve().rglob("*"):
        if path.is_file():
            link = to / path.relative_to(folder.resolve())
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)


def measure(pictures: Path, out: Path, arguments: list[str]) -> dict[str, float]:
    """Pictures a second and processor time; with Ray also without start and end, and the largest actor's memory."""
    began = time.time()
    running = subprocess.Popen(
        [sys.executable, "-m", "mtcnn", "align", str(pictures), str(out), "--json", *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT), "RAY_worker_niceness": "0"},  # Ray's default is 15
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    seconds_of: dict[int, float] = {}
    memory = 0.0
    while running.poll() is None:
        for pid in [running.pid, *actors()]:
            with contextlib.suppress(OSError):
                seconds_of[pid] = processor_seconds(pid)
                memory = max(memory, most_memory(pid)) if pid != running.pid else memory
        time.sleep(0.1)
    seconds = time.time() - began
    assert running.stdout is not None
    counts = json.loads(running.stdout.read())
    done = sum(counts[status] for status in ("aligned", "no face", "unreadable"))
    worked = [used for pid, used in seconds_of.items() if "--ray" not in arguments or pid != running.pid]
    figures = {
        "seconds": seconds,
        "pictures a second": done / seconds,
        "processor ms a picture": sum(worked) / done * 1000,
    }
    written = sorted(path.stat().st_mtime for path in out.glob("part-*.parquet"))
    if written:
        first, last = len(written) // 10, len(written) * 9 // 10
        figures["steady"] = (last - first) * PART / (written[last] - written[first])
        figures["seconds to the first part"] = written[0] - began
        figures["MiB an actor"] = memory
    return figures


def actors() -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if b"MapWorker" in (path / "cmdline").read_bytes():
                found.append(int(path.name))
    return found


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def most_memory(pid: int) -> float:
    """The most that the process has had, MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return max((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), default=0) / 1024  # none: it ended


if __name__ == "__main__":
    sys.exit(main())
