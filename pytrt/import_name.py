"""Whether `import mtcnn` gives this distribution's package: the package `mtcnn` on PyPI owns that name, too."""

from __future__ import annotations

import importlib.util
from pathlib import Path

__all__ = ["require_own_mtcnn"]

_MARK = b"TrtMtcnn"  # in our mtcnn/__init__.py and not in theirs


def require_own_mtcnn() -> None:
    """Raise ImportError, with the mend, where `import mtcnn` gives something else, or files of it are gone.

    pip notices neither: the package that is installed later overwrites the files that both have, and
    uninstalling one takes them from the other.
    """
    try:
        spec = importlib.util.find_spec("mtcnn")
    except ValueError:  # it has no __spec__: a test's or a freezer's own
        return
    if spec is None or spec.origin is None:
        raise ImportError(
            "files of trt-mtcnn's package mtcnn are gone, as after uninstalling the other package of that name: "
            "pip install --force-reinstall --no-deps trt-mtcnn",
            name="mtcnn",
        )
    try:
        own = _MARK in Path(spec.origin).read_bytes()
    except OSError:  # in a zip or frozen: where nothing is installed over it
        return
    if not own:
        raise ImportError(
            f"import mtcnn gives {_whose()} ({spec.origin}), which hides trt-mtcnn's package of the same name; "
            "keep one: pip uninstall mtcnn, then pip install --force-reinstall --no-deps trt-mtcnn",
            name="mtcnn",
        )


def _whose() -> str:
    import importlib.metadata

    try:
        return f"the package mtcnn {importlib.metadata.version('mtcnn')} from PyPI"
    except importlib.metadata.PackageNotFoundError:
        return "another module"
