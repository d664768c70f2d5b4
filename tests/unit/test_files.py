"""What may be written, temporary files, locks."""

from __future__ import annotations

import io
import logging
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mtcnn.errors import EngineError
from mtcnn.files import (
    Inputs,
    NoMoreOutputError,
    OutputError,
    check_output,
    locked,
    make_folder,
    output_error,
    read_regular,
    remove_empty,
    remove_leftovers,
    replacing,
    replacing_path,
)
from mtcnn.pipeline.line_file import LineFile
from tests.conftest import ROOT

NOTHING = Inputs(list)


def test_an_input_is_one_by_whatever_name(tmp_path: Path) -> None:
    picture = tmp_path / "in" / "a.jpg"
    picture.parent.mkdir()
    picture.write_bytes(b"picture")
    (tmp_path / "link").symlink_to(picture)
    (tmp_path / "hard").hardlink_to(picture)
    (tmp_path / "folder").symlink_to(picture.parent)
    inputs = Inputs(lambda: [picture])
    names = ("link", "hard", "folder/a.jpg", "in/../in/a.jpg", "in//a.jpg")
    for path in (picture, *(Path(f"{tmp_path}/{name}") for name in names)):
        with pytest.raises(OutputError, match="would be overwritten"):
            check_output(path, inputs, overwrite=True)


def test_inputs_are_listed_only_where_something_is_there(tmp_path: Path) -> None:
    def fail() -> list[Path]:
        raise AssertionError

    check_output(tmp_path / "new", Inputs(fail))
    os.mkfifo(tmp_path / "pipe")
    check_output(tmp_path / "pipe", Inputs(fail))


@pytest.mark.parametrize("resumable", [True, False])
def test_what_is_there_is_refused(tmp_path: Path, resumable: bool) -> None:
    there, empty = tmp_path / "there", tmp_path / "empty"
    there.write_bytes(b"x")
    empty.touch()
    with pytest.raises(OutputError, match="is there already") as error:
        check_output(there, NOTHING, resumable=resumable)
    assert "--overwrite" in str(error.value) and ("--resume" in str(error.value)) == resumable
    check_output(there, NOTHING, overwrite=True)
    check_output(empty, NOTHING)
    with pytest.raises(OutputError, match="is a folder"):
        check_output(tmp_path, NOTHING, overwrite=True)


def test_a_file_that_comes_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with pytest.raises(FileExistsError), replacing(path, new=True) as file:
        file.write(b"ours")
        path.write_bytes(b"theirs")
    assert path.read_bytes() == b"theirs" and os.listdir(tmp_path) == ["a.png"]
    with replacing(tmp_path / "b.png", new=True) as file:
        file.write(b"ours")
    assert sorted(os.listdir(tmp_path)) == ["a.png", "b.png"]


