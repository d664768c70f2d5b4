"""What a file of results was made with, in a hidden file beside it: CSV and lines of JSON have no place for it."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from mtcnn.files import is_special, read_regular, replacing
from mtcnn.pipeline.journal import check_settings
from mtcnn.runtime import handles

__all__ = ["MadeWith"]

log = logging.getLogger("mtcnn")

_LONGEST = 200  # bytes of a name; file systems allow 255
_MOST = 1 << 20  # bytes


class MadeWith:
    """The settings of a file of results.

    Where they cannot be written, because the folder is closed to this user say, a later run does not know them.

    Args:
        path: of the results; a link is followed.
    """

    def __init__(self, path: Path) -> None:
        self._results = Path(os.path.realpath(path))
        name = os.fsencode(self._results.name)
        shown = self._results.name if len(name) <= _LONGEST else hashlib.sha256(name).hexdigest()
        self._path = self._results.parent / f".{shown}.mtcnn-made-with.json"

    @property
    def path(self) -> Path:
        """Of the hidden file."""
        return self._path

    def check(self, settings: dict[str, Any]) -> None:
        """Refuse to go on with other settings; where nothing says what they were, warn.

        Raises:
            MtcnnError: the results were made with others.
        """
        try:
            before = json.loads(read_regular(self._path, _MOST))
            if not isinstance(before, dict):
                raise ValueError
        except (OSError, ValueError, RecursionError):
            log.warning("%s does not say what it was made with: it goes on with the options of now", self._results)
            self.note(settings)
            return
        check_settings(str(self._results), before, settings)

    def note(self, settings: dict[str, Any]) -> None:
        """They are made with these from now on."""
        with suppress(OSError):
            if not is_special(self._path) and not self._path.is_symlink():
                with replacing(self._path) as file:
                    file.write(json.dumps(settings).encode())

    def move(self, path: Path) -> None:
        """The results go to another place."""
        target = MadeWith(path)
        try:
            handles.replace(self._path, target._path)
        except OSError:  # it is not known; what was there was made with others
            target.discard()
        self._results, self._path = target._results, target._path

    def discard(self) -> None:
        """The results are removed."""
        with suppress(OSError):
            self._path.unlink()
