import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtcnn import FaceAligner, TrtMtcnn, draw_faces
from tests.support.embedders import make_embedder

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "index",
    "api",
    "cuda",
    "precision",
    "verification",
    "cookbook",
    "command-line",
    "pictures",
    "video",
    "drop-in",
    "coming-from",
    "serve",
    "serving",
)
DOCUMENTS = ["README.md", *(f"docs/{name}.md" for name in PAGES)]


def python_blocks(document: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / document).read_text(), re.M | re.S)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the documents speak of."""
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    make_embedder(tmp_path / "model.onnx")
    for name in ("net.onnx", "face_recognition_sface_2021dec.onnx"):
        (tmp_path / name).symlink_to("model.onnx")
    photo = ROOT / "docs" / "images" / "astronaut.jpg"
    people = [f"{folder}/{name}/1.jpg" for folder in ("people", "holiday") for name in ("ann", "bob")]
    for name in ("a.jpg", "b.jpg", "photo.jpg", "me.jpg", *people):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo, tmp_path / name)
    film = cv2.VideoWriter(str(tmp_path / "film.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (512, 512))
    for _ in range(3):
        film.write(np.asarray(cv2.imread(str(photo)), np.uint8))
    film.release()
    (tmp_path / "film.mp4").symlink_to("film.avi")
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "1.mp4").symlink_to(tmp_path / "film.avi")
    (tmp_path / "archive" / "old").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "archive" / "old" / "1.png"), np.asarray(cv2.imread(str(photo)), np.uint8))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "facenet_pytorch", None)  # which coming-from.md replaces
    return tmp_path


@pytest.mark.parametrize(  # tests/triton runs those of serving.md, which need a server; test_serve.py those of serve.md
    "document", [name for name in DOCUMENTS if name not in ("docs/command-line.md", "docs/serve.md", "docs/serving.md")]
)
def test_the_examples_run(
    document: str, workplace: Path, engines: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """The Python examples of a document, one after the other, as a reader would type them; "# ->" is their output."""
    names: dict[str, object] = {}
    blocks = python_blocks(document)
    assert blocks
    for block in blocks:
        capsys.readouterr()
        exec(compile(block, document, "exec"), names)
        printed = capsys.readouterr().out.splitlines()
        for line in re.findall(r"# -> (.*)$", block, re.M):
            assert line in printed, (line, printed)
            printed = printed[printed.index(line) + 1 :]


def test_the_blurred_picture_has_no_face(workplace: Path, detector: TrtMtcnn) -> None:
    blocks = python_blocks("docs/cookbook.md")
    names: dict[str, object] = {}
    for block in (blocks[0], *(b for b in blocks if "blurred.jpg" in b)):
        exec(compile(block, "cookbook.md", "exec"), names)
    blurred = cv2.imread("blurred.jpg")
    assert blurred is not None and len(detector.detect(np.asarray(blurred, np.uint8))[0]) == 0


# A camera and a server go on for ever, others need Ray or TensorFlow: what is typed for them is read, and tried in
# other tests.
ELSEWHERE = ("mtcnn demo", "mtcnn serve", "mtcnn export", "mtcnn video 0", "mtcnn video rtsp:")


def test_readme_is_pasted_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engines: dict[str, Path]) -> None:
    """What begins with sh needs nothing but the checkout; the environment is activated before it is used."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(tmp_path)
    made = active = False
    for line in lines:
        if line.startswith("make"):
            assert set(line.split()[1:]) <= targets
            made = True
        elif line == ". .venv/bin/activate":
            active = made
        elif line.startswith("mtcnn "):
            assert active, line
            code = f"import sys; sys.argv = {shlex.split(line)!r}; from pytrt.commands import mtcnn; sys.exit(mtcnn())"
            ran = subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=120)
            assert ran.returncode == 0, line
        else:
            assert active and line in ("pip install '.[images]'", "create_engines"), line
    assert active


def shell_lines(document: str) -> list[str]:
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", (ROOT / document).read_text(), re.M | re.S)
    shell = "".join(block for language, block in blocks if language in ("", "sh"))
    return [line for line in shell.splitlines() if line.startswith("mtcnn ")]


