"""csrc/cuda/stream_runtime.h, with nothing in CUDA's place but what watches how it is called."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.native import SOURCES, compile_native


def test_calls(tmp_path: Path) -> None:
    """Each on the runtime's own GPU, whichever is the thread's, and which is its again; none about no bytes."""
    program = compile_native("stream_runtime.cpp", tmp_path / "program", f"-I{SOURCES / 'fake_cuda'}")
    ended = subprocess.run([program], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
