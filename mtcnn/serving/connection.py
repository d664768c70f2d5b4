"""One connection to Triton Inference Server, used by one thread at a time.

tritonclient puts requests together. Its own HTTP transport is not used: it is bound to the thread that made it, and a
client is to serve any. Nor does it take answers apart: it believes them.
"""

from __future__ import annotations

import http.client
import json
import mmap
import os
import sys
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from mtcnn.errors import MtcnnError
from mtcnn.runtime.install import install_command
from mtcnn.runtime.text import printable
from mtcnn.serving.answers import OUTPUTS, Answer, faces_of, read_grpc_answer, read_http_answer, read_problem
from mtcnn.serving.deadline import Deadline
from mtcnn.serving.errors import (
    ModelNotReadyError,
    RequestRefusedError,
    ServerTimeoutError,
    ServerUnavailableError,
    ServingError,
)
from mtcnn.serving.http_exchange import HttpAnswer, HttpExchange, TooLongError

__all__ = ["Connection", "GrpcConnection", "HttpConnection", "connect", "import_tritonclient"]

Result = TypeVar("Result")

MOST_MESSAGE = 500  # characters of what a server says that are told

# Refusals by the codes of gRPC, and those of HTTP that Triton answers with.
_KINDS: dict[str, type[ServingError]] = {
    "INVALID_ARGUMENT": RequestRefusedError,
    "RESOURCE_EXHAUSTED": RequestRefusedError,
    "NOT_FOUND": ModelNotReadyError,
    "UNAVAILABLE": ServerUnavailableError,
    "DEADLINE_EXCEEDED": ServerTimeoutError,
    "400": RequestRefusedError,
    "404": ModelNotReadyError,
    "413": RequestRefusedError,
    "503": ServerUnavailableError,
    "504": ServerTimeoutError,
}


def import_tritonclient(protocol: str) -> Any:
    """tritonclient.http or tritonclient.grpc.

    Raises:
        MtcnnError: it is not installed.
    """
    try:
        if protocol == "http":
            import tritonclient.http as module
        else:
            import tritonclient.grpc as module
    except ImportError as error:
        raise MtcnnError(f"a client of Triton needs {error.name}: {install_command('triton')}") from error
    return module


def connect(
    protocol: str, url: str, model: str, timeout: float, shared_memory: bool, max_bytes: int = 16_000_000
) -> Connection:
    kind = HttpConnection if protocol == "http" else GrpcConnection
    return kind(url, model, timeout, shared_memory, max_bytes)


class Region:
    """Memory that the server reads a picture from, known to it by a name of its own."""

    memory: mmap.mmap

    def __init__(self, size: int) -> None:
        self.name = f"mtcnn-{uuid.uuid4().hex}"
        self.size = size
        self._path = f"/dev/shm/{self.name}"
        if sys.platform != "linux":
            raise ServingError("shared memory is used on Linux alone: shared_memory=False")
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                os.posix_fallocate(file, 0, size)  # now, not with SIGBUS when it is written
                self.memory = mmap.mmap(file, size)
            except BaseException:
                self.unlink()
                raise
            finally:
                os.close(file)
        except OSError as error:
            raise ServingError(
                f"no {size} bytes of shared memory in /dev/shm: {error.strerror or error}; "
                "make room there, or shared_memory=False"
            ) from error

    def unlink(self) -> None:
        """Forget the name: the memory goes when neither side maps it any more, whatever becomes of this process."""
        os.unlink(self._path)


