"""mtcnn.serving.Client before servers that lie: whatever they say wrongly is a ServingError, in time and in bounds."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tritonclient", reason="a client needs tritonclient")

from mtcnn.serving import Client, ModelNotReadyError, RequestRefusedError, ServerTimeoutError, ServingError
from tests.support.lying_server import COUNT, DETS, LANDMARKS, Lie, LyingServer, Reply, lying_grpc_server

pytestmark = pytest.mark.slow

PICTURE = np.zeros((20, 30, 3), np.uint8)
DEEP = b"[" * 60_000
MAX_BYTES = 1_000_000


def changed(**fields: Any) -> Lie:
    def lie(reply: Reply) -> None:
        for name, value in fields.items():
            setattr(reply, name, value)

    return lie


def outputs(**arrays: Any) -> Lie:
    return lambda reply: reply.replace(**arrays)


def told(name: str, /, **fields: Any) -> Lie:
    """Of an output, what the JSON says of it."""
    return lambda reply: reply.output(name).update(fields)


def size(name: str, value: Any) -> Lie:
    return told(name, parameters={"binary_data_size": value})


def head(**fields: Any) -> Lie:
    return lambda reply: reply.head.update(fields)


def header(name: str, value: str) -> Lie:
    return lambda reply: reply.headers.append((name, value))


def without(name: str) -> Lie:
    def lie(reply: Reply) -> None:
        del reply.outputs[name]
        reply.head = reply.make_head()

    return lie


def twice(reply: Reply) -> None:
    reply.head["outputs"] += [reply.output("count")]


def another_order(reply: Reply) -> None:
    reply.outputs = dict(reversed(reply.outputs.items()))
    reply.head = reply.make_head()


def as_text(reply: Reply) -> None:
    """Values in the JSON, where bytes were asked for."""
    for output in reply.head["outputs"]:
        del output["parameters"]
        output["data"] = reply.outputs[output["name"]].ravel().tolist()
    reply.tail, reply.head_length = b"", ""


def both(*lies: Lie) -> Lie:
    def lie(reply: Reply) -> None:
        for one in lies:
            one(reply)

    return lie


def error(start: bytes, body: bytes) -> Lie:
    return changed(start=start, body=body, head_length="")


def of(array: Any, value: float, *place: int) -> Any:
    made = array.copy()
    made[place] = value
    return made


JSON_BOMB = b'{"outputs": ' + b"[{},".join([b""] * 50_000) + b"]}"
LIES: dict[str, Lie] = {
    # what is no HTTP
    "nothing": changed(raw=b"", content_length=""),
    "no HTTP": changed(raw=b"SSH-2.0-OpenSSH_9.2\r\n", content_length=""),
    "zeros": changed(raw=bytes(1000), content_length=""),
    "a version that there is not": changed(start=b"HTTP/9.9 200 OK"),
    "no status": changed(start=b"HTTP/1.1"),
    "a status that is a word": changed(start=b"HTTP/1.1 OK"),
    "a status of four digits": changed(start=b"HTTP/1.1 2000 OK"),
    "a negative status": changed(start=b"HTTP/1.1 -200 OK"),
    "a long status line": changed(start=b"HTTP/1.1 200 " + b"x" * 100_000),
    "a long header": header("X", "x" * 100_000),
    "many headers": lambda reply: reply.headers.extend([("X", "y")] * 500),
    "no header's end": changed(raw=b"HTTP/1.1 200 OK\r\nX: y", content_length=""),
    "only a head": changed(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 700\r\n\r\n", content_length=""),
    # lengths
    "a body that is cut": changed(content_length="99999", headers=[("Connection", "close")]),
    "a body of petabytes": changed(content_length=str(10**15)),
    "a length of more digits than there are": changed(content_length="9" * 5_000),
    "a negative length": changed(content_length="-5", headers=[("Connection", "close")]),
    "a length that is too short": changed(content_length="100"),
    "no head's length": changed(head_length=""),
    "a head's length that is a word": changed(head_length="many"),
    "a negative head's length": changed(head_length="-1"),
    "a head's length of 0": changed(head_length="0"),
    "a head's length beyond the answer": changed(head_length="99999"),
    "a head's length in other digits": changed(head_length="\xb2"),
    "a head's length inside of the head": changed(head_length="40"),
    "a head's length of thousands of digits": changed(head_length="9" * 5_000),
    # chunks
    "chunks of words": changed(chunks=[b"xyz\r\nabc\r\n0\r\n\r\n"]),
    "a negative chunk": changed(chunks=[b"-5\r\nabcde\r\n0\r\n\r\n"]),
    "a chunk of -1": changed(chunks=[b"-1\r\nabcde\r\n0\r\n\r\n"], content_length=""),
    "a chunk of exabytes": changed(chunks=[b"FFFFFFFFFFFFFFF\r\nabc"], content_length=""),
    "no last chunk": changed(chunks=[b"3\r\nabc\r\n"], headers=[("Connection", "close")]),
    "endless trailers": changed(chunks=[b"3\r\nabc\r\n0\r\n"], forever=b"X: y\r\n" * 1000),
    # encodings
    "said to be gzip": header("Content-Encoding", "gzip"),
    "said to be deflate": header("Content-Encoding", "deflate"),
    "said to be unknown": header("Content-Encoding", "\xff"),
    # what is JSON, or not
    "no JSON": changed(head=b"<html>"),
    "no UTF-8": changed(head=b'{"outputs": "\xff\xfe"}'),
    "deep JSON": changed(head=DEEP),
    "deep objects": changed(head=b'{"a":' * 10_000),
    "a bomb of JSON": changed(head=JSON_BOMB),
    "a long number": changed(head=b'{"outputs": ' + b"9" * 60_000 + b"}"),
    "a list": changed(head=[1, 2]),
    "null": changed(head=b"null"),
    "NaN": changed(head=b"NaN"),
    "an empty object": changed(head={}),
    "no outputs": head(outputs=[]),
    "outputs are null": head(outputs=None),
    "outputs are a word": head(outputs="dets"),
    "outputs are numbers": head(outputs=[1, 2, 3]),
    "outputs are lists": head(outputs=[[], []]),
    "outputs are objects": head(outputs={"dets": 1}),
    "values in the JSON": as_text,
    # outputs
    "no dets": without("dets"),
    "no landmarks": without("landmarks"),
    "no count": without("count"),
    "one twice": twice,
    "a name is a number": told("dets", name=3),
    "a name is a list": told("dets", name=["dets"]),
    "a type is missing": told("dets", datatype=None),
    "a type that there is not": told("dets", datatype="FP33"),
    "a type of words": told("dets", datatype="BYTES"),
    "a type of other size": told("dets", datatype="FP64"),
    "another type of that size": told("dets", datatype="INT32"),
    "count is float": told("count", datatype="FP32"),
    "dets are doubles": outputs(dets=DETS.astype(np.float64)),
    "dets are bytes": outputs(dets=DETS.astype(np.uint8)),
    "a shape is null": told("dets", shape=None),
    "a shape is a word": told("dets", shape="1x2x5"),
    "a shape of words": told("dets", shape=["1", "2", "5"]),
    "a shape of flags": told("dets", shape=[True, 2, 5]),
    "a shape of fractions": told("dets", shape=[1.0, 2.0, 5.0]),
    "a negative shape": told("dets", shape=[1, -2, -5]),
    "-1 in a shape": told("dets", shape=[1, -1, 5]),
    "a huge shape": told("dets", shape=[10**18, 10**18, 5]),
    "a shape of nothing, and huge": told("dets", shape=[0, 10**18, 5]),
    "a shape of a thousand dimensions": told("dets", shape=[1] * 1000 + [10]),
    "no dimensions": told("count", shape=[]),
    "columns are six": outputs(dets=np.zeros((1, 2, 6), np.float32)),
    "landmarks are five": outputs(landmarks=np.zeros((1, 2, 5), np.float32)),
    "rows are cells": told("dets", shape=[1, 5, 2]),
    "two pictures": outputs(dets=np.zeros((2, 2, 5), np.float32), landmarks=np.zeros((2, 2, 10), np.float32)),
    "no pictures": outputs(dets=np.zeros((0, 2, 5), np.float32)),
    "fewer landmarks than faces": outputs(landmarks=LANDMARKS[:, :1]),
    "more faces than counted": outputs(count=np.int32([[1]])),
    "fewer faces than counted": outputs(count=np.int32([[3]])),
    "a negative count": outputs(count=np.int32([[-1]])),
    "a huge count": outputs(count=np.int32([[2**31 - 1]])),
    "counts of two": outputs(count=np.int32([[2], [2]])),
    "counts of none": outputs(count=np.zeros((1, 0), np.int32)),
    "a long count": outputs(count=COUNT.astype(np.int64)),
    "NaN in a box": outputs(dets=of(DETS, np.nan, 0, 0, 1)),
    "infinity in a box": outputs(dets=of(DETS, np.inf, 0, 1, 0)),
    "NaN as a score": outputs(dets=of(DETS, np.nan, 0, 0, 4)),
    "a score of 2": outputs(dets=of(DETS, 2, 0, 0, 4)),
    "a negative score": outputs(dets=of(DETS, -0.5, 0, 1, 4)),
    "scores that rise": outputs(dets=DETS[:, ::-1].copy()),
    "NaN in a landmark": outputs(landmarks=of(LANDMARKS, np.nan, 0, 1, 9)),
    # sizes of outputs
    "no size": told("dets", parameters={}),
    "no parameters": told("dets", parameters=None),
    "parameters are a list": told("dets", parameters=[1]),
    "a size is a word": size("dets", "40"),
    "a size is a fraction": size("dets", 40.0),
    "a size is a flag": size("dets", True),
    "a negative size": size("dets", -40),
    "a huge size": size("dets", 10**18),
    "a size that is too short": size("dets", 36),
    "a size that is too long": size("dets", 44),
    "a size beyond the answer": size("count", 4_000),
    "bytes are missing": changed(tail=DETS.tobytes()),
    "bytes are left": changed(tail=DETS.tobytes() + LANDMARKS.tobytes() + COUNT.tobytes() + b"x"),
    # another's answer
    "an answer to another": head(id="0" * 32),
    "an answer to nobody": head(id=None),
    "an id that is a number": head(id=7),
    # refusals
    "redirected": both(error(b"HTTP/1.1 302 Found", b""), header("Location", "/elsewhere")),
    "moved to a file": both(error(b"HTTP/1.1 301 Moved", b""), header("Location", "file:///etc/passwd")),
    "not modified": error(b"HTTP/1.1 304 Not Modified", b""),
    "no content": error(b"HTTP/1.1 204 No Content", b""),
    "a part of it": changed(start=b"HTTP/1.1 206 Partial Content"),
    "an error without words": error(b"HTTP/1.1 500 Internal Server Error", b""),
    "an error of HTML": error(b"HTTP/1.1 502 Bad Gateway", b"<html>" * 1000),
    "an error of deep JSON": error(b"HTTP/1.1 400 Bad Request", DEEP),
    "an error that is a number": error(b"HTTP/1.1 400 Bad Request", b'{"error": 3}'),
    "an error that is a list": error(b"HTTP/1.1 500 Oops", b'["error"]'),
    "an error of no UTF-8": error(b"HTTP/1.1 400 Bad Request", b'{"error": "\xff"}'),
    "a status beyond all": error(b"HTTP/1.1 999 Beyond", b""),
    "switching protocols": error(b"HTTP/1.1 101 Switching Protocols", b""),
    # too much
    "100 Continue without end": changed(raw=b"", forever=b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "headers without end": changed(raw=b"HTTP/1.1 200 OK\r\n", forever=b"X: y\r\n" * 100),
    "a body without end": changed(content_length="", forever=bytes(65_536)),
    "chunks without end": changed(chunks=[b""], forever=b"10000\r\n" + bytes(65_536) + b"\r\n"),
    "spaces without end": changed(raw=b"HTTP/1.1 200 OK\r\nX:", forever=b" " * 1000),
    "an error without end": changed(start=b"HTTP/1.1 400 Bad Request", content_length="", forever=b" " * 65_536),
}

TRUTHS: dict[str, Lie] = {
    "as it is": lambda reply: None,
    "no face": outputs(
        dets=np.zeros((1, 0, 5), np.float32), landmarks=np.zeros((1, 0, 10), np.float32), count=np.int32([[0]])
    ),
    "another output": outputs(extra=np.zeros((3, 3), np.float32)),
    "another order": another_order,
    "closed after it": changed(headers=[("Connection", "close")]),
    "until the end": changed(content_length="", headers=[("Connection", "close")]),
    "encoded as identity": header("Content-Encoding", "identity"),
}


@pytest.fixture(scope="module")
def server() -> Iterator[LyingServer]:
    running = LyingServer()
    yield running
    running.close()


@pytest.fixture(scope="module")
def client(server: LyingServer) -> Iterator[Client]:
    with Client(server.url, timeout=10, max_bytes=MAX_BYTES) as made:
        yield made


def asked(client: Client, server: LyingServer, lie: Lie) -> tuple[Any, Any]:
    server.lie = lie
    try:
        return client.detect(PICTURE)
    finally:
        server.lie = lambda reply: None


def test_there_are_lies_enough() -> None:
    assert len(LIES) >= 65


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_a_serving_error(name: str, client: Client, server: LyingServer) -> None:
    began = time.monotonic()
    with pytest.raises(ServingError) as caught:
        asked(client, server, LIES[name])
    message = str(caught.value)
    assert server.url in message or isinstance(caught.value, RequestRefusedError)
    assert len(message) < 700 and message.isprintable(), message
    assert time.monotonic() - began < 8 and not isinstance(caught.value, ServerTimeoutError)
    dets, landmarks = client.detect(PICTURE)  # the same client, and the server has come to its senses
    np.testing.assert_array_equal(dets, DETS[0])
    np.testing.assert_array_equal(landmarks, LANDMARKS[0])


@pytest.mark.parametrize("name", TRUTHS)
def test_what_is_no_lie(name: str, client: Client, server: LyingServer) -> None:
    dets, landmarks = asked(client, server, TRUTHS[name])
    assert dets.shape == (0 if name == "no face" else 2, 5) and landmarks.shape == (len(dets), 10)
    assert dets.flags.writeable and dets.flags.owndata


def test_chunks_that_are_right(client: Client, server: LyingServer) -> None:
    def lie(reply: Reply) -> None:
        body = reply.bytes().partition(b"\r\n\r\n")[2]
        parts = [body[:100], body[100:]]
        reply.head_length = str(len(json.dumps(reply.head)))
        reply.chunks = [b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in parts] + [b"0\r\nX: y\r\n\r\n"]

    assert len(asked(client, server, lie)[0]) == 2


def test_words_of_a_server_are_plain_text(client: Client, server: LyingServer) -> None:
    body = b'{"error": "\\u001b[2J\\u202e\\ud800' + b"x" * 9_000 + b'"}'
    with pytest.raises(RequestRefusedError) as caught:
        asked(client, server, error(b"HTTP/1.1 400 Bad Request", body))
    message = str(caught.value)
    assert message.isprintable() and message.startswith(r"\x1b[2J") and len(message) <= 500


def test_two_answers_to_one_request_are_not_taken_for_the_next(client: Client, server: LyingServer) -> None:
    def lie(reply: Reply) -> None:
        reply.raw = reply.bytes() * 2

    for _ in range(3):
        assert len(asked(client, server, lie)[0]) == 2
    assert len(client.detect(PICTURE)[0]) == 2


@pytest.mark.parametrize(
    "lie",
    [
        changed(pause=0.05),
        changed(raw=b"", forever=b"", pause=0.05),
        changed(raw=b"HTTP/1.1 200 OK\r\n", forever=b"X: y\r\n", pause=0.05),
        changed(raw=b"", forever=b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.05),
        changed(content_length="999999", forever=b"x", pause=0.05),
        changed(content_length="", forever=b"x", pause=0.05),
        changed(chunks=[b""], forever=b"1\r\nx\r\n", pause=0.05),
    ],
)
def test_the_timeout_is_for_the_whole_answer(lie: Lie, server: LyingServer) -> None:
    with Client(server.url, timeout=0.5) as client:
        assert len(client.detect(PICTURE)[0]) == 2
        began = time.monotonic()
        with pytest.raises(ServerTimeoutError, match=r"within 0\.5 seconds"):
            asked(client, server, lie)
        assert 0.4 < time.monotonic() - began < 2
        server.lie = lie
        assert not client.is_ready()
        server.lie = lambda reply: None
        assert time.monotonic() - began < 4
        assert len(client.detect(PICTURE)[0]) == 2


def test_an_answer_has_a_greatest_size(server: LyingServer) -> None:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with Client(server.url, max_bytes=20_000) as client:
        for name in ("a body without end", "chunks without end", "a body of petabytes", "an error without end"):
            with pytest.raises(ServingError, match=r"more than 20000 bytes \(max_bytes\)"):
                asked(client, server, LIES[name])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most < 50_000  # KB


def test_readiness(client: Client, server: LyingServer) -> None:
    for name in ("no HTTP", "redirected", "headers without end", "zeros", "an error of deep JSON"):
        server.lie = LIES[name]
        assert not client.is_ready()
    server.lie = lambda reply: None
    assert client.is_ready()


class TestGrpc:
    @staticmethod
    def honest(request_id: str, **arrays: Any) -> Any:
        from tritonclient.grpc import service_pb2

        reply = Reply(request_id)
        reply.replace(**arrays)
        message = service_pb2.ModelInferResponse(model_name="mtcnn", model_version="1", id=request_id)
        for output in reply.head["outputs"]:
            message.outputs.add(name=output["name"], datatype=output["datatype"], shape=output["shape"])
            message.raw_output_contents.append(reply.outputs[output["name"]].tobytes())
        return message

    @staticmethod
    def lies() -> dict[str, Callable[[Any], Any]]:
        def one(place: int, **fields: Any) -> Callable[[Any], Any]:
            def lie(message: Any) -> None:
                output = message.outputs[place]
                for name, value in fields.items():
                    if name == "shape":
                        del output.shape[:]
                        output.shape.extend(value)
                    else:
                        setattr(output, name, value)

            return lie

        def drop(field: str, place: int) -> Callable[[Any], Any]:
            def lie(message: Any) -> None:
                getattr(message, field).pop(place)

            return lie

        def raw(data: bytes) -> Callable[[Any], Any]:
            return lambda message: data

        def cut(message: Any) -> None:
            message.raw_output_contents[0] = message.raw_output_contents[0][:-1]

        def inline(message: Any) -> None:
            del message.raw_output_contents[:]
            message.outputs[0].contents.fp32_contents.extend(DETS.ravel().tolist())

        def nan(message: Any) -> None:
            message.raw_output_contents[0] = of(DETS, np.nan, 0, 0, 0).tobytes()

        return {
            "no message": raw(b"\xff" * 100),
            "an empty message": raw(b""),
            "deep groups": raw(b"\x0b" * 10_000),
            "long": raw(bytes(2_000_000)),
            "no UTF-8": raw(b"\x0a\x02\xff\xfe"),
            "no outputs": lambda message: message.outputs.clear(),
            "no bytes": lambda message: message.raw_output_contents.clear(),
            "an output less": drop("outputs", 2),
            "bytes less": drop("raw_output_contents", 2),
            "a negative shape": one(0, shape=[1, -2, -5]),
            "a huge shape": one(0, shape=[2**62, 2**62]),
            "no shape": one(0, shape=[]),
            "a type that there is not": one(0, datatype="FP33"),
            "no type": one(0, datatype=""),
            "a type of words": one(0, datatype="BYTES"),
            "another name": one(0, name="faces"),
            "a name twice": one(0, name="count"),
            "a byte less": cut,
            "values elsewhere": inline,
            "NaN": nan,
            "another's": lambda message: setattr(message, "id", "another"),
        }

    def test_lies(self) -> None:
        from tritonclient.grpc import service_pb2

        lie: Callable[[Any], Any] = lambda message: None  # noqa: E731

        def answer(name: str, request: bytes, context: Any) -> bytes:
            message = self.honest(service_pb2.ModelInferRequest.FromString(request).id)
            made = lie(message)
            return made if isinstance(made, bytes) else bytes(message.SerializeToString())

        with lying_grpc_server(answer) as url, Client(url, "grpc", max_bytes=MAX_BYTES) as client:
            assert len(client.detect(PICTURE)[0]) == 2
            for name, lie in self.lies().items():
                with pytest.raises(ServingError) as caught:
                    client.detect(PICTURE)
                assert url in str(caught.value) and str(caught.value).isprintable(), name
                assert not isinstance(caught.value, RequestRefusedError), name
                lie = lambda message: None  # noqa: E731
                assert len(client.detect(PICTURE)[0]) == 2

    @pytest.mark.parametrize("compression", ["Gzip", "Deflate"])
    def test_a_bomb(self, compression: str) -> None:
        import grpc

        def answer(name: str, request: bytes, context: Any) -> bytes:
            return bytes(50_000_000)

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with (
            lying_grpc_server(answer, getattr(grpc.Compression, compression)) as url,
            Client(url, "grpc", max_bytes=MAX_BYTES) as client,
            pytest.raises(ServingError, match=url),
        ):
            client.detect(PICTURE)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most < 180_000  # KB; the server has it twice

    @pytest.mark.parametrize("code", ["OK", "CANCELLED", "INVALID_ARGUMENT", "NOT_FOUND", "INTERNAL", "DATA_LOSS"])
    def test_refusals(self, code: str) -> None:
        import grpc

        def answer(name: str, request: bytes, context: Any) -> bytes:
            context.set_trailing_metadata((("x-bin", b"\xff\xfe"), ("grpc-status-details-bin", b"\xff")))
            context.set_code(getattr(grpc.StatusCode, code))
            context.set_details("\x1b[31mred\n" + "x" * 3_000)
            return b""

        kinds = {"INVALID_ARGUMENT": RequestRefusedError, "NOT_FOUND": ModelNotReadyError}
        with lying_grpc_server(answer) as url, Client(url, "grpc") as client:
            with pytest.raises(kinds.get(code, ServingError)) as caught:
                client.detect(PICTURE)
            assert len(str(caught.value)) < 700 and str(caught.value).isprintable()

    def test_the_timeout(self) -> None:
        def answer(name: str, request: bytes, context: Any) -> bytes:
            time.sleep(1)
            return b""

        with lying_grpc_server(answer) as url, Client(url, "grpc", timeout=0.3) as client:
            began = time.monotonic()
            with pytest.raises(ServerTimeoutError, match=r"within 0\.3 seconds"):
                client.detect(PICTURE)
            assert time.monotonic() - began < 0.9
