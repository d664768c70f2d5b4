"""Numbers that the build and the package share: pyproject.toml and tools/find_sdks.py read them here."""

__all__ = ["TENSORRT_MAJORS", "__version__"]

__version__ = "0.1.0"
TENSORRT_MAJORS = (11, 10)  # that csrc/tensorrt is written for, newest first
