"""`mtcnn serve`: pictures by HTTP, parameters, limits, batches, a hundred clients at once, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mtcnn import TrtMtcnn
from mtcnn.params import PRESETS, make_params
from mtcnn.runtime.install import install_command
from tests.conftest import ROOT

pytest.importorskip("prometheus_client", reason="the server needs prometheus_client")
pytest.importorskip("python_multipart")
pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from starlette.exceptions import HTTPException

from mtcnn.serve.app import Limits, make_app
from mtcnn.serve.batches import MOST_BATCH, Batches, Found, FullError
from mtcnn.serve.parameters import read_parameters
from mtcnn.web.server import ServerLimits
from tests.support.web_server import serving

LIMITS = Limits()
ASTRONAUT = (ROOT / "docs" / "images" / "astronaut.jpg").read_bytes()


@dataclass
class Answer:
    code: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    port: int,
    path: str = "/detect",
    body: bytes | None = ASTRONAUT,
    method: str = "POST",
    headers: dict[str, str] | None = None,
) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        connection.request(method, path, body, {"Content-Type": "image/jpeg"} | (headers or {}))
        answer = connection.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())


def metrics(port: int) -> dict[str, float]:
    text = ask(port, "/metrics", None, "GET").body.decode()
    rows = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in rows}


def form(*parts: tuple[str, bytes, str | None], boundary: bytes = b"limit") -> tuple[bytes, dict[str, str]]:
    """A body of parts (name, data, the file's name or None), and its Content-Type."""
    body = b""
    for name, data, file in parts:
        said = f'; filename="{file}"' if file is not None else ""
        body += b"--" + boundary + f'\r\nContent-Disposition: form-data; name="{name}"{said}\r\n\r\n'.encode()
        body += data + b"\r\n"
    return body + b"--" + boundary + b"--\r\n", {"Content-Type": f"multipart/form-data; boundary={boundary.decode()}"}


@contextlib.contextmanager
def server(detector: TrtMtcnn, threads: int = 2, limits: Limits = LIMITS, connections: int = 300) -> Iterator[int]:
    """The port."""
    made: list[Batches] = []

    def app(hosts: tuple[str, ...]) -> Any:
        starlette, batches = make_app(detector, threads, limits, hosts)
        made.append(batches)
        return starlette

    with serving(app, limits=ServerLimits(connections)) as (_, port):
        yield port
    made[0].close()


@pytest.fixture(scope="module")
def one_thread(engines: dict[str, Path]) -> Iterator[TrtMtcnn]:
    with TrtMtcnn(device="cpu", threads=1, max_work=500) as made:
        yield made


@pytest.fixture(scope="module")
def port(one_thread: TrtMtcnn) -> Iterator[int]:
    with server(one_thread, limits=Limits(picture_bytes=300_000)) as number:
        yield number


@pytest.fixture(scope="module")
def large() -> bytes:
    """A picture that takes a while."""
    img = cv2.imdecode(np.frombuffer(ASTRONAUT, np.uint8), cv2.IMREAD_COLOR)
    assert img is not None
    return bytes(cv2.imencode(".jpg", np.tile(img, (4, 6, 1)), [cv2.IMWRITE_JPEG_QUALITY, 80])[1])


class TestDetect:
    @pytest.mark.parametrize(
        "kind",
        ["image/jpeg", "image/x-anything; a=b", "application/octet-stream", "application/x-www-form-urlencoded", ""],
    )
    def test_raw(self, kind: str, port: int, detector: TrtMtcnn, astronaut: np.ndarray) -> None:
        answer = ask(port, headers={"Content-Type": kind})
        assert answer.code == 200 and answer.headers["content-type"] == "application/json"
        dets, landmarks = detector.detect(astronaut)
        (face,) = answer.json["faces"]
        np.testing.assert_allclose(face["box"], dets[0, :4], atol=0.02)
        np.testing.assert_allclose(face["score"], dets[0, 4], atol=1e-4)
        np.testing.assert_allclose(face["landmarks"]["nose"], landmarks[0, [2, 7]], atol=0.02)
        assert (answer.json["width"], answer.json["height"]) == (512, 512)
        assert "truncated" not in answer.json and "detect;dur=" in answer.headers["server-timing"]

    def test_a_form(self, port: int) -> None:
        body, headers = form(("minsize", b"250", None), ("image", ASTRONAUT, "a.jpg"))
        assert ask(port, body=body, headers=headers).json["faces"] == []
        body, headers = form(("anything", ASTRONAUT, ""), boundary=b"-----x'()+_,./:=?")
        headers["Content-Type"] = headers["Content-Type"].replace("=", '="', 1) + '"'
        assert len(ask(port, body=body, headers=headers).json["faces"]) == 1

    @pytest.mark.parametrize(
        "parts, problem",
        [
            ((), "the form has no picture"),
            ((("image", b"", "a.jpg"),), "the picture's file is empty"),
            ((("image", ASTRONAUT[:900], None),), "no picture"),
            ((("image", ASTRONAUT, None),), "must be sent as a file"),
            ((("a", ASTRONAUT, "a"), ("b", ASTRONAUT, "b")), "the form has 2 pictures: send one a request"),
            ((("minsize", b"3", None), ("b", ASTRONAUT, "b")), "minsize must be at least 4"),
            ((("minsise", b"40", None), ("b", ASTRONAUT, "b")), "did you mean minsize"),
            ((("min", b"4", None),) * 70, "more than 64 parts"),
        ],
    )
    def test_wrong_forms(self, parts: Any, problem: str, port: int) -> None:
        body, headers = form(*parts)
        answer = ask(port, body=body, headers=headers)
        assert answer.code == 400 and problem in answer.json["problem"]

    @pytest.mark.parametrize("body", [b"image=abc", b"image=%FF%D8%FF", b"image[]=" + ASTRONAUT])
    def test_fields_where_a_file_is_due(self, body: bytes, port: int) -> None:
        """As curl -d image=@photo.jpg sends them."""
        answer = ask(port, body=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
        assert answer.code == 400 and "curl --data-binary @photo.jpg" in answer.json["problem"]
        assert "curl -F image=@photo.jpg" in answer.json["problem"]

    def test_sent_as_text(self, port: int) -> None:
        """As curl -d @photo.jpg does."""
        body = ASTRONAUT.translate(None, b"\0\r\n")
        answer = ask(port, body=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
        assert answer.code == 415 and "curl needs --data-binary" in answer.json["problem"]

    @pytest.mark.parametrize("damage", ["cut", "boundary", "none", "long", "noise", "headers"])
    def test_damaged_forms(self, damage: str, port: int) -> None:
        body, headers = form(("image", ASTRONAUT, "a.jpg"))
        kinds = {"none": "", "boundary": "; boundary=other", "long": "; boundary=" + "x" * 5000}
        if damage in kinds:
            headers = {"Content-Type": f"multipart/form-data{kinds[damage]}"}
        if damage == "headers":
            body = body.replace(b"\r\n\r\n", b"\r\n" + b"X: y\r\n" * 5000 + b"\r\n", 1)
        else:
            body = {"cut": body[:-40], "noise": os.urandom(2000)}.get(damage, body)
        answer = ask(port, body=body, headers=headers)
        assert answer.code == 400 and answer.json["problem"].startswith(("the form ", "Content-Type "))

    def test_truncated_and_other_kinds(self, port: int, astronaut: np.ndarray) -> None:
        assert ask(port, body=ASTRONAUT[: len(ASTRONAUT) * 4 // 5]).json["truncated"] is True
        png = cv2.imencode(".png", astronaut[:280, 100:400])[1].tobytes()
        assert len(ask(port, body=png).json["faces"]) == 1
        mask = cv2.imencode(".png", np.eye(90, dtype=np.uint8))[1].tobytes()
        assert ask(port, body=mask).json == {"width": 90, "height": 90, "faces": [], "dark": True}

    @pytest.mark.parametrize(
        "query, problem",
        [
            ("minsiz=30", "unknown parameter 'minsiz': did you mean minsize?"),
            ("minsize=3", "minsize must be at least 4"),
            ("minsize=x", "minsize must be a number, got 'x'"),
            ("minsize=", "minsize must be a number"),
            ("minsize=nan", "minsize must be"),
            (f"minsize={'9' * 400}", "minsize must be a number"),
            (f"max_rnet={'9' * 150}", "max_rnet must be a whole number"),
            ("minsize=30&minsize=40", "'minsize' is given twice; several numbers go with commas"),
            ("precision=bf16", "precision is no parameter of a call: it is chosen when the detector is made"),
            ("thresholds=0.6", "thresholds must be 3 numbers"),
            ("thresholds=0.6,0.7,a", "thresholds must be numbers with commas"),
            ("thresholds=0.6,0.7,7", "thresholds[2] must be 0 to 1"),
            ("mirror=maybe", "mirror must be true or false"),
            ("max_size=1,2,3", "max_size must be"),
            ("preset=best", "preset must be one of"),
            ("max_work=501", "max_work must be at most 500"),
            ("max_work=0.001", "max_work is 0.001 billion multiply-adds"),
            ("factor=0.999999", "levels"),
            ("%00=%1b%5b1m", "unknown parameter"),
            ("color=rgb", "unknown parameter 'color': the parameters are"),
            ("colour=rgb", "unknown parameter 'colour': the parameters are"),
            ("presett=fast", "unknown parameter 'presett': did you mean preset?"),
        ],
    )
    def test_wrong_parameters_fail_alone(self, query: str, problem: str, port: int) -> None:
        answer = ask(port, f"/detect?{query}")
        assert answer.code == 400 and problem in answer.json["problem"], answer
        assert answer.json["problem"].isprintable()

    def test_a_picture_smaller_than_the_smallest_face(self, port: int) -> None:
        answer = ask(port, "/detect?minsize=600")
        assert answer.code == 200 and answer.json["faces"] == []
        (warning,) = answer.json["warnings"]
        assert warning == "no face is looked for: the smallest face is larger, minsize=600; lower minsize"

    def test_wrong_requests(self, port: int) -> None:
        for code, problem, answer in (
            (400, "the request is empty", ask(port, body=b"")),
            (415, "cannot be read", ask(port, body=b"no picture")),
            (415, "Content-Type must be", ask(port, body=b"{}", headers={"Content-Type": "application/json"})),
            (
                415,
                "Content-Encoding must be",
                ask(port, body=gzip.compress(ASTRONAUT), headers={"Content-Encoding": "gzip"}),
            ),
            (413, "larger than 0.3 MB", ask(port, body=bytes(3_000_000))),
            (405, "Method Not Allowed: there are POST /detect, GET", ask(port, method="GET", body=None)),
            (405, "Method", ask(port, "/", b"")),
            (404, "Not Found: there are POST /detect, GET /healthz", ask(port, "/other", None, "GET")),
            (400, "curl needs an @", ask(port, body=b"holiday/photo 1.JPG")),
            (400, "answers to", ask(port, "/healthz", None, "GET", {"Host": "evil.example"})),
        ):
            assert answer.code == code and problem in answer.json["problem"], (answer, problem)
        chunks = iter([bytes(100_000)] * 30)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        with contextlib.closing(connection):
            connection.request("POST", "/detect", chunks, {"Content-Type": "image/png"}, encode_chunked=True)
            assert connection.getresponse().status == 413

    def test_a_client_that_is_still_sending_reads_why_it_is_refused(self, one_thread: TrtMtcnn) -> None:
        with server(one_thread) as port:
            for path, body, code in (("/detect?minsize=x", bytes(9_000_000), 400), ("/detect", bytes(19_000_000), 413)):
                answer = ask(port, path, body)
                assert answer.code == code and answer.json["problem"]

    def test_a_small_file_of_a_huge_picture(self, port: int) -> None:
        png = cv2.imencode(".png", np.zeros((8000, 8000, 3), np.uint8))[1].tobytes()
        answer = ask(port, body=png)
        assert answer.code == 413 and answer.json["problem"] == "the picture has 64 megapixels, of at most 50"

    def test_other_routes(self, port: int) -> None:
        assert ask(port, "/healthz", None, "GET").json == {"status": "ok"}
        assert "POST /detect" in ask(port, "/", None, "GET").json["routes"]
        before = metrics(port)
        ask(port)
        ask(port, "/detect?minsize=x")
        after = metrics(port)
        for name in ('mtcnn_requests_total{code="200"}', 'mtcnn_requests_total{code="400"}', "mtcnn_faces_total"):
            assert after[name] == before.get(name, 0) + 1


@pytest.mark.parametrize("preset", [None, *PRESETS])
@pytest.mark.parametrize(
    "name, text, value",
    [
        ("minsize", "30.5", 30.5),
        ("thresholds", "0.6,0.7,0.8", (0.6, 0.7, 0.8)),
        ("thresholds", "[.6, .7, .8]", (0.6, 0.7, 0.8)),
        ("max_rnet", "100", 100),
        ("max_size", "720,1280", (720, 1280)),
        ("max_size", "none", None),
        ("level_size", "floor", "floor"),
        ("mirror", "True", True),
        ("whole_pixels", "0", False),
        ("second_pass_scales", "0.9", (0.9,)),
        ("max_work", "20", 20),
    ],
)
def test_parameters_as_text(preset: Any, name: str, text: str, value: Any) -> None:
    own = make_params("fast", {"minsize": 33, "max_work": 500})
    given = [(name, text)] + ([("preset", preset)] if preset else [])
    expected = make_params(preset or own, {"minsize": 33, "max_work": 500, name: value})
    assert read_parameters(given, own) == expected


def test_every_parameter_can_be_read() -> None:
    """Of all presets, by the text that a person would write."""
    for params in PRESETS.values():
        given = []
        for name, value in vars(params).items():
            text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            given.append((name, text))
        assert read_parameters(given, make_params("accurate", {})) == params


@pytest.mark.slow
class TestLoad:
    def test_a_hundred_clients_at_once(self, one_thread: TrtMtcnn) -> None:
        """Each gets the answer to its own picture; those that wait are taken together."""
        img = cv2.imdecode(np.frombuffer(ASTRONAUT, np.uint8), cv2.IMREAD_COLOR)
        assert img is not None
        pictures = [img[20 : 220 + i, 130:330] if i % 3 else img[:40, i:] for i in range(100)]
        files = [cv2.imencode(".png", picture)[1].tobytes() for picture in pictures]
        together = threading.Barrier(100)
        with server(one_thread) as port, ThreadPoolExecutor(100) as clients:

            def call(i: int) -> Answer:
                together.wait(60)
                return ask(port, f"/detect?minsize={60 if i % 2 else 80}", files[i])

            answers = list(clients.map(call, range(100)))
            counted = metrics(port)
        assert [answer.code for answer in answers] == [200] * 100
        for i, (picture, answer) in enumerate(zip(pictures, answers)):
            dets, _ = one_thread.detect(picture, 60 if i % 2 else 80)
            boxes = [face["box"] for face in answer.json["faces"]]
            np.testing.assert_allclose(np.reshape(boxes, (-1, 4)), dets[:, :4], atol=0.02)
        assert counted["mtcnn_batch_pictures_sum"] == 100
        assert counted["mtcnn_batch_pictures_count"] < 60
        assert counted["mtcnn_waiting_requests"] == counted["mtcnn_working_threads"] == 0

    def test_where_it_is_full(self, one_thread: TrtMtcnn, large: bytes) -> None:
        with server(one_thread, 1, Limits(waiting=2)) as port, ThreadPoolExecutor(20) as clients:
            answers = list(clients.map(lambda _: ask(port, body=large), range(20)))
            full = [answer for answer in answers if answer.code == 503]
            assert 0 < len(full) < 20 and {answer.code for answer in answers} == {200, 503}
            assert all(
                answer.headers["retry-after"] == "1" and "try again" in answer.json["problem"] for answer in full
            )
            assert ask(port).code == 200

    def test_bytes_of_all_together(self, one_thread: TrtMtcnn, large: bytes) -> None:
        limits = Limits(held_bytes=len(large) * 3 // 2)
        with server(one_thread, 1, limits) as port, ThreadPoolExecutor(8) as clients:
            codes = [answer.code for answer in clients.map(lambda _: ask(port, body=large), range(8))]
            assert set(codes) == {200, 503}
            assert ask(port, body=large).code == 200

    def test_connections(self, one_thread: TrtMtcnn) -> None:
        with server(one_thread, connections=5) as port, contextlib.ExitStack() as stack:
            for _ in range(5):
                stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            time.sleep(0.1)
            answer = ask(port, "/healthz", None, "GET")
            assert answer.code == 503 and answer.headers["retry-after"] == "1"

    def test_time_is_limited(self, one_thread: TrtMtcnn, large: bytes) -> None:
        with server(one_thread, 1, Limits(seconds=0.02)) as port:
            answer = ask(port, body=large)
            assert answer.code == 503 and "within 0.02 seconds" in answer.json["problem"]
            assert answer.headers["retry-after"] == "1"

    def test_a_client_that_goes_is_not_worked_for(self, one_thread: TrtMtcnn, large: bytes) -> None:
        with server(one_thread, 1) as port:
            head = f"POST /detect HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(large)}\r\n\r\n".encode()
            for _ in range(4):
                with socket.create_connection(("127.0.0.1", port)) as client:
                    client.sendall(head + large)
            wait_for(lambda: metrics(port).get('mtcnn_requests_total{code="499"}', 0) == 4)
            assert metrics(port)["mtcnn_waiting_requests"] == 0
            assert ask(port).code == 200


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


class TestBatches:
    def results(
        self, detector: TrtMtcnn, requests: list[tuple[bytes, Any]], **options: Any
    ) -> tuple[list[Any], list[int]]:
        """What becomes of requests that all wait while the only thread is at work; the sizes of batches."""
        sizes: list[int] = []
        batches = Batches(detector, 1, options.get("most_waiting", 100), 50_000_000, sizes.append)

        async def run() -> list[Any]:
            calls = [batches.find(data, 512 * 512, params) for data, params in requests]
            return list(await asyncio.gather(*calls, return_exceptions=True))

        try:
            return asyncio.run(run()), sizes
        finally:
            batches.close()

    def test_each_fails_alone(self, one_thread: TrtMtcnn, astronaut: np.ndarray) -> None:
        params = make_params("fast", {"max_work": 2})
        costly = cv2.imencode(".jpg", np.zeros((5000, 4000, 3), np.uint8))[1].tobytes()
        requests = [(data, params) for data in (ASTRONAUT, ASTRONAUT, b"none", costly, ASTRONAUT)]
        found, sizes = self.results(one_thread, requests)
        assert sizes == [1, 4]
        dets, _ = one_thread.detect(astronaut, preset=params)
        for i in (0, 1, 4):
            assert isinstance(found[i], Found)
            np.testing.assert_allclose(found[i].dets, dets, atol=1e-3)
        assert isinstance(found[2], HTTPException) and found[2].status_code == 415
        assert isinstance(found[3], ValueError) and str(found[3]).startswith("max_work is 2 ")

    def test_only_equal_parameters_are_taken_together(self, one_thread: TrtMtcnn) -> None:
        fast, accurate = make_params("fast", {"max_work": 500}), make_params("accurate", {"max_work": 500})
        kinds = [fast, fast, accurate, fast, accurate]
        found, sizes = self.results(one_thread, [(ASTRONAUT, kind) for kind in kinds])
        assert sizes == [1, 2, 2]
        scores = [one.dets[0, 4] for one in found]
        assert scores[0] == scores[1] == scores[3] != scores[2] == scores[4]

    def test_a_batch_is_bounded(self, one_thread: TrtMtcnn) -> None:
        _, sizes = self.results(one_thread, [(ASTRONAUT, make_params("fast", {}))] * 60)
        assert sum(sizes) == 60 and max(sizes) == 15 < MOST_BATCH  # of so many pixels

    def test_no_more_wait_than_may(self, one_thread: TrtMtcnn) -> None:
        found, sizes = self.results(one_thread, [(ASTRONAUT, make_params("fast", {}))] * 9, most_waiting=3)
        assert [isinstance(one, FullError) for one in found] == [False] * 4 + [True] * 5 and sum(sizes) == 4


@pytest.mark.slow
class TestCommand:
    def run(self, *options: object) -> tuple[int, str]:
        command = [sys.executable, "-m", "mtcnn", "serve", *map(str, options)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stderr

    def test_what_is_under_way_is_answered_before_it_ends(
        self, large: bytes, engines: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And until then the example of the documentation runs."""
        with (
            subprocess.Popen(
                [sys.executable, "-m", "mtcnn", "serve", "--port", "0", "--workers", "1", "--preset", "fast"],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            ) as running,
            ThreadPoolExecutor(5) as clients,
        ):
            try:
                assert running.stdout is not None
                port = int(running.stdout.readline().split()[0].rpartition(":")[2].split("/")[0])
                (tmp_path / "photo.jpg").write_bytes(ASTRONAUT)
                monkeypatch.chdir(tmp_path)
                for example in re.findall(
                    r"^```python\n(.*?)^```", (ROOT / "docs" / "serve.md").read_text(), re.M | re.S
                ):
                    exec(compile(example.replace(":8000", f":{port}"), "serve.md", "exec"), {})
                waiting = [clients.submit(ask, port, "/detect?minsize=20", large) for _ in range(4)]
                wait_for(lambda: metrics(port)["mtcnn_waiting_requests"] >= 1)
                running.send_signal(signal.SIGTERM)
                assert [one.result().code for one in waiting] == [200] * 4
                _, said = running.communicate(timeout=30)
                assert running.returncode == 0 and said == ""
                with pytest.raises(ConnectionError):
                    ask(port)
            finally:
                running.kill()

    def test_a_port_in_use(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            code, said = self.run("--port", other.getsockname()[1])
        assert code == 1 and "is in use: choose another with --port" in said and said.count("\n") == 1

    def test_needs_its_extra(self) -> None:
        code = "import sys; sys.modules['prometheus_client'] = None\n"
        code += "from mtcnn.cli.main import main; sys.exit(main(['serve']))"
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and install_command("serve") in done.stderr
