"""`mtcnn demo` and those who mean it harm: unfinished requests, bombs, sites' pages; and all kinds of pictures."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mtcnn import FaceEmbedder, FaceVerifier, TrtMtcnn
from mtcnn.errors import MtcnnError
from tests.conftest import ROOT
from tests.integration.test_demo import ASTRONAUT, ask
from tests.support.demo_server import running_demo
from tests.support.embedders import make_embedder

pytest.importorskip("starlette", reason="the demo needs starlette and uvicorn")
pytest.importorskip("uvicorn")

from mtcnn.demo.app import make_app
from mtcnn.web.server import ServerLimits, host_names, is_loopback, listen
from tests.support.web_server import serving

pytestmark = pytest.mark.slow

LIMITS = ServerLimits(connections=12, head_seconds=0.6, body_seconds=1.2)
MOST_BYTES, MOST_HELD = 300_000, 1_000_000
HEAD = b"POST /detect HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\nContent-Length: 250000\r\n\r\n"


@pytest.fixture(scope="module")
def app(detector: TrtMtcnn, tmp_path_factory: pytest.TempPathFactory) -> Callable[[tuple[str, ...]], Any]:
    embedder = FaceEmbedder(make_embedder(tmp_path_factory.mktemp("demo") / "m.onnx"), detector.device)
    verifier = FaceVerifier(embedder, detector)
    return lambda hosts: make_app(detector, verifier, most_bytes=MOST_BYTES, most_held=MOST_HELD, hosts=hosts)


@pytest.fixture
def port(app: Any, caplog: pytest.LogCaptureFixture) -> Iterator[int]:
    """Of a server that logs nothing worse than requests that are none."""
    with serving(app, limits=LIMITS) as (_, number):
        yield number
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def connect(port: int, said: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.sendall(said)
    return connection


def heard(connection: socket.socket) -> bytes:
    """All that comes until the connection is closed."""
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65_536):
            parts.append(part)
    return b"".join(parts)


def finds_a_face(port: int) -> bool:
    try:
        found = ask(f"http://127.0.0.1:{port}/detect", ASTRONAUT.read_bytes())
    except OSError:  # there is no connection left for it
        return False
    return isinstance(found, dict) and len(found["faces"]) == 1


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


class TestUnfinished:
    @pytest.mark.parametrize(
        "said",
        [
            b"",
            b"GET / HTTP/1.1\r\nHost: local",
            HEAD + bytes(1000),
            HEAD.replace(b"Content-Length: 250000", b"Transfer-Encoding: chunked") + b"100\r\nabc",
            HEAD.replace(b"/detect", b"/settings").replace(b"POST", b"GET") + bytes(1000),
            HEAD.replace(b"image/jpeg", b"text/plain") + bytes(1000),
            b"GET /settings HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\n",
        ],
    )
    def test_what_stops_is_closed(self, said: bytes, port: int) -> None:
        with connect(port, said) as connection:
            began = time.monotonic()
            heard(connection)
            assert time.monotonic() - began < 8

    @pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\nX: ", HEAD, HEAD.replace(b"image/jpeg", b"text/plain")])
    def test_what_dribbles_is_closed(self, said: bytes, port: int) -> None:
        began = time.monotonic()
        with connect(port, said) as connection, contextlib.suppress(ConnectionError):
            while time.monotonic() - began < 10:
                connection.sendall(b"x")
                time.sleep(0.05)
        assert time.monotonic() - began < 5

    def test_what_says_that_it_is_too_large_is_not_waited_for(self, port: int) -> None:
        for length in (b"900000000000", b"9" * 18):
            with connect(port, HEAD.replace(b"250000", length)) as connection:
                began = time.monotonic()
                assert b" 413 " in connection.recv(1000).splitlines()[0]
                assert time.monotonic() - began < LIMITS.body_seconds / 2

    def test_uploads_hold_no_more_than_they_may(self, port: int) -> None:
        """A dozen of them, none of which ends: the rest is told to wait; and all is well when they are gone."""
        waiting = [connect(port, HEAD + bytes(200_000)) for _ in range(8)]
        try:
            wait_for(lambda: ask(f"http://127.0.0.1:{port}/detect", bytes(250_000))[0] == 503)
            assert ask(f"http://127.0.0.1:{port}/settings")["verify"] is True
        finally:
            for connection in waiting:
                connection.close()
        wait_for(lambda: finds_a_face(port))

    def test_connections_are_counted(self, port: int) -> None:
        waiting = [connect(port) for _ in range(LIMITS.connections)]
        time.sleep(0.1)
        with connect(port) as further:
            assert heard(further).startswith(b"HTTP/1.1 503 ")
        wait_for(lambda: finds_a_face(port))  # the others have said nothing for too long
        for connection in waiting:
            assert heard(connection) == b""
            connection.close()

    def test_a_hundred_of_ten_megabytes(self, app: Any) -> None:
        """With the limits as they are by default."""
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        def large(hosts: tuple[str, ...]) -> Any:
            return make_app(TrtMtcnn(device="cpu", threads=1), hosts=hosts)

        with serving(large, limits=ServerLimits(body_seconds=5)) as (_, number):
            head = HEAD.replace(b"250000", b"10000000")
            waiting = []
            for _ in range(90):
                connection = connect(number, head)
                connection.settimeout(0.5)
                with contextlib.suppress(OSError):
                    for _ in range(39):
                        connection.sendall(bytes(250_000))
                waiting.append(connection)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            for connection in waiting:
                connection.close()
        assert peak - before < 500_000  # KB

    def test_an_aborted_upload_is_no_error(self, port: int) -> None:
        for said in (HEAD, HEAD + bytes(100_000), HEAD.replace(b"/detect", b"/verify") + b'{"a":'):
            for linger in (False, True):
                connection = connect(port, said)
                if linger:  # reset rather than closed
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                connection.close()
        wait_for(lambda: finds_a_face(port))  # what has been logged, the fixture looks at

    def test_a_client_that_does_not_read_its_answer(self, port: int) -> None:
        connection = connect(port, b"GET /demo.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500)
        time.sleep(2)
        connection.close()
        wait_for(lambda: finds_a_face(port))


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"a":' * 50_000,
        b'{"a": "", "b": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a": "", "b": [' + b"{}," * 100_000 + b"{}]}",
        b'{"a": ' + b"9" * 200_000 + b', "b": 1}',
        b'{"a": 1e999, "b": NaN}',
        b'{"a": "\\ud800", "b": "\\u0000"}',
        b'{"a": "' + b"\xff" * 100 + b'"}',
        b'"' + b"a" * 200_000,
        b"\0" * 1000,
        b"",
        b'{"a": null, "b": {}}',
        b'["a", "b"]',
        b'"ab"',
        b'{"a": "YQ==", "b": "YQ=="}',
        b'{"a": "' + b"A" * 800_000 + b'", "b": ""}',
    ],
)
def test_bombs_of_json(body: bytes, port: int) -> None:
    answer = ask(f"http://127.0.0.1:{port}/verify", body, "application/json")
    assert isinstance(answer, tuple) and answer[0] in (400, 413, 415), answer


class TestPictures:
    @pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".bmp", ".gif", ".avif", ".tif", ".jp2", ".ppm"])
    def test_every_kind_that_opencv_reads(self, ending: str, port: int, astronaut: np.ndarray) -> None:
        try:
            whole, data = cv2.imencode(ending, astronaut[:280, 100:400])
        except cv2.error:
            whole = False
        if not whole:
            pytest.skip(f"this OpenCV writes no {ending}")
        for kind in ("application/octet-stream", f"image/x{ending}; charset=binary"):
            assert len(ask(f"http://127.0.0.1:{port}/detect", data.tobytes(), kind)["faces"]) == 1

    def test_a_picture_for_browsers_that_cannot_read_it(self, port: int, astronaut: np.ndarray) -> None:
        found = ask(f"http://127.0.0.1:{port}/detect?preview=1", ASTRONAUT.read_bytes())
        assert found["picture"].startswith("data:image/png;base64,")
        preview = cv2.imdecode(np.frombuffer(base64.b64decode(found["picture"].partition(",")[2]), np.uint8), 1)
        np.testing.assert_array_equal(preview, astronaut)

    @pytest.mark.parametrize("kind", ["application/pdf", "text/plain", "", "image", "video/mp4", "multipart/form-data"])
    def test_other_types_are_told_which(self, kind: str, port: int) -> None:
        code, problem = ask(f"http://127.0.0.1:{port}/detect", ASTRONAUT.read_bytes(), kind)
        assert code == 415 and problem == f"Content-Type must be image/* or application/octet-stream, got {kind!r}"

    def test_reasons_are_true(self, port: int) -> None:
        url = f"http://127.0.0.1:{port}/detect"
        large = cv2.imencode(".png", np.zeros((9000, 12000), np.uint8))[1].tobytes()
        said = bytearray(ASTRONAUT.read_bytes())
        frame = said.index(b"\xff\xc0")
        said[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"
        for data, code, problem in (
            (large, 413, "the picture has 108 megapixels, of at most 50"),
            (bytes(said), 413, "the picture has 4,295 megapixels, of at most 50"),
            (b"no picture", 415, "the picture cannot be read: no picture that OpenCV can read: it is text"),
            (b"", 415, "the picture cannot be read: the file is empty"),
            (bytes(300_001), 413, "the picture is larger than 0.3 MB"),
        ):
            assert ask(url, data) == (code, problem)
        assert ask(f"{url}?minsize={'9' * 400}", ASTRONAUT.read_bytes())[0] == 400
        assert ask(f"{url}?minsize=nan", ASTRONAUT.read_bytes())[0] == 400


class TestHosts:
    @pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "", "::1", "0:0:0:0:0:0:0:1", "127.1"])
    def test_on_this_machine_only_its_names_are_answered(self, host: str, app: Any) -> None:
        with contextlib.suppress(MtcnnError), serving(app, host, LIMITS) as (address, number):
            url = f"http://[{address}]:{number}/settings" if ":" in address else f"http://{address}:{number}/settings"
            assert ask(url)["verify"] is True
            for name in ("localhost", "LOCALHOST.", "127.0.0.1", "[::1]", "[0:0:0:0:0:0:0:1]"):
                assert isinstance(ask(url, host=f"{name}:{number}"), dict), name
            for name in (
                "evil.example",
                "localhost.evil.example",
                "127.0.0.1.evil.example",
                "[::2]",
                "10.0.0.1",
                "[",
                ":",
            ):
                for said in (name, f"{name}:{number}"):
                    assert ask(url, host=said)[0] == 400, said
            return
        assert ":" in host, "this machine has IPv4"

    def test_all_addresses_have_any_name(self, app: Any) -> None:
        with serving(app, "0.0.0.0", LIMITS) as (_, number):
            assert isinstance(ask(f"http://127.0.0.1:{number}/settings", host="elsewhere.test"), dict)

    def test_names_by_address(self) -> None:
        for host, local in (
            ("127.0.0.1", True),
            ("127.9.9.9", True),
            ("localhost", True),
            ("", True),
            ("0.0.0.0", False),
        ):
            with listen(host, 0) as listening:
                assert is_loopback(listening) == local
                assert (host_names(host, listening) == ("*",)) == (not local)

    def test_another_address_of_this_machine(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(("192.0.2.1", 9))  # sends nothing
            except OSError:
                pytest.skip("this machine has no other address")
            address = probe.getsockname()[0]
        with listen(address, 0) as listening:
            names = host_names(address, listening)
            assert not is_loopback(listening) and address in names and "*" not in names

    @pytest.mark.parametrize("said", [b"", b"Host: localhost\r\nHost: localhost\r\n"])
    def test_no_name_and_two(self, said: bytes, port: int) -> None:
        for version in (b"1.0", b"1.1"):
            with connect(port, b"GET / HTTP/%s\r\n%s\r\n" % (version, said)) as connection:
                assert heard(connection).startswith(b"HTTP/1.1 400 ")


class TestCommand:
    def run(self, *options: object) -> tuple[int, str]:
        command = [sys.executable, "-m", "mtcnn", "demo", *map(str, options)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.stdout == ""
        return done.returncode, done.stderr

    def test_a_port_in_use(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            number = other.getsockname()[1]
            code, said = self.run("--port", number)
        assert code == 1 and f"port {number} is in use: choose another with --port" in said
        assert said.count("\n") == 1

    @pytest.mark.parametrize("host", ["nowhere.invalid", "192.0.2.1", "a..b"])
    def test_hosts_that_there_are_not(self, host: str) -> None:
        code, said = self.run("--port", 0, "--host", host)
        assert code == 1 and said.count("\n") == 1 and "Traceback" not in said

    @pytest.mark.parametrize("host", ["::1", ""])
    def test_where_it_is(self, host: str, tmp_path: Path, engines: dict[str, Path]) -> None:
        if host and not socket.has_ipv6:
            pytest.skip("this machine has no IPv6")
        with running_demo("--host", host, workplace=tmp_path) as address:
            assert address.startswith("http://[::1]:" if host else "http://127.0.0.1:")
            assert len(ask(f"{address}detect", ASTRONAUT.read_bytes())["faces"]) == 1
            assert ask(f"{address}settings", host="evil.example")[0] == 400
            assert ask(f"{address}detect?minsize=12", json.dumps({}).encode())[0] == 415
