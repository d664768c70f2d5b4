import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ["README.md", "docs/api.md", "docs/drop-in.md"]


def python_blocks(document: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / document).read_text(), re.M | re.S)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_examples_run(document: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python examples of a document, one after the other, as a reader would type them."""
    monkeypatch.chdir(ROOT)
    names: dict[str, object] = {}
    if document == "README.md":  # its second example speaks of any two pictures
        import cv2

        names["img"] = names["other"] = cv2.imread("docs/images/astronaut.jpg")
    blocks = python_blocks(document)
    assert len(blocks) > 1
    for block in blocks:
        exec(compile(block, document, "exec"), names)


@pytest.mark.parametrize(
    "document", [*DOCUMENTS, "docs/how-it-works.md", "docs/deployment.md", "docs/tensorrt.md", "CONTRIBUTING.md"]
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
