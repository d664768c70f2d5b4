"""The model repository in a real Triton Inference Server, and our client. `make triton` runs this."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.triton import perf
from benchmarks.triton.server import TritonServer, missing
from mtcnn import TrtMtcnn
from mtcnn.engines import NETWORKS, models_folder
from mtcnn.engines.devices import cpu_device
from mtcnn.engines.onnx_layouts import INPUT_NAMES, LAYOUTS
from mtcnn.serving import (
    Client,
    ModelNotReadyError,
    RequestRefusedError,
    ServerTimeoutError,
    ServerUnavailableError,
    ServingError,
    write_repository,
)
from mtcnn.serving.connection import connect
from tests.conftest import ROOT
from tests.integration.test_docs import python_blocks
from tests.support.pictures import Image, gradient, noise, paste, scaled, tiled

if why := missing():
    pytest.skip(why, allow_module_level=True)

import tritonclient.http as triton_http
from tritonclient.utils import InferenceServerException

PROTOCOLS = ("http", "grpc")
WAYS = [(protocol, shared) for protocol in PROTOCOLS for shared in (False, True)]
MAX_PIXELS = 1_000_000
FILE = (ROOT / "docs" / "images" / "astronaut.jpg").read_bytes()
Faces = tuple[NDArray[np.float32], NDArray[np.float32]]


def leftovers() -> set[str]:
    """Shared memory of clients and servers that no process has: other tests may be running."""
    maps = []
    for process in Path("/proc").glob("[0-9]*/maps"):
        with contextlib.suppress(OSError):
            maps.append(process.read_text())
    held = set(re.findall(r"/dev/shm/(\S+)", "".join(maps)))
    return {name for name in os.listdir("/dev/shm") if name.startswith(("mtcnn-", "triton_python_backend"))} - held


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left() -> Iterator[None]:
    before = leftovers()
    yield
    assert leftovers() <= before


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("triton") / "models"
    write_repository(folder, backend="python", preset="fast", max_pixels=MAX_PIXELS)
    return folder


@pytest.fixture(scope="module")
def server(repository: Path) -> Iterator[TritonServer]:
    with TritonServer(repository) as running:
        yield running


@pytest.fixture(scope="module", params=LAYOUTS)
def layout(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def networks(layout: str, server: TritonServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """A server whose networks have the layout."""
    if layout == "nchw":
        yield server
        return
    folder = tmp_path_factory.mktemp("triton") / layout
    write_repository(folder, backend="python", layout=layout, max_pixels=MAX_PIXELS)
    with TritonServer(folder) as running:
        yield running


@pytest.fixture(scope="module")
def local(engines: dict[str, Path]) -> Iterator[TrtMtcnn]:
    with TrtMtcnn(device="cpu", preset="fast") as detector:
        yield detector


@pytest.fixture(scope="module")
def pictures(astronaut: Image, face: Image) -> list[Image]:
    """Of many sizes, with no face, one and more."""
    collage = gradient(400, 700)
    for x in (10, 250, 480):
        paste(collage, scaled(face, 200), x, 50 + x // 5)
    return [
        astronaut,
        collage,
        noise(120, 90),
        scaled(face, 300),
        tiled(scaled(face, 100), 3, 5),
        astronaut[40:300, 100:400],  # a view, rows apart
        np.zeros((1, 1, 3), np.uint8),
        gradient(333, 77),
    ]


def make_client(server: TritonServer, protocol: str = "http", shared_memory: bool = False, **options: Any) -> Client:
    url = server.http if protocol == "http" else server.grpc
    return Client(url, protocol, shared_memory=shared_memory, **{"timeout": 60, **options})


def assert_same(found: Faces, want: Faces) -> None:
    for a, b, columns in zip(found, want, (5, 10)):
        assert a.dtype == np.float32 and a.shape == (len(b), columns) and a.flags.writeable
        # another number of threads and other neighbours in a batch add up in another order
        np.testing.assert_allclose(a, b, atol=0.01)
    np.testing.assert_allclose(found[0][:, 4], want[0][:, 4], atol=1e-4)


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


class TestNetworks:
    @pytest.mark.parametrize("network", NETWORKS)
    def test_as_local(self, network: str, networks: TritonServer, layout: str) -> None:
        """What two requests at once bring is worked on together and told apart again."""
        engine = cpu_device().load_engine((models_folder() / f"{network}.onnx").read_bytes())
        rng = np.random.default_rng(1)
        size = {"pnet": (50, 71), "rnet": (24, 24), "onet": (48, 48)}[network]
        parts = [rng.uniform(-1, 1, (n, 3, *size)).astype(np.float32) for n in (1, 2, 3, 1, 2, 1, 4, 1)]

        def ask(data: NDArray[np.float32]) -> dict[str, Any]:
            given = np.ascontiguousarray(data if layout == "nchw" else data.transpose(0, 2, 3, 1))
            tensor = triton_http.InferInput(INPUT_NAMES[layout], list(given.shape), "FP32")
            tensor.set_data_from_numpy(given)
            with contextlib.closing(triton_http.InferenceServerClient(networks.http)) as client:
                answer = client.infer(network, [tensor])
                return {output["name"]: answer.as_numpy(output["name"]) for output in answer.get_response()["outputs"]}

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, parts))
        for data, answer in zip(parts, answers):
            want = engine.infer(data)
            assert answer.keys() == want.keys()
            for name, values in want.items():
                if layout == "nhwc":
                    values = values.transpose(0, 2, 3, 1) if network == "pnet" else values[:, :, 0, 0]
                np.testing.assert_allclose(answer[name], values, atol=1e-5)

    def test_sizes_that_are_refused(self, networks: TritonServer, layout: str) -> None:
        with contextlib.closing(triton_http.InferenceServerClient(networks.http)) as client:
            for size, match in (((1001, 1000), "1000x1001 pixels, of at most 1000000"), ((11, 30), "12")):
                shape = (1, 3, *size) if layout == "nchw" else (1, *size, 3)
                tensor = triton_http.InferInput(INPUT_NAMES[layout], list(shape), "FP32")
                tensor.set_data_from_numpy(np.zeros(shape, np.float32))
                with pytest.raises(InferenceServerException, match=match):
                    client.infer("pnet", [tensor])


@pytest.mark.parametrize(("protocol", "shared_memory"), WAYS)
class TestClient:
    def test_as_local(
        self, protocol: str, shared_memory: bool, server: TritonServer, local: TrtMtcnn, pictures: list[Image]
    ) -> None:
        with make_client(server, protocol, shared_memory) as client:
            assert client.is_ready()
            assert sum(len(client.detect(img)[0]) for img in pictures) > 15
            for img in pictures:
                assert_same(client.detect(img), local.detect(img))
            gray = cv2.cvtColor(pictures[0], cv2.COLOR_BGR2GRAY)
            assert_same(client.detect(gray), local.detect(gray))
            # cv2 of another version may decode otherwise
            assert_same(client.detect(FILE), local.detect(cv2.imdecode(np.frombuffer(FILE, np.uint8), 1)))
            assert_same(client.detect(memoryview(FILE)), client.detect(bytearray(FILE)))

    def test_parameters(self, protocol: str, shared_memory: bool, server: TritonServer, local: TrtMtcnn) -> None:
        img = cv2.imdecode(np.frombuffer(FILE, np.uint8), 1)
        with make_client(server, protocol, shared_memory) as client:
            for settings in (
                {"minsize": 20.5},
                {"minsize": np.float32(33), "preset": "accurate"},
                {"preset": "port"},
                {"preset": "fast", "thresholds": (0.5, 0.6, 0.1), "max_rnet": 50, "mirror": True},
                {"preset": "port", "max_size": None},
                {"max_size": (100, 100), "resize": "bilinear", "networks": 2},
            ):
                assert_same(client.detect(img, **settings), local.detect(img, **settings))
            assert len(client.detect(img, 250)[0]) == 0

    def test_batch(
        self, protocol: str, shared_memory: bool, server: TritonServer, local: TrtMtcnn, pictures: list[Image]
    ) -> None:
        with make_client(server, protocol, shared_memory, concurrency=4) as client:
            found = client.detect_batch((img for img in pictures * 5), 30)
            for a, b in zip(found, local.detect_batch(pictures * 5, 30), strict=True):
                assert_same(a, b)
            with pytest.raises(TypeError, match=r"images\[2\] is None"):
                client.detect_batch([pictures[0], pictures[1], None, pictures[2]])
            with pytest.raises(RequestRefusedError, match=r"images\[1\]: image cannot be read"):
                client.detect_batch([FILE, b"no picture", FILE])
            assert_same(client.detect(pictures[0]), local.detect(pictures[0]))

    def test_refusals(self, protocol: str, shared_memory: bool, server: TritonServer, pictures: list[Image]) -> None:
        whole, huge = cv2.imencode(".png", np.zeros((2000, 2000, 3), np.uint8))
        assert whole and len(huge) < 50_000
        with make_client(server, protocol, shared_memory) as client:
            for img, match in (
                (np.zeros((1001, 1000, 3), np.uint8), "1000x1001 pixels, of at most 1000000"),
                (huge.tobytes(), "it has 2000x2000 pixels, 4,000,000 in all, of at most 1,000,000"),
                (b"no picture", "no picture that OpenCV can read"),
                (FILE[:200], "no picture that OpenCV can read"),
            ):
                with pytest.raises(RequestRefusedError, match=match):
                    client.detect(img)
            assert len(client.detect(pictures[0])[0]) == 1
        with make_client(server, protocol, shared_memory, model="nobody") as client:
            assert not client.is_ready()
            with pytest.raises(ModelNotReadyError, match="no model 'nobody' loaded"):
                client.detect(pictures[0])

    def test_late(self, protocol: str, shared_memory: bool, server: TritonServer, pictures: list[Image]) -> None:
        """A stopped server: the client gives up, and is well again when the server goes on."""
        with make_client(server, protocol, shared_memory, timeout=1.0) as client:
            assert len(client.detect(pictures[0])[0]) == 1
            os.kill(server.pid, signal.SIGSTOP)
            try:
                wait_for(lambda: is_stopped(server.pid))
                began = time.monotonic()
                with pytest.raises(ServerTimeoutError, match="within 1 seconds"):
                    client.detect(pictures[0])
                assert time.monotonic() - began < 5
            finally:
                os.kill(server.pid, signal.SIGCONT)

            def works() -> bool:
                with contextlib.suppress(ServerTimeoutError):
                    return len(client.detect(pictures[0])[0]) == 1
                return False

            wait_for(works)
            assert len(mapped(server)) == shared_memory  # what the late request had is given up

    def test_threads_that_come_and_go_leave_nothing(
        self, protocol: str, shared_memory: bool, server: TritonServer, pictures: list[Image]
    ) -> None:
        with make_client(server, protocol, shared_memory) as client:
            client.detect(pictures[0])
            client.detect(np.zeros((1000, 900, 3), np.uint8))
            assert len(mapped(server)) == shared_memory
            before = len(os.listdir("/proc/self/fd"))
            for _ in range(60):
                thread = threading.Thread(target=client.detect, args=(pictures[2],))
                thread.start()
                thread.join()
            assert len(os.listdir("/proc/self/fd")) <= before
        assert mapped(server) == []

    def test_32_clients_at_once(
        self, protocol: str, shared_memory: bool, server: TritonServer, local: TrtMtcnn, pictures: list[Image]
    ) -> None:
        """Good pictures and bad ones side by side; each gets its own answer."""
        want = [local.detect(img) for img in pictures]
        start = threading.Barrier(32)

        def work(k: int) -> int:
            refused = 0
            with make_client(server, protocol, shared_memory) as client:
                start.wait(60)
                for i in range(8):
                    j = (i + k) % len(pictures)
                    if (i + k) % 5 == 0:
                        with pytest.raises(RequestRefusedError, match="no picture that OpenCV can read"):
                            client.detect(b"%d" % i)
                        refused += 1
                    assert_same(client.detect(pictures[j]), want[j])
            return refused

        before = executions(server)
        with ThreadPoolExecutor(32) as pool:
            assert sum(pool.map(work, range(32))) > 32
        requests, batches = (after - first for after, first in zip(executions(server), before))
        # Dynamic batching has put some together: those that wait meanwhile, fewer where the server is fast.
        assert requests >= 256 and batches < requests


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_memory_that_the_server_cannot_open(protocol: str, server: TritonServer) -> None:
    connection = connect(protocol, getattr(server, protocol), "mtcnn", 10, True)
    with pytest.raises(ServingError, match=r"cannot open this process's shared memory .*shared_memory=False"):
        connection.register("mtcnn-elsewhere", "/mtcnn-elsewhere", 1000)
    connection.close()


def is_stopped(pid: int) -> bool:
    """Whether every thread is: on a busy machine some work on for a while after SIGSTOP."""
    states = [stat.read_text().rpartition(")")[2].split()[0] for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
    return set(states) == {"T"}


def mapped(server: TritonServer) -> list[Any]:
    """The shared memory that the server has of its clients."""
    with contextlib.closing(triton_http.InferenceServerClient(server.http)) as client:
        return list(client.get_system_shared_memory_status())


def executions(server: TritonServer) -> tuple[int, int]:
    """The cascade's pictures and batches so far; refused requests count as neither."""
    counts = []
    for name in ("nv_inference_count", "nv_inference_exec_count"):
        (value,) = re.findall(rf'^{name}\{{model="mtcnn",version="1"\}} (\d+)', server.metrics(), re.M)
        counts.append(int(value))
    return counts[0], counts[1]


