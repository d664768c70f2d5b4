"""The command `mtcnn`, run as a user runs it: in a process of its own, on real files."""

from __future__ import annotations

import csv
import ctypes
import fcntl
import importlib.util
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mtcnn import FaceAligner, TrtMtcnn, find_central_face
from mtcnn.runtime.install import install_command
from tests.conftest import DATA, ROOT, need
from tests.support.command import command, environment, lines, mtcnn
from tests.support.embedders import make_embedder
from tests.support.pictures import paste

pytestmark = pytest.mark.slow

ASTRONAUT = ROOT / "docs" / "images" / "astronaut.jpg"


@pytest.fixture(autouse=True)
def engines_are_there(engines: dict[str, Path]) -> None:
    """Made once, not by each process."""


@pytest.fixture
def folder(tmp_path: Path, astronaut: np.ndarray) -> Path:
    """Two people's pictures, one without a face, one that is no picture, one that is something else."""
    folder = tmp_path / "in"
    for name in ("ann/a.jpg", "ann/b.png", "bob/a.jpg", "bob/gray.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        img = np.full((60, 80, 3), 128, np.uint8) if "gray" in name else astronaut
        cv2.imwrite(str(folder / name), img)
    (folder / "bob" / "broken.jpg").write_bytes(b"no picture")
    (folder / "bob" / "notes.txt").write_text("not looked at")
    return folder


class TestCommon:
    def test_help_is_quick_and_names_the_commands(self) -> None:
        times = []
        for _ in range(3):
            began = time.perf_counter()
            done = mtcnn("--help")
            times.append(time.perf_counter() - began)
        for name in (
            "detect",
            "align",
            "verify",
            "embed",
            "video",
            "demo",
            "export",
            "engines",
            "info",
            "bench",
            "completion",
        ):
            assert name in done.stdout
        # 0.1 s where nothing else runs; a hundred times the machine's noise would still show an import of OpenVINO
        assert min(times) < 1.5

    @pytest.mark.parametrize(
        "words", [[], ["detect"], ["align"], ["verify"], ["embed"], ["video"], ["demo"], ["engines"], ["bench"]]
    )
    def test_help_imports_nothing_heavy(self, words: list[str]) -> None:
        """As the installed command does it, which starts in pytrt; a shell's Tab waits for the same."""
        code = f"""
import sys
from pytrt.commands import mtcnn
sys.argv[1:] = {[*words, "--help"]}
mtcnn()
print(sorted({{"cv2", "numpy", "openvino", "pytrt._pytrt", "rich", "starlette"}} & set(sys.modules)), file=sys.stderr)
"""
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.stderr.strip() == "[]" and "Usage: mtcnn" in done.stdout

    @pytest.mark.parametrize(
        "name",
        ["detect", "align", "verify", "embed", "video", "demo", "export", "engines", "info", "bench", "completion"],
    )
    def test_each_command_has_help(self, name: str) -> None:
        assert f"mtcnn {name}" in mtcnn(name, "--help").stdout

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["nonsense"], "there is no command 'nonsense'"),
            (["detect"], "Missing argument"),
            (["detect", "x.jpg", "--nonsense"], "No such option"),
            (["detect", "x.jpg", "--preset", "best"], "'best' is not one of"),
            (["detect", "x.jpg", "--minsize", "3"], "minsize must be at least 4"),
            (["detect", "x.jpg", "--device", "tpu"], "device must be"),
            (["detect", "x.jpg", "--resume"], "--resume needs --output"),
            (["detect", "x.jpg", "--json", "--format", "csv"], "contradict"),
            (["align", ".", ".", "--size", "big"], "like 112x96"),
            (["align", ".", "."], "another folder than IN"),
            (["align", "s3://bucket/in", "out"], "s3://bucket/in is a URI, which needs --ray"),
            (["detect", "s3://bucket/in"], "s3://bucket/in is a URI, which needs --ray"),
            (["detect", ".", "--json", "--output", "s3://bucket/out"], "which needs --ray"),
            (["detect", ".", "--ray", "local"], "it needs --output"),
            (["detect", ".", "--ray", "local", "--output", "out", "--json"], "takes no --format"),
        ],
    )
    def test_wrong_usage(self, arguments: list[str], said: str, tmp_path: Path) -> None:
        done = mtcnn(*arguments, cwd=tmp_path, code=2)
        assert said in done.stderr and len(done.stderr.strip().splitlines()) == 1
        assert done.stdout == "" and done.stderr.startswith("mtcnn: ")

    def test_ray_says_what_is_missing(self, tmp_path: Path) -> None:
        code = """
import sys
sys.modules["ray"] = None  # cannot be imported
from mtcnn.cli.main import main
sys.exit(main(["detect", ".", "--ray", "local", "--output", "out"]))
"""
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
        assert f"--ray needs Ray Data: {install_command('ray')}" in done.stderr

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_completion(self, shell: str) -> None:
        assert "_MTCNN_COMPLETE" in mtcnn("completion", shell).stdout
        words = environment() | {"_MTCNN_COMPLETE": "bash_complete", "COMP_WORDS": "mtcnn de", "COMP_CWORD": "1"}
        code = "import sys; sys.argv[0] = 'mtcnn'; from mtcnn.cli.main import main; main()"
        done = subprocess.run([sys.executable, "-c", code], env=words, capture_output=True, text=True, timeout=60)
        assert {"plain,detect", "plain,demo"} <= set(done.stdout.split())

    @pytest.mark.slow
    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_the_tab_key(self, shell: str, tmp_path: Path) -> None:
        """What is typed in a real shell."""
        if shutil.which(shell) is None:
            pytest.skip(f"there is no {shell}")
        (tmp_path / "mtcnn").write_text(f'#!/bin/sh\nexec {sys.executable} -m mtcnn "$@"\n')
        (tmp_path / "mtcnn").chmod(0o755)
        (tmp_path / "holiday.jpg").touch()
        (tmp_path / "people").mkdir()
        shown = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "TERM": "dumb", "HOME": str(tmp_path)}
        begin = 'eval "$(mtcnn completion bash)"'
        if shell == "zsh":
            begin = 'autoload -Uz compinit; compinit -u; eval "$(mtcnn completion zsh)"'
        elif shell == "fish":
            begin = "mtcnn completion fish | source"
        keys = [f"{begin}; echo rea''dy\n", "mtcnn detect --preset a\t", "holi\t", "\x15mtcnn ali\t", "peo\t"]
        awaited = ["ready", "accurate ", "holiday.jpg", "align ", "people/"]
        quiet = {"bash": "--norc", "zsh": "-f", "fish": "--no-config"}[shell]
        terminal, other_end = pty.openpty()
        running = subprocess.Popen(
            [shell, quiet, "-i"],
            cwd=tmp_path,
            env=environment() | shown,
            stdin=other_end,
            stdout=other_end,
            stderr=other_end,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY),
        )
        try:
            for key, expected in zip(keys, awaited):
                time.sleep(0.5)
                os.write(terminal, key.encode())
                seen = ""
                while expected not in seen:
                    ready, _, _ = select.select([terminal], [], [], 20)
                    assert ready, (expected, seen)
                    seen += os.read(terminal, 4096).decode(errors="replace")
        finally:
            running.kill()
            running.wait()
            os.close(terminal)
            os.close(other_end)

    def test_a_reader_that_goes_is_no_error(self, folder: Path) -> None:
        pipe = f"{' '.join(command('detect', folder, '--json'))} | head -n 1"
        done = subprocess.run(["bash", "-c", pipe], env=environment(), capture_output=True, text=True, timeout=60)
        assert len(done.stdout.splitlines()) == 1 and "Traceback" not in done.stderr

    def test_version(self) -> None:
        import mtcnn as package

        assert package.__version__ in mtcnn("--version").stdout


