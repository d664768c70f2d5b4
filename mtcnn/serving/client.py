"""Client: the detector of a Triton Inference Server, called like a local one."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields
from functools import partial
from types import TracebackType
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from mtcnn import checks
from mtcnn.errors import ClosedError
from mtcnn.images import Color, as_bgr
from mtcnn.images import Picture as Pixels
from mtcnn.params import DEFAULT_PRESET, Params, make_params
from mtcnn.runtime.threads import starting_threads
from mtcnn.serving.connection import Connection, connect, import_tritonclient
from mtcnn.serving.deadline import Deadline
from mtcnn.serving.errors import RequestRefusedError, ServerUnavailableError, ServingError
from mtcnn.without_effect import warn_of_unused

__all__ = ["Client"]

Array = npt.NDArray[np.float32]
Picture: TypeAlias = Pixels | bytes | bytearray | memoryview
Result = TypeVar("Result")

_URL = r"[^\s/:@]+:([0-9]{1,5})|\[[0-9a-fA-F:.]+\]:([0-9]{1,5})"

PROTOCOLS = {"http": "localhost:8000", "grpc": "localhost:8001"}


class Client:
    """What ``TrtMtcnn`` does, done by a Triton server that serves a repository of ``mtcnn triton``.

    Any number of threads may share one client: each call under way has a connection of its own, kept for the next.
    A call that finds its connection closed, as after a restart of the server, tries once more on a new one.

    Args:
        url: host:port; default localhost:8000 for HTTP, localhost:8001 for gRPC.
        protocol: "http" or "grpc".
        model: the name of the model.
        shared_memory: hand pictures over in memory that the server maps, instead of sending them: for a server on the
            same machine that sees this process's /dev/shm (in docker ``--ipc=host``).
        timeout: seconds that a call may wait for the server, from connecting to the last byte of the answer.
        concurrency: requests that ``detect_batch`` has under way at once; the server makes batches of them.
        max_bytes: of an answer; a face takes 60.

    Raises:
        MtcnnError: tritonclient is not installed; the message says how to get it.
        TypeError, ValueError: a wrong argument.
    """

    def __init__(
        self,
        url: str | None = None,
        protocol: str = "http",
        *,
        model: str = "mtcnn",
        shared_memory: bool = False,
        timeout: float = 10.0,
        concurrency: int = 8,
        max_bytes: int = 16_000_000,
    ) -> None:
        checks.choice(protocol, "protocol", tuple(PROTOCOLS))
        if url is None:
            url = PROTOCOLS[protocol]
        port = isinstance(url, str) and url.isprintable() and re.fullmatch(_URL, url)
        if not port or not 0 < int(port[1] or port[2]) < 65536:
            raise ValueError(f'url must be "host:port" like {PROTOCOLS[protocol]}, got {checks.shown(url)}')
        if not isinstance(model, str) or not model or not model.isprintable():
            raise ValueError(f"model must be the name of a model, got {checks.shown(model)}")
        timeout = checks.number(timeout, "timeout", 0, 1e6, open_ends=True)
        shared_memory = checks.flag(shared_memory, "shared_memory")
        self._timeout = timeout
        self._concurrency = checks.whole(concurrency, "concurrency", 1, 1024)
        max_bytes = checks.whole(max_bytes, "max_bytes", 10_000, (1 << 31) - 1)
        self._configuration = {
            "url": url,
            "protocol": protocol,
            "model": model,
            "shared_memory": shared_memory,
            "timeout": timeout,
            "concurrency": self._concurrency,
            "max_bytes": max_bytes,
        }
        self._new = partial(connect, protocol, url, model, timeout, shared_memory, max_bytes)
        self._new_brief = partial(connect, protocol, url, model, min(timeout, 1.0), False, max_bytes)
        self._idle: list[Connection] = []
        self._parents: list[Connection] = []
        self._mapped: list[str] = []  # shared memory that the server has, and no connection any more
        self._process = os.getpid()
        self._closed = False
        import_tritonclient(protocol)  # so that its lack is said now

    def detect(
        self,
        img: Picture,
        minsize: float | None = None,
        *,
        color: Color = "bgr",
        preset: str | Params | None = None,
        **params: Any,
    ) -> tuple[Array, Array]:
        """Find the faces in a picture: what ``TrtMtcnn.detect`` takes and returns.

        Args:
            img: BGR (H, W, 3) uint8, or what else ``TrtMtcnn.detect`` takes; or the bytes of a JPEG or PNG file, which
                are sent as they are.
            minsize, color, preset, **params: as for ``TrtMtcnn.detect``; what is not given is as the server's config
                has it.

        Returns:
            ``dets`` (n, 5) and ``landmarks`` (n, 10) float32, in pixels of ``img``, best score first.

        Raises:
            ServerUnavailableError, ServerTimeoutError, ModelNotReadyError: no answer, and why.
            RequestRefusedError: the server refuses the picture: no picture, or too large.
            ServingError: the server failed, or does not answer as Triton does.
            ClosedError: after :meth:`close`.
            TypeError, ValueError: a wrong argument.
        """
        parameters = _parameters(minsize, preset, params)
        return self._detect(*_request(img, "img", color), parameters)

    def detect_batch(
        self,
        images: Iterable[Picture],
        minsize: float | None = None,
        *,
        color: Color = "bgr",
        preset: str | Params | None = None,
        **params: Any,
    ) -> list[tuple[Array, Array]]:
        """Find the faces in pictures of any sizes: a list of what :meth:`detect` returns, in order.

        An iterator is read as its pictures are needed. An error names the picture it is about, ``images[3]``; results
        of the others are lost with it.
        """
        parameters = _parameters(minsize, preset, params)
        if isinstance(images, (bytes, bytearray, memoryview)) or (isinstance(images, np.ndarray) and images.ndim < 4):
            raise TypeError("images must be a list of pictures; for a single one call detect(img)")
        if not isinstance(images, Iterable):
            raise TypeError(
                f"images must be a list of pictures, got {type(images).__name__}; for a single one call detect(img)"
            )
        self._check_open()
        results: list[tuple[Array, Array]] = []
        waiting: deque[Future[tuple[Array, Array]]] = deque()

        def take() -> None:
            i = len(results)
            try:
                results.append(waiting.popleft().result())
            except ServingError as error:
                raise type(error)(f"images[{i}]: {error}") from error

        pool = ThreadPoolExecutor(self._concurrency, "mtcnn-client")
        try:
            for i, img in enumerate(images):
                request = _request(img, f"images[{i}]", color)
                with starting_threads("give a smaller concurrency"):
                    waiting.append(pool.submit(self._detect, *request, parameters))
                if len(waiting) > self._concurrency:
                    take()
            while waiting:
                take()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        return results

    def is_ready(self) -> bool:
        """Whether the server answers and has loaded the model; False where it does not, for whatever reason."""
        try:
            return self._call(lambda connection: connection.is_ready())
        except ServingError:
            return False

    def close(self) -> None:
        """Let go of the connections. Calls under way end as usual; later ones raise ClosedError."""
        self._closed = True
        while self._idle:
            self._drop(self._idle.pop())
        self._unmap_last()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self._configuration,)

    def __repr__(self) -> str:
        return f"Client({', '.join(f'{k}={v!r}' for k, v in self._configuration.items())})"

    def _detect(self, name: str, data: npt.NDArray[Any], parameters: dict[str, Any]) -> tuple[Array, Array]:
        return self._call(lambda connection: connection.detect(name, data, parameters))

    def _call(self, work: Callable[[Connection], Result]) -> Result:
        self._check_open()
        deadline = Deadline(self._timeout)
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._new()
        used = connection.used
        try:
            return self._work(connection, work, deadline)
        except ServerUnavailableError:
            if not used:  # else it may be the connection that is gone, or its shared memory unknown
                raise
        return self._work(self._new(), work, deadline)

    def _work(self, connection: Connection, work: Callable[[Connection], Result], deadline: Deadline) -> Result:
        connection.deadline = deadline
        keep = False
        try:
            result = work(connection)
            self._unmap(connection)
            keep = connection.used = True
        except RequestRefusedError:
            keep = connection.used = True
            raise
        finally:
            if keep and not self._closed:
                self._idle.append(connection)
            else:
                self._drop(connection)
                if self._closed:
                    self._unmap_last()
        return result

    def _drop(self, connection: Connection) -> None:
        name = connection.close()
        if name is not None:
            self._mapped.append(name)

    def _unmap(self, connection: Connection) -> None:
        """Have the server let go of the memory of connections that are no more."""
        with contextlib.suppress(IndexError):
            while True:
                name = self._mapped.pop()
                try:
                    connection.unregister(name)
                except ServingError:  # a server that was started again knows nothing of it
                    return

    def _unmap_last(self) -> None:
        if self._mapped:
            connection = self._new_brief()
            self._unmap(connection)
            connection.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("the client is closed: make a new Client")
        if self._process != os.getpid():  # forked: the connections are the parent's
            self._parents = self._idle  # kept as they are: closing a gRPC channel after a fork may wait for ever
            self._idle, self._process = [], os.getpid()


def _restore(configuration: dict[str, Any]) -> Client:
    return Client(**configuration)


def _parameters(minsize: float | None, preset: str | Params | None, params: dict[str, Any]) -> dict[str, Any]:
    """What is not the server's default, checked, in the types that a request's parameters may have."""
    if minsize is not None:
        params["minsize"] = minsize
    checked = make_params(DEFAULT_PRESET if preset is None else preset, params)
    if preset is not None:  # else it is the server's, and there that it is told
        warn_of_unused(checked, preset, params)
    own = isinstance(preset, Params)  # no name, so all of its values are sent
    names = [field.name for field in fields(Params)] if own else params
    sent = {name: _plain(getattr(checked, name)) for name in names}
    return sent if own or preset is None else {"preset": preset, **sent}


def _plain(value: Any) -> Any:
    return value if isinstance(value, (bool, int, str)) else json.dumps(value)


def _request(img: Picture, name: str, color: Color) -> tuple[str, npt.NDArray[Any]]:
    """The input's name and its batch of one."""
    if isinstance(img, (bytes, bytearray, memoryview)):
        file = bytes(img)
        if not file:
            raise ValueError(f"{name} is empty: it must be the bytes of a JPEG or PNG file")
        return "image", np.array([[file]], object)
    return "pixels", np.ascontiguousarray(as_bgr(img, name, color))[np.newaxis]
