"""Servers that answer as Triton does, or nearly: bytes of HTTP, and messages of gRPC."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

DETS = np.float32([[[10, 20, 30, 40, 0.9], [1, 2, 3, 4, 0.8]]])
LANDMARKS = np.arange(20, dtype=np.float32).reshape(1, 2, 10)
COUNT = np.int32([[2]])
OUTPUTS = {"dets": DETS, "landmarks": LANDMARKS, "count": COUNT}
TYPES = {"float32": "FP32", "float64": "FP64", "int32": "INT32", "int64": "INT64", "bool": "BOOL", "uint8": "UINT8"}


@dataclass
class Reply:
    """An honest answer, of which a lie changes some part. None: as it should be."""

    request_id: str
    outputs: dict[str, Any] = field(default_factory=lambda: {name: array.copy() for name, array in OUTPUTS.items()})
    start: bytes = b"HTTP/1.1 200 OK"
    headers: list[tuple[str, str]] = field(default_factory=lambda: [("Content-Type", "application/octet-stream")])
    head: Any = None  # JSON
    tail: bytes | None = None
    head_length: str | None = None
    content_length: str | None = None
    body: bytes | None = None
    chunks: list[bytes] | None = None  # as they are, with their sizes
    raw: bytes | None = None  # all of it
    pause: float = 0  # after each byte
    forever: bytes | None = None  # again and again, after the rest

    def __post_init__(self) -> None:
        self.head = self.make_head()

    def make_head(self) -> dict[str, Any]:
        return {
            "model_name": "mtcnn",
            "model_version": "1",
            "id": self.request_id,
            "outputs": [
                {
                    "name": name,
                    "datatype": TYPES[str(array.dtype)],
                    "shape": list(array.shape),
                    "parameters": {"binary_data_size": array.nbytes},
                }
                for name, array in self.outputs.items()
            ],
        }

    def replace(self, **outputs: Any) -> None:
        """Other outputs, told as they are."""
        self.outputs |= outputs
        self.head = self.make_head()

    def output(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(output for output in self.head["outputs"] if output["name"] == name)
        return found

    def bytes(self) -> bytes:
        if self.raw is not None:
            return self.raw
        head = self.head if isinstance(self.head, bytes) else json.dumps(self.head).encode()
        tail = b"".join(array.tobytes() for array in self.outputs.values()) if self.tail is None else self.tail
        body = head + tail if self.body is None else self.body
        headers = [*self.headers]
        length = str(len(head)) if self.head_length is None else self.head_length
        if length:
            headers.append(("Inference-Header-Content-Length", length))
        if self.chunks is not None:
            headers.append(("Transfer-Encoding", "chunked"))
            body = b"".join(self.chunks)
        elif self.content_length != "":
            headers.append(("Content-Length", self.content_length or str(len(body))))
        lines = [self.start, *(f"{name}: {value}".encode("latin-1") for name, value in headers), b"", body]
        return b"\r\n".join(lines)


Lie = Callable[[Reply], None]


class LyingServer:
    """HTTP, one thread a connection; each answer is what ``lie`` makes of an honest one."""

    def __init__(self) -> None:
        self.lie: Lie = lambda reply: None
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        for connection in (self._listening, *self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self._connections.append(connection)
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            while (request := _request(connection)) is not None:
                found = re.search(rb'"id":"(\w+)"', request)
                reply = Reply(found[1].decode() if found else "")
                self.lie(reply)
                said = reply.bytes()
                for at in range(len(said)) if reply.pause else ():
                    connection.sendall(said[at : at + 1])
                    time.sleep(reply.pause)
                if not reply.pause:
                    connection.sendall(said)
                while reply.forever is not None:
                    connection.sendall(reply.forever)
                    time.sleep(reply.pause)
                if "close" in dict(reply.headers).get("Connection", "") or reply.content_length == "":
                    return


def _request(connection: socket.socket) -> bytes | None:
    """A whole one; None where the client has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (part := connection.recv(65_536)):
            return None
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    found = re.search(rb"Content-Length: (\d+)", head)
    while found and len(body) < int(found[1]):
        body += connection.recv(65_536)
    return body


@contextlib.contextmanager
def lying_grpc_server(answer: Callable[[str, bytes, Any], bytes], compression: Any = None) -> Iterator[str]:
    """Its address. ``answer`` is told the method's name and the request, and returns the bytes of a message."""
    import grpc

    class Any_(grpc.GenericRpcHandler):
        def service(self, details: Any) -> Any:
            name = details.method.rpartition("/")[2]
            return grpc.unary_unary_rpc_method_handler(lambda request, context: answer(name, request, context))

    server = grpc.server(ThreadPoolExecutor(4), handlers=(Any_(),), compression=compression)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
