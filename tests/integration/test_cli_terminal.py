"""What the commands show to people: no strangers' orders to the terminal, aligned tables, bars, options' own names."""

from __future__ import annotations

import ast
import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.cells import cell_len

from tests.conftest import ROOT
from tests.integration.test_cli import make_film
from tests.support.command import command, environment, lines, mtcnn, on_a_terminal
from tests.support.embedders import make_embedder

pytestmark = pytest.mark.slow

ASTRONAUT = ROOT / "docs" / "images" / "astronaut.jpg"
HOSTILE = "\x1b]0;owned\x07\x9b31m\u202egpj\r\nmtcnn: all is well"
MARK = "-- the next command\n"


@pytest.fixture(autouse=True)
def engines_are_there(engines: dict[str, Path]) -> None:
    """Made once, not by each process."""


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder below one with a hostile name: a picture with a face, a broken one, one whose name is no UTF-8."""
    folder = tmp_path / f"in {HOSTILE}"
    folder.mkdir()
    shutil.copy(ASTRONAUT, folder / f"face{HOSTILE}.jpg")
    (folder / f"broken{HOSTILE}.jpg").write_bytes(b"no picture")
    shutil.copy(ASTRONAUT, os.fsencode(folder) + b"/caf\xe9\x1b[2J.jpg")
    return folder


def assert_harmless(text: str) -> None:
    wrong = {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c != "\n"}
    assert not wrong, (wrong, text)
    assert not re.search(r"^mtcnn: all is well", text, re.M)


class TestHostileNames:
    def test_every_command(self, hostile: Path, tmp_path: Path) -> None:
        embedder = make_embedder(tmp_path / "m.onnx")
        gone = hostile / f"gone{HOSTILE}"
        face = hostile / f"face{HOSTILE}.jpg"
        film = make_film(tmp_path / "film.avi", np.asarray(cv2.imread(str(ASTRONAUT)), np.uint8), 3)
        calls: list[list[str]] = []
        for arguments in (
            ("detect", hostile),
            ("detect", hostile, "--json"),
            ("detect", gone),
            ("detect", hostile, "--output", gone / "none" / "out.txt"),
            ("align", hostile, tmp_path / f"out{HOSTILE}"),
            ("align", hostile, tmp_path / f"out{HOSTILE}"),  # is there already
            ("align", gone, tmp_path / "x"),
            ("embed", hostile, "--embedder", embedder, "--output", tmp_path / "out.npz", "--json"),
            ("embed", face, "--embedder", gone, "--output", tmp_path / "out2.npz"),
            ("embed", face, "--embedder", embedder, "--output", gone),
            ("verify", face, hostile / f"broken{HOSTILE}.jpg", "--embedder", embedder),
            ("verify", face, face, "--embedder", embedder, "--draw", gone),
            ("video", gone, "--json"),
            ("video", film, "--output", tmp_path / f"drawn{HOSTILE}.avi"),
            ("bench", face, "--calls", 1),
            ("bench", gone),
            ("bench", face, "--backend", HOSTILE),
            ("export", gone, "--output", tmp_path / "models"),
            ("export", hostile, "--output", tmp_path / "models"),
            ("triton", tmp_path / f"models{HOSTILE}", "--max-batch", HOSTILE),
            ("engines", "--no-build", "--output", gone),
            ("engines", "--models", gone, "--output", tmp_path / "engines"),
            ("engines", "--target", HOSTILE),
            ("completion", HOSTILE),
            (HOSTILE,),
            ("detect", "x.jpg", f"--{HOSTILE}"),
            ("detect", "x.jpg", "--preset", HOSTILE),
            ("detect", "x.jpg", "--device", HOSTILE),
        ):
            calls.append(list(map(str, arguments)))
        code = f"""
import json, sys
from mtcnn.cli.main import main
for arguments in json.load(sys.stdin):
    try:
        main(arguments)
    except SystemExit:
        pass
    print({MARK!r}, flush=True)
    print({MARK!r}, file=sys.stderr, flush=True)
