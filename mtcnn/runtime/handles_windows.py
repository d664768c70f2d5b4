"""Open files as Windows has them; see handles.py.

Files are opened with FILE_SHARE_DELETE, so that they can be renamed and removed as on POSIX while they are open. A lock
is one byte far behind the end of any file: Windows' locks keep others from reading what is locked.
"""

from __future__ import annotations

import ctypes
import errno
import msvcrt
import os
import struct
import sys
import time
from ctypes import wintypes

assert sys.platform == "win32"

StrPath = str | os.PathLike[str]

_GENERIC_READ, _GENERIC_WRITE = 0x80000000, 0x40000000
_SHARE_ALL = 1 | 2 | 4  # FILE_SHARE_READ, _WRITE, _DELETE
_CREATE_NEW, _OPEN_EXISTING, _OPEN_ALWAYS, _TRUNCATE_EXISTING = 1, 3, 4, 5
_ATTRIBUTE_NORMAL = 0x80
_DELETE = 0x10000
_FILE_RENAME_INFO_EX, _RENAME_POSIX = 22, 1 | 2  # FILE_RENAME_FLAG_REPLACE_IF_EXISTS, _POSIX_SEMANTICS
_INVALID = ctypes.c_void_p(-1).value
_FAIL_IMMEDIATELY, _EXCLUSIVE = 1, 2  # LOCKFILE_
_LOCK_VIOLATION, _IO_PENDING = 33, 997
_LOCKED_BYTE = 1 << 62
_PATIENCE = 2.0  # seconds, for who reads a file that is to be replaced


class _Overlapped(ctypes.Structure):
    _fields_ = (
        ("internal", ctypes.c_void_p),
        ("internal_high", ctypes.c_void_p),
        ("offset", wintypes.DWORD),
        ("offset_high", wintypes.DWORD),
        ("event", wintypes.HANDLE),
    )


_kernel = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel.CreateFileW.restype = ctypes.c_void_p
_kernel.CreateFileW.argtypes = (
    *(wintypes.LPCWSTR, wintypes.DWORD, wintypes.DWORD, ctypes.c_void_p),
    *(wintypes.DWORD, wintypes.DWORD, wintypes.HANDLE),
)
_kernel.LockFileEx.argtypes = (
    *(wintypes.HANDLE, wintypes.DWORD, wintypes.DWORD, wintypes.DWORD, wintypes.DWORD),
    ctypes.POINTER(_Overlapped),
)
_kernel.SetFileInformationByHandle.argtypes = (wintypes.HANDLE, ctypes.c_int, ctypes.c_char_p, wintypes.DWORD)
_kernel.GetFinalPathNameByHandleW.argtypes = (wintypes.HANDLE, wintypes.LPWSTR, wintypes.DWORD, wintypes.DWORD)
_kernel.CloseHandle.argtypes = (wintypes.HANDLE,)


def open_handle(path: StrPath, flags: int, mode: int = 0o666) -> int:
    """A handle of a file that may be renamed, replaced and removed while it is open; it is not inherited."""
    name = os.fspath(path)
    access = _GENERIC_READ if not flags & os.O_WRONLY else 0
    if flags & (os.O_WRONLY | os.O_RDWR):
        access |= _GENERIC_WRITE
    if flags & os.O_CREAT:
        disposition = _CREATE_NEW if flags & os.O_EXCL else _OPEN_ALWAYS
    else:
        disposition = _TRUNCATE_EXISTING if flags & os.O_TRUNC else _OPEN_EXISTING
    made = _kernel.CreateFileW(name, access, _SHARE_ALL, None, disposition, _ATTRIBUTE_NORMAL, None)
    if made == _INVALID:
        code = ctypes.get_last_error()
        raise OSError(None, ctypes.FormatError(code).rstrip("."), name, code)
    try:
        handle = msvcrt.open_osfhandle(made, flags & (os.O_APPEND | os.O_WRONLY | os.O_RDWR) | os.O_BINARY)
    except OSError:
        _kernel.CloseHandle(made)
        raise
    if flags & os.O_CREAT and flags & os.O_TRUNC:
        os.ftruncate(handle, 0)
    return handle


