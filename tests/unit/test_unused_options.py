"""Options of commands that change nothing beside the others are told."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from mtcnn import UnusedParameterWarning, create_engines
from mtcnn.cli.main import main
from mtcnn.engines.settings import BuildSettings

PICTURE = str(Path(__file__).parents[2] / "docs" / "images" / "astronaut.jpg")


@pytest.mark.parametrize(
    ("arguments", "option", "what"),
    [
        (["detect", PICTURE, "--cores", "2"], "--cores", "--ray"),
        (["detect", PICTURE, "--actors", "2"], "--actors", "--ray"),
        (["detect", PICTURE, "--overwrite"], "--overwrite", "the files of --output or --draw"),
        (["align", "IN", "OUT", "--part", "9"], "--part", "--ray"),
        (["verify", PICTURE, PICTURE, "--embedder", "net.onnx", "--overwrite"], "--overwrite", "the file of --draw"),
        (["demo", "--threshold", "1", "--host", "256.0.0.1"], "--threshold", "--embedder"),
        (["demo", "--embedder-output", "a", "--host", "256.0.0.1"], "--embedder-output", "--embedder"),
        (["blur", PICTURE, "--output", "a.jpg", "--threshold", "1"], "--threshold", "--keep"),
        (["blur", "IN", "--output", "OUT", "--cores", "1"], "--cores", "--ray"),
        (["video", PICTURE, "--json", "--show-fps"], "--show-fps", "the pictures of --output and --window"),
        (["video", PICTURE, "--json", "--overwrite"], "--overwrite", "the film that --output writes"),
        (["video", "IN", "--json", "--show-fps"], "--show-fps", "the films that --output writes"),
        (["video", "IN", "--json", "--ray", "local", "--threads", "2"], "--threads", "work on this machine"),
        (["engines", "--no-build", "--pnet-size", "640x640"], "--pnet-size", "building"),
        (["engines", "--no-build", "--overwrite"], "--overwrite", "building"),
    ],
)
def test_is_told(
    arguments: list[str],
    option: str,
    what: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "IN").mkdir()
    monkeypatch.chdir(tmp_path)
    with contextlib.suppress(SystemExit):  # some lack what they need besides
        main(arguments)
    told = f"mtcnn {arguments[0]}: {option} is for {what}"
    (line,) = (line for line in capsys.readouterr().err.splitlines() if "changes nothing here" in line)
    assert line.startswith(told)


def test_the_command_does_its_work_nevertheless(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", PICTURE, "--device", "cpu", "--overwrite", "--cores", "2"]) == 0
    out, err = capsys.readouterr()
    assert "astronaut.jpg" in out and err.count("changes nothing here") == 2


def test_a_default_that_is_not_said_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", PICTURE, "--device", "cpu"]) == 0
    out, err = capsys.readouterr()
    assert "astronaut.jpg" in out and "changes nothing" not in err


def test_settings_of_tensorrt_for_another_flavour(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.warns(
        UnusedParameterWarning, match="^workspace has no effect: flavour 'cpu' is not built by TensorRT$"
    ):
        create_engines(tmp_path, flavour="cpu", settings=BuildSettings(workspace=1 << 20))
    create_engines(tmp_path, flavour="cpu", settings=BuildSettings(timing_cache=tmp_path / "cache"))
    create_engines(tmp_path, flavour="cuda", settings=BuildSettings(gpu=1))