class TestRequests:
    """What other clients may send."""

    @pytest.fixture
    def client(self, server: TritonServer) -> Iterator[Any]:
        with contextlib.closing(triton_http.InferenceServerClient(server.http, network_timeout=60)) as client:
            yield client

    @staticmethod
    def tensor(name: str, data: NDArray[Any]) -> Any:
        types = {"uint8": "UINT8", "float32": "FP32", "object": "BYTES"}
        tensor = triton_http.InferInput(name, list(data.shape), types[str(data.dtype)])
        tensor.set_data_from_numpy(data)
        return tensor

    def test_several_pictures_in_one(self, client: Any, local: TrtMtcnn, astronaut: Image) -> None:
        """Padded with zeros to the most faces; `count` tells how many there are."""
        batch = np.stack([astronaut, np.zeros_like(astronaut), astronaut[:, ::-1], tiled(scaled(astronaut, 256), 2, 2)])
        answer = client.infer("mtcnn", [self.tensor("pixels", batch)])
        dets, landmarks, count = (answer.as_numpy(name) for name in ("dets", "landmarks", "count"))
        want = local.detect_batch(list(batch))
        assert count.ravel().tolist() == [len(boxes) for boxes, _ in want] and count[1] == 0 and count.max() > 1
        for i, n in enumerate(count.ravel()):
            assert_same((dets[i, :n].copy(), landmarks[i, :n].copy()), want[i])
            assert not dets[i, n:].any() and not landmarks[i, n:].any()
        files = np.array([[FILE], [cv2.imencode(".png", batch[1])[1].tobytes()]], object)
        answer = client.infer("mtcnn", [self.tensor("image", files)])
        assert answer.as_numpy("count").ravel().tolist() == [1, 0]

    def test_what_fails_in_the_detector_fails_alone(self, server: TritonServer) -> None:
        """More pyramid levels than there may be: known only with the picture, and no other of its batch suffers."""
        small, large = np.zeros((13, 13, 3), np.uint8), np.zeros((900, 900, 3), np.uint8)
        slow = noise(900, 900)

        def ask(img: Image) -> str:
            try:
                if img is slow:
                    return f"{len(client.detect(img, minsize=12, factor=0.95)[0])} faces"
                return f"{len(client.detect(img, minsize=12, factor=0.9999)[0])} faces"
            except RequestRefusedError as error:
                return str(error)

        with make_client(server) as client, ThreadPoolExecutor(17) as pool:
            busy = pool.submit(ask, slow)
            time.sleep(0.05)  # the others wait for it and are worked on together
            before = executions(server)
            answers = list(pool.map(ask, [small, large] * 8))
            assert busy.result().endswith("faces")
        assert set(answers[::2]) == {"0 faces"}
        assert all("factor" in text for text in answers[1::2]), answers
        assert executions(server)[1] - before[1] < 16

    def test_hostile_parameters_fail_alone(self, server: TritonServer, astronaut: Image) -> None:
        """Worked on together with good requests, by either protocol; every answer is the right one."""
        endless = {"minsize": 12, "factor": "0.95", "thresholds": "[0, 0, 0]", "mirror": True, "second_pass": True}
        endless["second_pass_scales"] = json.dumps([4] * 16)
        hostile = [{"thresholds": "[" * 50_000}, {"minsize": '{"a":' * 9_000}, {"max_work": "null", **endless}]
        small = noise(128, 128)

        def ask(k: int) -> str:
            protocol = ("http", "grpc")[k % 2]
            parameters = hostile[k // 2 % 3] if k % 4 < 2 else {}
            connection = connect(protocol, getattr(server, protocol), "mtcnn", 120, False)
            try:
                img = small if parameters else astronaut
                return f"{len(connection.detect('pixels', img[None], parameters)[0])} faces"
            except RequestRefusedError as error:
                return str(error)
            finally:
                connection.close()

        with ThreadPoolExecutor(24) as pool:
            answers = list(pool.map(ask, range(48)))
        for k, text in enumerate(answers):
            if k % 4 >= 2:
                assert text == "1 faces"
            else:
                assert ("max_work is 900" if k // 2 % 3 == 2 else "nested too deeply") in text

    def test_no_utf8(self, server: TritonServer) -> None:
        """What gRPC's library and Triton make of it; the model lives on."""
        zeros = b", ".join([b"0"] * 1200)
        tensor = b'{"name": "pixels", "shape": [1, 20, 20, 3], "datatype": "UINT8", "data": [%s]}' % zeros
        body = b'{"parameters": {"preset": "\xff\xfe"}, "inputs": [' + tensor + b"]}"
        connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=30)
        with contextlib.closing(connection), make_client(server) as client, ThreadPoolExecutor(8) as pool:
            others = [pool.submit(client.detect, FILE) for _ in range(16)]
            connection.request("POST", "/v2/models/mtcnn/infer", body)
            assert 400 <= connection.getresponse().status < 600
            assert all(len(other.result(60)[0]) == 1 for other in others)

    def test_one_output_alone(self, client: Any, astronaut: Image) -> None:
        outputs = [triton_http.InferRequestedOutput("landmarks")]
        answer = client.infer("mtcnn", [self.tensor("pixels", astronaut[None])], outputs=outputs)
        assert answer.as_numpy("landmarks").shape == (1, 1, 10) and answer.as_numpy("dets") is None

    def test_what_is_refused(self, client: Any, astronaut: Image, server: TritonServer) -> None:
        pixels, image = self.tensor("pixels", astronaut[None]), self.tensor("image", np.array([[FILE]], object))
        for inputs, parameters, match in (
            ([], {}, "0 inputs"),
            ([pixels, image], {}, "must have one input"),
            ([self.tensor("pixels", astronaut[None].astype(np.float32))], {}, "data-type"),
            ([self.tensor("pixels", astronaut[:9])], {}, "shape"),
            ([self.tensor("pixels", np.zeros((17, 9, 9, 3), np.uint8))], {}, "batch-size must be <= 16"),
            ([self.tensor("pixels", np.zeros((1, 9, 9, 2), np.uint8))], {}, "pixels must have the shape"),
            ([self.tensor("pixels", np.zeros((1, 0, 9, 3), np.uint8))], {}, "pixels is empty"),
            ([self.tensor("image", np.array([[b""]], object))], {}, "the file is empty"),
            ([pixels], {"minsize": 3}, "minsize must be"),
            ([pixels], {"minsize": "many"}, "minsize must be a number"),
            ([pixels], {"colour": 1}, "unknown parameter 'colour'"),
            ([pixels], {"preset": "best"}, "preset must be one of"),
            ([pixels], {"thresholds": "[0.5]"}, "thresholds must be 3 numbers"),
            ([pixels], {"thresholds": "[" * 50_000}, "nested too deeply"),
            ([pixels], {"thresholds": "[" * 70_000}, "of at most 65536"),
            ([pixels], {"minsize": "NaN"}, "minsize must be"),
            ([pixels], {"max_rnet": "9" * 5_000}, "max_rnet must be|Exceeds the limit"),
            ([pixels], {"max_size": "[-1, 5]"}, "max_size"),
            ([pixels], {"resize": "\x1b[31m"}, r"resize must be .* got '.x1b"),
            ([pixels], {"max_work": "0.001"}, "max_work is 0.001"),
        ):
            with pytest.raises(InferenceServerException, match=match):
                client.infer("mtcnn", inputs, parameters=parameters)
        assert client.infer("mtcnn", [pixels], request_id="a", priority=1, timeout=60_000_000).as_numpy("count") == 1

    @pytest.mark.parametrize(
        ("body", "headers"),
        [
            (b"", {}),
            (b"not JSON", {}),
            (b"{}", {}),
            (b'{"inputs": 3}', {}),
            (b'{"inputs": [{"name": "pixels", "shape": [1, 5, 5, 3], "datatype": "UINT8", "data": [1]}]}', {}),
            (b'{"inputs": [{"name": "pixels", "shape": [1, -5, 5, 3], "datatype": "UINT8", "data": []}]}', {}),
            (b"\xff" * 1000, {"Inference-Header-Content-Length": "500"}),
            (b"{}", {"Inference-Header-Content-Length": "99999999"}),
        ],
    )
    def test_malformed(self, body: bytes, headers: dict[str, str], server: TritonServer) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=30)
        with contextlib.closing(connection):
            connection.request("POST", "/v2/models/mtcnn/infer", body, headers)
            answer = connection.getresponse()
            assert 400 <= answer.status < 600 and json.loads(answer.read())["error"]
        with make_client(server) as client:
            assert len(client.detect(FILE)[0]) == 1


