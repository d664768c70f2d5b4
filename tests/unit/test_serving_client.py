"""mtcnn.serving.Client where no Triton server answers: wrong arguments, and what is said of a server that is away."""

from __future__ import annotations

import http.server
import json
import os
import pickle
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mtcnn import ClosedError, MtcnnError
from mtcnn.params import PRESETS, Params
from tests.conftest import ROOT

pytest.importorskip("tritonclient", reason="a client needs tritonclient")

from mtcnn.runtime.install import install_command
from mtcnn.serving import Client, ServerTimeoutError, ServerUnavailableError, ServingError, client
from mtcnn.serving.connection import Region

PICTURE = np.zeros((20, 30, 3), np.uint8)
PROTOCOLS = ("http", "grpc")


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def babbling() -> Iterator[Callable[[int, bytes], str]]:
    """Makes servers that give one answer to everything, and are not Triton."""
    servers = []

    def make(status: int, body: bytes) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"127.0.0.1:{server.server_port}"

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("url", "http://localhost:8000"),
        ("url", "localhost"),
        ("url", "localhost:0"),
        ("url", "a b:1"),
        ("url", "::1:8000"),
        ("url", 8000),
        ("url", "localhost:\uff18\uff10"),
        ("url", "\x1b[31m:80"),
        ("url", "a\0b:80"),
        ("url", "x\udcff:80"),
        ("model", "\ud800"),
        ("model", "a\r\nX: y"),
        ("protocol", "https"),
        ("model", ""),
        ("shared_memory", "yes"),
        ("timeout", 0),
        ("timeout", None),
        ("concurrency", 0),
    ],
)
def test_wrong_arguments_are_named(argument: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=argument):
        Client(**{argument: value})


def test_wrong_calls_are_refused_before_anything_is_sent(silent: str) -> None:
    with Client(silent) as client:
        for error, match, call in (
            (ValueError, "minsize", lambda: client.detect(PICTURE, 3)),
            (ValueError, "preset", lambda: client.detect(PICTURE, preset="best")),
            (TypeError, "colour", lambda: client.detect(PICTURE, colour=1)),
            (TypeError, "img is None", lambda: client.detect(None)),
            (ValueError, "img is empty", lambda: client.detect(b"")),
            (TypeError, r"images\[0\] is None", lambda: client.detect_batch([None])),
            (TypeError, "list of pictures", lambda: client.detect_batch(PICTURE)),
            (TypeError, "list of pictures", lambda: client.detect_batch(b"JPEG")),
            (TypeError, "list of pictures", lambda: client.detect_batch(3)),
        ):
            with pytest.raises(error, match=match):
                call()
        assert client.detect_batch([]) == []


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_parameters_as_a_preset_are_sent_one_by_one(preset: Params) -> None:
    sent = client._parameters(20, preset, {"thresholds": (0.5, 0.6, 0.4)})
    assert all(type(value) in (bool, int, str) for value in sent.values())  # as Triton takes them
    words = ("level_size", "nms_boxes", "resize")
    read = {
        name: value if name in words or type(value) is not str else json.loads(value) for name, value in sent.items()
    }
    assert Params(**read) == replace(preset, minsize=20, thresholds=(0.5, 0.6, 0.4))


@pytest.mark.parametrize("shared_memory", [False, True])
@pytest.mark.parametrize("protocol", PROTOCOLS)
class TestAway:
    def test_no_server(self, protocol: str, shared_memory: bool) -> None:
        url = closed_port()
        with Client(url, protocol, shared_memory=shared_memory) as client:
            with pytest.raises(ServerUnavailableError, match=rf"no Triton server answers at {url} \({protocol}\)"):
                client.detect(PICTURE)
            with pytest.raises(ServerUnavailableError, match=r"images\[0\]: no Triton server"):
                client.detect_batch([PICTURE] * 20)
            assert not client.is_ready()

    def test_no_answer(self, protocol: str, shared_memory: bool, silent: str) -> None:
        with Client(silent, protocol, shared_memory=shared_memory, timeout=0.3) as client:
            began = time.monotonic()
            # gRPC has not met a server yet that speaks with it
            with pytest.raises((ServerTimeoutError, ServerUnavailableError), match=silent):
                client.detect(PICTURE)
            assert time.monotonic() - began < 5


def test_no_room_for_shared_memory() -> None:
    before = set(os.listdir("/dev/shm"))
    with pytest.raises(ServingError, match=r"bytes of shared memory in /dev/shm: .*shared_memory=False"):
        Region(1 << 60)
    assert set(os.listdir("/dev/shm")) <= before


def test_timeouts_say_how_long(silent: str) -> None:
    with Client(silent, timeout=0.2) as client, pytest.raises(ServerTimeoutError, match=r"within 0\.2 seconds"):
        client.detect(PICTURE)


def test_a_name_that_there_is_not() -> None:
    with Client("nowhere.invalid:8000") as client, pytest.raises(ServerUnavailableError, match=r"nowhere\.invalid"):
        client.detect(PICTURE)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"<html>"),
        (200, b"{}"),
        (200, b'{"outputs": []}'),
        (200, b'{"outputs": [{"name": "count", "datatype": "INT32", "shape": [1, 1], "data": [3]}]}'),
        (500, b"oops"),
        (404, b"<html>"),
        (413, b""),
    ],
)
def test_another_server_than_triton(status: int, body: bytes, babbling: Callable[[int, bytes], str]) -> None:
    with Client(babbling(status, body)) as client, pytest.raises(ServingError):
        client.detect(PICTURE)


def test_a_closed_client(silent: str) -> None:
    client = Client(silent)
    client.close()
    client.close()
    for call in (lambda: client.detect(PICTURE), lambda: client.detect_batch([PICTURE]), client.is_ready):
        with pytest.raises(ClosedError, match="make a new Client"):
            call()


def test_pickled_by_configuration() -> None:
    client = Client("server:1234", "grpc", model="faces", timeout=3, concurrency=2)
    again = pickle.loads(pickle.dumps(client))
    assert repr(again) == repr(client) and "server:1234" in repr(again)


def test_errors_are_of_the_family() -> None:
    import mtcnn.serving

    for name in mtcnn.serving.__all__:
        if name.endswith("Error"):
            assert issubclass(getattr(mtcnn.serving, name), MtcnnError)
    with pytest.raises(AttributeError, match="nonsense"):
        mtcnn.serving.nonsense  # noqa: B018


def test_importing_loads_nothing_heavy() -> None:
    code = "import sys, mtcnn.serving; print('numpy' in sys.modules, 'tritonclient' in sys.modules)"
    assert run(code) == "False False"
    code = "import sys\nfrom mtcnn.serving import Client\n"
    code += "print('tritonclient' in sys.modules, 'pytrt._pytrt' in sys.modules)"
    assert run(code) == "False False"


def test_without_tritonclient() -> None:
    code = """
import sys
sys.modules["tritonclient"] = None
from mtcnn.serving import Client
from mtcnn import MtcnnError
for protocol in ("http", "grpc"):
    try:
        Client(protocol=protocol)
    except MtcnnError as error:
        print(error)
"""
    assert run(code).count(install_command("triton")) == 2


def test_rgb_and_pil_pictures_are_sent_as_bgr() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    for img, color in ((rgb, "rgb"), (Image.fromarray(rgb), "bgr"), (rgb[:, :, ::-1], "bgr")):
        name, batch = client._request(img, "img", color)  # type: ignore[arg-type]
        assert name == "pixels" and batch.shape == (1, 5, 6, 3)
        np.testing.assert_array_equal(batch[0], rgb[:, :, ::-1])
