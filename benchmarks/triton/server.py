"""A Triton Inference Server on this machine's loopback, from the PyPI package nvidia-pytriton.

That package carries the real tritonserver, with the Python backend alone.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

__all__ = ["TritonServer", "missing"]

ROOT = Path(__file__).resolve().parents[2]

# Not a preexec_fn: that forks with Python in the child, which gRPC's threads in this process do not survive.
# PR_SET_PDEATHSIG; the processes of its models end once it has.
_DIE_WITH_PARENT = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
os.execv(sys.argv[1], sys.argv[1:])
"""


def missing() -> str | None:
    """What a server needs that is not there; None where one can run."""
    if importlib.util.find_spec("pytriton") is None:
        return "tritonserver is not installed: make triton"
    if int(importlib.import_module("numpy").__version__.split(".")[0]) > 1:
        return "this tritonserver's Python backend needs NumPy 1: make triton"
    if not _stub().exists():
        return f"this tritonserver has no Python backend for Python {_python()}"
    needed = subprocess.run(["ldd", _stub()], env=os.environ | _libraries(), capture_output=True, text=True).stdout
    absent = re.findall(r"(\S+) => not found", needed)
    return (
        f"{', '.join(absent)} of this tritonserver's Python backend: apt install libpython{_python()}"
        if absent
        else None
    )


class TritonServer:
    """One server, from ``start()`` to ``kill()``; a context manager does both.

    Args:
        repository: the model repository that it serves.
        options: more options of tritonserver.
    """

    def __init__(self, repository: Path, options: Sequence[str] = ()) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="triton-")
        self._repository = repository
        self._options = [*options]
        self._process: subprocess.Popen[bytes] | None = None
        self.http_port, self.grpc_port, self.metrics_port = _free_ports(3)
        self.log = Path(self._folder.name) / "log"
        _link_backend(Path(self._folder.name) / "backends" / "python")

    @property
    def http(self) -> str:
        return f"127.0.0.1:{self.http_port}"

    @property
    def grpc(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def model_process(self, model: str) -> int:
        """The process that runs a model's code: one of them."""
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, ValueError):
                command = (folder / "cmdline").read_bytes().decode(errors="replace")
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == self.pid and f"{self._repository}/{model}/" in command:
                    return int(folder.name)
        raise RuntimeError(f"no process runs {model}")

    def start(self, seconds: float = 120) -> None:
        """Start it and wait until its models are loaded.

        Raises:
            RuntimeError: it ended instead, or took too long; with the end of its log.
        """
        packages = _packages()
        command = [sys.executable, "-c", _DIE_WITH_PARENT, str(packages / "pytriton/tritonserver/bin/tritonserver")]
        command += [f"--model-repository={self._repository}"]
        command += [f"--backend-directory={self._folder.name}/backends"]
        command += ["--http-address=127.0.0.1", "--grpc-address=127.0.0.1", "--metrics-address=127.0.0.1"]
        command += [f"--http-port={self.http_port}", f"--grpc-port={self.grpc_port}"]
        command += [f"--metrics-port={self.metrics_port}", "--exit-timeout-secs=5", *self._options]
        environment = os.environ | {
            **_libraries(),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "VIRTUAL_ENV": sys.prefix,
        }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,  # from where its models import mtcnn
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + seconds
        while not self.is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError("tritonserver did not start:\n" + self.log.read_text(errors="replace")[-5000:])
            time.sleep(0.1)

    def is_ready(self) -> bool:
        with contextlib.suppress(urllib.error.URLError, OSError):
            return self._get(f"http://{self.http}/v2/health/ready")[0] == 200
        return False

    def metrics(self) -> str:
        return self._get(f"http://127.0.0.1:{self.metrics_port}/metrics")[1]

    def kill(self) -> None:
        """End it and the processes of its models, at once."""
        if self._process is None:
            return
        memory = _shared_memory(self._process.pid)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
        for path in memory:  # which it cannot remove any more
            path.unlink(missing_ok=True)

    def stop(self, seconds: float = 30) -> int:
        """End it as an operator would; its exit code."""
        assert self._process is not None
        self._process.terminate()
        try:
            return self._process.wait(seconds)
        finally:
            self.kill()

    def __enter__(self) -> TritonServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._folder.cleanup()

    @staticmethod
    def _get(url: str) -> tuple[int, str]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=5) as response:
            return response.status, response.read().decode()


def _python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _packages() -> Path:
    spec = importlib.util.find_spec("pytriton")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parents[1]


def _stub() -> Path:
    return _packages() / "pytriton/tritonserver/python_backend_stubs" / _python() / "triton_python_backend_stub"


def _libraries() -> dict[str, str]:
    folders = [str(_packages() / "nvidia_pytriton.libs"), sysconfig.get_config_var("LIBDIR") or ""]
    return {"LD_LIBRARY_PATH": ":".join(filter(None, [*folders, os.environ.get("LD_LIBRARY_PATH")]))}


def _link_backend(folder: Path) -> None:
    """The backend's parts, which the package keeps apart, in one folder."""
    folder.mkdir(parents=True)
    backend = _packages() / "pytriton/tritonserver/backends/python"
    for name in ("libtriton_python.so", "triton_python_backend_utils.py"):
        (folder / name).symlink_to(backend / name)
    (folder / "triton_python_backend_stub").symlink_to(_stub())


def _shared_memory(pid: int) -> set[Path]:
    """The files of a server's Python backend in /dev/shm."""
    try:
        maps = Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return set()
    return {Path(name) for name in re.findall(r"/dev/shm/triton_python_backend_\S+", maps)}


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
