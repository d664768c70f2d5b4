"""`--ray` on a cluster of two nodes on this machine, whose processes are killed meanwhile. `make ray` runs it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray", reason="needs Ray Data: make ray")

from ray.cluster_utils import Cluster

from tests.conftest import ROOT
from tests.scale.dataset import as_lines, make_pictures, rows_of

PICTURES = 240
PART = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, engines: dict[str, Path]) -> Path:
    """Pictures, of which the engines' fixture lets each process find its engines."""
    return make_pictures(tmp_path_factory.mktemp("ray") / "people", PICTURES, scale=4)  # work for some seconds


@pytest.fixture(scope="module")
def detected(folder: Path) -> list[dict[str, Any]]:
    """What one process finds."""
    return as_lines(mtcnn("detect", folder, "--json").stdout)


@pytest.fixture(scope="module")
def aligned(folder: Path) -> list[dict[str, Any]]:
    """What one process aligns: its manifest's lines, the crops' bytes in place of their names."""
    out = folder.parent / "one"
    mtcnn("align", folder, out)
    _, *lines = as_lines((out / "manifest.jsonl").read_text())
    return [{**line, "image": (out / line["crop"]).read_bytes()} if "crop" in line else line for line in lines]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Two nodes of one core each; the first is the head."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))  # processes on the nodes take our mtcnn from here
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_health_check_period_ms", "1000")  # a node that died is missed after 3 s, not 30
        patch.setenv("RAY_health_check_failure_threshold", "3")
        both = Cluster(initialize_head=True, head_node_args=node())
        both.add_node(**node())
        both.wait_for_nodes()
        try:
            yield both
        finally:
            both.shutdown()


def node() -> dict[str, int]:
    return {"num_cpus": 1, "object_store_memory": 100 << 20}


def mtcnn(*arguments: object, code: int = 3) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command(*arguments), env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    *others, _ = done.stderr.strip().splitlines()  # pictures by themselves, and the line about all
    said = ("skipped: 1 .txt", "bob/broken.jpg: no picture", "bob/empty.png: the file is empty")
    assert all(line.startswith(said) for line in others), done.stderr
    return done


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "mtcnn", *map(str, arguments)]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)}


def on(cluster: Cluster) -> list[object]:
    return ["--ray", cluster.address, "--part", PART, "--jobs", 1]


def without_names(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in line.items() if name != "crop"} for line in lines]