def test_a_link_and_permissions_stay(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_bytes(b"before")
    real.chmod(0o600)
    link.symlink_to(real)
    with replacing(link) as file:
        file.write(b"after")
    assert link.is_symlink() and real.read_bytes() == b"after" and real.stat().st_mode & 0o777 == 0o600
    with replacing_path(link) as path:
        path.write_bytes(b"again")
    assert link.is_symlink() and real.read_bytes() == b"again" and real.stat().st_mode & 0o777 == 0o600


def test_long_names(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 250 + ".png")
    with replacing(path) as file:
        file.write(b"x")
    assert path.read_bytes() == b"x"


KILLED = """
import os, signal, sys
from pathlib import Path
from mtcnn.files import replacing
with replacing(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_killed_processes_left_is_removed(tmp_path: Path) -> None:
    path, precious = tmp_path / "x.npz", tmp_path / ".x.npz.original"
    precious.write_bytes(b"theirs")
    subprocess.run([sys.executable, "-c", KILLED, path], cwd=ROOT, check=False)
    assert len(os.listdir(tmp_path)) == 2
    with replacing(tmp_path / "y.npz") as other:  # of another file, and being written
        other.write(b"y")
        with replacing(path) as file:
            file.write(b"whole")
        remove_leftovers(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [".x.npz.original", "x.npz", "y.npz"]
    assert path.read_bytes() == b"whole"


def test_no_name_of_a_user_is_taken_for_a_left_file(tmp_path: Path) -> None:
    """Temporary files have names that nothing else has: not even their own, with another number."""
    names = [".a.jpg.mtcnn-20261129.jpg", ".a.jpg.mtcnn-original", ".mtcnn-settings.json", ".a.jpg.mtcnn-abcd1234.tmp"]
    names += [".a.jpg.mtcnn-" + "0123456789abcdef" + end for end in ("", "01234567", "01234567.jpg")]
    for name in names:
        (tmp_path / name).write_bytes(b"theirs")
    with replacing(tmp_path / "a.jpg") as file:
        (own,) = (name for name in os.listdir(tmp_path) if name not in names)
        file.write(b"ours")
    for number, other in (("0", "1"), ("9", "8"), ("a", "b"), ("f", "e")):
        if number in own:
            own = own.replace(number, other)
            break
    (tmp_path / own).write_bytes(b"theirs")
    remove_leftovers(tmp_path)
    with replacing(tmp_path / "a.jpg") as file:
        file.write(b"ours")
    assert sorted(os.listdir(tmp_path)) == sorted([*names, own, "a.jpg"])


def held(path: Path, code: str) -> subprocess.Popen[str]:
    """A process that has locked something there."""
    process = subprocess.Popen(
        [sys.executable, "-c", code + "\nprint('held', flush=True); sys.stdin.read()", path],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


HOLDS_FOLDER = """
import sys
from pathlib import Path
from mtcnn.files import locked
lock = locked(Path(sys.argv[1])); lock.__enter__()
"""
HOLDS_FILE = """
import sys
from pathlib import Path
from mtcnn.pipeline.line_file import LineFile
file = LineFile(Path(sys.argv[1]))
"""


def test_who_holds_a_folder_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with held(tmp_path, HOLDS_FOLDER) as process:
        with caplog.at_level(logging.WARNING, "mtcnn"), pytest.raises(EngineError) as error, locked(tmp_path, 0.7):
            pass
        assert f"is locked by process {process.pid}" in str(error.value)
        assert f"is locked by process {process.pid}: waiting" in caplog.text
        process.kill()
        process.wait()
        with locked(tmp_path, 5):  # a killed process holds nothing
            pass


def test_a_file_has_one_writer(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    with held(path, HOLDS_FILE) as process:
        with pytest.raises(OutputError, match=f"being written by process {process.pid}"):
            LineFile(path)
        path.write_bytes(b"a line of it\n")
        with pytest.raises(OutputError, match=f"being written by process {process.pid}"):
            check_output(path, NOTHING, resumable=True)  # nothing can go on with it now
        path.write_bytes(b"")
        process.kill()
        process.wait()
    with LineFile(path) as file:
        file.add("a\n")
    assert path.read_text() == "a\n"


@pytest.mark.parametrize("change", [lambda path: path.unlink(), lambda path: path.replace(path.with_suffix(".old"))])
def test_lines_for_a_file_that_is_gone_are_an_error(tmp_path: Path, change: Callable[[Path], object]) -> None:
    path = tmp_path / "lines"
    with LineFile(path) as file:
        file.add("a\n")
        change(path)
        with pytest.raises(NoMoreOutputError, match="was removed or replaced"):
            file.add("b\n")


def test_a_full_disk_leaves_whole_lines(tmp_path: Path) -> None:
    code = f"""
import resource, signal
from pathlib import Path
from mtcnn.pipeline.line_file import LineFile
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (25, 25))
with LineFile(Path({str(tmp_path / "lines")!r})) as file:
    try:
        for _ in range(9):
            file.add("0123456789\\n")
    except Exception as error:
        print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == f"NoMoreOutputError cannot write {tmp_path}/lines: File too large\n"
    assert (tmp_path / "lines").read_text() == 2 * "0123456789\n"


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(OSError, match="more than 256 MiB"):
        read_regular(tmp_path / "sparse", 1 << 28)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 17  # KiB


