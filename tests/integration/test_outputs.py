"""What commands write: nothing that is read, nothing that is there, nothing twice, and nothing is lost."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtcnn.cli.main import main
from mtcnn.engines import create_engines
from mtcnn.errors import EngineError
from mtcnn.pipeline.film import Film
from mtcnn.pipeline.film_writer import FilmWriter
from mtcnn.pipeline.line_file import LineFile
from tests.conftest import ROOT
from tests.integration.test_cli import (
    ASTRONAUT,
    as_anybody,
    command,
    environment,
    interruptible,
    lines,
    make_film,
    mtcnn,
)
from tests.support.embedders import make_embedder

pytestmark = pytest.mark.slow

Run = Callable[..., str]


@pytest.fixture(autouse=True)
def engines_are_there(engines: dict[str, Path]) -> None:
    """Made once, not by each command."""


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """A command in this process: what it says on standard error."""

    def call(*arguments: object, code: int = 0) -> str:
        try:
            got = main([str(argument) for argument in arguments])
        except SystemExit as error:
            got = int(str(error.code))
        said = capfd.readouterr().err
        assert got == code, (got, said)
        return said

    return call


@pytest.fixture(scope="module")
def face_jpg(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small picture with a face."""
    img = cv2.imread(str(ASTRONAUT))
    assert img is not None
    path = tmp_path_factory.mktemp("face") / "face.jpg"
    cv2.imwrite(str(path), np.ascontiguousarray(img[40:200, 140:300]))
    return path.read_bytes()


@pytest.fixture
def make(tmp_path: Path, face_jpg: bytes) -> Callable[..., Path]:
    def write(*names: str) -> Path:
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(face_jpg)
        return tmp_path

    return write


def below(folder: Path) -> dict[str, bytes]:
    """The files of a folder, but for those of records and locks."""
    found = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