@pytest.mark.parametrize(("protocol", "shared_memory"), WAYS)
def test_killed_and_started_again_under_load(
    protocol: str, shared_memory: bool, server: TritonServer, local: TrtMtcnn, pictures: list[Image]
) -> None:
    """Each call ends with the right faces or a clear error; the same client works again once the server is back."""
    want = local.detect(pictures[1])
    done, errors, counts = threading.Event(), [], [0] * 8

    def load(client: Client, k: int) -> None:
        while not done.is_set():
            try:
                found = client.detect(pictures[1])
            except ServingError as error:
                errors.append(error)
                time.sleep(0.02)
            else:
                assert_same(found, want)
                counts[k] += 1

    with make_client(server, protocol, shared_memory, timeout=20) as client, ThreadPoolExecutor(8) as pool:
        threads = [pool.submit(load, client, k) for k in range(8)]
        try:
            wait_for(lambda: min(counts) > 3)
            server.kill()
            wait_for(lambda: len(errors) > 8)
            assert not client.is_ready()
            server.start()
            before = [*counts]
            wait_for(lambda: all(now > then + 3 for now, then in zip(counts, before)))
        finally:
            done.set()
        for thread in threads:
            thread.result(60)
        assert {type(error) for error in errors} <= {ServerUnavailableError, ModelNotReadyError}
        assert all(re.search(r"no Triton server answers at|has no model", str(error)) for error in errors)

        server.kill()  # while nobody asks: nobody notices
        server.start()
        assert_same(client.detect(pictures[1]), want)
        for found in client.detect_batch([pictures[1]] * 20):
            assert_same(found, want)
        assert len(mapped(server)) <= 9 * shared_memory


