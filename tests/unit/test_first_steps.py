"""What newcomers try first is said to be wrong, with what they mean."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import mtcnn
from mtcnn import FaceAligner, Tracker, TrtMtcnn, draw_faces, face_quality, find_central_face
from mtcnn.cli.main import main
from mtcnn.runtime.once import Said

ASTRONAUT = Path(__file__).parents[2] / "docs" / "images" / "astronaut.jpg"


@pytest.mark.parametrize(
    ("device", "meant"),
    [
        ("gpu", "cuda"),
        ("GPU:1", "cuda:1"),
        ("CPU", "cpu"),
        ("Cuda", "cuda"),
        (0, "cuda:0"),
        ("2", "cuda:2"),
        (-1, "cpu"),
    ]
    + [(None, "auto")],
)
def test_devices_as_others_call_them(device: Any, meant: str) -> None:
    with pytest.raises(ValueError, match=f'^device must be "auto", .*; did you mean "{meant}"\\?$'):
        TrtMtcnn(device=device)


@pytest.mark.parametrize("device", ["tpu", True, 1.5, "cuda:", "cuda:99999", 10**30, b"cpu"])
def test_devices_that_are_none(device: Any) -> None:
    with pytest.raises(ValueError, match=r'^device must be "auto", "cpu", "cuda" or "cuda:N", got [^;]*$'):
        TrtMtcnn(device=device)


@pytest.mark.parametrize(
    ("argument", "value", "meant"),
    [
        ("preset", "acurate", "accurate"),
        ("preset", "FAST", "fast"),
        ("precision", "float16", "fp16"),
        ("precision", "half", "fp16"),
        ("precision", "FP32", "fp32"),
        ("precision", "bfloat16", "bf16"),
        ("resize", "AREA", "area"),
    ],
)
def test_choices_as_others_spell_them(argument: str, value: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"^{argument} must be .*got '{value}'; did you mean '{meant}'\\?$"):
        TrtMtcnn(device="cpu", **{argument: value})


def test_choices_that_mean_nothing(detector: TrtMtcnn) -> None:
    with pytest.raises(ValueError, match="got 'hsv'$"):
        detector.detect(np.zeros((60, 60, 3), np.uint8), color="hsv")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "meant"),
    [("steps_threshold", "thresholds"), ("min_face_size", "minsize"), ("scale_factor", "factor")],
)
def test_parameters_as_other_packages_call_them(name: str, meant: str, detector: TrtMtcnn) -> None:
    with pytest.raises(TypeError, match=f"^unknown parameter '{name}': did you mean {meant}\\? "):
        detector.detect(np.zeros((60, 60, 3), np.uint8), **{name: 20})  # type: ignore[call-arg]


class TestPicturesSmallerThanTheSmallestFace:
    @pytest.fixture(autouse=True)
    def none_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("mtcnn.detector._small", Said())

    @pytest.mark.parametrize(
        ("params", "why"),
        [
            ({"minsize": 600}, "the smallest face is larger, minsize=600; lower minsize"),
            ({"minsize": 600, "rotations": "auto"}, "the smallest face is larger, minsize=600; lower minsize"),
            (
                {"max_size": 10},
                "max_size=(10, 10) shrinks it to less than the smallest face, 40 pixels; raise max_size",
            ),
        ],
    )
    def test_it_is_said_once(
        self, params: Any, why: str, detector: TrtMtcnn, astronaut: np.ndarray, caplog: pytest.LogCaptureFixture
    ) -> None:
        for _ in range(2):
            assert not len(detector.detect(astronaut, **params)[0])
            assert not len(detector.detect_batch([astronaut], **params)[0][0])
        said = [record.getMessage() for record in caplog.records]
        assert said == [f"in a picture of 512x512 pixels no face is looked for: {why} (said once)"]

    def test_nothing_is_said_of_others(
        self, detector: TrtMtcnn, astronaut: np.ndarray, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert len(detector.detect(astronaut, minsize=90)[0]) == 1
        assert not len(detector.detect(astronaut[:60, :60], minsize=60)[0])
        assert not caplog.records

    def test_a_tracker_says_nothing_of_where_it_looks_again(
        self, detector: TrtMtcnn, caplog: pytest.LogCaptureFixture
    ) -> None:
        corner = np.array([[-150, -150, 20, 20]], np.float64)
        Tracker(detector)._searched(np.full((90, 90, 3), 99, np.uint8), corner, np.zeros((1, 10), np.float32))
        assert not caplog.records

    def test_numbers_of_strangers_fill_no_memory(
        self, detector: TrtMtcnn, astronaut: np.ndarray, caplog: pytest.LogCaptureFixture
    ) -> None:
        for minsize in range(600, 800):
            detector.detect(astronaut, minsize)
        assert len(caplog.records) == 100

    def test_a_command_says_so(self, caplog: pytest.LogCaptureFixture) -> None:
        assert main(["detect", str(ASTRONAUT), "--minsize", "600"]) == 0
        assert "no face is looked for: the smallest face is larger, minsize=600" in caplog.text


def test_an_address_is_not_fetched(detector: TrtMtcnn, capsys: pytest.CaptureFixture[str]) -> None:
    for address in ("https://example.com/a.jpg", "HTTP://example.com/a.jpg", "data:image/png;base64,AAAA"):
        with pytest.raises(TypeError, match="^img is an address, not an array, and nothing is fetched"):
            detector.detect(address)  # type: ignore[arg-type]
    for command in (
        ["detect", "https://a.b/c.jpg"],
        ["align", "https://a.b/c", "OUT"],
        ["verify", "https://a.b/c", "d"],
    ):
        with pytest.raises(SystemExit):
            main([*command, *(["--embedder", "net.onnx"] if command[0] == "verify" else [])])
        assert "is an address, and nothing is fetched: save it to a file first" in capsys.readouterr().err


def test_what_a_video_capture_gives(detector: TrtMtcnn, astronaut: np.ndarray) -> None:
    with pytest.raises(
        TypeError, match="img is None; .*; and a VideoCapture where there is no camera, or no more of a film"
    ):
        detector.detect(None)  # type: ignore[arg-type]
    for read in ((True, astronaut), (False, None)):
        with pytest.raises(
            TypeError, match=r"of a VideoCapture's read\(\) the second is the picture: is_there, img = ..."
        ):
            detector.detect(read)  # type: ignore[arg-type]


def test_a_folder_of_engines(tmp_path: Path) -> None:
    for folder in (tmp_path, str(tmp_path)):
        with pytest.raises(TypeError, match="engines must be three paths .*; of a folder pass its files: "):
            TrtMtcnn(folder)  # type: ignore[arg-type]


def test_what_is_set_after_an_object_is_made(detector: TrtMtcnn) -> None:
    for made, name, value in (
        (detector, "minsize", 20),
        (detector, "thresholds", (0.5, 0.6, 0.7)),
        (detector, "preset", "fast"),
        (detector, "threads", 1),
        (FaceAligner(), "margin", 0.5),
        (Tracker(), "every", 1),
    ):
        kind = type(made).__name__
        with pytest.raises(
            AttributeError, match=re.escape(f"{name} of a {kind} is set when it is made, {kind}(..., {name}=")
        ):
            setattr(made, name, value)
    assert detector.params.minsize == 40

    class Mine(FaceAligner):
        margin = 0.0

    mine = Mine()
    mine.margin = 0.5  # a class that is derived elsewhere has attributes of its own
    assert mine.margin == 0.5


def test_misspelt_names_of_the_module() -> None:
    for name, meant in (
        ("TrtMTCNN", "TrtMtcnn"),
        ("mtcnn_", "MTCNN"),
        ("draw_face", "draw_faces"),
        ("Aligner", "FaceAligner"),
    ):
        with pytest.raises(AttributeError, match=f"has no attribute '{name}'; did you mean {meant}\\?$"):
            getattr(mtcnn, name)
    with pytest.raises(AttributeError, match="has no attribute '__wrapped__'$"):
        mtcnn.__wrapped__  # noqa: B018


def test_boxes_and_landmarks_that_changed_places(detector: TrtMtcnn, astronaut: np.ndarray) -> None:
    dets, landmarks = detector.detect(astronaut)
    for call, said in (
        (
            lambda: draw_faces(astronaut, landmarks, dets),
            "dets .* which are landmarks: boxes are what detect returns first",
        ),
        (lambda: find_central_face(astronaut, landmarks), "which are landmarks"),
        (lambda: FaceAligner().align(astronaut, dets[0]), "landmarks .* which is a box: its points are the same row"),
        (
            lambda: face_quality(astronaut, dets, landmarks),
            r"for one face of several pass dets\[i\] and landmarks\[i\]",
        ),
    ):
        with pytest.raises(ValueError, match=said):
            call()


def test_a_picture_is_blurred_into_a_folder_that_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["blur", str(ASTRONAUT), "--output", str(tmp_path), "--device", "cpu"]) == 0
    assert cv2.imread(str(tmp_path / ASTRONAUT.name)).shape == (512, 512, 3)
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(ASTRONAUT.read_bytes())
    assert main(["blur", str(copy), "--output", str(tmp_path)]) == 1
    assert "copy.jpg would be overwritten with what is made of it" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["crop", str(copy), str(tmp_path / "crops")])
    assert f"it must be a folder, and {copy} is a file: name the folder that it is in" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["engines", "device", "threads", "precision"])
def test_what_a_detector_is_made_with_is_no_parameter_of_a_call(detector: TrtMtcnn, name: str) -> None:
    asked: dict[str, Any] = {name: "cpu"}
    with pytest.raises(TypeError, match=rf"^{name} is no parameter of a call: .* made, TrtMtcnn\({name}=\.\.\.\)$"):
        detector.detect(np.zeros((20, 20, 3), np.uint8), **asked)


def test_models_are_no_engines() -> None:
    models = Path(mtcnn.__file__).parent / "models"
    with pytest.raises(mtcnn.MtcnnError, match=r"models are no engines: create_engines\(models=FOLDER\)"):
        TrtMtcnn([models / f"{name}net.onnx" for name in "pro"], device="cpu")


@pytest.mark.parametrize(
    "command", [["detect", "{}", "--draw"], ["align", "{}"], ["crop", "{}"], ["blur", "{}", "--output"]]
)
def test_a_folder_that_is_named_as_a_picture(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    (source / "a.jpg").write_bytes(ASTRONAUT.read_bytes())
    command = [word.format(source) for word in command]
    named, there = tmp_path / "out.jpg", source / "a.jpg"
    assert main([*command, str(named)]) == 1 and not named.exists()
    assert f"{named} would be a folder, and is named as a file" in capsys.readouterr().err
    if command[0] == "detect":
        assert main([*command, str(there)]) == 1
        assert f"{there} is a file, and a folder is needed" in capsys.readouterr().err
    named.mkdir()
    assert main([*command, str(named)]) == 0 and list(named.glob("a*.*g"))


def test_labels_go_into_the_folder_that_one_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "below").mkdir()
    for folder, output in ((tmp_path, "."), (tmp_path / "below", "..")):
        monkeypatch.chdir(folder)
        (tmp_path / "a.txt").unlink(missing_ok=True)
        (tmp_path / "a.jpg").write_bytes(ASTRONAUT.read_bytes())
        command = ["detect", str(tmp_path / "a.jpg"), "--format", "yolo", "--output", output, "--overwrite"]
        assert main(command) == 0 and (tmp_path / "a.txt").read_text().startswith("0 0.4")
        assert not (tmp_path / "below" / "a.txt").exists()


@pytest.mark.parametrize("command", [["detect"], ["blur"], ["video"]])
def test_a_cluster_without_what_it_needs(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    out = tmp_path / "out"
    assert main([*command, str(ASTRONAUT.parent), "--ray", "local", "--output", str(out)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("mtcnn: --ray needs Ray Data: pip install") and said.count("\n") == 1 and not out.exists()


def test_a_verifier_needs_points() -> None:
    with TrtMtcnn(device="cpu", networks=2) as detector, pytest.raises(ValueError, match="detector must run O-Net"):
        mtcnn.FaceVerifier("net.onnx", detector)