class TestInputs:
    def test_results_do_not_replace_a_picture(self, make: Callable[..., Path], run: Run) -> None:
        root = make("in.jpg", "folder/b.jpg")
        (root / "link.jpg").symlink_to("in.jpg")
        (root / "hard.csv").hardlink_to(root / "in.jpg")
        before = below(root)
        for output in ("in.jpg", "link.jpg", "hard.csv", "folder/../in.jpg"):
            for options in ([], ["--overwrite"]):
                said = run("detect", root / "in.jpg", "--output", root / output, *options, code=1)
                assert "would be overwritten" in said
        run("detect", root / "folder", "--output", root / "folder" / "b.jpg", "--overwrite", code=1)
        run("detect", root / "in.jpg", "--json", "--output", root / "in.jpg", "--resume", code=2)
        assert below(root) == before

    def test_drawings_do_not_replace_pictures(self, make: Callable[..., Path], run: Run) -> None:
        root = make("s1/a.jpg", "s2/a.jpg", "s1/only.jpg")
        before = below(root)
        assert "choose another folder for --draw" in run(
            "detect", root / "s1", root / "s2", "--draw", root / "s2", code=1
        )
        for options in ([], ["--overwrite"]):  # files, not folders: their folder is not known to be read
            said = run("detect", root / "s1" / "a.jpg", root / "s2" / "a.jpg", "--draw", root / "s2", *options, code=1)
            assert "would be overwritten" in said
            said = run("detect", root / "s1" / "*.jpg", root / "s2" / "*.jpg", "--draw", root / "s2", *options, code=3)
            assert "not drawn: 1" in said or "not drawn: 2" in said
            assert {name: data for name, data in below(root).items() if name in before} == before
        assert "s2/only.jpg" in below(root)

    def test_results_among_drawings(self, make: Callable[..., Path], run: Run) -> None:
        root = make("in/a.jpg")
        drawn = ("detect", root / "in", "--draw", root / "drawn", "--format", "jsonl", "--output")
        assert "is named as a drawing" in run(*drawn, root / "drawn" / "a.jpg", code=2)
        run(*drawn, root / "drawn" / "faces.jsonl")
        assert lines((root / "drawn" / "faces.jsonl").read_text()) and (root / "drawn" / "a.jpg").exists()

    def test_a_picture_that_is_a_link_into_the_drawings(self, make: Callable[..., Path], run: Run) -> None:
        root = make("s1/a.jpg", "drawn/a.jpg")
        (root / "s2").mkdir()
        (root / "s2" / "x.jpg").symlink_to("../drawn/a.jpg")
        before = (root / "drawn" / "a.jpg").read_bytes()
        said = run("detect", root / "s1", root / "s2", "--draw", root / "drawn", "--overwrite", code=3)
        assert "a.jpg would be overwritten" in said and (root / "drawn" / "a.jpg").read_bytes() == before
        assert (root / "drawn" / "x.jpg").exists()

    def test_results_of_another_command_are_no_pictures(self, make: Callable[..., Path], run: Run) -> None:
        root = make("in/a.jpg", "in/sub/b.jpg")
        run("align", root / "in", root / "in" / "crops", "--face", "all")
        run("blur", root / "in", "--output", root / "in" / "hidden")
        detect = ("detect", root / "in", "--output", root / "r.jsonl")
        for words in (detect, ("crop", root / "in", root / "in" / "cut")):
            said = run(*words)
            assert "pictures: 2, " in said and "2 in " in said and "in/crops that mtcnn made of others" in said, said
        assert "pictures: 2, " in run("detect", root / "in" / "crops", "--output", root / "c.jsonl")

    def test_crops_below_in(self, make: Callable[..., Path], run: Run) -> None:
        """Pictures in OUT are pictures of IN, which are read and kept; crops there are neither."""
        root = make("q/a.jpg", "q/sub/a.png", "q/sub/b.jpg")
        before = below(root)
        said = run("align", root / "q", root / "q" / "sub", code=3)
        assert "a.png would be overwritten" in said and "not written: 1" in said
        after = below(root)
        assert before.items() <= after.items()
        assert after.keys() - before.keys() == {"q/sub/manifest.jsonl", "q/sub/sub/a.png", "q/sub/sub/b.png"}
        said = run("align", root / "q", root / "q" / "sub", "--resume", code=3)
        assert "not written: 1" in said and "done before: 2" in said and below(root) == after
        assert "would be overwritten" in run("align", root / "q", root / "q" / "sub", "--overwrite", code=3)
        assert before.items() <= below(root).items()

    def test_others(self, make: Callable[..., Path], run: Run, tmp_path: Path, astronaut: np.ndarray) -> None:
        root = make("a.jpg")
        model, film = make_embedder(tmp_path / "m.onnx"), make_film(tmp_path / "film.avi", astronaut, 3)
        (root / "m.npz").hardlink_to(model)
        (root / "film2.avi").symlink_to(film)
        before = below(root)
        a = root / "a.jpg"
        for arguments in (
            ("verify", a, a, "--embedder", model, "--draw", a),
            ("embed", a, "--embedder", model, "--output", root / "m.npz"),
            ("video", film, "--output", root / "film2.avi"),
        ):
            assert "would be overwritten" in run(*arguments, "--overwrite", code=1)
        assert below(root) == before

    def test_a_film_by_its_url(self, tmp_path: Path, astronaut: np.ndarray, run: Run) -> None:
        film = make_film(tmp_path / "film.avi", astronaut, 3)
        before = film.read_bytes()
        for url in (f"file://{film}", f"cache:file://{film}"):
            assert "would be overwritten" in run("video", url, "--output", film, "--overwrite", code=1)
        assert below(tmp_path) == {"film.avi": before}

    def test_an_empty_argument_is_not_the_current_folder(
        self, make: Callable[..., Path], run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root = make("in/a.jpg")
        monkeypatch.chdir(make())
        before = below(root)
        for arguments in (
            ("detect", ""),
            ("detect", "in/a.jpg", ""),
            ("detect", "in/a.jpg", "--draw", ""),
            ("detect", "in/a.jpg", "--draw="),
            ("align", "in", ""),
            ("align", "", "out"),
        ):
            assert "an argument is empty" in run(*arguments, code=2)
        assert below(root) == before


class TestWhatIsThere:
    @pytest.mark.parametrize("layout", ["jsonl", "csv", "table"])
    def test_results(self, make: Callable[..., Path], run: Run, layout: str) -> None:
        root = make("in/a.jpg", "in/b.jpg")
        output = root / "new" / "folder" / "results"
        detect = ("detect", root / "in", "--format", layout, "--output", output)
        run(*detect)
        whole = output.read_bytes()
        said = run(*detect, code=1)
        assert "--overwrite" in said and ("--resume" in said) == (layout != "table") and output.read_bytes() == whole
        output.write_bytes(b"from before")
        run(*detect, "--overwrite")
        assert output.read_bytes() == whole and below(output.parent).keys() == {"results"}
        assert "say one" in run(*detect, "--overwrite", "--resume", code=2)

    @pytest.mark.parametrize("name", ["r.jsonl", "r.csv", "r.json", "r.parquet", "coco.json", "yolo"])
    def test_resume_takes_no_other_settings(self, make: Callable[..., Path], run: Run, name: str) -> None:
        root = make("in/a.jpg")
        out = root / "new" / name
        layout = Path(name).stem if name in ("coco.json", "yolo") else out.suffix[1:]
        detect = ("detect", root / "in", "--output", out, "--format", layout, "--rotations", "0,90")
        run(*detect)
        if name != "yolo":  # a file that is written anew is not that one
            run(*detect[:-2], "--minsize", 30, "--overwrite")
            run(*detect, "--overwrite")
        make("in/b.jpg")
        before = below(root)
        for others, said in (
            (("--minsize", 50), "--minsize was 40.0"),
            (("--thresholds", "0.6,0.7,0.9"), "--thresholds was not given"),
            (("--rotations", "auto"), "--rotations was 0,90"),
            (("--central",), "--central was not given"),
        ):
            got = run(*detect, *others, "--resume", code=1)
            assert f"made with other settings: {said}; say the same again, or --overwrite" in got
            assert below(root) == before
        assert "unreadable: 0" in run(*detect, "--resume") and below(root) != before

    def test_results_that_do_not_say_what_they_were_made_with(
        self, make: Callable[..., Path], run: Run, caplog: pytest.LogCaptureFixture
    ) -> None:
        root = make("in/a.jpg")
        detect = ("detect", root / "in", "--output", root / "r.jsonl", "--resume")
        run(*detect)
        (root / "r.jsonl").rename(root / "s.jsonl")
        detect = ("detect", root / "in", "--output", root / "s.jsonl", "--resume")
        for _ in range(2):
            run(*detect)
            assert caplog.text.count("s.jsonl does not say what it was made with") == 1
        assert "--minsize was 40.0" in run(*detect, "--minsize", 50, code=1)

    def test_drawings_of_other_settings(self, make: Callable[..., Path], run: Run) -> None:
        root = make("in/a.jpg", "more/b.jpg")
        drawn = ("--draw", root / "drawn")
        run("detect", root / "in", "--output", root / "r.jsonl", *drawn)
        run("detect", root / "in", "--output", root / "r.jsonl", *drawn, "--minsize", 50, code=1)  # is there: no trace
        run("detect", root / "in", "--output", root / "r.jsonl", *drawn, "--resume")
        run("detect", root / "more", *drawn, "--minsize", 30)
        assert "drawn was made with other settings: --minsize was 30.0" in run(
            "detect", root / "in", "--output", root / "r.jsonl", *drawn, "--resume", code=1
        )

    def test_nothing_found_leaves_no_settings(self, make: Callable[..., Path], run: Run) -> None:
        root = make("x.txt")
        for words in (("--format", "yolo", "--output", root / "y"), ("--output", root / "r.csv", "--draw", root / "d")):
            assert "no pictures" in run("detect", root, *words, code=1)
        assert os.listdir(root) == ["x.txt"]

    def test_other_files_of_ours_stay(self, make: Callable[..., Path], run: Run) -> None:
        """Drawings, and the crops of a manifest that was put away."""
        root = make("in/a.jpg", "other/b.jpg")
        out = root / "out"
        run("detect", root / "in", "--draw", out)
        run("align", root / "in", out)
        assert below(out).keys() == {"a.jpg", "a.png", "manifest.jsonl"}
        (out / "manifest.jsonl").rename(out / "first.jsonl")
        run("align", root / "other", out)
        assert below(out).keys() == {"a.jpg", "a.png", "b.png", "first.jsonl", "manifest.jsonl"}
        run("align", root / "in", out, "--overwrite")
        assert below(out).keys() == {"a.jpg", "a.png", "first.jsonl", "manifest.jsonl"}

    def test_an_interrupted_overwrite_is_resumed(self, make: Callable[..., Path], run: Run) -> None:
        root = make("in/a.jpg", "in/b.jpg")
        output, partial = root / "r.jsonl", root / "r.jsonl.partial"
        detect = ("detect", root / "in", "--output", output)
        run(*detect)
        whole = output.read_bytes()
        output.write_bytes(b"from before\n")
        partial.write_bytes(whole[: whole.index(b"\n") + 9])
        assert "done before: 1" in run(*detect, "--resume")
        assert output.read_bytes() == whole and not partial.exists()
        partial.write_bytes(b"not ours")
        assert "holds no results" in run(*detect, "--overwrite", code=2)
        assert partial.read_bytes() == b"not ours" and output.read_bytes() == whole

    def test_a_picture_that_a_later_run_does_not_come_across_stays(self, make: Callable[..., Path], run: Run) -> None:
        root = make("one/a.jpg", "one/b.jpg", "two/c.jpg")
        output = root / "r.csv"
        run("detect", root / "one", "--output", output)
        first = output.read_bytes()
        assert "pictures: 1" in run("detect", root / "two", "--output", output, "--resume")
        both = output.read_bytes()
        assert both.startswith(first) and both.count(b"c.jpg") == first.count(b"a.jpg")
        make("one/0.jpg")
        assert "done before: 2" in run("detect", root, "--output", output, "--resume")  # 0, and c again
        assert sorted(output.read_bytes().splitlines()) == sorted(
            [*both.splitlines(), *(line.replace(b"a.jpg", b"0.jpg") for line in first.splitlines() if b"a.jpg" in line)]
        )

    def test_a_file_that_is_being_written_is_not_replaced(self, make: Callable[..., Path], run: Run) -> None:
        root = make("a.jpg")
        with LineFile(root / "r.jsonl") as file:
            file.add("of another run\n")
            for option in ("--overwrite", "--resume"):
                said = run("detect", root / "a.jpg", "--output", root / "r.jsonl", option, code=1)
                assert f"is being written by process {os.getpid()}" in said
            file.add("which goes on\n")
        assert sorted(below(root)) == ["a.jpg", "r.jsonl"]

    def test_the_ending_and_the_format(self, make: Callable[..., Path], run: Run) -> None:
        root = make("a.jpg")
        run("detect", root / "a.jpg", "--output", root / "x.csv")
        assert (root / "x.csv").read_text().startswith("file,width,")
        assert "contradicts" in run("detect", root / "a.jpg", "--json", "--output", root / "y.csv", code=2)
        assert "contradicts" in run("detect", root / "a.jpg", "--format", "csv", "--output", root / "y.jsonl", code=2)
        assert not (root / "y.csv").exists()

    def test_no_pictures_leave_no_file(self, make: Callable[..., Path], run: Run) -> None:
        root = make("a.jpg")
        (root / "empty").mkdir()
        for name in ("x.csv", "x.jsonl"):
            run("detect", root / "empty", "--output", root / name, code=1)
            assert not (root / name).exists()

    def test_film(self, run: Run, tmp_path: Path, astronaut: np.ndarray) -> None:
        film, output = make_film(tmp_path / "film.avi", astronaut, 12), tmp_path / "new" / "out.mp4"
        video = ("video", film, "--minsize", 60, "--output", output)
        run(*video)
        assert "--overwrite" in run(*video, code=1)
        output.write_bytes(b"from before")
        (tmp_path / "cut.avi").write_bytes(film.read_bytes()[: film.stat().st_size // 2])
        said = run("video", tmp_path / "cut.avi", "--minsize", 60, "--output", output, "--overwrite", code=3)
        assert "out.partial.mp4" in said and output.read_bytes() == b"from before"
        run(*video, "--overwrite")
        assert cv2.VideoCapture(str(output)).get(cv2.CAP_PROP_FRAME_COUNT) == 12
        assert sorted(os.listdir(output.parent)) == ["out.mp4", "out.partial.mp4"]

    def test_pair(self, make: Callable[..., Path], run: Run, tmp_path: Path) -> None:
        root = make("a.jpg")
        model = make_embedder(tmp_path / "m.onnx")
        verify = ("verify", root / "a.jpg", root / "a.jpg", "--embedder", model, "--draw", root / "new" / "pair.png")
        run(*verify)
        assert "--overwrite" in run(*verify, code=1)
        run(*verify, "--overwrite")

    def test_engines(self, run: Run, tmp_path: Path) -> None:
        engines = ("engines", "--flavour", "cpu", "--output", tmp_path)
        run(*engines)
        run(*engines)  # ours
        for name in ("rnet.engine.json", "onet.engine"):
            (tmp_path / name).write_bytes(b"{}")
            if name == "onet.engine":
                (tmp_path / "onet.engine.json").unlink()
            with pytest.raises(EngineError, match="was not written by create_engines"):
                create_engines(tmp_path, flavour="cpu")
            assert "--overwrite" in run(*engines, code=1) and (tmp_path / name).read_bytes() == b"{}"
            run(*engines, "--overwrite")
        (tmp_path / "det2.engine").write_bytes(b"of the port")
        pytest.importorskip("onnx")
        assert "det2.engine was not written by create_engines" in run(*engines, "--port-layout", code=1)
        assert (tmp_path / "det2.engine").read_bytes() == b"of the port" and not (tmp_path / "det1.engine").exists()

    def test_missing_paths_have_one_code(self, make: Callable[..., Path], run: Run, tmp_path: Path) -> None:
        root = make("a.jpg")
        model, gone = make_embedder(tmp_path / "m.onnx"), root / "gone.jpg"
        for arguments in (
            ("detect", gone),
            ("align", gone, root / "out"),
            ("embed", gone, "--embedder", model, "--output", root / "v.npz"),
            ("verify", gone, root / "a.jpg", "--embedder", model),
            ("video", gone, "--json"),
            ("export", gone, "--output", root / "out"),
            ("bench", gone),
            ("bench", gone, "--backend", "native,onnxruntime"),
            ("engines", "--models", gone, "--output", root / "out"),
        ):
            run(*arguments, code=1)
        assert "unreadable: 1" in run("detect", root / "a.jpg", gone, code=3)


class TestOneOutput:
    """What cannot be written of one picture is that picture's problem."""

    @pytest.mark.parametrize("output", ["-", "/dev/stdout"])
    def test_standard_output_that_is_appended_to_a_file(self, make: Callable[..., Path], output: str) -> None:
        root = make("a.jpg")
        log = root / "log"
        log.write_text("before\n")
        with log.open("a") as file:
            done = subprocess.run(
                command("detect", root / "a.jpg", "--json", "--output", output),
                stdout=file,
                cwd=root,
                env=environment(),
            )
        first, second = log.read_text().splitlines()
        assert done.returncode == 0 and first == "before" and json.loads(second)["faces"]
        assert below(root).keys() == {"a.jpg", "log"}

    def test_a_film_has_one_writer(self, tmp_path: Path, astronaut: np.ndarray, run: Run) -> None:
        film, output = make_film(tmp_path / "in.avi", astronaut, 3), tmp_path / "out.avi"
        for state in ("new", "replaced"):
            source = Film(str(film))
            writer = FilmWriter(output, source)
            frame = source.read()
            assert frame is not None
            writer.write(frame.img, frame)
            before = output.read_bytes() if output.exists() else None
            said = run("video", film, "--output", output, "--overwrite", code=1)
            assert f"is being written by process {os.getpid()}" in said, state
            assert (output.read_bytes() if output.exists() else None) == before
            writer.finish(whole=True)
            source.close()
        run("video", film, "--output", output, "--overwrite")

    def test_resume_draws_what_was_not_drawn(self, make: Callable[..., Path], run: Run) -> None:
        root = make("in/a.jpg", "in/b.jpg", "drawn/mine.txt")
        (root / "in" / "broken.jpg").write_bytes(b"no picture")
        (root / "drawn" / "b.jpg").mkdir()
        words = ("detect", root / "in", "--output", root / "r.jsonl", "--resume")
        assert "not drawn: 1" in run(*words, "--draw", root / "drawn", code=3)
        results = (root / "r.jsonl").read_bytes()
        said = run(*words, "--draw", root / "drawn", code=3)
        assert "b.jpg is a folder" in said and "not drawn: 1" in said and "done before: 3" in said
        (root / "drawn" / "b.jpg").rmdir()
        assert "pictures: 0, faces: 0, unreadable: 0, drawn in" in run(*words, "--draw", root / "drawn", code=3)
        assert below(root / "drawn").keys() == {"a.jpg", "b.jpg", "mine.txt"}
        run(*words, "--draw", root / "later", code=3)  # which the first run was not asked for
        assert below(root / "later").keys() == {"a.jpg", "b.jpg"}
        assert (root / "r.jsonl").read_bytes() == results

    def test_warnings_of_libraries_do_not_go_into_it(self, make: Callable[..., Path], astronaut: np.ndarray) -> None:
        """Where standard streams are closed, as a daemon's may be, files get their numbers."""
        root = make("in/a.jpg")
        png = bytearray(cv2.imencode(".png", astronaut)[1].tobytes())
        png[len(png) // 2] ^= 0xFF
        (root / "in" / "damaged.png").write_bytes(png)
        results = root / "r.jsonl"
        words = command("detect", root / "in", "--output", results)
        done = subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *words], cwd=root, env=environment())
        assert done.returncode == 3 and len(lines(results.read_text())) == 2

    def test_a_link_to_another_disk(self, make: Callable[..., Path], run: Run, tmp_path: Path) -> None:
        root = make("in/a.jpg")
        with tempfile.TemporaryDirectory(dir="/dev/shm") as disk:
            assert os.stat(disk).st_dev != os.stat(root).st_dev
            target, link = Path(disk, "r.jsonl"), root / "r.jsonl"
            link.symlink_to(target)
            target.write_text("old\n")
            run("detect", root / "in", "--output", link, "--overwrite")
            assert [line["file"] for line in lines(target.read_text())] == [str(root / "in" / "a.jpg")]
            assert link.is_symlink() and below(Path(disk)).keys() == {"r.jsonl"}

    @pytest.mark.parametrize("name", ["noending", "a.jfif.x", "a.gif.bak"])
    def test_a_name_that_no_picture_has(self, make: Callable[..., Path], run: Run, name: str) -> None:
        root = make("a.jpg", f"b/{name}", "c.jpg")
        output, pictures = root / "r.jsonl", [root / "a.jpg", root / "b" / name, root / "c.jpg"]
        said = run("detect", *pictures, "--output", output, "--draw", root / "drawn", code=3)
        assert f"cannot write {root}/drawn/{name}" in said and "not drawn: 1" in said
        assert sorted(below(root / "drawn")) == ["a.jpg", "c.jpg"]
        assert [line["file"] for line in lines(output.read_text())] == list(map(str, pictures))
        said = run("detect", *pictures, "--output", output, "--draw", root / "drawn", "--resume", code=3)
        assert "not drawn: 1, done before: 3" in said
        run("detect", *pictures, "--output", output, "--resume")

    def test_formats_by_other_names_and_those_that_are_only_read(self, make: Callable[..., Path], run: Run) -> None:
        names = ["a.jfif", "b.jpe", "c.mpo", "d.heic", "e.pgm", "F.GIF"]
        root = make(*(f"in/{name}" for name in names))  # JPEG by whatever name
        run("detect", *(root / "in" / name for name in names), "--draw", root / "drawn")
        drawn = below(root / "drawn")
        assert sorted(drawn) == ["F.GIF.png", "a.jfif", "b.jpe", "c.mpo", "d.heic.png", "e.pgm.png"]
        assert all(data[:2] == (b"\x89P" if name.endswith("png") else b"\xff\xd8") for name, data in drawn.items())

    @pytest.mark.slow
    def test_a_closed_folder(self, make: Callable[..., Path]) -> None:
        root = make("in/a/a.jpg", "in/b/b.jpg")
        (root / "out" / "a").mkdir(parents=True)
        (root / "out" / "a").chmod(0o555)
        for options in ([], ["--resume"]):
            done = subprocess.run(
                command("align", root / "in", root / "out", *options),
                env=environment(),
                capture_output=True,
                text=True,
                preexec_fn=as_anybody,
                check=False,
            )
            assert done.returncode == 3 and "not written: 1" in done.stderr, done.stderr
            assert "a.png: Permission denied" in done.stderr and (root / "out" / "b" / "b.png").exists()
        (root / "out" / "a").chmod(0o755)
        mtcnn("align", root / "in", root / "out", "--resume")
        assert (root / "out" / "a" / "a.png").exists()

    def test_a_folder_that_vanishes_ends_the_run(self, make: Callable[..., Path], run: Run, tmp_path: Path) -> None:
        root = make(*(f"in/{i:03}.jpg" for i in range(60)))

        def remove(folder: Path) -> None:
            while not (folder / "000.png").exists():
                time.sleep(0.001)
            shutil.rmtree(folder, ignore_errors=True)

        import threading

        thread = threading.Thread(target=remove, args=(root / "out",))
        thread.start()
        said = run("align", root / "in", root / "out", "--jobs", 1, code=1)
        thread.join()
        assert "was removed or replaced" in said and len(said.splitlines()) == 1


class TestAlign:
    def test_names_are_given_once_over_runs(self, make: Callable[..., Path], run: Run) -> None:
        root = make("in/x.png.jpg")
        run("align", root / "in", root / "out")
        make("in/x.jpg", "in/x.png", "in/X.png.png.jpg")
        run("align", root / "in", root / "out", "--resume")
        make("in/x.png.png")
        run("align", root / "in", root / "out", "--resume")
        crops = [line["crop"] for line in lines((root / "out" / "manifest.jsonl").read_text())[1:]]
        assert len(crops) == len(set(crops)) == 5
        assert set(crops) == below(root / "out").keys() - {"manifest.jsonl"}

    def test_resume_reports_what_was_unreadable(self, make: Callable[..., Path], run: Run) -> None:
        root = make("in/a.jpg")
        (root / "in" / "broken.jpg").write_bytes(b"no picture")
        for command_, output in (("align", root / "out"), ("detect", "--output")):
            options = [output] if command_ == "align" else [output, root / "r.jsonl"]
            run(command_, root / "in", *options, code=3)
            assert "done before: 2 (unreadable: 1)" in run(command_, root / "in", *options, "--resume", code=3)

    def test_overwrite_leaves_nothing_of_before(self, make: Callable[..., Path], run: Run) -> None:
        root = make("in/a.jpg", "in/b.jpg", "out/notes.png")
        run("align", root / "in", root / "out")
        (root / "in" / "b.jpg").unlink()
        assert "--overwrite" in run("align", root / "in", root / "out", "--format", "jpg", code=1)
        run("align", root / "in", root / "out", "--format", "jpg", "--overwrite")
        assert below(root / "out").keys() == {"a.jpg", "manifest.jsonl", "notes.png"}

    def test_an_interrupted_overwrite_is_resumed(self, make: Callable[..., Path], run: Run) -> None:
        root = make("in/a.jpg", "in/b.jpg")
        out, manifest = root / "out", root / "out" / "manifest.jsonl"
        run("align", root / "in", out)
        before = manifest.read_bytes()
        make("in/empty/none.txt")
        assert "no pictures" in run("align", root / "in" / "empty", out, "--overwrite", code=1)
        assert manifest.read_bytes() == before and below(out).keys() == {"a.png", "b.png", "manifest.jsonl"}
        run("align", root / "in", root / "other", "--format", "jpg")
        whole = (root / "other" / "manifest.jsonl").read_bytes()
        (out / "manifest.jsonl.partial").write_bytes(whole[: whole.index(b"b.jpg")])
        assert "other settings" in run("align", root / "in", out, "--resume", code=1)
        assert "done before: 1" in run("align", root / "in", out, "--resume", "--format", "jpg")
        assert manifest.read_bytes() == whole and below(out).keys() == {"b.jpg", "manifest.jsonl"}

    def test_a_run_that_did_nothing_leaves_nothing(self, make: Callable[..., Path], run: Run, tmp_path: Path) -> None:
        root, model = make("in/none.txt", "a.jpg"), make_embedder(tmp_path / "m.onnx")
        for arguments in (
            ("align", root / "in", root / "out"),
            ("detect", root / "in", "--output", root / "r.csv"),
            ("embed", root / "in", "--embedder", model, "--output", root / "v.npz"),
        ):
            assert "no pictures" in run(*arguments, code=1)
        assert {path.name for path in root.rglob("*")} == {"in", "none.txt", "a.jpg", "m.onnx"}

    def test_refused_runs_leave_no_folders(self, make: Callable[..., Path], run: Run, tmp_path: Path) -> None:
        root, model = make("in/a.jpg", "none/notes.txt"), make_embedder(tmp_path / "m.onnx")
        before = sorted(root.rglob("*"))
        new, none = root / "new" / "folder", root / "none"
        for arguments in (
            ("detect", none, "--output", new / "r.json"),
            ("detect", none, "--draw", new),
            ("detect", none, "--output", new, "--format", "yolo"),
            ("detect", root / "in", "--draw", new, "--output", root / "in" / "a.jpg", "--overwrite"),
            ("embed", none, "--embedder", model, "--output", new / "v.npz"),
            ("align", none, new),
            ("crop", none, new),
            ("blur", none, "--output", new),
            ("blur", root / "in", "--output", new, "--keep", root / "in" / "a.jpg", "--embedder", root / "gone.onnx"),
            ("engines", "--output", new, "--models", none),
            ("triton", new, "--models", none),
        ):
            run(*arguments, code=1)
            assert sorted(root.rglob("*")) == before, arguments
        run("blur", root / "in", "--output", new, "--codec", "none", code=2)
        assert sorted(root.rglob("*")) == before

    def test_other_pictures_are_refused(self, make: Callable[..., Path], run: Run) -> None:
        root = make("in/a.jpg", "other/a.jpg")
        run("align", root / "in", root / "out")
        assert "was made of the pictures in" in run("align", root / "other", root / "out", "--resume", code=1)

    def test_a_manifest_that_is_none_is_kept(self, make: Callable[..., Path], run: Run) -> None:
        root = make("in/a.jpg")
        for content in ("thesis", "thesis\n", "[1]\n", '{"a": 1}\n'):
            (root / "out").mkdir(exist_ok=True)
            (root / "out" / "manifest.jsonl").write_text(content)
            assert "manifest" in run("align", root / "in", root / "out", "--resume", code=1)
            assert (root / "out" / "manifest.jsonl").read_text() == content

    def test_a_crop_without_its_line_is_ours(self, make: Callable[..., Path], run: Run) -> None:
        """Killed between the two."""
        root = make("in/a.jpg", "in/b.jpg")
        run("align", root / "in", root / "out")
        manifest = root / "out" / "manifest.jsonl"
        whole = manifest.read_bytes()
        manifest.write_bytes(whole[: whole.index(b"b.jpg")])
        run("align", root / "in", root / "out", "--resume")
        assert manifest.read_bytes() == whole

    def test_names_that_lead_out_are_not_followed(self, make: Callable[..., Path], run: Run) -> None:
        root = make("in/a.jpg", "precious.png")
        run("align", root / "in", root / "out")
        with (root / "out" / ".mtcnn-names.jsonl").open("a") as file:
            file.write(json.dumps(["../precious.png", "gone.jpg"]) + "\n")
        run("align", root / "in", root / "out", "--overwrite")
        assert (root / "precious.png").exists()


class TestEmbed:
    @pytest.fixture
    def embed(self, make: Callable[..., Path], run: Run, tmp_path: Path) -> Callable[..., str]:
        root, model = make("in/a.jpg", "in/b.jpg"), make_embedder(tmp_path / "m.onnx")
        return lambda output, *options, code=0: run(
            "embed", root / "in", "--embedder", model, "--output", root / output, *options, code=code
        )

    @pytest.mark.parametrize("name", ["new/v.npz", "V.NPZ", "v.parquet"])
    def test_resume_and_overwrite(self, embed: Callable[..., str], make: Callable[..., Path], name: str) -> None:
        if name.endswith("parquet"):
            pytest.importorskip("pyarrow")
        root = make("in/c.jpg")
        (root / "in" / "broken.jpg").write_bytes(b"no picture")
        embed(name, code=3)
        assert "--resume" in (said := embed(name, code=1)) and "--overwrite" in said
        make("in/d.jpg")
        assert "pictures: 2, vectors: 1, no face: 0, unreadable: 1, done before: 3" in embed(name, "--resume", code=3)
        assert files_of(root / name) == [str(root / "in" / f"{letter}.jpg") for letter in "abcd"]
        assert "--face was prominent" in embed(name, "--resume", "--face", "best", code=1)
        embed(name, "--overwrite", "--face", "best", code=3)
        assert not list(root.rglob("*.partial"))

    def test_killed_while_it_takes_up_what_is_there(
        self, embed: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        embed("v.npz")
        (tmp_path / "in" / "a.jpg").unlink()  # its vector is in the file alone
        with monkeypatch.context() as patch:
            patch.setattr("mtcnn.pipeline.vectors.Vectors.finish", lambda self: None)
            embed("v.npz", "--resume")
        partial = tmp_path / "v.npz.partial"
        partial.write_bytes(partial.read_bytes()[:150])
        embed("v.npz", "--resume")
        assert [Path(file).name for file in files_of(tmp_path / "v.npz")] == ["a.jpg", "b.jpg"]

    def test_after_any_cut(self, embed: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("mtcnn.pipeline.vectors.Vectors.finish", lambda self: None)
            embed("v.npz")
        partial = tmp_path / "v.npz.partial"
        assert "--resume" in embed("v.npz", code=1)
        data = partial.read_bytes()
        embed("v.npz", "--resume")
        with np.load(tmp_path / "v.npz") as loaded:
            whole = {name: loaded[name] for name in loaded}
        for cut in (0, 5, len(data) // 2, len(data) - 1):
            (tmp_path / "v.npz").unlink()
            partial.write_bytes(data[:cut])
            embed("v.npz", "--resume")
            with np.load(tmp_path / "v.npz") as loaded:
                for name, values in whole.items():
                    np.testing.assert_array_equal(loaded[name], values)
        partial.write_bytes(b"thesis")
        assert "is no journal" in embed("v.npz", "--overwrite", code=1) and partial.read_bytes() == b"thesis"


def files_of(path: Path) -> list[str]:
    if path.suffix.lower() == ".npz":
        with np.load(path) as data:
            return [str(name) for name in data["files"]]
    import pyarrow.parquet as pq

    return [str(name) for name in pq.read_table(path)["file"].to_pylist()]


@pytest.fixture
def many(make: Callable[..., Path]) -> Path:
    return make(*(f"many/{i:03}.jpg" for i in range(400)))


def started(arguments: tuple[object, ...], began: Callable[[], bool]) -> subprocess.Popen[str]:
    """The command, after it has begun."""
    running = subprocess.Popen(
        command(*arguments), env=environment(), stderr=subprocess.PIPE, text=True, preexec_fn=interruptible
    )
    deadline = time.monotonic() + 120
    while not began() and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return running


def cases(root: Path) -> dict[str, tuple[tuple[object, ...], Path]]:
    """Commands, and the record that grows."""
    model = make_embedder(root / "m.onnx")
    return {
        "detect": (("detect", root / "many", "--output", root / "r.csv", "--draw", root / "drawn"), root / "r.csv"),
        "align": (("align", root / "many", root / "out"), root / "out" / "manifest.jsonl"),
        "embed": (
            ("embed", root / "many", "--embedder", model, "--output", root / "v.npz"),
            root / "v.npz.partial",
        ),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "number"),
    [("detect", signal.SIGKILL), ("align", signal.SIGINT), ("embed", signal.SIGINT), ("embed", signal.SIGKILL)],
)
def test_a_run_that_is_stopped_goes_on(many: Path, run: Run, name: str, number: signal.Signals) -> None:
    arguments, record = cases(many)[name]
    with started(arguments, lambda: record.exists() and record.read_bytes().count(b"\n") > 20) as running:
        for options in ([], ["--resume"], ["--overwrite"]):
            assert f"is being written by process {running.pid}" in run(*arguments, *options, code=1)
        running.send_signal(number)
        _, said = running.communicate(timeout=60)
    if number == signal.SIGINT:
        assert running.returncode == 130 and "cancelled" in said and "--resume" in said
    assert 20 < record.read_bytes().count(b"\n") < 400
    said = run(*arguments, "--resume")
    assert "done before" in said
    expected = [f"{i:03}" for i in range(400)]
    if name == "detect":
        rows = (many / "r.csv").read_text().splitlines()[1:]
        assert [Path(row.split(",")[0]).stem for row in rows] == expected
        assert sorted(Path(drawn).stem for drawn in below(many / "drawn")) == expected
    elif name == "align":
        decided = lines(record.read_text())[1:]
        assert [Path(line["file"]).stem for line in decided] == expected
        assert below(many / "out").keys() == {line["crop"] for line in decided} | {"manifest.jsonl"}
    else:
        assert [Path(file).stem for file in files_of(many / "v.npz")] == expected
    kept = ("mtcnn-names.jsonl", "mtcnn-made-with.json")
    assert not [path for path in many.rglob("*") if ".mtcnn-" in path.name and not path.name.endswith(kept)]
    assert not list(many.rglob("*.partial"))


@pytest.mark.slow
def test_the_example_keeps_its_photo(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    shutil.copy(ASTRONAUT, photo)
    (tmp_path / "link.jpg").symlink_to(photo)
    example = ROOT / "examples" / "detect_photo.py"
    done = subprocess.run(
        [sys.executable, example, photo, "--output", tmp_path / "link.jpg"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and "would be overwritten" in done.stderr
    assert photo.read_bytes() == ASTRONAUT.read_bytes()


@pytest.mark.slow
def test_drawing_does_not_fill_a_terminal(make: Callable[..., Path]) -> None:
    root = make(*(f"in/{i}.jpg" for i in range(30)))

    def shown(*options: object) -> str:
        leader, follower = pty.openpty()
        with subprocess.Popen(
            command("detect", root / "in", "--draw", root / "drawn", *options),
            env=environment(),
            stdout=follower,
            stderr=subprocess.DEVNULL,
        ) as running:
            os.close(follower)
            text = b"".join(iter(lambda: read(leader), b""))
            assert running.wait(60) == 0
        os.close(leader)
        return text.decode()

    def read(handle: int) -> bytes:
        try:
            return os.read(handle, 65536)
        except OSError:  # the other end is closed
            return b""

    assert shown() == ""
    assert shown("--format", "table").count("\n") == 31
    assert len(mtcnn("detect", root / "in", "--draw", root / "drawn").stdout.splitlines()) == 31
    assert len(below(root / "drawn")) == 30


@pytest.mark.parametrize("arguments", [("detect", "in", "--output", "out.csv"), ("align", "in", "out")])
def test_what_is_unreadable_is_named(
    arguments: tuple[str, ...], make: Callable[..., Path], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results go to files: on standard error stands what is wrong with which picture."""
    monkeypatch.chdir(make("in/a.jpg"))
    Path("in/broken.jpg").write_bytes(b"no picture")
    first, *_ = run(*arguments, code=3).splitlines()
    assert "broken.jpg: no picture that OpenCV can read" in first
