"""The command `mtcnn`, run as a user runs it: in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

__all__ = ["command", "environment", "lines", "mtcnn", "on_a_terminal"]


def mtcnn(*arguments: object, cwd: Path | None = None, code: int | None = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command(*arguments), cwd=cwd, env=environment(), capture_output=True, text=True, timeout=300)
    assert code in (None, done.returncode), (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "mtcnn", *map(str, arguments)]


def environment() -> dict[str, str]:
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def on_a_terminal(*arguments: object, cwd: Path | None = None, piped: tuple[str, ...] = ()) -> tuple[int, bytes]:
    """The exit code, and what a terminal of 100 columns is sent.

    piped: "stdout" where that is no terminal.
    """
    terminal, other_end = os.openpty()
    running = subprocess.Popen(
        command(*arguments),
        cwd=cwd,
        env=environment() | {"TERM": "xterm", "COLUMNS": "100", "LINES": "40"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if "stdout" in piped else other_end,
        stderr=other_end,
        start_new_session=True,
    )
    os.close(other_end)
    sent = b""
    while True:
        try:
            some = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            break
        if not some:
            break
        sent += some
    os.close(terminal)
    return running.wait(timeout=60), sent
