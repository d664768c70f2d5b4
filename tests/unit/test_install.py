"""What messages say to install: for a package from an index, a checkout and a wheel."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mtcnn.cli.main import main
from mtcnn.errors import MtcnnError
from mtcnn.runtime.install import install_command
from mtcnn.runtime.opencv import opencv
from mtcnn.runtime.optional import import_optional
from tests.conftest import ROOT

METADATA = """Metadata-Version: 2.4
Name: trt-mtcnn
Version: 9
Provides-Extra: some
Requires-Dist: numpy>=1.26
Requires-Dist: pytest>=8; extra == "some"
Requires-Dist: a-package-that-nobody-has[part]<3,>=2; extra == "some"
Requires-Dist: another-that-nobody-has; extra == "other"
"""


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (None, "pip install 'trt-mtcnn[some]'"),
        ({"url": "file:///src", "dir_info": {"editable": True}}, "pip install 'a-package-that-nobody-has[part]<3,>=2'"),
        ({"url": "file:///x.whl", "archive_info": {}}, "pip install 'a-package-that-nobody-has[part]<3,>=2'"),
    ],
)
def test_by_origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: object, expected: str) -> None:
    folder = tmp_path / "trt_mtcnn-9.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(METADATA)
    if origin:
        (folder / "direct_url.json").write_text(json.dumps(origin))
    monkeypatch.syspath_prepend(tmp_path)
    assert install_command("some") == expected


def test_every_extra_that_is_named_exists() -> None:
    found = subprocess.run(
        ["git", "grep", "-hoE", r"(install_command\(|import_optional\([^()]*, ?)[\"'][a-z0-9-]+[\"']", "--", "mtcnn"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    ).stdout.split("\n")
    pyproject = (ROOT / "pyproject.toml").read_text()
    extras = {line.replace("'", '"').split('"')[-2] for line in found if line}
    assert extras, "none is named: has the function another name?"
    assert [extra for extra in extras if f"\n{extra} = [" not in pyproject] == []


def test_a_copy_of_the_sources() -> None:
    code = "from mtcnn.runtime.install import install_command as f; print(f('demo'))"
    environment = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-S", "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout == "pip install 'trt-mtcnn[demo]'\n", done.stderr


@pytest.mark.parametrize("load", [lambda: opencv("a camera"), lambda: import_optional("cv2", "video")])
def test_a_package_that_is_there_and_broken_says_why(
    load: Callable[[], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "cv2", raising=False)
    with pytest.raises(MtcnnError, match=r"which cannot be loaded \(libGL\.so\.1: cannot open .*\): pip install"):
        load()
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MtcnnError) as error:
        load()
    assert "cannot be loaded" not in str(error.value) and "pip install" in str(error.value)


@pytest.mark.parametrize("output", [None, "faces.csv", "faces.json"])
def test_what_reads_pictures_is_missed_before_results_are_begun(
    output: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    options = ["--output", str(tmp_path / output)] if output else []
    assert main(["detect", str(ROOT / "docs" / "images" / "astronaut.jpg"), *options]) == 1
    said = capsys.readouterr()
    assert said.out == "" and "needs OpenCV or Pillow: pip install" in said.err and list(tmp_path.iterdir()) == []
