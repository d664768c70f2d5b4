"""Processes of the GPU check: each has a time limit, none can keep the run from going on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

STUBBORN = 5.0  # seconds that a killed process may take to go: in a driver's call it may stay for ever
POLL = 0.02
GRACE = 10.0  # seconds from the end of what is at work to that of the run


class Ended(NamedTuple):
    code: int | None  # None: it was killed at its limit, or never started
    output: str  # both streams
    seconds: float
    problem: str  # "" where it ended with 0
    hung: bool
    gone: bool  # False: killed, and still there


class Watchdog:
    """A process that ends the run should this one be stuck."""

    def __init__(self, seconds: float, report: Path, grace: float = GRACE) -> None:
        command = [sys.executable, str(Path(__file__).with_name("watchdog.py"))]
        command += [str(os.getpid()), str(seconds), str(grace), str(report)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)

    def watch(self, group: int) -> None:
        """The process group that is at work from now on; 0 for none."""
        assert self._process.stdin
        with suppress(OSError):
            self._process.stdin.write(f"{group}\n".encode())
            self._process.stdin.flush()

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def run(
    command: Sequence[str], limit: float, environment: dict[str, str], folder: Path, watchdog: Watchdog | None = None
) -> Ended:
    """Runs a command in a session of its own, which is killed, children included, at the limit."""
    began = time.monotonic()
    with tempfile.TemporaryFile("w+", errors="replace") as output:

        def ended(code: int | None, problem: str, hung: bool = False, gone: bool = True) -> Ended:
            output.seek(0)
            return Ended(code, output.read(), time.monotonic() - began, problem, hung, gone)

        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            return ended(None, str(error))
        if watchdog:
            watchdog.watch(process.pid)
        try:
            if not _wait(process, limit):
                gone = _kill(process)
                there = "" if gone else ", which did not end it"
                return ended(None, f"stopped after {limit:.0f} s{there}", hung=True, gone=gone)
        except BaseException:
            _kill(process)
            raise
        finally:
            if watchdog:
                watchdog.watch(0)
        code = process.returncode
        return ended(code, "" if code == 0 else f"ended with {code}")


def _wait(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether it ends in time. Polls: to wait for a process that cannot be killed would be for ever."""
    ends = time.monotonic() + seconds
    while process.poll() is None:
        if time.monotonic() > ends:
            return False
        time.sleep(POLL)
    return True


def _kill(process: subprocess.Popen[bytes]) -> bool:
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    return _wait(process, STUBBORN)
