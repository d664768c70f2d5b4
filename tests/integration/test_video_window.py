"""The window of `mtcnn video` on a real, if unseen, screen: `make window`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import pytest

from tests.conftest import ROOT
from tests.integration.test_cli import make_film

pytestmark = pytest.mark.slow
T = TypeVar("T")

# An OpenCV with windows, in a folder of its own: it cannot be installed beside the one without.
OPENCV = ROOT / "build" / "window"


@pytest.fixture(scope="module")
def screen() -> Iterator[dict[str, str]]:
    """Xvfb with a window manager: the environment for programs on it."""
    missing = [name for name in ("Xvfb", "openbox", "wmctrl", "xdotool") if shutil.which(name) is None]
    if missing or not (OPENCV / "cv2").exists():
        pytest.skip(f"needs {', '.join(missing) or 'opencv-python'}: make window")
    reader, writer = os.pipe()
    with subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1280x800x24"], pass_fds=[writer], stderr=subprocess.DEVNULL
    ) as server:
        os.close(writer)
        with os.fdopen(reader) as said:
            environment = os.environ | {"DISPLAY": f":{said.readline().strip()}", "WAYLAND_DISPLAY": ""}
        with subprocess.Popen(["openbox"], env=environment, stderr=subprocess.DEVNULL) as manager:
            wait_until(lambda: is_managed(environment), "there is no window manager")  # it shows windows
            yield environment | {"PYTHONPATH": os.pathsep.join([str(OPENCV), str(ROOT)])}
            manager.terminate()
        server.terminate()


@pytest.fixture
def film(tmp_path: Path, astronaut: np.ndarray, engines: dict[str, Path]) -> Path:
    return make_film(tmp_path / "film.avi", astronaut, 600)


def start(screen: dict[str, str], *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "mtcnn", "video", *map(str, arguments)],
        env=screen,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def windows(screen: dict[str, str]) -> list[str]:
    found = subprocess.run(
        ["xdotool", "search", "--onlyvisible", "--name", "^mtcnn:"], env=screen, capture_output=True, text=True
    )
    return found.stdout.split()


def is_managed(screen: dict[str, str]) -> bool:
    return subprocess.run(["wmctrl", "-m"], env=screen, capture_output=True).returncode == 0


def wait_until(found: Callable[[], T], otherwise: str) -> T:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if value := found():
            return value
        time.sleep(0.1)
    raise AssertionError(otherwise)


def wait_for_window(screen: dict[str, str]) -> str:
    return wait_until(lambda: windows(screen), "there is no window")[-1]


def press(key: str) -> Callable[[dict[str, str], str], None]:
    def send(screen: dict[str, str], window: str) -> None:
        subprocess.run(["xdotool", "windowfocus", "--sync", window, "key", key], env=screen, check=True)

    return send


def close(screen: dict[str, str], window: str) -> None:
    subprocess.run(["wmctrl", "-c", "mtcnn:"], env=screen, check=True)


@pytest.mark.parametrize("how", [press("q"), press("Escape"), close], ids=["q", "Escape", "button"])
def test_it_is_closed(screen: dict[str, str], film: Path, tmp_path: Path, how: Callable[..., None]) -> None:
    output = tmp_path / "out.mp4"
    with start(screen, film, "--minsize", 60, "--window", "--output", output) as running:
        window = wait_for_window(screen)
        time.sleep(0.5)
        how(screen, window)
        _, said = running.communicate(timeout=30)
        assert running.returncode == 0 and "Traceback" not in said
        assert said.startswith("pictures: ") and len(said.splitlines()) == 1
    assert windows(screen) == []
    assert 2 <= cv2.VideoCapture(str(output)).get(cv2.CAP_PROP_FRAME_COUNT) < 200


def test_it_opens_by_itself_and_keeps_the_pace_of_a_film(screen: dict[str, str], film: Path) -> None:
    began = time.monotonic()
    with start(screen, film, "--minsize", 60, "--most", 20) as running:
        wait_for_window(screen)
        _, said = running.communicate(timeout=30)
    assert running.returncode == 0 and "pictures: 20, faces: 20" in said
    assert time.monotonic() - began > 1.9  # 10 a second


def test_a_display_that_is_none(screen: dict[str, str], film: Path) -> None:
    """Qt would end the process."""
    with start(screen | {"DISPLAY": ":4711"}, film) as running:
        _, said = running.communicate(timeout=30)
    assert running.returncode == 1
    assert said.startswith("mtcnn: nothing to do: OpenCV cannot open one: ") and "display :4711" in said
