"""What a build reports, and how it is stopped."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

import pytrt
from mtcnn import create_engines
from mtcnn.engines.settings import BuildSettings
from mtcnn.engines.tensorrt import tensorrt
from tests.conftest import ROOT
from tests.support.tensorrt import RTX, files, model_bytes, needs_rtx

pytestmark = pytest.mark.slow


@needs_rtx
class TestProgress:
    def test_phases_are_reported(self) -> None:
        progress, seen, done = pytrt.BuildProgress(), set(), threading.Event()

        def watch() -> None:
            while not done.is_set():
                seen.update(progress.phases())

        watcher = threading.Thread(target=watch)
        watcher.start()
        tensorrt(RTX).build(model_bytes("onet"), [BuildSettings().profile("onet")], progress=progress)
        done.set()
        watcher.join()
        names = {name for name, _, _ in seen}
        assert "Building engine" in names
        assert all(0 <= step <= steps for _, step, steps in seen)
        assert progress.phases() == []

    def test_callback(self, tmp_path: Path) -> None:
        said: list[tuple[str, int, int]] = []
        create_engines(tmp_path, flavour=RTX, progress=lambda *what: said.append(what))
        own = [what for what in said if what[0] == "done" or what[0].endswith(": building")]
        assert own == [("pnet: building", 0, 3), ("rnet: building", 1, 3), ("onet: building", 2, 3), ("done", 3, 3)]

    def test_cancelled_before_and_during(self) -> None:
        library, model, profile = tensorrt(RTX), model_bytes("onet"), BuildSettings().profile("onet")
        progress = pytrt.BuildProgress()
        progress.cancel()
        with pytest.raises(pytrt.BuildCancelled):
            library.build(model, [profile], progress=progress)

        progress = pytrt.BuildProgress()

        def cancel_once_it_builds() -> None:
            while not progress.phases():
                pass
            progress.cancel()

        thread = threading.Thread(target=cancel_once_it_builds)
        thread.start()
        with pytest.raises(pytrt.BuildCancelled):
            library.build(model, [profile], progress=progress)
        thread.join()

    @pytest.mark.parametrize("network", ["pnet", "onet"])
    def test_ctrl_c(self, network: str, engines_copy: Path, tmp_path: Path) -> None:
        """The command ends with 130 and leaves what was there as it was, whatever it had already built."""
        before = files(engines_copy)
        # Ctrl-C comes while the thread that builds the network is running.
        script = f"""
import os, signal, sys, threading, time
from mtcnn.cli.create_engines import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background may have been told to ignore it

def press():
    while not any(thread.name == "build-{network}" for thread in threading.enumerate()):
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=press, daemon=True).start()
sys.exit(main(["--flavour", "{RTX}", "--precision", "fp16", "--output", sys.argv[1]]))
"""
        for folder in (engines_copy, tmp_path / "new"):
            command = [sys.executable, "-c", script, str(folder)]
            ended = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT)
            assert ended.returncode == 130, ended.stderr
            assert "engines that were there are as they were" in " ".join(ended.stderr.split())
            assert "Traceback" not in ended.stderr
            assert ended.stdout == ""
        assert files(engines_copy) == before
        assert files(tmp_path / "new") == {}
