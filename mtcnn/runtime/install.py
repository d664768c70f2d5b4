"""How to get what is not installed: the commands that messages name."""

from __future__ import annotations

import platform
import re
import shlex
import sysconfig

__all__ = ["has_opencv_wheels", "install_command"]

DISTRIBUTION = "trt-mtcnn"
_OPENCV = "opencv-python"
# Processors, as platform.machine() names them, for which OpenCV's wheels are made.
_PROCESSORS = {"AMD64", "aarch64", "arm64", "x86_64"}


def has_opencv_wheels() -> bool:
    """Whether there are any for this Python: none without the GIL, for musl and for processors that few have."""
    if sysconfig.get_config_var("Py_GIL_DISABLED") or platform.machine() not in _PROCESSORS:
        return False
    return not any("musl" in str(sysconfig.get_config_var(name)) for name in ("HOST_GNU_TYPE", "MULTIARCH", "SOABI"))


def install_command(extra: str) -> str:
    """The command that brings what the optional dependencies `extra` of this package need, from where it came from.

    Installed from a package index, "pip install 'trt-mtcnn[extra]'". From a checkout or a wheel, of which no index may
    know, the packages themselves: those that are missing or, where none is, all. Pillow takes the place of OpenCV
    where that has no wheels.
    """
    from importlib import metadata  # slow, and needed where something is wrong

    if extra == "images" and not has_opencv_wheels():
        extra = "pillow"
    try:
        ours = metadata.distribution(DISTRIBUTION)
        from_index = ours.read_text("direct_url.json") is None  # PEP 610
    except metadata.PackageNotFoundError:  # a copy of the sources
        ours, from_index = None, False
    requires = (ours.requires if ours else None) or []
    wanted = _of_extra(requires, extra)
    if any(one.startswith(_OPENCV) for one in wanted) and not has_opencv_wheels():
        wanted = [one for one in wanted if not one.startswith(_OPENCV)] + _of_extra(requires, "pillow")
        from_index = False
    if from_index or not wanted:
        return f"pip install {shlex.quote(f'{DISTRIBUTION}[{extra}]')}"
    missing = [one for one in wanted if not _is_installed(re.split(r"[^\w.-]", one, maxsplit=1)[0])]
    return shlex.join(["pip", "install", *(missing or wanted)])


def _of_extra(requires: list[str], extra: str) -> list[str]:
    return [one.partition(";")[0].strip() for one in requires if one.endswith(f'extra == "{extra}"')]


def _is_installed(name: str) -> bool:
    from importlib import metadata

    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
