"""`mtcnn demo`: the server by itself, and the page in a real browser where there is one."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mtcnn import TrtMtcnn
from tests.conftest import ROOT
from tests.embedders import make_embedder

pytest.importorskip("starlette", reason="the demo needs starlette and uvicorn: pip install 'trt-mtcnn[demo]'")
pytest.importorskip("uvicorn")

ASTRONAUT = ROOT / "docs" / "images" / "astronaut.jpg"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    make_embedder(folder / "m.onnx")
    cv2.imwrite(str(folder / "gray.png"), np.full((100, 100, 3), 128, np.uint8))
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def url(files: Path, engines: dict[str, Path]) -> Iterator[str]:
    """A demo in a process of its own."""
    command = [sys.executable, "-m", "mtcnn", "demo", "--port", "0", "--embedder", str(files / "m.onnx")]
    command += ["--most-megabytes", "0.5"]
    with subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as server:
        assert server.stdout is not None
        address = server.stdout.readline().split()[0]
        yield address
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=30) in (0, 130)


def ask(url: str, body: bytes | None = None, kind: str = "image/jpeg", host: str | None = None) -> Any:
    """The answer as JSON, or (code, what is wrong)."""
    headers = {"Content-Type": kind} | ({"Host": host} if host else {})
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=60) as answer:
            assert answer.headers["Cache-Control"] == "no-store"
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            text = error.read()
            return error.code, json.loads(text)["problem"] if text.startswith(b"{") else text.decode()


class TestServer:
    def test_detect(self, url: str, detector: TrtMtcnn, astronaut: np.ndarray) -> None:
        found = ask(f"{url}detect", ASTRONAUT.read_bytes())
        dets, _ = detector.detect(astronaut)
        np.testing.assert_allclose(found["faces"][0]["box"], dets[0, :4], atol=0.02)
        assert found["ms"] > 0 and (found["width"], found["height"]) == (512, 512)
        crop = base64.b64decode(found["aligned"].partition(",")[2])
        decoded = cv2.imdecode(np.frombuffer(crop, np.uint8), cv2.IMREAD_COLOR)
        assert decoded is not None and decoded.shape == (112, 112, 3)
        assert ask(f"{url}detect?minsize=250", ASTRONAUT.read_bytes())["faces"] == []
        box = ask(f"{url}detect?preset=port", ASTRONAUT.read_bytes())["faces"][0]["box"]
        assert box == [int(n) for n in box]

    def test_verify(self, url: str, files: Path) -> None:
        a, gray = (base64.b64encode(p.read_bytes()).decode() for p in (ASTRONAUT, files / "gray.png"))
        same = ask(f"{url}verify", json.dumps({"a": a, "b": a}).encode(), "application/json")
        assert same["same"] is True and same["distance"] < 1e-3 and None not in same["faces"]
        nothing = ask(f"{url}verify", json.dumps({"a": a, "b": gray}).encode(), "application/json")
        assert nothing["same"] is None and nothing["faces"][1] is None

    def test_wrong_uploads(self, url: str) -> None:
        picture = ASTRONAUT.read_bytes()
        assert ask(f"{url}detect", picture + bytes(600_000)) == (413, "the picture is larger than 0.5 MB")
        assert ask(f"{url}detect", picture, "application/pdf")[0] == 415
        assert ask(f"{url}detect", b"not a picture") == (415, "that is no picture that can be read")
        assert ask(f"{url}detect", b"")[0] == 415
        assert ask(f"{url}detect?minsize=x", picture)[0] == 400
        assert ask(f"{url}detect?minsize=3", picture)[0] == 400
        assert ask(f"{url}detect?preset=best", picture)[0] == 400
        for body in (b"{}", b"[1]", b"no JSON", b'{"a": "?", "b": "?"}', b'{"a": 1, "b": 2}'):
            assert ask(f"{url}verify", body, "application/json")[0] == 400

    def test_a_small_file_of_a_huge_picture(self, url: str) -> None:
        whole, png = cv2.imencode(".png", np.zeros((8000, 8000, 3), np.uint8))
        assert whole and len(png) < 500_000
        assert ask(f"{url}detect", png.tobytes(), "image/png") == (415, "that is no picture that can be read")

    def test_answers_only_to_its_own_name(self, url: str) -> None:
        assert ask(f"{url}settings")["verify"] is True
        assert ask(f"{url}settings", host="evil.example")[0] == 400

    def test_needs_its_extra(self) -> None:
        code = "import sys; sys.modules['uvicorn'] = None\nfrom mtcnn.cli.main import main; sys.exit(main(['demo']))"
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and "pip install 'trt-mtcnn[demo]'" in done.stderr


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium: apt install chromium")
    film = tmp_path_factory.mktemp("camera") / "film.mjpeg"  # what the camera sees
    film.write_bytes(ASTRONAUT.read_bytes() * 3)
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*FLAGS, f"--use-file-for-fake-video-capture={film}"]
        )
        yield started
        started.close()


@pytest.mark.slow
class TestBrowser:
    @pytest.fixture
    def page(self, browser: Any, url: str) -> Iterator[Any]:
        page = browser.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda r: problems.append(r.url) if not r.url.startswith((url, "blob:", "data:")) else None)
        page.goto(url)
        page.wait_for_selector("body[data-ready]")
        yield page
        page.close()
        assert problems == []  # no error, and nothing from elsewhere

    def test_a_picture(self, page: Any) -> None:
        page.set_input_files("#file", ASTRONAUT)
        page.locator("#said", has_text="1 face in").wait_for()
        assert "512 x 512" in page.text_content("#said")
        assert page.eval_on_selector("#aligned", "img => img.decode().then(() => [img.naturalWidth, img.hidden])") == [
            112,
            False,
        ]
        # the box is drawn where the face is
        green = page.evaluate("""() => {
            const { data } = document.getElementById("picture").getContext("2d").getImageData(0, 0, 512, 512);
            const columns = [];
            for (let i = 0; i < data.length; i += 4)
                if (data[i] === 64 && data[i + 1] === 200 && data[i + 2] === 64) columns.push((i / 4) % 512);
            return [Math.min(...columns), Math.max(...columns)]; }""")
        assert 178 <= green[0] <= 184 and 265 <= green[1] <= 271

    def test_a_dropped_picture(self, page: Any) -> None:
        data = base64.b64encode(ASTRONAUT.read_bytes()).decode()
        page.evaluate(
            """data => {
            const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
            const files = new DataTransfer();
            files.items.add(new File([bytes], "a.jpg", { type: "image/jpeg" }));
            document.getElementById("drop").dispatchEvent(new DragEvent("drop", { dataTransfer: files })); }""",
            data,
        )
        page.locator("#said", has_text="1 face in").wait_for()

    def test_no_picture(self, page: Any, files: Path) -> None:
        page.set_input_files("#file", files / "notes.txt")
        page.wait_for_selector("#said.problem")
        assert "no picture" in page.text_content("#said")

    def test_the_camera(self, page: Any) -> None:
        page.click("#camera")
        page.locator("#said", has_text="1 face in").wait_for()
        assert page.text_content("#camera") == "Stop the camera"
        page.click("#camera")
        page.get_by_text("Camera", exact=True).wait_for()

    def test_two_pictures(self, page: Any, files: Path) -> None:
        page.set_input_files("#a", ASTRONAUT)
        page.set_input_files("#b", ASTRONAUT)
        page.locator("#verdict", has_text="one person: distance 0.0").wait_for()
        page.set_input_files("#b", files / "gray.png")
        page.locator("#verdict", has_text="no face in one of them").wait_for()
