"""Files: written whole or not at all, by one process at a time, never over what a run reads or did not write; and read
only where they are files.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from mtcnn.errors import EngineError, MtcnnError
from mtcnn.runtime import handles

__all__ = [
    "MOST_FILE_BYTES",
    "FolderError",
    "Inputs",
    "NoMoreOutputError",
    "OutputError",
    "check_output",
    "is_special",
    "is_temporary",
    "lock",
    "locked",
    "make_folder",
    "output_error",
    "read_regular",
    "remove_empty",
    "remove_leftovers",
    "replacing",
    "replacing_path",
    "temporary_beside",
    "temporary_name",
    "there_already",
]

log = logging.getLogger("mtcnn")

MOST_FILE_BYTES = 1 << 31  # that are read: OpenCV and protobuf take no more

_MARK = ".mtcnn-"  # in the names of temporary files
# Random digits and a digest of them and of what stands before, then a file's ending: no name that a user gives.
_TEMPORARY = re.compile(rf"(.*{re.escape(_MARK)}([0-9a-f]{{8}}))([0-9a-f]{{16}})(\.\w+)?", re.DOTALL)
_LONGEST = 200  # bytes of a name that a temporary file's name repeats: file systems allow 255
_NO_MORE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENODEV, errno.ENXIO, errno.ESTALE}
_PART = 1 << 20  # bytes
_PATIENCE = 3600.0  # seconds to wait for another process that makes engines: TensorRT may take long
_SAY_AGAIN = 60.0  # seconds


class OutputError(MtcnnError):
    """A file cannot be written, or must not be."""


class FolderError(EngineError):
    """A folder of engines cannot be written."""


class NoMoreOutputError(OutputError):
    """Nothing more can be written: the disk is full, or the folder is gone."""


class Inputs:
    """The files that a run reads, compared as files: a link or another spelling of the path is the same file.

    Args:
        list_paths: called once, when the first existing file is to be replaced.
    """

    def __init__(self, list_paths: Callable[[], Iterable[str | os.PathLike[str]]]) -> None:
        self._list_paths = list_paths
        self._files: set[tuple[int, int]] | None = None

    def __contains__(self, path: Path) -> bool:
        file = _identity(path)
        if file is None:
            return False
        if self._files is None:
            self._files = {found for one in self._list_paths() if (found := _identity(one)) is not None}
        return file in self._files


def check_output(path: Path, inputs: Inputs, *, overwrite: bool = False, resumable: bool = False) -> None:
    """Refuse to write a path where something would be lost.

    An empty file, or what is no regular file (/dev/stdout, a pipe), loses nothing.

    Args:
        inputs: what the run reads, which is never replaced.
        overwrite: whether the user said that what is there may be replaced.
        resumable: whether the command could go on with what is there: for the message.

    Raises:
        OutputError: something is there, which is an input, is being written, or may not be replaced.
    """
    if path.is_dir():
        raise OutputError(f"{path} is a folder: name a file")
    if not path.exists() or is_special(path):
        return
    if path in inputs:
        raise OutputError(f"{path} would be overwritten with what is made of it: choose another place")
    if not overwrite and path.stat().st_size:
        _refuse_locked(path, path)
        raise there_already(path, resumable=resumable)


def there_already(path: Path, *, resumable: bool = False) -> OutputError:
    """What is said of results that are there."""
    mend = "go on with --resume, " if resumable else ""
    return OutputError(f"{path} is there already: {mend}replace it with --overwrite, or choose another name")


def is_special(path: Path) -> bool:
    """Whether something is there that is neither a regular file nor a folder, like a pipe or a terminal."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def output_error(path: str | os.PathLike[str], error: OSError) -> OutputError:
    """What is said of a failed write."""
    kind = NoMoreOutputError if error.errno in _NO_MORE else OutputError
    return kind(f"cannot write {os.fspath(path)}: {error.strerror or error}")