def meanwhile(
    arguments: list[str],
    out: Path,
    parts: int,
    act: Callable[[subprocess.Popen[str]], None],
    ready: Callable[[], object] = lambda: True,
) -> tuple[int, str]:
    """Run a command and do something to it once it has written some parts; its exit code and what it said."""
    running = subprocess.Popen(arguments, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while (
        time.monotonic() < deadline
        and running.poll() is None
        and not (len(list(out.glob("part-*"))) >= parts and ready())
    ):
        time.sleep(0.01)
    assert running.poll() is None, running.communicate()
    assert parts <= len(list(out.glob("part-*"))) < PICTURES // PART
    act(running)
    _, said = running.communicate(timeout=300)
    return running.returncode, said


def actors(raylet: int) -> list[int]:
    """The processes of a node, by its raylet's, that hold detectors."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == raylet and b"MapWorker" in (path / "cmdline").read_bytes():
                found.append(int(path.name))
    return found


def raylet_of(node: Any) -> int:
    from ray._private.ray_constants import PROCESS_TYPE_RAYLET

    return int(node.all_processes[PROCESS_TYPE_RAYLET][0].process.pid)


def test_same_as_one_process(
    cluster: Cluster, folder: Path, detected: list[dict[str, Any]], aligned: list[dict[str, Any]], tmp_path: Path
) -> None:
    done = mtcnn("detect", folder, "--output", tmp_path / "faces", *on(cluster))
    assert rows_of(tmp_path / "faces") == detected
    faces = sum(len(line.get("faces", ())) for line in detected)
    assert f"pictures: {PICTURES + 3}, faces: {faces}, unreadable: 2" in done.stderr
    done = mtcnn("align", folder, tmp_path / "crops", *on(cluster), "--json")
    assert rows_of(tmp_path / "crops") == without_names(aligned)
    assert '"unreadable": 2' in done.stdout


def test_a_worker_killed_midway(cluster: Cluster, folder: Path, aligned: list[dict[str, Any]], tmp_path: Path) -> None:
    killed = []

    def kill(_: object) -> None:
        for one in (cluster.head_node, *cluster.worker_nodes):
            for pid in actors(raylet_of(one))[:1]:
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    out = tmp_path / "out"
    code, said = meanwhile(command("align", folder, out, *on(cluster)), out, 5, kill)
    assert killed and code == 3, said
    assert rows_of(out) == without_names(aligned)
    assert not list(out.glob(".*"))


def test_a_node_killed_midway(cluster: Cluster, folder: Path, detected: list[dict[str, Any]], tmp_path: Path) -> None:
    (other,) = cluster.worker_nodes
    out = tmp_path / "out"

    def kill(_: object) -> None:
        cluster.remove_node(other, allow_graceful=False)

    code, said = meanwhile(
        command("detect", folder, "--output", out, *on(cluster)), out, 5, kill, ready=lambda: actors(raylet_of(other))
    )
    assert code == 3, said
    assert rows_of(out) == detected


def test_the_command_killed_midway_and_resumed(
    cluster: Cluster, folder: Path, aligned: list[dict[str, Any]], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    code, _ = meanwhile(command("align", folder, out, *on(cluster)), out, 5, lambda running: running.kill())
    assert code == -signal.SIGKILL
    assert "--resume" in mtcnn("align", folder, out, *on(cluster), code=1).stderr
    before = {path: path.stat().st_mtime_ns for path in out.glob("part-*")}
    done = mtcnn("align", folder, out, "--resume", *on(cluster))
    assert rows_of(out) == without_names(aligned)
    assert "done before: " in done.stderr
    after = {path: path.stat().st_mtime_ns for path in before}
    assert len(before) < len(list(out.glob("part-*"))) and after == before
    again = mtcnn("align", folder, out, "--resume", *on(cluster))
    done_before = f"done before: {PICTURES + 3} (unreadable: 2)"
    assert f"pictures: 0, aligned: 0, no face: 0, unreadable: 0, {done_before}" in again.stderr


def test_ctrl_c_and_a_cluster_of_its_own(folder: Path, detected: list[dict[str, Any]], tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = command("detect", folder, "--output", out, "--ray", "local", "--part", PART, "--actors", 1, "--jobs", 2)
    arguments = ["env", "--default-signal=INT", *arguments]  # background jobs of a shell ignore it
    code, said = meanwhile(arguments, out, 3, lambda running: running.send_signal(signal.SIGINT))
    assert code == 130 and "cancelled; done: pictures: " in said and "Traceback" not in said, said
    mtcnn(*arguments[5:], "--resume")
    assert rows_of(out) == detected


def test_an_object_store(
    cluster: Cluster, folder: Path, aligned: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moto.server import ThreadedMotoServer
    from pyarrow import fs

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        options = f"?scheme=http&endpoint_override={host}%3A{port}&region=us-east-1&allow_bucket_creation=true"
        store, _ = fs.FileSystem.from_uri(f"s3://key:secret@bucket/{options}")
        store.create_dir("bucket")
        fs.copy_files(str(folder), "bucket/people", destination_filesystem=store)
        out = f"s3://key:secret@bucket/out{options}"
        mtcnn("align", f"s3://key:secret@bucket/people{options}", out, *on(cluster))
        fs.copy_files("bucket/out", str(tmp_path / "out"), source_filesystem=store)
        assert rows_of(tmp_path / "out") == without_names(aligned)
        assert "secret" not in (tmp_path / "out" / "_plan" / "plan.json").read_text()
        mtcnn("align", f"s3://key:secret@bucket/people{options}", out, "--resume", *on(cluster))
        mtcnn("detect", f"s3://key:secret@bucket/people{options}", "--output", tmp_path / "faces", *on(cluster))
        assert rows_of(tmp_path / "faces")[0]["file"] == "s3://bucket/people/ann/0000.jpg"
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (["--ray", "127.0.0.1:1"], "no Ray cluster at 127.0.0.1:1: Connection refused", 1),
        (["--ray", "local", "--device", "cuda:1"], "--device must be auto, cpu or cuda", 2),
        (["--ray", "local", "--minsize", 3], "minsize must be", 2),
        (["--ray", "local", "--jobs", 1000], "no machine of the cluster has 1000 cores", 1),
    ],
)
def test_refusals(arguments: list[object], said: str, code: int, folder: Path, tmp_path: Path) -> None:
    assert said in mtcnn("align", folder, tmp_path / "out", *arguments, code=code).stderr
    assert not (tmp_path / "out").exists()


def test_detectors_that_cannot_be_made(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRT_MTCNN_ISA", "nonsense")
    done = mtcnn("detect", folder, "--output", tmp_path / "out", "--ray", "local", code=1)
    assert 'no detector on the cluster: pytrt.exceptions.DeviceError: TRT_MTCNN_ISA is "nonsense"' in done.stderr
    shutil.rmtree(tmp_path / "out")
