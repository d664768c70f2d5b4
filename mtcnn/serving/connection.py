"""One connection to Triton Inference Server, used by one thread at a time.

tritonclient puts requests together and takes answers apart. Its own HTTP transport is not used: it is bound to the
thread that made it, and a client is to serve any.
"""

from __future__ import annotations

import http.client
import json
import mmap
import os
import uuid
from abc import ABC, abstractmethod
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from mtcnn.errors import MtcnnError
from mtcnn.serving.errors import (
    ModelNotReadyError,
    RequestRefusedError,
    ServerTimeoutError,
    ServerUnavailableError,
    ServingError,
)

__all__ = ["Connection", "GrpcConnection", "HttpConnection", "connect", "import_tritonclient"]

OUTPUTS = ("dets", "landmarks", "count")

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
        raise MtcnnError(f"a client of Triton needs {error.name}: pip install 'trt-mtcnn[triton]'") from error
    return module


def connect(protocol: str, url: str, model: str, timeout: float, shared_memory: bool) -> Connection:
    kind = HttpConnection if protocol == "http" else GrpcConnection
    return kind(url, model, timeout, shared_memory)


class Region:
    """Memory that the server reads a picture from, known to it by a name of its own."""

    def __init__(self, size: int) -> None:
        self.name = f"mtcnn-{uuid.uuid4().hex}"
        self.size = size
        self._path = f"/dev/shm/{self.name}"
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

    Attributes:
        used: whether the server has answered before.
    """

    protocol: str

    def __init__(self, url: str, model: str, timeout: float, shared_memory: bool) -> None:
        self.url, self.model, self.timeout = url, model, timeout
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
        answer = self.infer([tensor], outputs, parameters)
        dets, landmarks, count = (answer.as_numpy(output) for output in OUTPUTS)
        try:
            n = int(count[0, 0])
            # Copies, that may be written to and do not keep the whole answer.
            faces = dets[0, :n].astype(np.float32), landmarks[0, :n].astype(np.float32)
            if faces[0].shape != (n, 5) or faces[1].shape != (n, 10):
                raise ValueError
        except (TypeError, IndexError, ValueError):
            raise ServingError(f"model {self.model!r} at {self.url} does not answer as mtcnn's does") from None
        return faces

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

    @abstractmethod
    def infer(self, inputs: list[Any], outputs: list[Any], parameters: dict[str, Any]) -> Any: ...

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
        return ServerTimeoutError(f"{self.url} did not answer within {self.timeout:g} seconds")


class HttpConnection(Connection):
    protocol = "http"

    def __init__(self, url: str, model: str, timeout: float, shared_memory: bool) -> None:
        super().__init__(url, model, timeout, shared_memory)
        host, _, port = url.rpartition(":")
        self._http = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=timeout)
        self._client = self._module.InferenceServerClient

    def infer(self, inputs: list[Any], outputs: list[Any], parameters: dict[str, Any]) -> Any:
        body, head = self._client.generate_request_body(inputs, outputs=outputs, parameters=parameters)
        headers = {} if head is None else {"Inference-Header-Content-Length": str(head)}
        answer, length = self._post(f"/v2/models/{quote(self.model, safe='')}/infer", body, headers)
        try:
            return self._client.parse_response_body(answer, header_length=None if length is None else int(length))
        except (ValueError, KeyError, TypeError):
            raise ServingError(f"{self.url} does not answer as Triton does") from None

    def is_ready(self) -> bool:
        return self._ask("GET", f"/v2/models/{quote(self.model, safe='')}/ready")[0] == 200

    def register(self, name: str, key: str, size: int) -> None:
        what = {"key": key, "offset": 0, "byte_size": size}
        self._post(f"/v2/systemsharedmemory/region/{name}/register", json.dumps(what).encode())

    def unregister(self, name: str) -> None:
        self._post(f"/v2/systemsharedmemory/region/{name}/unregister")

    def disconnect(self) -> None:
        self._http.close()

    def _post(self, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> tuple[bytes, str | None]:
        status, answer, length = self._ask("POST", path, body, headers or {})
        if status != 200:
            try:
                message = str(json.loads(answer)["error"])
            except (ValueError, KeyError, TypeError):
                message = f"{status} {http.client.responses.get(status, '')}".strip()
            raise self._refusal(str(status), message)
        return answer, length

    def _ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, bytes, str | None]:
        try:
            self._http.request(method, path, body, headers or {})
            with self._http.getresponse() as response:
                return response.status, response.read(), response.headers.get("Inference-Header-Content-Length")
        except TimeoutError:
            raise self._late() from None
        except (OSError, http.client.HTTPException) as error:
            raise self._away(getattr(error, "strerror", None) or str(error) or type(error).__name__) from None


class GrpcConnection(Connection):
    protocol = "grpc"

    # Large pictures; and a channel that shares its state with no other, so that a new one tries at once.
    _CHANNEL = (
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", -1),
        ("grpc.use_local_subchannel_pool", 1),
    )

    def __init__(self, url: str, model: str, timeout: float, shared_memory: bool) -> None:
        super().__init__(url, model, timeout, shared_memory)
        self._client = self._module.InferenceServerClient(url, channel_args=[*self._CHANNEL])

    def infer(self, inputs: list[Any], outputs: list[Any], parameters: dict[str, Any]) -> Any:
        return self._call("infer", self.model, inputs, outputs=outputs, parameters=parameters)

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

        try:
            return getattr(self._client, method)(*args, client_timeout=self.timeout, **options)
        except InferenceServerException as error:
            status = str(error.status()).rpartition(".")[2]
            raise self._refusal(status, error.message()) from None
