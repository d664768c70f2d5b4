"""Whether `import mtcnn` gives this distribution's package: the package `mtcnn` on PyPI owns that name, too."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path

__all__ = ["no_native_module", "require_own_mtcnn"]

_MARK = b"TrtMtcnn"  # in our mtcnn/__init__.py and not in theirs
_COMMANDS = ("mtcnn", "create_engines")


def require_own_mtcnn() -> None:
    """Raise ImportError, with the mend, where `import mtcnn` gives something else, or files of it are gone.

    pip notices neither: the package that is installed later overwrites the files that both have, and
    uninstalling one takes them from the other. Our commands, which come here first, end with the message alone.
    """
    if problem := _problem():
        command = Path(sys.argv[0]).name if getattr(sys, "argv", None) else ""
        if command in _COMMANDS:
            sys.exit(f"{command}: {problem}")
        raise ImportError(problem, name="mtcnn")


def no_native_module(folders: Iterable[str]) -> str:
    """What to do where the package lies in these folders, and the module that the build makes does not."""
    return (
        f"{' and '.join(folders)} is the package as its sources have it, without the native module: build it there "
        "(make), or, where trt-mtcnn is installed, work in another folder, since Python takes this one's first"
    )


def _problem() -> str | None:
    try:
        spec = importlib.util.find_spec("mtcnn")
    except ValueError:  # it has no __spec__: a test's or a freezer's own
        return None
    if spec is None or spec.origin is None:
        return (
            "files of trt-mtcnn's package mtcnn are gone, as after uninstalling the other package of that name: "
            "pip install --force-reinstall --no-deps trt-mtcnn"
        )
    try:
        own = _MARK in Path(spec.origin).read_bytes()
    except OSError:  # in a zip or frozen: where nothing is installed over it
        return None
    if own:
        return None
    return (
        f"import mtcnn gives {_whose()} ({spec.origin}), which hides trt-mtcnn's package of the same name; "
        "keep one: pip uninstall mtcnn, then pip install --force-reinstall --no-deps trt-mtcnn"
    )


def _whose() -> str:
    import importlib.metadata

    try:
        return f"the package mtcnn {importlib.metadata.version('mtcnn')} from PyPI"
    except importlib.metadata.PackageNotFoundError:
        return "another module"
