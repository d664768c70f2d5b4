import re
import shlex
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtcnn import TrtMtcnn
from tests.embedders import make_embedder

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    "README.md",
    *(f"docs/{name}.md" for name in ("index", "api", "verification", "cookbook", "command-line", "drop-in")),
]


def python_blocks(document: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / document).read_text(), re.M | re.S)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the documents speak of."""
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    make_embedder(tmp_path / "model.onnx")
    photo = ROOT / "docs" / "images" / "astronaut.jpg"
    for name in ("a.jpg", "b.jpg", "photo.jpg", "me.jpg", "people/ann/1.jpg", "people/bob/1.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo, tmp_path / name)
    film = cv2.VideoWriter(str(tmp_path / "film.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (512, 512))
    for _ in range(3):
        film.write(np.asarray(cv2.imread(str(photo)), np.uint8))
    film.release()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("document", [name for name in DOCUMENTS if "command-line" not in name])
def test_the_examples_run(document: str, workplace: Path, engines: dict[str, Path]) -> None:
    """The Python examples of a document, one after the other, as a reader would type them."""
    names: dict[str, object] = {}
    if document == "README.md":  # its second example speaks of any two pictures
        names["img"] = names["other"] = cv2.imread("docs/images/astronaut.jpg")
    blocks = python_blocks(document)
    assert blocks
    for block in blocks:
        exec(compile(block, document, "exec"), names)


def test_the_blurred_picture_has_no_face(workplace: Path, detector: TrtMtcnn) -> None:
    blocks = python_blocks("docs/cookbook.md")
    names: dict[str, object] = {}
    for block in (blocks[0], *(b for b in blocks if "blurred.jpg" in b)):
        exec(compile(block, "cookbook.md", "exec"), names)
    blurred = cv2.imread("blurred.jpg")
    assert blurred is not None and len(detector.detect(np.asarray(blurred, np.uint8))[0]) == 0


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_commands_are_understood(document: str, workplace: Path) -> None:
    """Each line of a shell example that calls mtcnn: its options and arguments exist."""
    from mtcnn.cli.main import cli

    shell = "".join(re.findall(r"^```sh\n(.*?)^```", (ROOT / document).read_text(), re.M | re.S))
    commands = [shlex.split(line.partition("|")[0])[1:] for line in shell.splitlines() if line.startswith("mtcnn ")]
    if document == "docs/command-line.md":
        assert len(commands) > 15
    for arguments in commands:
        with cli.make_context("mtcnn", list(arguments)) as context:
            name, command, rest = cli.resolve_command(context, arguments)
            assert command is not None, arguments
            command.make_context(name, rest, parent=context).close()


@pytest.mark.parametrize(
    "document",
    [*DOCUMENTS, "docs/how-it-works.md", "docs/deployment.md", "docs/tensorrt.md", "docs/speed.md", "CONTRIBUTING.md"],
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
