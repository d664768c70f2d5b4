"""How `mtcnn video` ends before its time: what was written is kept."""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtcnn import TrtMtcnn
from mtcnn.cli.main import main
from mtcnn.pipeline import film, film_writer
from mtcnn.pipeline.film import Film
from mtcnn.pipeline.film_frame import FilmFrame
from mtcnn.pipeline.looking import EveryNth
from mtcnn.pipeline.video import run_through
from tests.conftest import ROOT
from tests.integration.test_cli import command, environment, interruptible, lines, make_film, mtcnn
from tests.support.cameras import camera

pytestmark = pytest.mark.slow

ASTRONAUT = ROOT / "docs" / "images" / "astronaut.jpg"


@pytest.fixture(autouse=True)
def engines_are_there(engines: dict[str, Path]) -> None:
    pass


def pictures(path: Path) -> int:
    """As many as can be read."""
    capture = cv2.VideoCapture(str(path))
    count = 0
    while capture.read()[0]:
        count += 1
    return count


@pytest.mark.parametrize("name", ["out.mp4", "out.avi"])
def test_a_camera_that_hangs_up(tmp_path: Path, name: str) -> None:
    with camera(ASTRONAUT, 12) as url:
        done = mtcnn("video", url, "--json", "--output", tmp_path / name, code=3)
    found = lines(done.stdout)
    (left_out,) = re.findall(r"left out: (\d+)", done.stderr)
    assert found and 12 <= len(found) + int(left_out) <= 13  # the last one came half
    assert all(len(one["faces"]) == 1 for one in found if one["frame"] < 12)
    assert max(one["frame"] for one in found) >= 11  # what is newest is looked at
    assert f"{url} gives no more pictures: the camera or stream is gone" in done.stderr
    assert pictures(tmp_path / name) == len(found)


def test_a_camera_that_falls_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(film, "_PATIENCE", 1)
    with camera(ASTRONAUT, 12, stalls=True) as url:
        assert main(["video", url, "--output", str(tmp_path / "out.mp4")]) == 3
    said = capfd.readouterr().err
    assert "gives no more pictures" in said
    (left_out,) = re.findall(r"left out: (\d+)", said)
    assert 12 <= pictures(tmp_path / "out.mp4") + int(left_out) <= 13


def test_a_camera_that_says_nothing(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(film, "_PATIENCE", 1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert main(["video", f"http://127.0.0.1:{silent.getsockname()[1]}/", "--json"]) == 1
    assert "cannot be opened as a film, camera or stream: no answer for 1 s" in capfd.readouterr().err


@pytest.mark.parametrize("name", ["out.mp4", "out.avi"])
def test_a_film_that_cannot_be_written_to_its_end(tmp_path: Path, name: str, astronaut: np.ndarray) -> None:
    source = make_film(tmp_path / "film.avi", astronaut, 60)
    arguments = ("video", source, "--minsize", 60, "--output", tmp_path / name)
    small = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))  # noqa: E731
    done = subprocess.run(command(*arguments), env=environment(), capture_output=True, text=True, preexec_fn=small)
    assert (
        done.returncode == 1
        and f"cannot write {tmp_path / name}: File too large" in done.stderr
        and "Traceback" not in done.stderr
    )


def test_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], astronaut: np.ndarray
) -> None:
    class Usage:
        free = film_writer._LEAST_FREE + 5

    def fuller(path: Path) -> Usage:
        Usage.free -= 1
        return Usage()

    monkeypatch.setattr(film_writer.shutil, "disk_usage", fuller)
    source = make_film(tmp_path / "film.avi", astronaut, 12)
    assert main(["video", str(source), "--minsize", "60", "--output", str(tmp_path / "out.mp4")]) == 1
    said = capfd.readouterr().err
    assert "the disk is full" in said and said.strip().endswith("out.mp4 ends after 5 pictures")
    assert pictures(tmp_path / "out.mp4") == 5


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal(tmp_path: Path, astronaut: np.ndarray, number: signal.Signals) -> None:
    source, output = make_film(tmp_path / "long.avi", astronaut, 600), tmp_path / "out.mp4"
    with subprocess.Popen(
        command("video", source, "--json", "--output", output),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=interruptible,
    ) as running:
        assert running.stdout is not None and running.stderr is not None
        first = [running.stdout.readline() for _ in range(5)]
        running.send_signal(number)
        # Not communicate(), which passes over what readline() has read ahead.
        count = len(first) + len(running.stdout.readlines())
        said = running.stderr.read()
    assert running.returncode == 130 and "cancelled" in said and "Traceback" not in said
    assert 5 <= count < 600 and pictures(output) in (count, count - 1)
    assert f"pictures: {pictures(output)}, " in said


def test_what_is_written_is_counted(tmp_path: Path, astronaut: np.ndarray, detector: TrtMtcnn) -> None:
    """A signal that comes while a picture is written."""
    source = Film(str(make_film(tmp_path / "film.avi", astronaut, 9)))
    writer = film_writer.FilmWriter(tmp_path / "out.mp4", source)

    class Interrupted:
        close = writer.close

        def write(self, img: np.ndarray, frame: FilmFrame) -> bool:
            if frame.index == 3:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.01)  # until Python obeys
            return writer.write(img, frame)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        ran = run_through(source, EveryNth(detector), [Interrupted()], None)
    finally:
        signal.signal(signal.SIGINT, before)
    writer.finish(whole=False)
    assert ran.cancelled and ran.pictures == pictures(tmp_path / "out.mp4") == 4


@pytest.mark.slow
def test_a_reader_that_goes(tmp_path: Path, astronaut: np.ndarray) -> None:
    source, output = make_film(tmp_path / "long.avi", astronaut, 300), tmp_path / "out.mp4"
    pipe = f"{' '.join(command('video', source, '--json', '--output', output))} | head -n 3"
    done = subprocess.run(["bash", "-c", pipe], env=environment(), capture_output=True, text=True, timeout=60)
    assert len(lines(done.stdout)) == 3 and not re.search("Traceback|Exception", done.stderr), done.stderr
    assert 3 <= pictures(output) < 300
