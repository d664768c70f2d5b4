import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import mtcnn
import pytrt
from mtcnn.params import PRESETS, CallParams, DetectorParams, Params, Preset

ROOT = Path(__file__).resolve().parents[2]

# What Cython adds to a module, and the constructors of classes that refuse to be made.
NOT_IN_STUBS = r"""
pytrt\._pytrt\.__(pyx_capi|reduce_cython|setstate_cython|test)__
pytrt\._pytrt\.(Device|Engine)\.__init__
"""


@pytest.mark.slow
def test_the_stubs_describe_the_native_module(tmp_path: Path) -> None:
    """Same names, same signatures, same defaults: what type checkers and editors say of pytrt is true."""
    allowlist = tmp_path / "allowlist"
    allowlist.write_text(NOT_IN_STUBS)
    command = [sys.executable, "-m", "mypy.stubtest", "pytrt", "--mypy-config-file", str(ROOT / "pyproject.toml")]
    command += ["--allowlist", str(allowlist), "--ignore-unused-allowlist"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_public_name_is_there() -> None:
    for package in (mtcnn, pytrt):
        assert package.__all__
        for name in package.__all__:
            assert getattr(package, name) is not None, name


# Lines of a caller's; each with the error of type checkers that it has to have, or none.
CALLER = """
import numpy as np
import mtcnn
import mtcnn.serving
import pytrt
from mtcnn import FaceAligner, FaceVerifier, TrtMtcnn, draw_faces
from mtcnn.central import choose_face
from mtcnn.compat import face_recognition, facenet, insightface, tensorrt_demos
from mtcnn.params import Params

detector = TrtMtcnn(minsize=20, thresholds=(0.5, 0.6, 0.7))
img = np.zeros((9, 9, 3), np.uint8)
detector.detect(img, 20, preset="fast", thresholds=[0.5, 0.6, 0.7], color="rgb")
detector.detect(img.astype(np.float32), thresholds=np.array([0.5, 0.6, 0.7]), max_size=(720, 1280))
detector.detect(img, preset=Params(minsize=20))
detector.detect_batch([img], minsize=20, mirror=True)
detector.detect(img, preset="quick")  # arg-type
detector.detect(img, thresholds=0.5)  # arg-type
detector.detect(img, min_size=20)  # call-arg
detector.detect(img, color="gray")  # arg-type
detector.detect("photo.jpg")  # arg-type
detector.detect_batch([img], resize="cubic")  # arg-type
detector.profile(img, treshold=1)  # call-arg
TrtMtcnn(preset="quick")  # arg-type
TrtMtcnn(min_size=20)  # call-arg
TrtMtcnn(precision="bf16")
TrtMtcnn(precision="int8")  # arg-type
FaceAligner().align(img, [1, 2], color="RGB")  # arg-type
FaceAligner((112, 112), template="arcface")
FaceAligner((9, 9), template=np.zeros((5, 2)))
FaceAligner(template="arc")  # arg-type
Params(level_size="round")  # arg-type
choose_face(img, [], "biggest")  # arg-type
FaceVerifier("model.onnx", face="first")  # arg-type
facenet.MTCNN(selection_method="biggest")  # arg-type
insightface.Detector().detect(img, metric="area")  # arg-type
insightface.norm_crop(img, [], mode="cosface")  # arg-type
face_recognition.face_locations(img, 1, "dnn")  # arg-type
tensorrt_demos.TrtMtcnn(min_size=20)  # call-arg
draw_faces("photo.jpg", [])  # arg-type
face_recognition.face_encodings(img, face_recognition.face_locations(img))
mtcnn.mtcnn.MTCNN().detect_faces(img)
mtcnn.TrtMTCNN()  # attr-defined
pytrt.PyTrtMTCNN("a.engine")  # attr-defined
mtcnn.serving.client()  # operator
mtcnn.serving.Clients()  # attr-defined
insightface.FaceAnalysis()  # attr-defined
facenet.InceptionResnetV1()  # attr-defined
"""


@pytest.mark.slow
def test_type_checkers_see_wrong_arguments(tmp_path: Path) -> None:
    caller = tmp_path / "caller.py"
    caller.write_text(CALLER)
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--no-error-summary"]
    command += ["--config-file", str(ROOT / "pyproject.toml"), str(caller)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    found = {
        int(line): code for line, code in re.findall(r"caller\.py:(\d+): error: .*\[([\w-]+)\]$", done.stdout, re.M)
    }
    lines = CALLER.splitlines()
    expected = {n: line.partition("  # ")[2] for n, line in enumerate(lines, 1) if "  # " in line}
    assert found == expected, done.stdout + done.stderr


def test_the_types_of_parameters_name_all_of_them() -> None:
    assert set(DetectorParams.__annotations__) | set(CallParams.__annotations__) == set(Params.__dataclass_fields__)
    assert "minsize" not in CallParams.__annotations__  # calls have it by itself
    assert typing.get_args(Preset) == tuple(sorted(PRESETS))


@pytest.mark.parametrize(("wrong", "meant"), [("colour", "color"), ("min_size", "minsize"), ("treshold", "thresholds")])
def test_misspelt_parameters(wrong: str, meant: str, detector: mtcnn.TrtMtcnn) -> None:
    arguments: dict[str, typing.Any] = {wrong: 20}
    with pytest.raises(TypeError, match=f"unknown parameter '{wrong}': did you mean {meant}"):
        detector.detect(None, **arguments)  # type: ignore[arg-type]