def test_which_errors_end_a_run() -> None:
    assert isinstance(output_error("x", OSError(28, "No space left on device")), NoMoreOutputError)
    assert not isinstance(output_error("x", PermissionError(13, "Permission denied")), NoMoreOutputError)


def test_room_is_made_for_what_a_file_has(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.write_bytes(b"picture")
    code = """
import resource, sys
from mtcnn.files import read_regular
begun = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (begun + (64 << 20), begun + (64 << 20)))
assert read_regular(sys.argv[1]) == b"picture"
try:
    read_regular(sys.argv[2])
except OSError as error:
    assert "too large for this machine's memory" in error.strerror
else:
    raise AssertionError
"""
    large = tmp_path / "large"
    large.touch()
    os.truncate(large, 1 << 30)  # sparse: it takes no room on the disk
    subprocess.run([sys.executable, "-c", code, small, large], check=True)


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="no list of open files")
def test_a_folder_is_no_file_and_leaves_none_open(tmp_path: Path) -> None:
    before = len(os.listdir("/dev/fd"))
    for _ in range(20):
        with pytest.raises(IsADirectoryError) as raised:
            read_regular(tmp_path)
        assert raised.value.filename == str(tmp_path)
    assert len(os.listdir("/dev/fd")) < before + 20


def test_a_sparse_file_is_not_read(tmp_path: Path) -> None:
    sparse = tmp_path / "sparse"
    sparse.touch()
    os.truncate(sparse, 1 << 40)
    with pytest.raises(OSError, match="more than 2048 MiB"):
        read_regular(sparse)


def test_files_that_tell_no_size_are_read() -> None:
    assert read_regular("/proc/self/maps").count(b"\n") > 1
    with pytest.raises(OSError, match="more than 0 MiB"):
        read_regular("/proc/self/maps", 100)


def test_a_file_that_has_nothing_now_is_an_error_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux's /proc/kmsg is a regular file, and is waited for like a pipe."""
    (tmp_path / "a.jpg").write_bytes(b"picture")
    monkeypatch.setattr("mtcnn.files.open", lambda handle, mode: NothingNow(handle), raising=False)
    with pytest.raises(BlockingIOError, match="nothing to read in it now"):
        read_regular(tmp_path / "a.jpg")


class NothingNow(io.FileIO):
    """As io answers where read(2) gives EAGAIN."""

    def read(self, size: int | None = -1, /) -> bytes:
        return None  # type: ignore[return-value]


def test_folders_that_nothing_came_into_are_removed(tmp_path: Path) -> None:
    made = make_folder(tmp_path / "a" / "b" / "c")
    (tmp_path / "a" / "mine").touch()
    assert make_folder(tmp_path / "a" / "b") == []
    remove_empty(made)
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "mine"]
    with pytest.raises(NotADirectoryError):
        make_folder(tmp_path / "a" / "mine" / "c")
    with pytest.raises(EngineError), locked(tmp_path / "new" / "folder"):
        raise EngineError
    assert not (tmp_path / "new").exists()
    with pytest.raises(EngineError), locked(tmp_path / "new"):
        (tmp_path / "new" / "engine").touch()
        raise EngineError
    assert sorted(os.listdir(tmp_path / "new")) == [".lock", "engine"]


def test_who_waits_for_a_lock_that_is_removed_gets_the_next_one(tmp_path: Path) -> None:
    """A run that fails takes its empty folder away, also where others wait for it."""
    folder = tmp_path / "new"
    entered: list[bool] = []

    def wait() -> None:
        with locked(folder, 10):
            entered.append((folder / ".lock").exists())

    waiting = threading.Thread(target=wait)
    with pytest.raises(EngineError), locked(folder):
        waiting.start()
        time.sleep(0.1)
        raise EngineError
    waiting.join()
    assert entered == [True]