class Connection(ABC):
    """What the two protocols have in common.

    Whatever a server answers, its methods return what they promise or raise a ServingError.

    Attributes:
        used: whether the server has answered before.
        deadline: of the call under way, whatever it asks of the server.
    """

    protocol: str

    def __init__(self, url: str, model: str, timeout: float, shared_memory: bool, max_bytes: int) -> None:
        self.url, self.model, self.max_bytes = url, model, max_bytes
        self.deadline = Deadline(timeout)
        self.used = False
        self._shared_memory = shared_memory
        self._region: Region | None = None
        self._module = import_tritonclient(self.protocol)

    def detect(
        self, name: str, data: npt.NDArray[Any], parameters: dict[str, Any]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """The faces of one picture, `data` being the batch of one for the model's input `name`."""
        tensor = self._module.InferInput(name, list(data.shape), "BYTES" if data.dtype == object else "UINT8")
        if self._shared_memory:
            self._share(tensor, data)
        else:
            tensor.set_data_from_numpy(data)
        outputs = [self._module.InferRequestedOutput(name) for name in OUTPUTS]
        request_id = self.new_id()
        options = {"outputs": outputs, "parameters": parameters, "request_id": request_id}
        return self._checked(lambda: faces_of(self.infer([tensor], options), request_id))

    @staticmethod
    def new_id() -> str:
        """Of a request: the answer to another one has another."""
        return uuid.uuid4().hex

    def close(self) -> str | None:
        """Disconnect, without a word to the server: the name of the shared memory that it still maps."""
        self.disconnect()
        if self._region is None:
            return None
        region, self._region = self._region, None
        region.memory.close()
        return region.name

    def _share(self, tensor: Any, data: npt.NDArray[Any]) -> None:
        if data.dtype == object:  # as Triton's protocol has strings: the length before each
            file = bytes(data[0, 0])
            parts: list[Any] = [len(file).to_bytes(4, "little"), file]
        else:
            parts = [data.reshape(-1).data]
        size = sum(len(part) for part in parts)
        region = self._region_of(size)
        first = 0
        for part in parts:
            region.memory[first : first + len(part)] = part
            first += len(part)
        tensor.set_shared_memory(region.name, size)

    def _region_of(self, size: int) -> Region:
        if self._region is not None and self._region.size >= size:
            return self._region
        old, region = self._region, Region(1 << max(20, (size - 1).bit_length()))
        try:
            self.register(region.name, f"/{region.name}", region.size)
        finally:
            region.unlink()
        self._region = region
        if old is not None:
            self.unregister(old.name)
            old.memory.close()
        return region

    def _checked(self, read: Callable[[], Result]) -> Result:
        """What is read from the server; whatever is wrong with it is a ServingError."""
        try:
            return read()
        except ServingError:
            raise
        except TimeoutError:
            raise self._late() from None
        except TooLongError:
            raise self._too_long() from None
        except Exception as error:
            why = str(error) or type(error).__name__
            raise ServingError(f"{self.url} does not answer as Triton's {self.model!r} does: {_brief(why)}") from error

    @abstractmethod
    def infer(self, inputs: list[Any], options: dict[str, Any]) -> Answer: ...

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether the server is there and has loaded the model."""

    @abstractmethod
    def register(self, name: str, key: str, size: int) -> None: ...

    @abstractmethod
    def unregister(self, name: str) -> None: ...

    @abstractmethod
    def disconnect(self) -> None: ...

    def _refusal(self, status: str, message: str) -> ServingError:
        message = _brief(message)
        if "Unable to find shared memory region" in message:  # the server was started again since it was told of it
            kind: type[ServingError] = ServerUnavailableError
        elif "shared memory" in message:
            return ServingError(
                f"{self.url} cannot open this process's shared memory ({message}): "
                "is it on another machine, or in a container? There shared_memory=False"
            )
        elif "unknown model" in message:
            kind = ModelNotReadyError
        else:
            kind = _KINDS.get(status, ServingError)
        if kind is ServerTimeoutError:
            return self._late()
        if kind is ServerUnavailableError:
            return self._away(message)
        if kind is ModelNotReadyError:
            return kind(f"{self.url} has no model {self.model!r} loaded: {message}")
        return kind(message if kind is RequestRefusedError else f"{self.url} failed: {message}")

    def _away(self, why: object) -> ServerUnavailableError:
        return ServerUnavailableError(f"no Triton server answers at {self.url} ({self.protocol}): {why}")

    def _late(self) -> ServerTimeoutError:
        return ServerTimeoutError(f"{self.url} did not answer within {self.deadline.seconds:g} seconds")

    def _too_long(self) -> ServingError:
        return ServingError(f"{self.url} answers with more than {self.max_bytes} bytes (max_bytes)")


class HttpConnection(Connection):
    protocol = "http"

    def __init__(self, url: str, model: str, timeout: float, shared_memory: bool, max_bytes: int) -> None:
        super().__init__(url, model, timeout, shared_memory, max_bytes)
        host, _, port = url.rpartition(":")
        self._http = HttpExchange(host.strip("[]"), int(port), max_bytes)
        self._client = self._module.InferenceServerClient

    def infer(self, inputs: list[Any], options: dict[str, Any]) -> Answer:
        body, head = self._client.generate_request_body(inputs, **options)
        headers = {} if head is None else {"Inference-Header-Content-Length": str(head)}
        answer = self._post(f"/v2/models/{quote(self.model, safe='')}/infer", body, headers)
        return read_http_answer(answer.body, answer.headers)

    def is_ready(self) -> bool:
        return self._ask("GET", f"/v2/models/{quote(self.model, safe='')}/ready").status == 200

    def register(self, name: str, key: str, size: int) -> None:
        what = {"key": key, "offset": 0, "byte_size": size}
        self._post(f"/v2/systemsharedmemory/region/{name}/register", json.dumps(what).encode())

    def unregister(self, name: str) -> None:
        self._post(f"/v2/systemsharedmemory/region/{name}/unregister")

    def disconnect(self) -> None:
        self._http.close()

    def _post(self, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> HttpAnswer:
        answer = self._ask("POST", path, body, headers)
        if answer.status != 200:
            raise self._refusal(str(answer.status), read_problem(answer.body) or answer.reason)
        return answer

    def _ask(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> HttpAnswer:
        def ask() -> HttpAnswer:
            try:
                return self._http.ask(method, path, body, headers or {}, self.deadline)
            except TimeoutError:
                raise
            except (OSError, http.client.HTTPException) as error:
                why = getattr(error, "strerror", None) or str(error) or type(error).__name__
                raise self._away(_brief(why)) from None

        return self._checked(ask)


class GrpcConnection(Connection):
    protocol = "grpc"

    # A channel that shares its state with no other, so that a new one tries at once; large pictures; and answers that
    # are no larger unpacked than they came: of the ways to compress them it takes none (bit 0: identity).
    _CHANNEL = (
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.max_send_message_length", -1),
        ("grpc.compression_enabled_algorithms_bitset", 1),
    )

    def __init__(self, url: str, model: str, timeout: float, shared_memory: bool, max_bytes: int) -> None:
        super().__init__(url, model, timeout, shared_memory, max_bytes)
        limit = ("grpc.max_receive_message_length", max_bytes)
        self._client = self._module.InferenceServerClient(url, channel_args=[*self._CHANNEL, limit])

    def infer(self, inputs: list[Any], options: dict[str, Any]) -> Answer:
        return read_grpc_answer(self._call("infer", self.model, inputs, **options).get_response())

    def is_ready(self) -> bool:
        return bool(self._call("is_model_ready", self.model))

    def register(self, name: str, key: str, size: int) -> None:
        self._call("register_system_shared_memory", name, key, size)

    def unregister(self, name: str) -> None:
        self._call("unregister_system_shared_memory", name)

    def disconnect(self) -> None:
        self._client.close()

    def _call(self, method: str, *args: Any, **options: Any) -> Any:
        from tritonclient.utils import InferenceServerException

        def call() -> Any:
            try:
                return getattr(self._client, method)(*args, client_timeout=self.deadline.left(), **options)
            except InferenceServerException as error:
                status, message = str(error.status()).rpartition(".")[2], str(error.message())
                if "CLIENT: Received message larger" in message:  # gRPC on this side says so
                    raise TooLongError from None
                raise self._refusal(status, message) from None

        return self._checked(call)


def _brief(text: str) -> str:
    """What a server says, as part of an error's line."""
    text = printable(text[:MOST_MESSAGE])
    return text if len(text) <= MOST_MESSAGE else f"{text[: MOST_MESSAGE - 1]}…"
