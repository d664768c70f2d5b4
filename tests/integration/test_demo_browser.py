"""The page of `mtcnn demo` in a real browser: `make browser`."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest

from mtcnn import TrtMtcnn
from tests.conftest import DATA, ROOT
from tests.support.demo_server import running_demo
from tests.support.embedders import make_embedder

pytest.importorskip("starlette", reason="the demo needs starlette and uvicorn")
pytest.importorskip("uvicorn")
playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: make browser")

pytestmark = pytest.mark.slow

ASTRONAUT = ROOT / "docs" / "images" / "astronaut.jpg"
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
    "--host-resolver-rules=MAP elsewhere.test 127.0.0.1",
]


class Persons(NamedTuple):
    """A network, and a picture of a person with another one of the same and one of somebody else."""

    options: tuple[object, ...]
    a: Path
    same: Path
    other: Path


@pytest.fixture(scope="module")
def persons(tmp_path_factory: pytest.TempPathFactory, astronaut: np.ndarray) -> Persons:
    """Of the labelled data where that is; else a network that compares colours."""
    network, folder = DATA / "embedder" / "mobilefacenet.onnx", DATA / "lfw_pairs"
    if network.exists() and folder.exists():
        with (folder / "pairs.csv").open(newline="") as file:
            first = next(csv.DictReader(file))
        with (folder / "pairs.csv").open(newline="") as file:
            last = list(csv.DictReader(file))[-1]
        return Persons(("--embedder", network), folder / first["a"], folder / first["b"], folder / last["b"])
    folder = tmp_path_factory.mktemp("persons")
    for name, tint in (("dark", (0.9, 0.9, 0.9)), ("blue", (1, 0.6, 0.4))):
        cv2.imwrite(str(folder / f"{name}.png"), (astronaut * np.array(tint)).astype(np.uint8))
    options = ("--embedder", make_embedder(folder / "m.onnx"), "--threshold", 0.4)
    return Persons(options, ASTRONAUT, folder / "dark.png", folder / "blue.png")


@pytest.fixture(scope="module")
def url(persons: Persons, tmp_path_factory: pytest.TempPathFactory, engines: dict[str, Path]) -> Iterator[str]:
    workplace = tmp_path_factory.mktemp("server")
    # 0.0.0.0, so that it answers to other names too; most pictures are smaller than half a megabyte
    with running_demo(*persons.options, "--most-megabytes", 0.5, "--host", "0.0.0.0", workplace=workplace) as address:
        yield address.replace("0.0.0.0", "127.0.0.1")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium: make browser")
    film = tmp_path_factory.mktemp("camera") / "film.mjpeg"  # what the camera sees
    film.write_bytes(ASTRONAUT.read_bytes() * 3)
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(
            executable_path=CHROMIUM, args=[*FLAGS, f"--use-file-for-fake-video-capture={film}"]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any, url: str) -> Iterator[Any]:
    page = browser.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda r: problems.append(r.url) if not r.url.startswith((url, "blob:", "data:")) else None)
    open_page(page, url)
    yield page
    kept = page.evaluate("async () => [document.cookie, localStorage.length, (await indexedDB.databases()).length]")
    page.close()
    assert problems == []  # no error, and nothing from elsewhere
    assert kept == ["", 0, 0]


def open_page(page: Any, url: str) -> None:
    page.goto(url)
    page.wait_for_selector("body[data-ready]")


def wait_for(page: Any, place: str, text: str) -> None:
    page.locator(place, has_text=text).wait_for(timeout=30_000)


def drop(page: Any, *files: Path) -> None:
    """As the user's hand does it: the browser itself reads the files."""
    box = page.locator("#drop").bounding_box()
    where = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
    mouse = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        mouse.send("Input.dispatchDragEvent", {"type": kind, **where, "data": data})


def colours(page: Any, points: np.ndarray) -> np.ndarray:
    """(n, 3) RGB of the picture that is shown, at (n, 2) whole `points`."""
    found = page.evaluate(
        """points => {
            const pen = document.getElementById("picture").getContext("2d");
            return points.map(([x, y]) => [...pen.getImageData(x, y, 1, 1).data].slice(0, 3)); }""",
        points.tolist(),
    )
    return np.array(found)


def is_shown(page: Any, image: str) -> bool:
    return bool(page.eval_on_selector(image, "img => img.decode().then(() => !img.hidden && img.naturalWidth === 112)"))


