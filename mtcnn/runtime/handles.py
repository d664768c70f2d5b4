"""Open files, where POSIX and Windows differ: locks, and names that change while a file is open."""

import sys

if sys.platform == "win32":
    from mtcnn.runtime.handles_windows import (
        is_own,
        lock_holder,
        open_handle,
        open_unfollowed,
        open_unwaiting,
        path_of,
        replace,
        set_mode,
        try_lock,
        wait_lock,
    )
else:
    from mtcnn.runtime.handles_posix import (
        is_own,
        lock_holder,
        open_handle,
        open_unfollowed,
        open_unwaiting,
        path_of,
        replace,
        set_mode,
        try_lock,
        wait_lock,
    )

__all__ = [
    "is_own",
    "lock_holder",
    "open_handle",
    "open_unfollowed",
    "open_unwaiting",
    "path_of",
    "replace",
    "set_mode",
    "try_lock",
    "wait_lock",
]