"""
        done = subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps(calls),
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=300,
        )
        said = list(zip(done.stdout.split(MARK), done.stderr.split(MARK)))
        assert len(said) == len(calls) + 1, done.stderr
        for arguments, texts in zip(calls, said):
            for text in texts:
                assert_harmless(text)
            assert "".join(texts).strip() and "Traceback" not in texts[1], (arguments, texts)

    def test_commands_print_through_the_console(self) -> None:
        """Help and completion scripts, which hold no names of files, excepted."""
        for path in sorted((ROOT / "mtcnn" / "cli").glob("*.py")):
            calls = {
                ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
            }
            if path.name not in ("console.py", "completion.py", "main.py"):
                assert not calls & {"click.echo", "click.secho", "click.style", "print"}, path

    def test_log_records_and_faults_of_our_own(self) -> None:
        code = """
import logging, sys, click
from mtcnn.cli.run import run
@click.command()
def command():
    logging.getLogger("somebody").warning("warned \\x1b[2J")
    raise RuntimeError("boom \\x9b31m")
sys.exit(run(command, [], "mtcnn"))
"""
        done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True)
        assert (
            done.returncode == 1 and r"warned \x1b[2J" in done.stderr and r"RuntimeError: boom \x9b31m" in done.stderr
        )
        assert_harmless(done.stderr)

    def test_the_example(self, hostile: Path, tmp_path: Path) -> None:
        marked = tmp_path / "[bold]face[].jpg"
        shutil.copy(ASTRONAUT, marked)
        for photo, code in ((marked, 0), (hostile / f"face{HOSTILE}.jpg", 0), (hostile / f"broken{HOSTILE}.jpg", 1)):
            done = subprocess.run(
                [
                    sys.executable,
                    ROOT / "examples" / "detect_photo.py",
                    photo,
                    "--output",
                    tmp_path / f"d{HOSTILE}.jpg",
                ],
                env=environment(),
                capture_output=True,
                text=True,
            )
            assert done.returncode == code and "Traceback" not in done.stderr
            assert_harmless(done.stdout + done.stderr)

    def test_csv_on_a_terminal(self, hostile: Path) -> None:
        code, sent = on_a_terminal("detect", hostile, "--format", "csv")
        assert code == 3
        assert_harmless(sent.decode().replace("\r\n", "\n").replace("\x1b[31m", "").replace("\x1b[0m", ""))

    def test_csv_elsewhere_has_names_as_they_are(self, hostile: Path) -> None:
        done = subprocess.run(command("detect", hostile, "--format", "csv"), env=environment(), capture_output=True)
        rows = list(csv.DictReader(io.StringIO(os.fsdecode(done.stdout), newline="")))
        assert {row["file"] for row in rows} == {str(path) for path in hostile.iterdir()}


def test_no_cell_is_a_formula(tmp_path: Path) -> None:
    names = ["=1+1.jpg", "+1.jpg", "-1.jpg", "@x.jpg", "\t=1.jpg", "\uff1d1.jpg", "ok.jpg"]
    for name in names:
        shutil.copy(ASTRONAUT, tmp_path / name)
    arguments = ("detect", "--format", "csv", "--output", "out.csv", "--preset", "fast", "--", *names)
    mtcnn(*arguments, cwd=tmp_path)
    first = (tmp_path / "out.csv").read_bytes()
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == [*(f"./{name}" for name in names[:-1]), "ok.jpg"]
    assert all((tmp_path / row["file"]).is_file() for row in rows)  # the same files
    assert all(float(row["x1"]) > 0 for row in rows)
    # --resume knows them again; the last picture's faces may not all be there
    done = mtcnn(*arguments[: -len(names) - 1], "--resume", "--", *names, cwd=tmp_path)
    assert (tmp_path / "out.csv").read_bytes() == first and f"done before: {len(names) - 1}" in done.stderr


def test_negative_numbers_stay_numbers(tmp_path: Path) -> None:
    img = np.asarray(cv2.imread(str(ASTRONAUT)), np.uint8)
    cv2.imwrite(str(tmp_path / "cut.png"), img[:, 205:])  # the face goes over the left edge
    text = mtcnn("detect", tmp_path / "cut.png", "--format", "csv", "--minsize", 60).stdout
    rows = list(csv.DictReader(text.splitlines()))
    assert any(
        float(value) < 0 for row in rows for key, value in row.items() if value and key not in ("file", "problem")
    )


def test_wide_characters_keep_columns_aligned(tmp_path: Path) -> None:
    for name in ("写真.jpg", "plain.jpg", "cafe\u0301.jpg", "전화.jpg", "写真" * 30 + ".jpg"):
        shutil.copy(ASTRONAUT, tmp_path / name)
    table = mtcnn("detect", ".", cwd=tmp_path).stdout.splitlines()
    assert len(table) == 6 and len({cell_len(line) for line in table[1:]}) == 1, table


class TestProgress:
    def test_a_folder_has_a_total(self, tmp_path: Path) -> None:
        tmp_path = tmp_path / "in"
        tmp_path.mkdir()
        for i in range(5):
            shutil.copy(ASTRONAUT, tmp_path / f"{i}.jpg")
        for arguments in (
            ("detect", tmp_path, "--json"),
            ("align", tmp_path, tmp_path.parent / "crops"),
            ("embed", tmp_path, "--embedder", make_embedder(tmp_path / "m.onnx"), "--output", tmp_path / "v.npz"),
        ):
            code, sent = on_a_terminal(*arguments, piped=("stdout",))
            assert code == 0 and b"5/5" in sent and b"left" in sent, sent

    def test_what_is_done_is_not_in_it(self, tmp_path: Path) -> None:
        for i in range(5):
            shutil.copy(ASTRONAUT, tmp_path / f"{i}.jpg")
        output = tmp_path / "out.jsonl"
        mtcnn("detect", tmp_path / "0.jpg", tmp_path / "1.jpg", "--json", "--output", output)
        code, sent = on_a_terminal("detect", tmp_path, "--json", "--output", output, "--resume")
        assert code == 0 and b"3/3" in sent, sent

    def test_a_film_has_a_total(self, tmp_path: Path, astronaut: np.ndarray) -> None:
        film = make_film(tmp_path / "film.avi", astronaut, 7)
        code, sent = on_a_terminal("video", film, "--json", "--minsize", 60, piped=("stdout",))
        assert code == 0 and b"7/7" in sent, sent
        code, sent = on_a_terminal("video", film, "--output", tmp_path / "out.avi", "--most", 3, "--minsize", 60)
        assert code == 0 and b"3/3" in sent, sent

    def test_none_among_results_or_in_a_pipe(self, tmp_path: Path, astronaut: np.ndarray) -> None:
        film = make_film(tmp_path / "film.avi", astronaut, 3)
        _, sent = on_a_terminal("video", film, "--json", "--minsize", 60)
        assert b"3/3" not in sent and b"\x1b[?25l" not in sent
        assert len(mtcnn("video", film, "--json", "--minsize", 60).stderr.splitlines()) == 1


class TestOwnNames:
    @pytest.mark.parametrize(
        "arguments", [["verify", "a.jpg", "b.jpg"], ["embed", "a.jpg", "--output", "v.npz"], ["embed", "--help"]]
    )
    def test_without_an_embedder(self, arguments: list[str], tmp_path: Path) -> None:
        """Where to get one, in a command."""
        done = mtcnn(*arguments, cwd=tmp_path, code=None)
        if "--help" in arguments:
            assert "[required]" in done.stdout
            return
        assert done.returncode == 2 and f"{arguments[0]} needs --embedder MODEL.onnx" in done.stderr
        (address,) = re.findall(r"curl -LO (https://github.com/opencv/opencv_zoo/\S+\.onnx)", done.stderr)
        assert address in (ROOT / "docs" / "verification.md").read_text()
        done = mtcnn(*arguments, "--embedder", address.rpartition("/")[2], cwd=tmp_path, code=1)
        assert "a.jpg" in done.stderr or address in done.stderr

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["detect", "x.jpg", "--minsize", "3"], "mtcnn: --minsize must be"),
            (["detect", "x.jpg", "--device", "tpu"], "mtcnn: --device must be"),
            (["video", "x.mp4", "--output", "out.txt", "--minsize", "3"], "mtcnn: there is no file x.mp4"),
            (["video", "x.mp4"], "mtcnn: there is no file x.mp4"),
            (["completion"], "Choose from: bash, zsh, fish"),
            (["triton", "models", "--minsize", "3"], "mtcnn: --minsize must be"),
            (["bench", str(ASTRONAUT), "--minsize", "3"], "mtcnn: --minsize must be"),
            (["engines", "--target", "sm_86", "--flavour", "cpu"], "mtcnn: --target must come with --flavour"),
            (["engines", "--pnet-batch", "8,1", "--flavour", "tensorrt"], "mtcnn: --pnet-batch must be"),
            (["detect", "x.jpg", "--thresholds", "0.5,0.5"], "--thresholds': must be three numbers from 0 to 1"),
            (["bench", "x.jpg", "--thresholds", "0.5,nan,1"], "--thresholds': must be three numbers from 0 to 1"),
        ],
    )
    def test_options_not_keywords(self, arguments: list[str], said: str, tmp_path: Path) -> None:
        (line,) = mtcnn(*arguments, cwd=tmp_path, code=None).stderr.splitlines()
        assert said in line

    def test_of_the_embedder(self, tmp_path: Path) -> None:
        model = make_embedder(tmp_path / "m.onnx", extra_output=True)
        for arguments in (("verify", ASTRONAUT, ASTRONAUT), ("embed", ASTRONAUT, "--output", tmp_path / "v.npz")):
            said = mtcnn(*arguments, "--embedder", model, code=2).stderr
            assert "several outputs: say which, as in --embedder-output flat, of flat, other" in said
            said = mtcnn(*arguments, "--embedder", model, "--embedder-size", "12x12", code=2).stderr
            assert "--embedder-size is (12, 12), but the embedder takes" in said
            mtcnn(*arguments, "--embedder", model, "--embedder-output", "flat")

    def test_devices(self) -> None:
        done = mtcnn("detect", ASTRONAUT, "--device", "cuda:7", code=None)
        if done.returncode:
            assert "--device cuda:7 cannot be used" in done.stderr and "--device cpu works" in done.stderr
            assert "device=" not in done.stderr


def test_thresholds_reach_the_detector(tmp_path: Path) -> None:
    strict = ("--thresholds", "0.6,0.7,1")
    assert lines(mtcnn("detect", ASTRONAUT, "--json", *strict).stdout)[0]["faces"] == []
    mtcnn("align", ASTRONAUT.parent, tmp_path / "crops", "--thresholds", "0.6,0.7,0.9")
    settings = lines((tmp_path / "crops" / "manifest.jsonl").read_text())[0]["settings"]
    assert settings["thresholds"] == [0.6, 0.7, 0.9]
    mtcnn("align", ASTRONAUT.parent, tmp_path / "crops", "--thresholds", "0.6,0.7,0.9", "--resume")
    done = mtcnn("align", ASTRONAUT.parent, tmp_path / "crops", "--resume", code=1)
    assert "--thresholds was 0.6,0.7,0.9" in done.stderr
    embedder = make_embedder(tmp_path / "m.onnx")
    assert mtcnn("verify", ASTRONAUT, ASTRONAUT, "--embedder", embedder, *strict, code=3).stdout.startswith("no face")
    film = make_film(tmp_path / "film.avi", np.asarray(cv2.imread(str(ASTRONAUT)), np.uint8), 2)
    assert all(not one["faces"] for one in lines(mtcnn("video", film, "--json", *strict).stdout))


def test_alone_it_prints_its_help() -> None:
    done = mtcnn()
    assert done.stdout == mtcnn("--help").stdout and not done.stderr