def open_unwaiting(path: StrPath) -> int:
    """A handle to read from."""
    if os.path.isdir(path):  # which Windows would call a denied permission
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    return open_handle(path, os.O_RDONLY)


def open_unfollowed(path: StrPath) -> int:
    """A handle to read from, of what has that name itself: a link is an OSError."""
    if os.path.islink(path):
        raise OSError(errno.ELOOP, "it is a link", os.fspath(path))
    return open_handle(path, os.O_RDONLY)


def path_of(handle: int) -> str | None:
    """Where an open file lies; None: nothing is open, or it is a pipe or a console."""
    name = ctypes.create_unicode_buffer(1 << 15)
    try:
        length = _kernel.GetFinalPathNameByHandleW(msvcrt.get_osfhandle(handle), name, len(name), 0)
    except OSError:
        return None
    if not 0 < length < len(name):
        return None
    if name.value.startswith("\\\\?\\UNC\\"):
        return "\\" + name.value[7:]
    return name.value.removeprefix("\\\\?\\")  # as os.path.realpath() has it


def replace(source: StrPath, target: StrPath) -> None:
    """Give a file another's name, in one step, once nobody reads what has that name without sharing it."""
    began = time.monotonic()
    while True:
        try:
            return os.replace(source, target)
        except PermissionError:
            if os.path.isdir(target):
                raise
            if _replace_open(source, target):
                return None
            if time.monotonic() - began > _PATIENCE:
                raise
        time.sleep(0.02)


def _replace_open(source: StrPath, target: StrPath) -> bool:
    """The same as on POSIX, where a file that is open, and shared, may be replaced: os.replace() asks for less. False
    where the file system, or a Windows before 10, has no such thing, or the file is not shared.
    """
    made = _kernel.CreateFileW(os.fspath(source), _DELETE, _SHARE_ALL, None, _OPEN_EXISTING, _ATTRIBUTE_NORMAL, None)
    if made == _INVALID:
        return False
    name = os.path.abspath(target).encode("utf-16-le", "surrogatepass")
    # FILE_RENAME_INFO: flags, no folder's handle, bytes of the name, the name and its end
    data = struct.pack("@IPI", _RENAME_POSIX, 0, len(name)) + name + b"\0\0"
    try:
        return bool(_kernel.SetFileInformationByHandle(made, _FILE_RENAME_INFO_EX, data, len(data)))
    finally:
        _kernel.CloseHandle(made)


def set_mode(handle: int, mode: int) -> None:
    """Permissions, which a new file has of its folder."""


def is_own(found: os.stat_result) -> bool:
    """Whether a file is this user's: who may not remove it is told so."""
    return True


def try_lock(handle: int) -> bool:
    """Lock a file for this handle, until it is closed or its process ends; False where another handle has it."""
    return _lock(handle, _FAIL_IMMEDIATELY | _EXCLUSIVE)


def wait_lock(handle: int) -> None:
    """The same, once the other has let go."""
    _lock(handle, _EXCLUSIVE)


def lock_holder(handle: int) -> str:
    """Who has the lock, which Windows does not tell."""
    return "another process"


def _lock(handle: int, how: int) -> bool:
    where = _Overlapped(offset=_LOCKED_BYTE & 0xFFFFFFFF, offset_high=_LOCKED_BYTE >> 32)
    if _kernel.LockFileEx(msvcrt.get_osfhandle(handle), how, 0, 1, 0, ctypes.byref(where)):
        return True
    code = ctypes.get_last_error()
    if code in (_LOCK_VIOLATION, _IO_PENDING):
        return False
    raise OSError(None, ctypes.FormatError(code).rstrip("."), None, code)
