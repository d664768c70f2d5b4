"""Importing the package: cheap, and every name there."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys

import pytest

import mtcnn
import pytrt
from mtcnn import errors
from tests.conftest import ROOT

HEAVY = (
    "click",
    "cv2",
    "openvino",
    "onnx",
    "onnxruntime",
    "pytrt",
    "numpy",
    "PIL",
    "rich",
    "platformdirs",
    "tensorflow",
    "torch",
)


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_loads_nothing_heavy() -> None:
    loaded = run("import sys, mtcnn; print(*{name.partition('.')[0] for name in sys.modules})").split()
    assert "mtcnn" in loaded
    assert not set(loaded) & set(HEAVY)


def test_a_detector_needs_neither_opencv_nor_the_python_of_openvino() -> None:
    code = """
import sys
for name in ("cv2", "openvino", "onnx", "onnxruntime", "PIL", "rich"):
    sys.modules[name] = None  # cannot be imported
import importlib.util
import numpy as np
find_spec = importlib.util.find_spec
def found_on_disk(name, package=None):
    blocked = sys.modules.pop(name, None)
    try:
        return find_spec(name, package)
    finally:
        sys.modules[name] = blocked
importlib.util.find_spec = found_on_disk
from mtcnn import MTCNN, TrtMtcnn, FaceAligner, find_central_face
with TrtMtcnn(device="cpu") as detector:
    dets, landmarks = detector.detect(np.zeros((60, 60, 3), np.uint8))
print(dets.shape, landmarks.shape, find_central_face((60, 60), dets))
assert MTCNN(device="cpu").detect_faces(np.zeros((60, 60, 3), np.uint8)) == []
FaceAligner().align(np.zeros((60, 60, 3), np.uint8), [1, 2, 3, 4, 5, 5, 6, 1, 2, 3])
"""
    assert run(code).strip() == "(0, 5) (0, 10) None"


def test_the_modules_of_the_package_on_pypi_are_there() -> None:
    ways = (
        "import mtcnn; print(mtcnn.mtcnn.MTCNN)",
        "from mtcnn import mtcnn, MTCNN; print(mtcnn.MTCNN)",
    )
    for code in (*ways, "from mtcnn.mtcnn import MTCNN; print(MTCNN)"):
        assert run(code) == "<class 'mtcnn.compat.mtcnn.detector.MTCNN'>\n"


@pytest.mark.parametrize("name", mtcnn.__all__)
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(mtcnn, name).__name__ == name
    assert name in dir(mtcnn)


def test_star_import_and_unknown_names() -> None:
    namespace: dict[str, object] = {}
    exec("from mtcnn import *", namespace)
    assert set(mtcnn.__all__) <= set(namespace)
    with pytest.raises(AttributeError, match="module 'mtcnn' has no attribute 'nonsense'"):
        mtcnn.nonsense  # noqa: B018
    with pytest.raises(ImportError):
        exec("from mtcnn import nonsense")


def test_version_is_that_of_the_project() -> None:
    """Written once, in pytrt/versions.py."""
    assert mtcnn.__version__ == pytrt.__version__ == importlib.metadata.version("trt-mtcnn")
    assert not re.search(r'^version = "', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert "__version__" in dir(mtcnn)
    assert len(set(dir(mtcnn))) == len(dir(mtcnn))
    assert not {"Any", "TYPE_CHECKING", "importlib", "annotations"} & set(dir(mtcnn))


def test_errors_need_no_native_module() -> None:
    loaded = run("from mtcnn import DeviceError; import sys; print(*sys.modules)").split()
    assert "pytrt" in loaded and not {"numpy", "pytrt._pytrt"} & set(loaded)


def test_errors_are_a_family() -> None:
    for name in ("EngineError", "DeviceError", "ClosedError"):
        assert issubclass(getattr(mtcnn, name), mtcnn.MtcnnError)
        assert getattr(mtcnn, name) is getattr(errors, name) is getattr(pytrt, name)
    assert mtcnn.MtcnnError is errors.MtcnnError is pytrt.MtcnnError
    assert issubclass(pytrt.BuildCancelled, pytrt.MtcnnError)
    assert not issubclass(mtcnn.MtcnnError, ValueError)