def understand(line: str) -> None:
    """Its options and arguments exist."""
    from mtcnn.cli.main import cli

    arguments = shlex.split(line, comments=True)[1:]
    with cli.make_context("mtcnn", list(arguments)) as context:
        name, command, rest = cli.resolve_command(context, arguments)
        assert name is not None and command is not None, line
        command.make_context(name, rest, parent=context).close()


# What their commands need is not installed with the tests.
@pytest.mark.parametrize("document", ["docs/export.md", "docs/scale.md", "docs/serving.md"])
def test_the_commands_are_understood(document: str, workplace: Path) -> None:
    lines = shell_lines(document)
    assert lines
    for line in lines:
        understand(line)


@pytest.mark.slow
@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.slow
def test_the_commands_run(document: str, workplace: Path, engines: dict[str, Path]) -> None:
    """Each line of a shell example that calls mtcnn, one after the other, as a reader would type them."""
    for name in ("mtcnn", "python"):
        (workplace / "bin" / name).parent.mkdir(exist_ok=True)
        what = "-m mtcnn" if name == "mtcnn" else ""
        (workplace / "bin" / name).write_text(f'#!/bin/sh\nexec {sys.executable} {what} "$@"\n')
        (workplace / "bin" / name).chmod(0o755)
    places = {"PATH": f"{workplace / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = set()
    for line in shell_lines(document):
        if line.startswith(ELSEWHERE) or "--ray" in line:
            understand(line)
            continue
        ran = subprocess.run(["bash", "-c", line], env=os.environ | places, capture_output=True, text=True, timeout=120)
        assert ran.returncode == 0, (line, ran.stderr)
        done.add(line.split()[1])
    if document in ("README.md", "docs/command-line.md"):
        assert {"detect", "align", "verify", "video"} <= done
        assert {"ann/1.jpg", "bob/1.jpg"} == {str(path.relative_to("drawn")) for path in Path("drawn").rglob("*.jpg")}
    if document == "docs/command-line.md":
        assert {"faces.csv", "vectors.npz", "vectors.parquet", "drawn.mp4", "pair.png"} <= {
            p.name for p in Path().iterdir()
        }


def test_the_sample_of_json_is_what_is_printed(workplace: Path, detector: TrtMtcnn, astronaut: np.ndarray) -> None:
    text = (ROOT / "docs" / "command-line.md").read_text()
    (sample,) = re.findall(r"^(\{\"file\".*?)\n```", text, re.M | re.S)
    numbers = [float(n) for n in re.findall(r"\d+\.\d+", sample)]
    dets, landmarks = detector.detect(astronaut)
    expected = [*dets[0], *landmarks[0].reshape(2, 5).T[:3].ravel()]
    np.testing.assert_allclose(numbers, expected, atol=0.02)


def test_the_pictures_are_of_today(detector: TrtMtcnn, astronaut: np.ndarray) -> None:
    """`make figures` draws them."""
    dets, landmarks = detector.detect(astronaut)
    drawn, crop = draw_faces(astronaut, dets, landmarks), FaceAligner((112, 112)).align(astronaut, landmarks[0])
    _, jpeg = cv2.imencode(".jpg", drawn, [cv2.IMWRITE_JPEG_QUALITY, 90])
    for name, img in (("detected.jpg", cv2.imdecode(jpeg, cv2.IMREAD_COLOR)), ("aligned.png", crop)):
        shown = cv2.imread(str(ROOT / "docs" / "images" / f"astronaut-{name}"))
        assert shown is not None and img is not None
        assert (np.abs(shown.astype(int) - img).max(axis=2) > 40).sum() < 20, f"{name} is older than the code"


@pytest.mark.parametrize(
    "document",
    [
        *DOCUMENTS,
        "docs/how-it-works.md",
        "docs/deployment.md",
        "docs/tensorrt.md",
        "docs/export.md",
        "docs/scale.md",
        "docs/serving.md",
        "docs/speed.md",
        "CONTRIBUTING.md",
    ],
)
def test_links_lead_somewhere(document: str) -> None:
    path = ROOT / document
    links = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", path.read_text())
    for target, anchor in links:
        file = path.parent / target if target else path
        assert file.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", file.read_text(), re.M)
            anchors = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]
            assert anchor in anchors, f"{target}#{anchor}"
