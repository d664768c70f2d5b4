"""Open files as POSIX has them; see handles.py."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from pathlib import Path

assert sys.platform != "win32"

StrPath = str | os.PathLike[str]


def open_handle(path: StrPath, flags: int, mode: int = 0o666) -> int:
    """A handle of a file that may be renamed, replaced and removed while it is open; it is not inherited."""
    return os.open(path, flags, mode)


def open_unwaiting(path: StrPath) -> int:
    """A handle to read from; a FIFO without a writer is not waited for, but refused when it is read."""
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK)


def open_unfollowed(path: StrPath) -> int:
    """A handle to read from, of what has that name itself: a link is an OSError."""
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)


def path_of(handle: int) -> str | None:
    """Where an open file lies; None: nothing is open, or the system does not tell."""
    try:
        if sys.platform == "darwin":
            return os.fsdecode(fcntl.fcntl(handle, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0"))
        return os.readlink(f"/proc/self/fd/{handle}")
    except OSError:
        return None


def replace(source: StrPath, target: StrPath) -> None:
    """Give a file another's name, in one step."""
    os.replace(source, target)


def set_mode(handle: int, mode: int) -> None:
    """Permissions."""
    os.fchmod(handle, mode)


def is_own(found: os.stat_result) -> bool:
    """Whether a file is this user's."""
    return found.st_uid == os.geteuid()


def try_lock(handle: int) -> bool:
    """Lock a file for this handle, until it is closed or its process ends; False where another handle has it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_lock(handle: int) -> None:
    """The same, once the other has let go."""
    fcntl.flock(handle, fcntl.LOCK_EX)


def lock_holder(handle: int) -> str:
    """Who has the lock, as Linux tells it."""
    inode = f":{os.fstat(handle).st_ino}"
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/locks").read_text().splitlines():
            _, kind, _, _, process, file, *_ = line.split()
            if kind == "FLOCK" and file.endswith(inode) and int(process) > 0:
                return f"process {process}"
    return "another process"
