"""`mtcnn demo` in a process of its own, which cannot store anything."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import ROOT


@contextmanager
def running_demo(*options: object, workplace: Path) -> Iterator[str]:
    """Its address. Its folders are below `workplace`: they must be as empty afterwards as they were."""
    folders = {name: workplace / name for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "here")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    places = {name: str(folder) for name, folder in folders.items() if name != "here"}
    with subprocess.Popen(
        [sys.executable, "-m", "mtcnn", "demo", "--port", "0", *map(str, options)],
        env=os.environ | places | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=folders["here"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_store_nothing,
    ) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().split()[0]
            server.send_signal(signal.SIGINT)
            _, said = server.communicate(timeout=30)
            said = said.replace("other machines can reach it: there is no login", "")  # with --host 0.0.0.0
            assert server.returncode == 0 and not said.strip(), said
        finally:
            server.kill()
    assert [path for folder in folders.values() for path in folder.rglob("*")] == []


def _store_nothing() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # a byte written to any file is an error