@pytest.mark.parametrize("how", ["chosen", "dropped"])
def test_a_picture(page: Any, how: str, detector: TrtMtcnn, astronaut: np.ndarray) -> None:
    if how == "dropped":
        drop(page, ASTRONAUT)
    else:
        page.set_input_files("#file", ASTRONAUT)
    wait_for(page, "#said", "1 face in")
    assert re.fullmatch(r"1 face in [0-9]+\.[0-9] ms, 512 x 512", page.text_content("#said"))
    assert is_shown(page, "#aligned")
    dets, landmarks = detector.detect(astronaut)
    x1, y1, x2, y2 = np.rint(dets[0, :4]).astype(int)
    middles = np.array([[x1, (y1 + y2) // 2], [x2, (y1 + y2) // 2], [(x1 + x2) // 2, y1], [(x1 + x2) // 2, y2]])
    assert (colours(page, middles) == (64, 200, 64)).all()
    points = colours(page, np.rint(landmarks[0].reshape(2, 5).T).astype(int))
    expected = [(0, 128, 255), (255, 128, 0), (255, 255, 0), (255, 0, 255), (255, 0, 0)]
    np.testing.assert_allclose(points, expected, atol=8)


def test_the_settings_count(page: Any) -> None:
    drop(page, ASTRONAUT)
    wait_for(page, "#said", "1 face in")
    with page.expect_request("**/detect?preset=fast&minsize=40"):
        page.select_option("#preset", "fast")
    page.fill("#minsize", "250")
    page.press("#minsize", "Enter")
    wait_for(page, "#said", "0 faces in")
    assert not page.is_visible("#aligned")


def test_the_later_of_two_pictures_stays(page: Any, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "gray.png"), np.full((100, 100, 3), 128, np.uint8))
    held = []
    page.route("**/detect*", lambda route: held.append(route), times=1)
    page.set_input_files("#file", ASTRONAUT)
    page.set_input_files("#file", tmp_path / "gray.png")
    wait_for(page, "#said", "0 faces in")
    with page.expect_response("**/detect*"):
        held[0].continue_()  # the first one's answer comes last
    page.wait_for_timeout(300)
    assert "100 x 100" in page.text_content("#said")


def test_what_is_no_picture_or_too_large(page: Any, tmp_path: Path) -> None:
    text, renamed, large = (tmp_path / name for name in ("notes.txt", "notes.jpg", "large.jpg"))
    text.write_text("no picture")
    renamed.write_text("no picture")
    large.write_bytes(ASTRONAUT.read_bytes() + bytes(600_000))
    for file, said in (
        (text, "the picture cannot be read: no picture that OpenCV can read: it is text"),
        (renamed, "the picture cannot be read: no picture that OpenCV can read: it is text"),
        (large, "the picture is larger than 0.5 MB"),
    ):
        page.set_input_files("#file", ASTRONAUT)
        wait_for(page, "#said:not(.problem)", "1 face in")
        drop(page, file)
        wait_for(page, "#said.problem", said)
    page.set_input_files("#a", large)
    page.set_input_files("#b", ASTRONAUT)
    wait_for(page, "#verdict.problem", "the picture is larger than 0.5 MB")


def test_no_picture_stands_beside_an_error(page: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_text("no picture")
    (tmp_path / "large.jpg").write_bytes(bytes(600_000))
    for name in ("notes.jpg", "large.jpg"):
        page.set_input_files("#file", ASTRONAUT)
        wait_for(page, "#said:not(.problem)", "1 face in")
        page.set_input_files("#file", tmp_path / name)
        wait_for(page, "#said.problem", "the picture")
        assert not page.is_visible("#aligned") and page.is_visible("#hint")
        assert page.evaluate(
            "picture.getContext('2d').getImageData(0, 0, picture.width, picture.height).data.every(n => !n)"
        )
        assert page.get_attribute("#drop", "aria-busy") is None


def test_a_sign_of_work(page: Any) -> None:
    held = []
    page.route("**/detect*", lambda route: held.append(route), times=1)
    page.set_input_files("#file", ASTRONAUT)
    page.wait_for_selector("#drop[aria-busy=true]")
    held[0].continue_()
    wait_for(page, "#said", "1 face in")
    page.wait_for_selector("#drop:not([aria-busy])")


@pytest.mark.parametrize("ending", [".tif", ".jfif", ".gif", ".avif"])
def test_what_the_server_reads_is_shown(page: Any, ending: str, tmp_path: Path, astronaut: np.ndarray) -> None:
    """A browser reads no TIFF."""
    picture = tmp_path / f"small{ending}"
    whole, data = cv2.imencode(".jpg" if ending == ".jfif" else ending, astronaut[:280, 100:400])
    assert whole
    picture.write_bytes(data)
    page.set_input_files("#file", picture)
    wait_for(page, "#said", "1 face in")
    assert page.text_content("#said").endswith("300 x 280")
    shown = colours(page, np.array([[20, 250], [290, 10]]))
    np.testing.assert_allclose(shown, astronaut[[250, 10], [120, 390], ::-1], atol=60)


def choose_by_keyboard(page: Any) -> Any:
    """The file chooser that a key opens; on a busy machine Chromium now and then takes a key for none of the user's."""
    for key in ("Enter", "Space", "Enter"):
        page.focus("#file")
        try:
            with page.expect_file_chooser(timeout=10_000) as chosen:
                page.keyboard.press(key)
        except playwright.TimeoutError:
            continue
        return chosen.value
    raise AssertionError("no key opens the file chooser")


def test_by_keyboard(page: Any) -> None:
    reached = []
    page.evaluate("document.activeElement.blur()")
    for _ in range(5):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))
    assert reached == ["file", "camera", "preset", "minsize", "a"]
    choose_by_keyboard(page).set_files(ASTRONAUT)
    wait_for(page, "#said", "1 face in")
    assert page.get_by_role("img", name="the picture, 1 face marked").is_visible()
    assert "1 face in" in page.get_by_role("status").first.text_content()
    assert page.get_by_role("button", name="Camera").is_visible()


@pytest.mark.parametrize("size", [(1200, 700), (400, 800)])
def test_a_picture_is_within_the_window(page: Any, size: tuple[int, int], tmp_path: Path) -> None:
    page.set_viewport_size(dict(zip(("width", "height"), size)))
    cv2.imwrite(str(tmp_path / "tall.png"), np.full((3000, 1000, 3), 128, np.uint8))
    page.set_input_files("#file", tmp_path / "tall.png")
    wait_for(page, "#said", "1000 x 3000")
    box = page.locator("#picture").bounding_box()
    assert box["height"] < size[1] and box["x"] >= 0 and box["x"] + box["width"] <= size[0]
    assert box["height"] / box["width"] == pytest.approx(3, rel=0.02)


def test_scores_can_be_read_however_far_a_picture_is_shrunk(page: Any, tmp_path: Path, astronaut: np.ndarray) -> None:
    cv2.imwrite(str(tmp_path / "tall.jpg"), cv2.resize(astronaut, (1500, 3500)), [cv2.IMWRITE_JPEG_QUALITY, 50])
    page.set_input_files("#file", tmp_path / "tall.jpg")
    wait_for(page, "#said", "1500 x 3500")
    rows, shrink = page.evaluate(
        """() => {
            const picture = document.getElementById("picture");
            const { data } = picture.getContext("2d").getImageData(0, 0, picture.width, picture.height);
            const green = (i) => data[i] === 0x40 && data[i + 1] === 0xc8 && data[i + 2] === 0x40;
            let rows = 0; // of the ground that the score stands on
            for (let y = 0; y < picture.height; y++) {
                let run = 0;
                for (let x = 0; x < picture.width; x++) run += green(4 * (y * picture.width + x));
                rows += run > 60 && run < 400;
            }
            return [rows, picture.height / picture.getBoundingClientRect().height];
        }"""
    )
    assert shrink > 4 and rows / shrink > 12  # pixels of the screen


def test_in_the_dark(page: Any) -> None:
    page.emulate_media(color_scheme="dark")
    ground, text = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    assert max(map(int, re.findall(r"\d+", ground)[:3])) < 80 and min(map(int, re.findall(r"\d+", text)[:3])) > 180
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light dark"


def test_the_camera(page: Any) -> None:
    page.click("#camera")
    wait_for(page, "#said", "1 face in")
    assert page.text_content("#camera") == "Stop the camera" and is_shown(page, "#aligned")
    first = page.text_content("#said")
    page.wait_for_function("first => document.getElementById('said').textContent !== first", arg=first)
    page.click("#camera")
    page.get_by_text("Camera", exact=True).wait_for()
    # unplugged
    page.click("#camera")
    page.get_by_text("Stop the camera").wait_for()
    page.evaluate("camera.srcObject.getTracks()[0].stop()")
    wait_for(page, "#said.problem", "the camera is gone")
    assert page.text_content("#camera") == "Camera"
    assert page.get_attribute("#picture", "aria-label") == "no picture yet" and not is_shown(page, "#aligned")


def test_no_camera_for_pages_from_elsewhere(browser: Any, url: str) -> None:
    page = browser.new_page()
    open_page(page, url.replace("127.0.0.1", "elsewhere.test"))
    page.click("#camera")
    wait_for(page, "#said.problem", "browsers give the camera only to pages from localhost or by https")
    page.close()


def test_two_pictures(page: Any, persons: Persons, tmp_path: Path) -> None:
    page.set_input_files("#a", persons.a)
    page.set_input_files("#b", persons.same)
    wait_for(page, "#verdict", "one person: distance")
    assert re.search(r"distance 0\.[0-9]{3}, threshold [01]\.[0-9]+, [0-9.]+ ms$", page.text_content("#verdict"))
    assert is_shown(page, "#face-a") and is_shown(page, "#face-b")
    page.set_input_files("#b", persons.other)
    wait_for(page, "#verdict", "two persons: distance")
    cv2.imwrite(str(tmp_path / "gray.png"), np.full((100, 100, 3), 128, np.uint8))
    page.set_input_files("#b", tmp_path / "gray.png")
    wait_for(page, "#verdict", "no face in one of them")
    assert page.is_visible("#face-a") and not page.is_visible("#face-b")


def test_a_server_that_has_gone(browser: Any, tmp_path: Path, engines: dict[str, Path]) -> None:
    page = browser.new_page()
    with running_demo(workplace=tmp_path) as address:
        open_page(page, address)
        assert not page.is_visible("#verify")
    page.set_input_files("#file", ASTRONAUT)
    wait_for(page, "#said.problem", "mtcnn demo does not answer any more")
    page.close()