@contextlib.contextmanager
def replacing(path: Path, *, new: bool = False, tidy: bool = True) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` only once it is whole, so that no reader sees half of it.

    Args:
        path: where it is to appear; a link is followed.
        new: raise FileExistsError rather than replace a file that has come there meanwhile.
        tidy: remove temporary files that killed processes left of this path.
    """
    if is_special(path):
        with path.open("wb") as file:
            yield file
        return
    path = Path(os.path.realpath(path))
    if tidy:
        remove_leftovers(path.parent, path.name)
    handle, temporary = _make_temporary(path)
    try:
        with os.fdopen(handle, "wb") as file:
            handles.set_mode(handle, _mode(path))
            yield file
            file.flush()
            _put(temporary, path, new)  # while it is locked: no other process takes it for left over
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


@contextlib.contextmanager
def replacing_path(path: Path) -> Iterator[Path]:
    """A path beside `path`, of the same ending, for writers that open files by name; what is there in the end replaces
    `path`.
    """
    path = Path(os.path.realpath(path))
    with _temporary_path(path) as temporary:
        yield temporary
        os.chmod(temporary, _mode(path))
        handles.replace(temporary, path)


@contextlib.contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """A path beside `path`, of the same ending, for one process at a time, which may move what is there; else that is
    removed in the end, or by the next run where the process is killed.

    Raises:
        OutputError: another process has one for the same path.
    """
    path = Path(os.path.realpath(path))
    _refuse_where_written(path)
    with _temporary_path(path) as temporary:
        os.chmod(temporary, _mode(path))
        yield temporary


@contextlib.contextmanager
def _temporary_path(path: Path) -> Iterator[Path]:
    remove_leftovers(path.parent, path.name)
    handle, temporary = _make_temporary(path, path.suffix)
    try:
        yield Path(temporary)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        os.close(handle)


def _refuse_where_written(path: Path) -> None:
    with os.scandir(path.parent) as entries:
        for entry in entries:
            if is_temporary(entry.name, path.name) and entry.is_file(follow_symlinks=False):
                _refuse_locked(entry.path, path)


def temporary_name(of: str) -> str:
    """A new name for what is to become `of`."""
    start = _temporary_start(of) + secrets.token_hex(4)
    return start + _digest(start)


def is_temporary(name: str, of: str | None = None) -> bool:
    """Whether `temporary_name` gave it; of: to what, None for anything."""
    found = _TEMPORARY.fullmatch(name)
    is_of = name.startswith("." if of is None else _temporary_start(of))
    return is_of and found is not None and found[3] == _digest(found[1])


def _refuse_locked(path: str | os.PathLike[str], of: Path) -> None:
    """Raise OutputError where another process has the file locked."""
    with contextlib.suppress(OSError):  # it has gone, is closed to this user, or its file system locks no such handle
        handle = handles.open_unwaiting(path)
        try:
            lock(handle, of)
        finally:
            os.close(handle)


def remove_leftovers(folder: Path, name: str | None = None) -> None:
    """Remove temporary files of processes that are gone; those of living ones are locked.

    Args:
        name: of the file that they were to become; None for any.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if is_temporary(entry.name, name):
                _remove_unlocked(entry.path)


def make_folder(folder: Path) -> list[Path]:
    """Make a folder, and those above it.

    Returns:
        Those that were missing, for :func:`remove_empty`.
    """
    missing = []
    for path in (folder, *folder.parents):
        if os.path.lexists(path):
            if path != folder and os.path.isfile(path):  # of which Windows would tell that it is there already
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), os.fspath(folder))
            break
        missing.append(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except BaseException:
        remove_empty(missing)
        raise
    return missing


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove folders that nothing was put in, the innermost first."""
    with contextlib.suppress(OSError):
        for folder in folders:
            if folder.exists():
                folder.rmdir()


def lock(handle: int, path: Path) -> None:
    """Keep other processes from writing a file until the handle is closed, or its process ends.

    Raises:
        OutputError: another process writes it.
    """
    if not handles.try_lock(handle):
        raise OutputError(f"{path} is being written by {handles.lock_holder(handle)}: wait until that has ended")


@contextlib.contextmanager
def locked(folder: Path, patience: float = _PATIENCE) -> Iterator[None]:
    """The folder, made where it is missing, for one process at a time; others say whom they wait for, and wait.

    Args:
        patience: seconds to wait at most.

    Raises:
        FolderError: it cannot be made or written.
        EngineError: another process does not let go of it.
    """
    file = folder / ".lock"
    made: list[Path] = []
    try:
        made = make_folder(folder)
        handle = _open_lock(file, patience)
    except OSError as error:
        remove_empty(made)
        raise FolderError(f"cannot write to {folder}: {error.strerror or error}; choose another folder") from error
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            if made and os.listdir(folder) == [file.name]:
                file.unlink()
                remove_empty(made)
        raise
    finally:
        os.close(handle)  # which unlocks


def read_regular(path: str | os.PathLike[str], most: int = MOST_FILE_BYTES) -> bytes:
    """A file's bytes, where it is one: a FIFO would be waited for, a device read without end.

    Args:
        most: bytes that it may have; a sparse file can claim any number.

    Raises:
        OSError: it cannot be read, is no regular file, or is larger than that or than memory.
    """
    handle = handles.open_unwaiting(path)
    found = os.fstat(handle)
    if stat.S_ISDIR(found.st_mode):  # of which open() would tell the handle for a name, and leave that open
        os.close(handle)
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    with open(handle, "rb") as file:
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file, but a pipe, a socket or a device", os.fspath(path))
        try:
            content = _read_up_to(file, found.st_size, most)
        except MemoryError:
            raise OSError(errno.ENOMEM, "it is too large for this machine's memory", os.fspath(path)) from None
    if content is None:
        raise OSError(errno.EFBIG, f"it has more than {most >> 20} MiB", os.fspath(path))
    return content


def _read_up_to(file: BinaryIO, size: int, most: int) -> bytes | None:
    """All of a file that has about so many bytes, None where it has more than `most`. Room is made for those alone."""
    if size > most:
        return None
    first = cast("bytes | None", file.read(size + 1))
    if first is None:  # files of /proc that would be waited for
        raise OSError(errno.EAGAIN, "there is nothing to read in it now")
    parts = [first]
    room = most - len(parts[0])
    # One that grows goes on, and one of /proc, which tell no size.
    while room >= 0 and len(parts[0]) > size and (part := file.read(_PART)):
        parts.append(part)
        room -= len(part)
    return b"".join(parts) if room >= 0 else None


def _open_lock(file: Path, patience: float) -> int:
    """A locked handle of a file for locks, which who is waited for may remove."""
    while True:
        handle = handles.open_handle(file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _wait_for_lock(handle, file.parent, patience)
            if _identity(file) == _identity(handle):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        file.parent.mkdir(parents=True, exist_ok=True)


def _wait_for_lock(handle: int, folder: Path, patience: float) -> None:
    began = time.monotonic()
    said = -_SAY_AGAIN
    pause = 0.005
    while True:
        if handles.try_lock(handle):
            return
        waited = time.monotonic() - began
        if waited >= patience:
            holder = handles.lock_holder(handle)
            raise EngineError(f"{folder} is locked by {holder}, for {waited:.0f} seconds: end it, or wait")
        if waited > 0.5 and waited - said >= _SAY_AGAIN:
            log.warning("%s is locked by %s: waiting", folder, handles.lock_holder(handle))
            said = waited
        time.sleep(min(pause, patience - waited))
        pause = min(2 * pause, 0.25)


def _identity(path: str | os.PathLike[str] | int) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _temporary_start(name: str) -> str:
    data = os.fsencode(name)
    return f".{name if len(data) <= _LONGEST else hashlib.sha256(data).hexdigest()}{_MARK}"


def _make_temporary(path: Path, suffix: str = "") -> tuple[int, str]:
    """A locked handle and the name of a new file beside `path`."""
    while True:
        name = os.path.join(path.parent, temporary_name(path.name) + suffix)
        try:
            handle = handles.open_handle(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            continue
        handles.wait_lock(handle)
        if _identity(name) is not None:  # else another process took it for left over before it was locked
            return handle, name
        os.close(handle)


def _digest(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:16]


def _remove_unlocked(path: str) -> None:
    with contextlib.suppress(OSError):
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode) or not handles.is_own(found):
            return
        handle = handles.open_unfollowed(path)
        try:
            if handles.try_lock(handle):
                os.unlink(path)
        finally:
            os.close(handle)


def _mode(path: Path) -> int:
    """The permissions of what is there, else the usual ones."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return 0o644


def _put(temporary: str, path: Path, new: bool) -> None:
    if not new:
        handles.replace(temporary, path)
        return
    try:
        os.link(temporary, path)  # unlike a rename, it fails where something is
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        handles.replace(temporary, path)
        return
    os.unlink(temporary)