def test_after_a_fork_parent_and_child_have_their_own_connections(server: TritonServer) -> None:
    code = """
import os, sys
from mtcnn.serving import Client
photo = open("docs/images/astronaut.jpg", "rb").read()
with Client(sys.argv[1], shared_memory=True) as client:
    client.detect(photo)
    child = os.fork()
    found = [len(client.detect(photo, minsize)[0]) for minsize in (20, 250) * 30]
    assert found == [1, 0] * 30, found
    if not child:
        client.close()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print("both")
"""
    command = [sys.executable, "-c", code, server.http]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == "both\n", done.stdout + done.stderr


def test_a_models_process_that_is_killed(server: TritonServer, pictures: list[Image]) -> None:
    """This Triton does not start it again: an error says so, and all is well once the server has been started anew."""
    with make_client(server) as client:
        assert len(client.detect(pictures[0])[0]) == 1
        os.kill(server.model_process("mtcnn"), signal.SIGKILL)
        with pytest.raises(ServingError, match=r"failed: Stub process .* is not healthy"):
            client.detect(pictures[0])
        server.kill()
        server.start()
        assert len(client.detect(pictures[0])[0]) == 1


def test_ends_in_good_order(repository: Path) -> None:
    with TritonServer(repository) as server:
        with make_client(server, shared_memory=True) as client:
            assert len(client.detect(FILE)[0]) == 1
        assert server.stop() == 0


