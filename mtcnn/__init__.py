"""MTCNN face detection, fast: ``TrtMtcnn``, ``FaceAligner``, ``find_central_face``; ``MTCNN`` for older code.

Names are imported when they are first used, so that ``import mtcnn`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtcnn import mtcnn as mtcnn
    from mtcnn.align import FaceAligner as FaceAligner
    from mtcnn.central import find_central_face as find_central_face
    from mtcnn.compat.mtcnn.detector import MTCNN as MTCNN
    from mtcnn.detector import TrtMtcnn as TrtMtcnn
    from mtcnn.draw import draw_faces as draw_faces
    from mtcnn.engines import create_engines as create_engines
    from mtcnn.errors import ClosedError as ClosedError
    from mtcnn.errors import DarkPictureError as DarkPictureError
    from mtcnn.errors import DeviceError as DeviceError
    from mtcnn.errors import EngineError as EngineError
    from mtcnn.errors import MtcnnError as MtcnnError
    from mtcnn.errors import NoFaceError as NoFaceError
    from mtcnn.errors import UnusedParameterWarning as UnusedParameterWarning
    from mtcnn.faces import Face as Face
    from mtcnn.landmarks import points as points
    from mtcnn.quality import face_quality as face_quality
    from mtcnn.quality import head_pose as head_pose
    from mtcnn.recognition.embedder import FaceEmbedder as FaceEmbedder
    from mtcnn.recognition.verify import FaceVerifier as FaceVerifier
    from mtcnn.tracking import Tracker as Tracker
    from pytrt import __version__ as __version__

_HOMES = {
    "MTCNN": "compat.mtcnn.detector",
    "ClosedError": "errors",
    "DarkPictureError": "errors",
    "DeviceError": "errors",
    "EngineError": "errors",
    "Face": "faces",
    "FaceAligner": "align",
    "FaceEmbedder": "recognition.embedder",
    "FaceVerifier": "recognition.verify",
    "MtcnnError": "errors",
    "NoFaceError": "errors",
    "Tracker": "tracking",
    "TrtMtcnn": "detector",
    "UnusedParameterWarning": "errors",
    "create_engines": "engines",
    "draw_faces": "draw",
    "face_quality": "quality",
    "find_central_face": "central",
    "head_pose": "quality",
    "points": "landmarks",
}

__all__ = [
    "MTCNN",
    "ClosedError",
    "DarkPictureError",
    "DeviceError",
    "EngineError",
    "Face",
    "FaceAligner",
    "FaceEmbedder",
    "FaceVerifier",
    "MtcnnError",
    "NoFaceError",
    "Tracker",
    "TrtMtcnn",
    "UnusedParameterWarning",
    "create_engines",
    "draw_faces",
    "face_quality",
    "find_central_face",
    "head_pose",
    "points",
]


if not TYPE_CHECKING:  # to which any name would be there

    def __getattr__(name: str) -> Any:
        if name == "mtcnn":  # there without an import of its own, as in the package `mtcnn` on PyPI
            return importlib.import_module("mtcnn.mtcnn")
        if name == "__version__":
            return importlib.import_module("pytrt").__version__
        if name not in _HOMES:
            raise AttributeError(f"module 'mtcnn' has no attribute {name!r}{_meant(name)}")
        value = getattr(importlib.import_module(f"mtcnn.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


def _meant(name: str) -> str:
    if name.startswith("_"):  # which many programs ask modules for
        return ""
    import difflib

    names = {known.lower(): known for known in __all__}
    alike = difflib.get_close_matches(name.lower(), names, n=1)
    return f"; did you mean {names[alike[0]]}?" if alike else ""


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__")), "__version__"})
