"""What a server may answer to mtcnn.serving.Client, of a fuzzer's bytes: HTTP on a socket, and messages of gRPC."""

from __future__ import annotations

import socket
from typing import Any

import numpy as np

from mtcnn.runtime.text import printable
from mtcnn.serving import ServingError
from mtcnn.serving.answers import faces_of, read_grpc_answer
from mtcnn.serving.connection import HttpConnection
from mtcnn.serving.deadline import Deadline
from mtcnn.serving.http_exchange import HttpExchange
from tests.fuzz.choices import Choices
from tests.fuzz.targets import json_value, mutated
from tests.support.lying_server import Reply

REQUEST_ID = "7"
MAX_BYTES = 20_000
MOST_SENT = 100_000  # what a socket's buffer holds
PICTURE = np.zeros((1, 4, 4, 3), np.uint8)


class Told(HttpConnection):
    """A connection to a server that has said already what it is going to say."""

    new_id = staticmethod(lambda: REQUEST_ID)

    def __init__(self, said: bytes) -> None:
        super().__init__("localhost:1", "mtcnn", 5.0, False, MAX_BYTES)
        self._said = said
        self._http = HttpExchange("localhost", 1, MAX_BYTES, self._connect)

    def _connect(self, host: str, port: int, deadline: Deadline) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.setblocking(False)
            theirs.sendall(self._said)
            theirs.shutdown(socket.SHUT_WR)
            self._kept = theirs.dup()  # so that what is asked goes somewhere
        return ours


def by_http(c: Choices) -> None:
    reply = Reply(REQUEST_ID)
    for _ in range(c.whole(0, 3)):
        change(c, reply)
    said = reply.bytes()
    if c.whole(0, 3) == 3:
        said = mutated(c, said)
    connection = Told(said[:MOST_SENT])
    try:
        check(connection.detect("pixels", PICTURE, {}))
    except ServingError as error:
        assert str(error) == printable(str(error)) and len(str(error)) < 700
    finally:
        connection.close()
        connection._kept.close()


def change(c: Choices, reply: Reply) -> None:
    kind = c.whole(0, 9)
    if kind == 0:
        reply.start = c.pick((b"HTTP/1.1 400 Bad Request", b"HTTP/1.0 200 OK", b"HTTP/1.1 100 Continue", c.take(9)))
    elif kind == 1:
        name = c.pick(("Content-Encoding", "Connection", "Content-Length", "Transfer-Encoding", "X"))
        reply.headers.append(
            (name, c.pick(("close", "chunked", "gzip", "-1", "700", "\xff", c.take(9).decode("latin-1"))))
        )
    elif kind == 2:
        reply.head_length = c.pick(("", "0", "-1", "99999999", str(c.whole(0, 700)), c.take(4).decode("latin-1")))
    elif kind == 3:
        reply.content_length = c.pick(("", "0", "-1", "9" * 40, str(c.whole(0, 1000)), c.take(4).decode("latin-1")))
    elif kind == 4:
        body = reply.bytes().partition(b"\r\n\r\n")[2]
        at = c.whole(0, len(body))
        size = c.pick((b"%x" % at, b"-1", b"FFFFFFFFFFFF", b"0", c.take(3)))
        reply.chunks = [size, b"\r\n", body[:at], b"\r\n%x\r\n" % (len(body) - at), body[at:], b"\r\n0\r\n\r\n"]
    elif kind == 5:
        reply.head = c.pick((c.rest, lambda: b"[" * c.whole(1, 70_000), lambda: json_value(c)))()
    elif kind == 6:
        reply.tail = c.take(c.whole(0, 200))
    elif isinstance(reply.head, dict) and isinstance(reply.head.get("outputs"), list):
        output = c.pick(reply.head["outputs"] or [{}])
        field = c.pick(("name", "datatype", "shape", "parameters", "shape"))
        if field == "shape" and c.yes():
            output[field] = [c.pick((0, 1, 2, 5, 10, -1, 2**40, 1.0, True, "1")) for _ in range(c.whole(0, 4))]
        elif field == "parameters" and c.yes():
            output[field] = {"binary_data_size": c.pick((0, 4, 40, 80, -4, 2**40, 40.0, None))}
        else:
            output[field] = json_value(c)


def by_grpc(c: Choices) -> None:
    from google.protobuf.message import DecodeError
    from tritonclient.grpc import service_pb2

    reply = Reply(REQUEST_ID)
    message = service_pb2.ModelInferResponse(model_name="mtcnn", id=c.pick((REQUEST_ID, REQUEST_ID, REQUEST_ID, "8")))
    for name, array in reply.outputs.items():
        shape = array.shape
        if c.whole(0, 3) == 3:
            shape = tuple(c.pick((0, 1, 2, 5, 10, -1, 2**62)) for _ in range(c.whole(0, 4)))
        kinds = ("FP32", "INT32", "BYTES", "FP64", "", "\0")
        kind = c.pick(kinds) if c.whole(0, 7) == 7 else ("INT32" if name == "count" else "FP32")
        message.outputs.add(
            name=name if c.whole(0, 7) < 7 else c.pick(("dets", "", "count")), datatype=kind, shape=shape
        )
        data = array.tobytes()
        message.raw_output_contents.append(c.take(c.whole(0, 99)) if c.whole(0, 7) == 7 else data)
    data = message.SerializeToString()
    if c.whole(0, 3) == 3:
        try:
            message = service_pb2.ModelInferResponse.FromString(mutated(c, data))
        except DecodeError:  # which gRPC tells
            return
    try:
        check(faces_of(read_grpc_answer(message), REQUEST_ID))
    except ValueError:
        return


def check(found: tuple[Any, Any]) -> None:
    dets, landmarks = found
    assert dets.dtype == landmarks.dtype == np.float32 and dets.flags.writeable and landmarks.flags.writeable
    assert dets.shape == (len(dets), 5) and landmarks.shape == (len(dets), 10)
    assert np.isfinite(dets).all() and np.isfinite(landmarks).all() and (np.diff(dets[:, 4]) <= 0).all()


def corpus() -> list[bytes]:
    """Each kind of change once, as a beginning: python -m tests.fuzz.answers FOLDER writes them."""
    cases = [bytes([0]), bytes([0, 0, 3])]
    cases += [bytes([0, 1, kind, *range(1, 12)]) for kind in range(10)]
    cases += [bytes([1, 0] + [3] * 20), bytes([1] + [7] * 30), bytes([1] + [0] * 12 + [3, 1, 40, 0, 9])]
    return cases


if __name__ == "__main__":
    import hashlib
    import sys
    from pathlib import Path

    for case in corpus():
        Path(sys.argv[1], hashlib.sha256(case).hexdigest()[:12]).write_bytes(case)
