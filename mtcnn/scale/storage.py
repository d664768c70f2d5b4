"""Folders anywhere: on this machine, or in an object store by its URI, through pyarrow's filesystems or fsspec."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from mtcnn.errors import MtcnnError
from mtcnn.files import read_regular, replacing
from mtcnn.pipeline.find import find_pictures
from mtcnn.pipeline.formats import Skipped, readable_suffixes
from mtcnn.runtime.install import install_command

__all__ = ["Listed", "Place", "StorageError", "is_uri", "open_place", "retry"]

Result = TypeVar("Result")

WAITS = (0.5, 2.0, 8.0)  # seconds before what storage refused is asked for again
_FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
_OBJECT_STORES = ("s3", "gcs", "abfs")  # an object appears there once it is whole


class StorageError(MtcnnError):
    """Storage cannot be read or written at this time: nothing is wrong with the picture."""


class Listed(NamedTuple):
    """A picture in a place.

    Attributes:
        path: in the place's filesystem.
        file: its whole path or URI, as it was asked for.
        name: below the folder that was given.
        size: bytes, where they are known.
    """

    path: str
    file: str
    name: str
    size: int | None


@dataclass(frozen=True)
class Place:
    """A folder, a file, or on this machine a glob.

    Attributes:
        name: as it was asked for, without passwords.
        filesystem: pyarrow's; None for this machine's files.
        path: in the filesystem.
    """

    name: str
    filesystem: Any
    path: str

    @property
    def lasting(self) -> str:
        """The name that means the same everywhere."""
        return self.path if self.filesystem is None else self.name

    def pictures(self, skipped: Skipped | None = None) -> Iterator[Listed]:
        """As `find_pictures` orders them, a folder at a time; skipped: counts the files that are not read."""
        skipped = Skipped() if skipped is None else skipped
        if self.filesystem is None:
            for found in find_pictures([self.name], skipped):
                yield Listed(os.path.abspath(found.path), str(found.path), str(found.name), None)
            return
        info = retry(lambda: self.filesystem.get_file_info(self.path), self.name)
        if info.is_file:
            yield Listed(info.path, self.name, info.base_name, info.size)
        elif info.type.name == "Directory":
            yield from self._below(info.path, "", skipped)
        else:
            raise MtcnnError(f"there is no {self.name}")

    def files(self, folder: str) -> dict[str, int]:
        """Bytes of each file in a folder below; nothing where there is none."""
        return {info.base_name: info.size for info in self._list(self._join(folder)) if info.is_file}

    def read(self, path: str) -> bytes:
        """A file, by its path in the filesystem.

        Raises:
            OSError: there is no such file, or it must not be read.
            StorageError: storage fails.
        """
        if self.filesystem is None:
            return read_regular(path)

        def read() -> bytes:
            with self.filesystem.open_input_stream(path, compression=None) as stream:
                return bytes(stream.read())

        try:
            return retry(read, path)
        except (OSError, MtcnnError, MemoryError):
            raise
        except Exception as error:  # filesystems have errors of their own for a damaged archive and its like
            raise OSError(str(error)) from error

    def open(self, name: str) -> Any:
        """A file below, for readers that seek."""
        if self.filesystem is None:
            return open(self._join(name), "rb")
        return retry(lambda: self.filesystem.open_input_file(self._join(name)), name)

    def write(self, name: str, data: Any) -> None:
        """A file below, in the place of one of its name, that no reader sees before it is whole.

        Raises:
            StorageError: it cannot be written.
        """
        path = self._join(name)
        if self.filesystem is None:
            try:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                with replacing(Path(path)) as file:
                    file.write(data)
            except OSError as error:
                raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
            return
        try:
            retry(lambda: self._put(path, data), name)
        except OSError as error:
            raise StorageError(f"cannot write {self.name}/{name}: {error}") from error

    def remove(self, name: str) -> None:
        self._arrow().delete_file(self._join(name))

    def _put(self, path: str, data: Any) -> None:
        fs = self.filesystem
        if fs.type_name in _OBJECT_STORES:
            with fs.open_output_stream(path, compression=None) as stream:
                stream.write(data)
            return
        parent, _, base = path.rpartition("/")
        fs.create_dir(parent, recursive=True)
        temporary = f"{parent}/.{base}.{os.getpid()}-{time.monotonic_ns()}"
        with fs.open_output_stream(temporary, compression=None) as stream:
            stream.write(data)
        fs.move(temporary, path)

    def _below(self, folder: str, name: str, skipped: Skipped) -> Iterator[Listed]:
        infos = sorted(self._list(folder), key=lambda info: info.base_name)
        infos = [info for info in infos if not info.base_name.startswith(".")]
        for info in infos:
            suffix = os.path.splitext(info.base_name)[1]
            if info.is_file and suffix.lower() not in readable_suffixes():
                skipped.add(suffix)
            elif info.is_file:
                file = info.path if is_uri(info.path) else f"{self.name.partition('://')[0]}://{info.path}"
                yield Listed(info.path, file, name + info.base_name, info.size)
        folders = [(info.path, info.base_name) for info in infos if info.type.name == "Directory"]
        del infos
        for path, base in folders:
            yield from self._below(path, f"{name}{base}/", skipped)

    def _list(self, folder: str) -> list[Any]:
        from pyarrow.fs import FileSelector

        selector = FileSelector(folder, allow_not_found=True)
        listed: list[Any] = retry(lambda: self._arrow().get_file_info(selector), self.name)
        return listed

    def _arrow(self) -> Any:
        if self.filesystem is not None:
            return self.filesystem
        from pyarrow.fs import LocalFileSystem

        return LocalFileSystem()

    def _join(self, name: str) -> str:
        return f"{self.path.rstrip('/')}/{name}" if name else self.path


def is_uri(text: str) -> bool:
    return "://" in text


def open_place(text: str) -> Place:
    """The place of a path or a URI.

    Raises:
        MtcnnError: nothing that is installed knows such URIs.
    """
    if not is_uri(text):
        return Place(text, None, os.path.abspath(text))
    import pyarrow as pa
    from pyarrow.fs import FileSystem, LocalFileSystem

    try:
        filesystem, path = FileSystem.from_uri(text)
        scheme = urlsplit(text).scheme
    except pa.ArrowInvalid:
        filesystem, path, scheme = _through_fsspec(text)
    except (pa.ArrowException, OSError) as error:
        raise MtcnnError(f"cannot open {without_secrets(text)}: {error}") from error
    if isinstance(filesystem, LocalFileSystem):
        return Place(path, None, path)
    return Place(path if is_uri(path) else f"{scheme}://{path}", filesystem, path)


def without_secrets(uri: str) -> str:
    """A URI less user, password and options."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def retry(action: Callable[[], Result], what: str) -> Result:
    """What `action` returns, asked for again a few times where storage fails.

    Raises:
        OSError: there is no such file, or it must not be read: asking again does not help.
        StorageError: storage failed each time.
    """
    for wait in (*WAITS, None):
        try:
            return action()
        except _FINAL:
            raise
        except OSError as error:
            if wait is None:
                raise StorageError(f"{what}: {error}") from error
            time.sleep(wait)
    raise AssertionError


def _through_fsspec(text: str) -> tuple[Any, str, str]:
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise MtcnnError(f"{without_secrets(text)} needs fsspec: {install_command('ray')}") from None
    try:
        filesystem, path = url_to_fs(text)
    except (ImportError, OSError, ValueError) as error:  # fsspec says which package knows such URIs
        raise MtcnnError(f"cannot open {without_secrets(text)}: {error}") from error
    return PyFileSystem(FSSpecHandler(filesystem)), path, text.partition(":")[0]
