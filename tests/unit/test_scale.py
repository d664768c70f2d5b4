"""What Ray's actors do, without Ray: storage, plans, parts."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from mtcnn.errors import MtcnnError
from mtcnn.pipeline.options import DetectorOptions
from mtcnn.scale import storage
from mtcnn.scale.plan import part_name, parts_done, read_part, read_plan
from mtcnn.scale.run import alone, count_before, start_run
from mtcnn.scale.storage import Place, StorageError, open_place
from mtcnn.scale.worker import Task, Worker
from tests.conftest import ROOT
from tests.scale.dataset import as_lines, make_pictures, rows_of

pytestmark = pytest.mark.slow

DETECT: dict[str, Any] = {"command": "detect", "central": False, "preset": "accurate", "minsize": 40}
ALIGN: dict[str, Any] = {
    "command": "align",
    "size": [112, 112],
    "template": "arcface",
    "margin": 0.0,
    "face": "prominent",
    "format": "png",
    "preset": "accurate",
    "minsize": 40,
}
DETECTOR = DetectorOptions("accurate", 40, "cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, engines: dict[str, Path]) -> Path:
    return make_pictures(tmp_path_factory.mktemp("scale") / "people", 11)


def one_process(*arguments: object, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "mtcnn", *map(str, arguments)],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 3, done.stderr
    return done.stdout


def do_all(settings: dict[str, Any], sources: list[str], output: str, part_size: int = 4) -> list[dict[str, Any]]:
    run = start_run(settings, sources, output, part_size, resume=False)
    worker = Worker(Task(settings, DETECTOR, run.sources, run.output, jobs=2))
    return [json.loads(done) for done in worker({"part": run.remaining})["done"]]


class TestSameAsOneProcess:
    def test_detect(self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(folder.parent)
        done = do_all(DETECT, ["people", "people/ann/*.png"], str(tmp_path / "out"))
        lines = as_lines(one_process("detect", "people", "people/ann/*.png", "--json", cwd=folder.parent))
        assert rows_of(tmp_path / "out") == lines
        assert sum(part["counts"]["pictures"] for part in done) == len(lines)
        assert sum(part["counts"]["unreadable"] for part in done) == 2

    def test_align(self, folder: Path, tmp_path: Path) -> None:
        do_all(ALIGN, [str(folder)], str(tmp_path / "out"))
        one_process("align", folder, tmp_path / "one", "--size", "112x112")
        _, *lines = as_lines((tmp_path / "one" / "manifest.jsonl").read_text())
        for line in lines:
            if crop := line.pop("crop", None):
                line["image"] = (tmp_path / "one" / crop).read_bytes()
        assert rows_of(tmp_path / "out") == lines
        assert {line["status"] for line in lines} == {"aligned", "no face", "unreadable"}

    def test_align_all_faces_with_their_quality(self, folder: Path, tmp_path: Path) -> None:
        settings = ALIGN | {"face": "all", "quality": True, "min_quality": 0.01}
        do_all(settings, [str(folder)], str(tmp_path / "out"))
        options = ("--face", "all", "--quality", "--min-quality", 0.01)
        one_process("align", folder, tmp_path / "one", "--size", "112x112", *options)
        _, *lines = as_lines((tmp_path / "one" / "manifest.jsonl").read_text())
        for line in lines:
            if crops := line.pop("crops", None):
                line["images"] = [(tmp_path / "one" / crop).read_bytes() for crop in crops]
        assert rows_of(tmp_path / "out") == lines
        assert any("quality" in face for line in lines for face in line.get("faces", ()))


class TestPlan:
    def test_it_is_kept_and_its_parts_hold_each_picture_once(self, folder: Path, tmp_path: Path) -> None:
        run = start_run(DETECT, [str(folder)], str(tmp_path / "out"), 3, resume=False)
        output, source = open_place(run.output), open_place(str(folder))
        assert read_plan(output) == run.plan and run.remaining == list(range(run.plan.parts))
        parts = [read_part(output, [source], part) for part in run.remaining]
        assert [len(part) for part in parts] == [run.plan.count(part) for part in run.remaining]
        assert [p.path for part in parts for p in part] == [picture.path for picture in source.pictures()]

    def test_more_parts_than_one_file_lists(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mtcnn.scale.plan.PARTS_A_FILE", 2)
        do_all(DETECT, [str(folder)], str(tmp_path / "out"), 2)
        assert len(list((tmp_path / "out" / "_plan").glob("*.parquet"))) > 2
        assert rows_of(tmp_path / "out") == as_lines(one_process("detect", folder, "--json"))

    def test_only_what_is_missing_is_left(self, folder: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        do_all(DETECT, [str(folder)], str(out))
        whole = rows_of(out)
        (out / part_name(1)).unlink()
        (out / part_name(2)).write_bytes(b"")  # after a power cut
        (out / ".part-00000001.parquet.x7").write_bytes(b"half")
        run = start_run(DETECT, [str(folder)], str(out), 999, resume=True)
        assert run.remaining == [1, 2] and run.before == run.plan.pictures - run.plan.count(1) - run.plan.count(2)
        assert not list(out.glob(".part*"))
        worker = Worker(Task(DETECT, DETECTOR, run.sources, run.output, jobs=1))
        worker({"part": run.remaining})
        assert rows_of(out) == whole
        run = start_run(DETECT, [str(folder)], str(out), 4, resume=True)
        assert run.remaining == []
        assert count_before(run) == {
            "pictures": len(whole),
            "unreadable": 2,
            "faces": sum(len(r.get("faces", ())) for r in whole),
        }

    def test_a_plan_that_was_not_finished_is_made_again(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write = Place.write
        with monkeypatch.context() as patch:
            patch.setattr(Place, "write", lambda self, name, data: name.endswith(".json") or write(self, name, data))
            start_run(DETECT, [str(folder)], str(tmp_path / "out"), 4, resume=False)
        assert start_run(DETECT, [str(folder)], str(tmp_path / "out"), 5, resume=False).plan.part_size == 5

    def test_refusals(self, folder: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        start_run(DETECT, [str(folder)], str(out), 4, resume=False)
        with pytest.raises(MtcnnError, match="go on with --resume"):
            start_run(DETECT, [str(folder)], str(out), 4, resume=False)
        with pytest.raises(Exception, match="--minsize was 40"):
            start_run(DETECT | {"minsize": 20}, [str(folder)], str(out), 4, resume=True)
        with pytest.raises(Exception, match="--command was detect"):
            start_run(ALIGN, [str(folder)], str(out), 4, resume=True)
        with pytest.raises(MtcnnError, match="made of other pictures"):
            start_run(DETECT, [str(tmp_path)], str(out), 4, resume=True)
        (out / "_plan" / "plan.json").write_text("{")
        with pytest.raises(MtcnnError, match="is no plan"):
            start_run(DETECT, [str(folder)], str(out), 4, resume=True)
        (tmp_path / "thesis").mkdir()
        (tmp_path / "thesis" / "thesis.txt").touch()
        with pytest.raises(MtcnnError, match="has files already"):
            start_run(DETECT, [str(folder)], str(tmp_path / "thesis"), 4, resume=False)

    def test_overwrite_begins_anew_and_touches_nothing_else(self, folder: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        do_all(DETECT, [str(folder)], str(out))
        (out / part_name(9)).write_bytes(b"")  # after a power cut
        run = start_run(DETECT | {"minsize": 20}, [str(folder)], str(out), 5, overwrite=True)
        assert run.before == 0 and run.plan.part_size == 5 and not list(out.glob("part-*"))
        (out / "_plan" / "plan.json").unlink()
        (out / "thesis.txt").touch()
        with pytest.raises(MtcnnError, match="has files already"):
            start_run(DETECT, [str(folder)], str(out), 5, overwrite=True)

    def test_one_run_at_a_time(self, tmp_path: Path) -> None:
        with alone(str(tmp_path)):
            with pytest.raises(MtcnnError, match=f"being written by process {os.getpid()}"), alone(str(tmp_path)):
                pass
            with alone("memory://elsewhere") if importlib.util.find_spec("fsspec") else contextlib.nullcontext():
                pass
        with alone(str(tmp_path)):
            pass

    def test_a_part_that_is_there_is_not_done_again(self, folder: Path, tmp_path: Path) -> None:
        done = do_all(DETECT, [str(folder)], str(tmp_path / "out"))
        before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("part-*")}
        worker = Worker(Task(DETECT, DETECTOR, (str(folder),), str(tmp_path / "out"), jobs=1))
        again = [json.loads(part) for part in worker({"part": range(len(done))})["done"]]
        assert again == done
        assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("part-*")} == before


class TestPlaces:
    def test_a_uri_of_this_machine(self, folder: Path, tmp_path: Path) -> None:
        do_all(DETECT, [f"file://{folder}"], f"file://{tmp_path}/out")
        assert rows_of(tmp_path / "out") == as_lines(one_process("detect", folder, "--json"))

    def test_an_archive_through_fsspec(self, folder: Path, tmp_path: Path) -> None:
        pytest.importorskip("fsspec")
        with zipfile.ZipFile(tmp_path / "people.zip", "w") as archive:
            for path in sorted(folder.rglob("*.*")):
                archive.write(path, path.relative_to(folder.parent))
        uri = f"zip://people::file://{tmp_path}/people.zip"
        do_all(ALIGN, [uri], str(tmp_path / "zipped"))
        do_all(ALIGN, [str(folder)], str(tmp_path / "plain"))
        assert rows_of(tmp_path / "zipped") == rows_of(tmp_path / "plain")

    def test_memory_through_fsspec(self, folder: Path, tmp_path: Path) -> None:
        fsspec = pytest.importorskip("fsspec")
        fs = fsspec.filesystem("memory")
        fs.put(str(folder), "/in", recursive=True)
        do_all(ALIGN, ["memory://in"], "memory://out")
        do_all(ALIGN, [str(folder)], str(tmp_path / "plain"))
        fs.get("/out/", str(tmp_path / "copied"), recursive=True)
        assert rows_of(tmp_path / "copied") == rows_of(tmp_path / "plain")
        assert all(not os.path.basename(path).startswith(".") for path in fs.find("/out"))

    def test_what_no_package_knows(self) -> None:
        with pytest.raises(MtcnnError, match="nonsense://place"):
            open_place("nonsense://me:secret@place?key=secret")

    def test_names_hold_no_secrets(self) -> None:
        place = open_place("s3://me:secret@bucket/folder?region=nowhere&endpoint_override=127.0.0.1:1&scheme=http")
        assert place.name == place.lasting == "s3://bucket/folder"

    def test_no_such_place(self, tmp_path: Path) -> None:
        fsspec = pytest.importorskip("fsspec")
        fsspec.filesystem("memory").mkdirs("/there", exist_ok=True)
        with pytest.raises(MtcnnError, match="there is no memory://"):
            list(open_place("memory://nowhere/at/all").pictures())


class Flaky:
    """pyarrow's filesystem of this machine, behind a network that fails at times."""

    type_name = "flaky"

    def __init__(self, failures: int, error: Exception) -> None:
        self.failures, self.error = failures, error

    def open_input_stream(self, path: str, compression: str | None) -> io.BytesIO:
        if self.failures:
            self.failures -= 1
            raise self.error
        return io.BytesIO(Path(path).read_bytes())


