"""`mtcnn demo`: the server by itself; test_demo_browser.py has the page."""

from __future__ import annotations

import base64
import json
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
from mtcnn.runtime.install import install_command
from tests.conftest import ROOT
from tests.support.demo_server import running_demo
from tests.support.embedders import make_embedder

pytestmark = pytest.mark.slow

pytest.importorskip("starlette", reason="the demo needs starlette and uvicorn")
pytest.importorskip("uvicorn")

ASTRONAUT = ROOT / "docs" / "images" / "astronaut.jpg"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    make_embedder(folder / "m.onnx")
    cv2.imwrite(str(folder / "gray.png"), np.full((100, 100, 3), 128, np.uint8))
    return folder


@pytest.fixture(scope="module")
def url(files: Path, engines: dict[str, Path]) -> Iterator[str]:
    with running_demo("--embedder", files / "m.onnx", "--most-megabytes", 0.5, workplace=files / "server") as address:
        yield address


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
        assert ask(f"{url}detect", b"not a picture") == (
            415,
            "the picture cannot be read: no picture that OpenCV can read: it is text",
        )
        assert ask(f"{url}detect", b"")[0] == 415
        assert ask(f"{url}detect?minsize=x", picture)[0] == 400
        assert ask(f"{url}detect?minsize=3", picture)[0] == 400
        assert ask(f"{url}detect?preset=best", picture)[0] == 400
        for body in (b"{}", b"[1]", b"no JSON", b'{"a": "?", "b": "?"}', b'{"a": 1, "b": 2}'):
            assert ask(f"{url}verify", body, "application/json")[0] == 400

    def test_a_small_file_of_a_huge_picture(self, url: str) -> None:
        whole, png = cv2.imencode(".png", np.zeros((8000, 8000, 3), np.uint8))
        assert whole and len(png) < 500_000
        assert ask(f"{url}detect", png.tobytes(), "image/png") == (413, "the picture has 64 megapixels, of at most 50")

    @pytest.mark.parametrize("preset", ["port", "fast", "accurate"])
    def test_the_page_selects_what_was_asked_for(self, preset: str, tmp_path: Path) -> None:
        options = ("--preset", preset, "--minsize", 60, "--thresholds", "0.6,0.7,0.9999999")
        with running_demo(*options, workplace=tmp_path) as address:
            settings = ask(f"{address}settings")
            assert (settings["preset"], settings["minsize"]) == (preset, 60)
            # the page says its preset with every picture; the thresholds stay
            for query in ("", "?preset=fast&minsize=60", "?preset=accurate"):
                assert ask(f"{address}detect{query}", ASTRONAUT.read_bytes())["faces"] == []

    def test_answers_only_to_its_own_name(self, url: str) -> None:
        assert ask(f"{url}settings")["verify"] is True
        assert ask(f"{url}settings", host="evil.example")[0] == 400

    def test_needs_its_extra(self) -> None:
        code = "import sys; sys.modules['uvicorn'] = None\nfrom mtcnn.cli.main import main; sys.exit(main(['demo']))"
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and install_command("demo") in done.stderr
