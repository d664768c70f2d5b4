"""How to get what is not installed: the commands that messages name."""

from __future__ import annotations

import re
import shlex

__all__ = ["install_command"]

DISTRIBUTION = "trt-mtcnn"


def install_command(extra: str) -> str:
    """The command that brings what the optional dependencies `extra` of this package need, from where it came from.

    Installed from a package index, "pip install 'trt-mtcnn[extra]'". From a checkout or a wheel, of which no index may
    know, the packages themselves: those that are missing or, where none is, all.
    """
    from importlib import metadata  # slow, and needed where something is wrong

    try:
        ours = metadata.distribution(DISTRIBUTION)
        from_index = ours.read_text("direct_url.json") is None  # PEP 610
    except metadata.PackageNotFoundError:  # a copy of the sources
        ours, from_index = None, False
    ending = f'extra == "{extra}"'
    requires = (ours.requires if ours else None) or []
    wanted = [one.partition(";")[0].strip() for one in requires if one.endswith(ending)]
    if from_index or not wanted:
        return f"pip install {shlex.quote(f'{DISTRIBUTION}[{extra}]')}"
    missing = [one for one in wanted if not _is_installed(re.split(r"[^\w.-]", one, maxsplit=1)[0])]
    return shlex.join(["pip", "install", *(missing or wanted)])


def _is_installed(name: str) -> bool:
    from importlib import metadata

    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