class TestFailingStorage:
    @pytest.fixture(autouse=True)
    def no_waiting(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(storage, "WAITS", (0.0, 0.0))

    def test_asked_again(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"there")
        flaky = Flaky(2, OSError("slow down"))
        assert Place("x://", flaky, "").read(str(tmp_path / "a")) == b"there"

    def test_gives_up(self, tmp_path: Path) -> None:
        with pytest.raises(StorageError, match="slow down"):
            Place("x://", Flaky(3, OSError("slow down")), "").read("a")

    def test_what_is_not_there_is_not_asked_for_again(self) -> None:
        flaky = Flaky(2, FileNotFoundError("gone"))
        with pytest.raises(FileNotFoundError):
            Place("x://", flaky, "").read("a")
        assert flaky.failures == 1

    def test_a_part_is_not_written_then(self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A picture that storage does not hand out is not recorded as unreadable."""
        run = start_run(DETECT, [str(folder)], str(tmp_path / "out"), 4, resume=False)
        worker = Worker(Task(DETECT, DETECTOR, run.sources, run.output, jobs=1))
        worker._sources = [Place("x://", Flaky(3, OSError("slow down")), "")]
        first, second = (json.loads(done) for done in worker({"part": [0, 1]})["done"])
        assert "slow down" in first["problem"] and second["counts"]["pictures"] == 4
        assert parts_done(open_place(run.output)) == {1}


def test_crops_are_pictures(folder: Path, tmp_path: Path) -> None:
    do_all(ALIGN | {"format": "jpg"}, [str(folder)], str(tmp_path / "out"))
    images = [row["image"] for row in rows_of(tmp_path / "out") if "image" in row]
    assert images and all(image[:2] == b"\xff\xd8" for image in images)
    crop = cv2.imdecode(np.frombuffer(images[0], np.uint8), cv2.IMREAD_COLOR)
    assert crop is not None and crop.shape == (112, 112, 3)


def test_readers_of_parquet_folders_see_the_rows_alone(folder: Path, tmp_path: Path) -> None:
    do_all(DETECT, [str(folder)], str(tmp_path / "out"))
    assert pq.read_table(tmp_path / "out").num_rows == len(rows_of(tmp_path / "out"))