class TestDetect:
    def test_json_lines_are_what_detect_finds(self, detector: TrtMtcnn, astronaut: np.ndarray) -> None:
        (found,) = lines(mtcnn("detect", ASTRONAUT, "--json", "--device", "cpu").stdout)
        dets, landmarks = detector.detect(astronaut)
        assert (found["file"], found["width"], found["height"]) == (str(ASTRONAUT), 512, 512)
        (face,) = found["faces"]
        np.testing.assert_allclose(face["box"], dets[0, :4], atol=0.02)
        assert face["score"] == pytest.approx(dets[0, 4], abs=1e-4)
        points = np.array(list(face["landmarks"].values())).T.ravel()
        np.testing.assert_allclose(points, landmarks[0], atol=0.02)
        assert list(face["landmarks"]) == ["left_eye", "right_eye", "nose", "mouth_left", "mouth_right"]

    def test_folders_globs_files_and_what_cannot_be_read(self, folder: Path) -> None:
        done = mtcnn("detect", folder, ASTRONAUT, folder / "*" / "a.jpg", "gone.jpg", "--json", code=3)
        found = lines(done.stdout)
        names = [one["file"] for one in found]
        assert names == [
            *(str(folder / name) for name in ("ann/a.jpg", "ann/b.png", "bob/a.jpg", "bob/broken.jpg", "bob/gray.png")),
            str(ASTRONAUT),
            "gone.jpg",  # the glob's two are in the folder
        ]
        assert found[3]["problem"].startswith("no picture that OpenCV can read")
        assert found[6]["problem"] == "No such file or directory"
        assert [len(one.get("faces", [])) for one in found] == [1, 1, 1, 0, 0, 1, 0]
        assert "pictures: 7, faces: 4, unreadable: 2" in done.stderr

    def test_table_and_csv_say_the_same(self, folder: Path) -> None:
        rows = list(csv.DictReader(mtcnn("detect", folder, "--format", "csv", code=3).stdout.splitlines()))
        assert [row["face"] for row in rows] == ["0", "0", "0", "", ""]
        assert [bool(row["problem"]) for row in rows] == [False, False, False, True, False]
        table = mtcnn("detect", folder, code=3).stdout
        assert table.count("no face") == 1 and table.count("no picture") == 1
        for row in rows[:3]:
            shown = [float(number) for number in re.findall(r"\d+\.\d", table)]  # to a tenth, the file to a hundredth
            assert min(abs(float(row["x1"]) - x) for x in shown) < 0.06 and 0.9 < float(row["score"]) <= 1
        assert float(rows[0]["left_eye_x"]) < float(rows[0]["nose_x"]) < float(rows[0]["right_eye_x"])

    def test_draw_keeps_folders_and_every_picture(self, folder: Path, tmp_path: Path) -> None:
        drawn = folder / "drawn"  # inside the folder that is read, and not read itself
        for _ in range(2):
            mtcnn("detect", folder, ASTRONAUT, ASTRONAUT, "--draw", drawn, "--json", code=3)
        names = sorted(str(path.relative_to(drawn)) for path in drawn.rglob("[!.]*") if path.is_file())
        assert names == ["ann/a.jpg", "ann/b.png", "astronaut.jpg", "bob/a.jpg", "bob/gray.png"]
        before, after = cv2.imread(str(ASTRONAUT)), cv2.imread(str(drawn / "ann" / "b.png"))
        assert before is not None and after is not None and (before != after).any()

    def test_draw_after_resume_overwrites_nothing(self, folder: Path, tmp_path: Path) -> None:
        drawn, output = tmp_path / "drawn", tmp_path / "out.jsonl"
        a, b = folder / "ann" / "a.jpg", folder / "bob" / "a.jpg"
        cv2.imwrite(str(b), np.full((40, 50, 3), 200, np.uint8))
        for pictures in ((a,), (a, b)):
            mtcnn("detect", *pictures, "--json", "--output", output, "--draw", drawn, "--resume")
        sizes = [np.asarray(cv2.imread(str(drawn / name))).shape for name in ("a.jpg", "a-2.jpg")]
        assert sizes == [(512, 512, 3), (40, 50, 3)]

    def test_central(self, tmp_path: Path, face: np.ndarray, detector: TrtMtcnn) -> None:
        img = np.full((300, 900, 3), 128, np.uint8)
        for x in (0, 330, 650):
            paste(img, face, x, 50)
        cv2.imwrite(str(tmp_path / "three.png"), img)
        all_faces = lines(mtcnn("detect", tmp_path / "three.png", "--json").stdout)[0]["faces"]
        (central,) = lines(mtcnn("detect", tmp_path / "three.png", "--json", "--central").stdout)[0]["faces"]
        assert len(all_faces) == 3
        assert central == all_faces[find_central_face(img, [f["box"] for f in all_faces]) or 0]

    def test_options_reach_the_detector(self) -> None:
        assert lines(mtcnn("detect", ASTRONAUT, "--json", "--minsize", 400).stdout)[0]["faces"] == []
        whole = lines(mtcnn("detect", ASTRONAUT, "--json", "--preset", "port").stdout)[0]["faces"][0]["box"]
        assert whole == [int(n) for n in whole]

    def test_what_is_read_is_never_overwritten(self, folder: Path, tmp_path: Path, astronaut: np.ndarray) -> None:
        photo, film = folder / "ann" / "a.jpg", make_film(tmp_path / "film.avi", astronaut, 3)
        before = photo.read_bytes(), film.read_bytes()
        for arguments in (
            ("detect", photo, "--draw", photo.parent),
            ("detect", folder, "--draw", folder),
            ("verify", photo, photo, "--embedder", make_embedder(tmp_path / "m.onnx"), "--draw", photo),
            ("video", film, "--output", film),
        ):
            assert "would be overwritten" in mtcnn(*arguments, code=1).stderr
        assert (photo.read_bytes(), film.read_bytes()) == before

    def test_no_pictures_is_an_error(self, tmp_path: Path) -> None:
        assert "no pictures in" in mtcnn("detect", tmp_path, code=1).stderr

    def test_exif_orientation(self, tmp_path: Path, astronaut: np.ndarray) -> None:
        turned = Image.fromarray(np.rot90(astronaut)[:, :, ::-1].copy())
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned clockwise by 90 degrees
        turned.save(tmp_path / "turned.jpg", exif=exif, quality=95)
        (found,) = lines(mtcnn("detect", tmp_path / "turned.jpg", "--json").stdout)
        (upright,) = lines(mtcnn("detect", ASTRONAUT, "--json").stdout)
        np.testing.assert_allclose(found["faces"][0]["box"], upright["faces"][0]["box"], atol=3)

    @pytest.mark.parametrize("layout", ["jsonl", "csv"])
    def test_resume_after_any_cut(self, folder: Path, tmp_path: Path, layout: str) -> None:
        whole, part = tmp_path / "whole", tmp_path / "part"
        mtcnn("detect", folder, "--format", layout, "--output", whole, code=3)
        data = whole.read_bytes()
        for cut in (0, 20, len(data) // 2, len(data) - 3, len(data)):
            part.write_bytes(data[:cut])
            done = mtcnn("detect", folder, "--format", layout, "--output", part, "--resume", code=None)
            assert part.read_bytes() == data, (cut, done.stderr)

    def test_files_that_are_none_and_names_that_are_hard(self, tmp_path: Path) -> None:
        folder = tmp_path / "in"
        (folder / "closed").mkdir(parents=True)
        for name in (b"caf\xe9.jpg", "naïve.jpg".encode(), b"two\nlines.jpg", b"closed/a.jpg"):
            shutil.copy(ASTRONAUT, os.fsencode(folder) + b"/" + name)
        (folder / "broken.jpg").symlink_to(tmp_path / "gone")
        (folder / "loop").symlink_to(folder)
        os.mkfifo(folder / "pipe.jpg")
        (folder / "closed").chmod(0)
        output = tmp_path / "out.csv"
        done = subprocess.run(
            command("detect", folder, "--format", "csv", "--output", output),
            env=environment() | {"PYTHONIOENCODING": "utf-8:strict"},
            capture_output=True,
            preexec_fn=as_anybody,
            timeout=60,
        )
        (folder / "closed").chmod(0o755)
        assert done.returncode == 3 and b"pictures: 6, faces: 3, unreadable: 3" in done.stderr, done.stderr
        with output.open(newline="", errors="surrogateescape") as file:
            problems = {Path(row["file"]).name: row["problem"] for row in csv.DictReader(file)}
        assert problems == {
            "broken.jpg": "No such file or directory",
            os.fsdecode(b"caf\xe9.jpg"): "",
            "naïve.jpg": "",
            "pipe.jpg": "it is no regular file, but a pipe, a socket or a device",
            "two\nlines.jpg": "",
            "closed": "Permission denied",
        }
        data = output.read_bytes()
        part = tmp_path / "part.csv"
        part.write_bytes(data[: data.index(b"lines.jpg") + 30])
        (folder / "closed" / "a.jpg").unlink()
        mtcnn("detect", folder, "--format", "csv", "--output", part, "--resume", code=3)
        assert part.read_bytes() == data[: data.index(str(folder / "closed").encode())]

    def test_the_table_shows_no_control_characters(self, tmp_path: Path) -> None:
        shutil.copy(ASTRONAUT, tmp_path / "a\x1b[2J\n.jpg")
        table = mtcnn("detect", "a\x1b[2J\n.jpg", cwd=tmp_path).stdout
        assert table.splitlines()[1].startswith(r"a\x1b[2J\n.jpg ") and "\x1b" not in table

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
    @pytest.mark.parametrize("into", [">/dev/full", "--output /dev/full"])
    def test_a_full_disk(self, into: str) -> None:
        line = f"{' '.join(command('detect', ASTRONAUT, '--json'))} {into}"
        done = subprocess.run(["bash", "-c", line], env=environment(), capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and done.stderr.splitlines()[-1].endswith("No space left on device")
        assert "Traceback" not in done.stderr

    def test_no_standard_output(self, tmp_path: Path) -> None:
        line = f"{' '.join(command('detect', ASTRONAUT, '--json'))} >&-"
        done = subprocess.run(["bash", "-c", line], env=environment(), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr

    @pytest.mark.slow
    def test_memory_does_not_grow_with_the_pictures(self, tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "gray.png"), np.full((120, 120, 3), 128, np.uint8))
        peaks = []
        for count in (300, 3000):
            folder = tmp_path / str(count)
            folder.mkdir()
            for i in range(count):
                (folder / f"{i:05}.png").hardlink_to(tmp_path / "gray.png")
            arguments = ["detect", str(folder), "--json", "--output", str(tmp_path / f"{count}.jsonl")]
            code = (
                f"import resource; from mtcnn.cli.main import main; main({arguments})\n"
                "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
            )
            done = subprocess.run(
                [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
            )
            peaks.append(int(done.stdout))
            assert (tmp_path / f"{count}.jsonl").read_bytes().count(b"\n") == count
        assert peaks[1] < peaks[0] + 8_000  # kB: 3 kB a picture

    def test_resume_refuses_what_is_no_result(self, folder: Path, tmp_path: Path) -> None:
        precious = tmp_path / "thesis.txt"
        precious.write_text("years of work\n")
        for layout in ("jsonl", "csv"):
            done = mtcnn("detect", folder, "--format", layout, "--output", precious, "--resume", code=2)
            assert "holds no results" in done.stderr
        assert precious.read_text() == "years of work\n"

    @pytest.mark.slow
    def test_ctrl_c_keeps_what_is_done(self, tmp_path: Path) -> None:
        many = tmp_path / "many"
        many.mkdir()
        for i in range(400):
            (many / f"{i:03}.jpg").hardlink_to(copy_once(tmp_path))
        output = tmp_path / "out.jsonl"
        arguments = ("detect", many, "--json", "--output", output)
        running = subprocess.Popen(
            command(*arguments), env=environment(), stderr=subprocess.PIPE, text=True, preexec_fn=interruptible
        )
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and (not output.exists() or output.read_bytes().count(b"\n") < 8):
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)
        assert running.returncode == 130, said
        assert "cancelled; done: pictures:" in said and "Traceback" not in said
        kept = lines(output.read_text())
        assert 8 <= len(kept) < 400
        mtcnn(*arguments, "--resume")
        names = [line["file"] for line in lines(output.read_text())]
        assert names == [str(many / f"{i:03}.jpg") for i in range(400)]


def as_anybody() -> None:
    """Without root's right to read what is closed to everyone."""
    if os.geteuid() == 0:
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def interruptible() -> None:
    """Background jobs of a shell ignore SIGINT, and so do their children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def copy_once(folder: Path) -> Path:
    copy = folder / "astronaut.jpg"
    if not copy.exists():
        shutil.copy(ASTRONAUT, copy)
    return copy


class TestAlign:
    def test_crops_and_manifest(self, folder: Path, tmp_path: Path, detector: TrtMtcnn, astronaut: np.ndarray) -> None:
        out = tmp_path / "out"
        report = json.loads(mtcnn("align", folder, out, "--size", "112", "--json", code=3).stdout)
        assert (report["aligned"], report["no face"], report["unreadable"]) == (3, 1, 1)
        crops = sorted(str(p.relative_to(out)) for p in out.rglob("*.png"))
        assert crops == ["ann/a.png", "ann/b.png", "bob/a.png"]
        header, *decided = lines((out / "manifest.jsonl").read_text())
        assert (header["settings"]["size"], header["settings"]["template"]) == ([112, 112], "arcface")
        by_file = {line["file"]: line for line in decided}
        assert by_file["bob/gray.png"]["status"] == "no face"
        assert by_file["bob/broken.jpg"]["status"] == "unreadable"
        first = by_file["ann/b.png"]
        assert (first["status"], first["crop"], first["chosen"], len(first["faces"])) == ("aligned", "ann/b.png", 0, 1)
        expected = FaceAligner(template="arcface").align(astronaut, detector.detect(astronaut)[1][0])
        crop = cv2.imread(str(out / "ann" / "b.png"))
        assert crop is not None and np.abs(crop.astype(int) - expected).max() <= 2

    def test_resume(self, folder: Path, tmp_path: Path) -> None:
        whole, part = tmp_path / "whole", tmp_path / "part"
        mtcnn("align", folder, whole, code=3)
        assert "go on with --resume" in mtcnn("align", folder, whole, code=1).stderr
        data = (whole / "manifest.jsonl").read_bytes()
        for cut in (0, 30, len(data) // 2, len(data)):
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            (part / "manifest.jsonl").write_bytes(data[:cut])
            mtcnn("align", folder, part, "--resume", code=None)
            assert (part / "manifest.jsonl").read_bytes() == data
        assert lines(data.decode())[0]["settings"]["template"] == "seed"
        assert "--template was seed" in mtcnn("align", folder, whole, "--resume", "--template=arcface", code=1).stderr
        assert "--margin was 0.0" in mtcnn("align", folder, whole, "--resume", "--margin", 0.2, code=1).stderr

    def test_choice_margin_and_equal_names(self, tmp_path: Path, face: np.ndarray) -> None:
        source = tmp_path / "in"
        source.mkdir()
        img = np.full((300, 800, 3), 128, np.uint8)
        paste(img, face, 10, 40)
        paste(img, np.ascontiguousarray(face[::2, ::2]), 380, 120)
        cv2.imwrite(str(source / "two.png"), img)
        cv2.imwrite(str(source / "two.bmp"), img)
        chosen = {}
        for by in ("largest", "central"):
            mtcnn("align", source, tmp_path / by, "--face", by)
            line = lines((tmp_path / by / "manifest.jsonl").read_text())[1]
            chosen[by] = line["faces"][line["chosen"]]["box"][0]
        assert chosen["largest"] < 200 < 380 <= chosen["central"]
        assert sorted(p.name for p in (tmp_path / "largest").glob("*.png")) == ["two.png", "two.png.png"]
        mtcnn("align", source, tmp_path / "wide", "--face", "largest", "--margin", 0.5, "--format", "jpg")
        wide = cv2.imread(str(tmp_path / "wide" / "two.jpg"))
        near = cv2.imread(str(tmp_path / "largest" / "two.png"))
        assert wide is not None and near is not None and wide.shape == near.shape == (112, 96, 3)
        small = cv2.resize(near, (48, 56), interpolation=cv2.INTER_AREA).astype(int)
        assert np.abs(wide[28:84, 24:72].astype(int) - small).mean() < 12


class TestEmbedder:
    @pytest.fixture
    def model(self, tmp_path: Path) -> Path:
        return make_embedder(tmp_path / "m.onnx")

    def test_verify(self, model: Path, tmp_path: Path, folder: Path, astronaut: np.ndarray) -> None:
        a, gray = folder / "ann" / "a.jpg", folder / "bob" / "gray.png"
        dark = tmp_path / "dark.png"
        cv2.imwrite(str(dark), (astronaut * 0.8).astype(np.uint8))
        drawn = tmp_path / "pair.png"
        same = mtcnn("verify", a, a, "--embedder", model, "--draw", drawn)
        assert "one person: distance 0.000" in same.stdout
        pair = cv2.imread(str(drawn))
        assert pair is not None and pair.shape == (112, 224, 3) and (pair[:, :112] == pair[:, 112:]).all()
        report = json.loads(mtcnn("verify", a, dark, "--embedder", model, "--json").stdout)
        assert report["same"] is True and 0.01 < report["distance"] < report["threshold"] == 1.19
        strict = ("verify", a, dark, "--embedder", model, "--threshold", report["distance"] / 2)
        assert "two persons" in mtcnn(*strict, code=4).stdout
        cosine = json.loads(mtcnn("verify", a, dark, "--embedder", model, "--json", "--metric", "cosine").stdout)
        assert cosine["distance"] == pytest.approx(report["distance"] ** 2 / 2, abs=1e-4)
        assert f"no face in {gray}" in mtcnn("verify", a, gray, "--embedder", model, code=3).stdout
        nothing = json.loads(mtcnn("verify", gray, a, "--embedder", model, "--json", code=3).stdout)
        assert nothing["same"] is None and nothing["without_a_face"] == [str(gray)]
        assert "No such file" in mtcnn("verify", a, "gone.jpg", "--embedder", model, code=1).stderr
        assert "cannot read the embedder" in mtcnn("verify", a, a, "--embedder", "gone.onnx", code=1).stderr

    def test_embed_npz(self, model: Path, folder: Path, tmp_path: Path) -> None:
        output = tmp_path / "vectors.npz"
        done = mtcnn("embed", folder, "--embedder", model, "--output", output, "--json", code=3)
        assert json.loads(done.stdout) == {"written": 3, "no face": 1, "unreadable": 1}
        again = ("embed", folder, "--embedder", model, "--output", output, "--resume", "--template", "seed")
        assert "--template was arcface" in mtcnn(*again, code=1).stderr  # one collection has one template
        with np.load(output) as data:
            assert [Path(name).relative_to(folder).as_posix() for name in data["files"]] == [
                "ann/a.jpg",
                "ann/b.png",
                "bob/a.jpg",
            ]
            vectors = data["embeddings"]
            assert data["boxes"].shape == (3, 4) and data["scores"].shape == (3,)
        assert vectors.shape == (3, 147) and vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(vectors[0], vectors[2], atol=1e-5)

    def test_embed_parquet(self, model: Path, folder: Path, tmp_path: Path) -> None:
        parquet = pytest.importorskip("pyarrow.parquet")
        output, other = tmp_path / "vectors.parquet", tmp_path / "vectors.npz"
        mtcnn("embed", folder, "--embedder", model, "--output", output, code=3)
        mtcnn("embed", folder, "--embedder", model, "--output", other, code=3)
        table = parquet.read_table(output).to_pydict()
        with np.load(other) as data:
            assert table["file"] == data["files"].tolist()
            np.testing.assert_allclose(table["embedding"], data["embeddings"], atol=1e-6)
            np.testing.assert_allclose(table["box"], data["boxes"], atol=1e-3)

    @pytest.mark.parametrize("suffix", ["npz", "parquet"])
    def test_embed_keeps_names_that_are_no_utf8(self, model: Path, tmp_path: Path, suffix: str) -> None:
        picture = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")
        shutil.copy(ASTRONAUT, picture)
        output = tmp_path / f"vectors.{suffix}"
        mtcnn("embed", picture, "--embedder", model, "--output", output)
        if suffix == "npz":
            with np.load(output) as data:
                assert data["files"].tolist() == [picture]
        else:
            parquet = pytest.importorskip("pyarrow.parquet")
            assert parquet.read_table(output).to_pydict()["file"] == [f"{tmp_path}/caf\\udce9.jpg"]

    def test_embed_says_no_more_than_what_is_wrong(self, model: Path, tmp_path: Path) -> None:
        pytest.importorskip("pyarrow")
        done = mtcnn("embed", tmp_path / "gone.jpg", "--embedder", "gone.onnx", "--output", "v.parquet", code=1)
        (line,) = done.stderr.splitlines()
        assert line.startswith("mtcnn: cannot read the embedder gone.onnx: No such file or directory; none comes with")

    def test_embed_leaves_nothing_half(self, model: Path, tmp_path: Path, folder: Path) -> None:
        output = tmp_path / "vectors.npz"
        output.write_bytes(b"from before")
        mtcnn("embed", "gone*.jpg", tmp_path / "in" / "nothing", "--embedder", "gone.onnx", "--output", output, code=1)
        assert output.read_bytes() == b"from before"
        assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
        assert "must end in" in mtcnn("embed", folder, "--embedder", model, "--output", "v.txt", code=2).stderr


class TestVideo:
    @pytest.fixture
    def film(self, tmp_path: Path, astronaut: np.ndarray) -> Path:
        return make_film(tmp_path / "film.avi", astronaut, 12)

    def test_json_and_output(self, film: Path, tmp_path: Path, detector: TrtMtcnn) -> None:
        output = tmp_path / "out.mp4"
        done = mtcnn("video", film, "--json", "--output", output, "--minsize", 60)
        found = lines(done.stdout)
        assert [one["frame"] for one in found] == list(range(12))
        capture = cv2.VideoCapture(str(film))
        for one in found:
            dets, _ = detector.detect(np.asarray(capture.read()[1], np.uint8), 60)
            assert len(one["faces"]) == len(dets) == 1
            np.testing.assert_allclose(one["faces"][0]["box"], dets[0, :4], atol=0.02)
        written = cv2.VideoCapture(str(output))
        assert written.get(cv2.CAP_PROP_FRAME_COUNT) == 12 and written.get(cv2.CAP_PROP_FPS) == 10
        assert written.get(cv2.CAP_PROP_FRAME_WIDTH) == 256

    def test_every(self, film: Path) -> None:
        found = lines(mtcnn("video", film, "--json", "--every", 5, "--minsize", 60).stdout)
        assert [one["frame"] for one in found] == [0, 5, 10]
        assert [len(one["faces"]) for one in found] == [1, 1, 1]

    def test_most(self, film: Path) -> None:
        assert len(lines(mtcnn("video", film, "--json", "--most", 3).stdout)) == 3

    def test_truncated(self, film: Path, tmp_path: Path) -> None:
        cut = tmp_path / "cut.avi"
        data = film.read_bytes()
        cut.write_bytes(data[: len(data) // 2])
        output = tmp_path / "out.avi"
        done = mtcnn("video", cut, "--json", "--output", output, "--minsize", 60, code=3)
        count = len(lines(done.stdout))
        assert 2 <= count < 11
        assert "it is truncated or damaged" in done.stderr
        assert cv2.VideoCapture(str(output)).get(cv2.CAP_PROP_FRAME_COUNT) == count

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["gone.mp4", "--json"], "there is no file gone.mp4"),
            (["77", "--json"], "camera 77 cannot be opened"),
            (["rtsp://127.0.0.1:9/none", "--json"], "cannot be opened"),
            ([str(ROOT / "README.md"), "--json"], "cannot be opened"),
        ],
    )
    def test_sources_that_are_not(self, arguments: list[str], said: str) -> None:
        assert said in mtcnn("video", *arguments, code=1).stderr

    def test_nothing_to_show_it_on(self, film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("DISPLAY", raising=False)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        assert "there is no display; say --output FILE or --json" in mtcnn("video", film, code=1).stderr
        assert "--window cannot be used" in mtcnn("video", film, "--window", code=1).stderr
        assert ".webm or .avi" in mtcnn("video", film, "--output", "out.txt", code=2).stderr


def make_film(path: Path, img: np.ndarray, count: int) -> Path:
    """The picture's middle, moving down by a pixel each time."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (256, 240))
    for i in range(count):
        writer.write(np.ascontiguousarray(img[i % 20 : i % 20 + 240, 96:352]))
    writer.release()
    return path


class TestMachine:
    def test_info(self, engines: dict[str, Path]) -> None:
        found = json.loads(mtcnn("info", "--json").stdout)
        assert found["CPU"]["kernels"] in ("baseline", "avx2", "avx512", "neon")
        assert found["engines"]["cpu"].startswith("ready in")
        text = mtcnn("info").stdout
        for title in found:
            assert title in text
        assert "\x1b" not in text  # colours are for terminals

    def test_info_says_what_is_missing(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("TRT_MTCNN_ENGINES", str(tmp_path))
        monkeypatch.setenv("TRT_MTCNN_OPENVINO", str(tmp_path / "gone.so"))
        found = json.loads(mtcnn("info", "--json").stdout)
        assert "mtcnn engines" in found["engines"]["cpu"]["missing"]
        assert "gone.so" in found["CPU"]["OpenVINO"]["missing"]

    def test_bench(self) -> None:
        report = json.loads(mtcnn("bench", ASTRONAUT, "--calls", 3, "--json").stdout)
        assert [row["preset"] for row in report["presets"]] == ["port", "fast", "accurate"]
        for row in report["presets"]:
            assert row["faces"] == 1 and 0 < row["median_ms"] <= row["p95_ms"] and row["batch_per_s"] > 0
        assert "accurate" in mtcnn("bench", ASTRONAUT, "--calls", 1).stdout

    def test_bench_backends(self, tmp_path: Path, astronaut: np.ndarray) -> None:
        film = make_film(tmp_path / "film.avi", astronaut, 11)
        arguments = ("bench", film, "--backend", "onnxruntime,openvino,native", "--minsize", 30)
        rows = json.loads(mtcnn(*arguments, "--json").stdout)["backends"]
        assert [row["backend"] for row in rows] == ["onnxruntime", "openvino", "native", "TrtMtcnn"]
        for row in rows:
            assert row["faces"] == rows[0]["faces"] >= 11 and row["apart_px"] < 0.01
            assert row["per_s"] > 0 and row["median_ms"] > 0
        text = mtcnn(*arguments, "--calls", 2).stdout
        assert "2 pictures" in text and "onnxruntime" in text

    def test_bench_backends_that_are_not_there(self) -> None:
        code = f"""
import sys
sys.modules["tensorflow"] = None
from mtcnn.cli.main import main
sys.exit(main(["bench", {str(ASTRONAUT)!r}, "--backend", "keras,native", "--calls", "1"]))
"""
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        assert f"keras is left out: this needs tensorflow: {install_command('export')}" in done.stderr
        assert "native" in done.stdout and "keras" not in done.stdout
        done = subprocess.run(
            [sys.executable, "-c", code.replace("keras,native", "keras")], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 1 and "no backend to compare" in done.stderr and not done.stdout
        assert "there is no backend 'torch'" in mtcnn("bench", ASTRONAUT, "--backend", "torch", code=2).stderr

    def test_export_without_tensorflow(self, tmp_path: Path) -> None:
        assert "there is no file gone.h5" in mtcnn("export", "gone.h5", "--output", tmp_path, code=1).stderr
        (tmp_path / "x.npy").write_bytes(b"something else")
        done = mtcnn("export", tmp_path / "x.npy", "--output", tmp_path / "out", code=1)
        assert "x.npy: it is none of the files" in done.stderr and not (tmp_path / "out").exists()
        if importlib.util.find_spec("tensorflow") is None:
            done = mtcnn("export", ROOT / "mtcnn" / "models", "--output", tmp_path / "out", code=1)
            assert install_command("export") in done.stderr and not (tmp_path / "out").exists()

    def test_engines(self, tmp_path: Path) -> None:
        made = mtcnn("engines", "--flavour", "cpu", "--output", tmp_path).stdout.split()
        assert [Path(path).name for path in made] == ["pnet.engine", "rnet.engine", "onet.engine"]
        assert mtcnn("engines", "--flavour", "cpu", "--output", tmp_path, "--no-build").stdout.split() == made
        report = mtcnn("engines", "--flavour", "cpu", "--output", tmp_path, "--no-build", "--json").stdout
        assert json.loads(report) == {"engines": made}


@pytest.mark.slow
def test_verify_with_a_real_embedder() -> None:
    embedder = need(DATA / "embedder" / "mobilefacenet.onnx")
    folder = need(DATA / "lfw_pairs")
    with (folder / "pairs.csv").open(newline="") as file:
        pairs = list(csv.DictReader(file))
    for row, code in ((pairs[0], 0), (pairs[-1], 4)):
        mtcnn("verify", folder / row["a"], folder / row["b"], "--embedder", embedder, code=code)