class TestDocument:
    """docs/serving.md, as a reader would type it."""

    @pytest.fixture
    def workplace(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        (tmp_path / "photo.jpg").write_bytes(FILE)
        monkeypatch.chdir(tmp_path)
        return tmp_path

    def run_python(self, server: TritonServer) -> dict[str, Any]:
        names: dict[str, Any] = {}
        blocks = python_blocks("docs/serving.md")
        assert sum("localhost:8000" in block for block in blocks) == 1
        for block in blocks:
            exec(compile(block.replace("localhost:8000", server.http), "serving.md", "exec"), names)
        return names

    def test_python(self, server: TritonServer, workplace: Path) -> None:
        names = self.run_python(server)
        assert names["dets"].shape == (1, 5) and [len(dets) for dets, _ in names["results"]] == [1, 1]

    def test_perf_client(self, workplace: Path) -> None:
        if why := perf.client_missing():
            pytest.skip(why)
        text = (ROOT / "docs" / "serving.md").read_text()
        lines = re.findall(r"^perf_client (.* -i grpc .*) -s 50 -r 6$", text, re.M)
        assert {shlex.split(line)[1] for line in lines} == {*NETWORKS, "mtcnn"} and len(lines) == 5
        write_repository(workplace / "models", backend="python", layout="nhwc", preset="fast")
        with TritonServer(workplace / "models") as server:
            self.run_python(server)
            for line in lines:
                command = [str(perf.CLIENT), *shlex.split(line), "-u", server.grpc, "-p", "300", "-s", "999", "-r", "3"]
                done = subprocess.run(command, env=perf.environment(), capture_output=True, text=True, timeout=120)
                assert done.returncode == 0 and "throughput: " in done.stdout, done.stdout + done.stderr
