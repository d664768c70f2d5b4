"""Forks, spawned processes, the end of the interpreter, Ctrl-C: no hang, no crash, the same faces."""

from __future__ import annotations

import multiprocessing
import platform
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing.context import BaseContext
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mtcnn import TrtMtcnn
from tests.conftest import ROOT

Image = NDArray[np.uint8]
Faces = tuple[NDArray[np.float32], NDArray[np.float32]]

pytestmark = pytest.mark.slow

TIMEOUT = 120
WARNINGS = ("-W", "error", "-W", "ignore::DeprecationWarning")  # of forks where there are threads
HEAD = """
import os, signal, sys, threading, time
import numpy as np
from PIL import Image
from mtcnn import DeviceError, TrtMtcnn
img = np.ascontiguousarray(np.asarray(Image.open("docs/images/astronaut.jpg"))[:, :, ::-1])
large = np.tile(img, (5, 5, 1))
"""
# Networks on OpenVINO, whose threads do not survive a fork.
OPENVINO = """
if not native:
    import mtcnn.detector, pytrt
    from mtcnn.engines.libraries import openvino_library
    mtcnn.detector.cpu_device = lambda threads: pytrt.CpuDevice(openvino_library(), threads, native=False)
"""


def run(code: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """The code in a process of its own, which must end by itself."""
    done = subprocess.run(
        [sys.executable, *WARNINGS, "-c", HEAD + code], cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT
    )
    if check:
        assert done.returncode == 0, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def assert_same(a: Faces, b: Faces) -> None:
    np.testing.assert_array_equal(a[0], b[0])
    np.testing.assert_array_equal(a[1], b[1])


class TestPools:
    """Workers get the detector by pickle, or make their own."""

    @pytest.fixture(params=["spawn", "forkserver"])
    def context(self, request: pytest.FixtureRequest) -> BaseContext:
        return multiprocessing.get_context(request.param)

    def test_a_pool(self, context: BaseContext, astronaut: Image, detector: TrtMtcnn) -> None:
        with context.Pool(2) as pool:
            found = pool.map(partial(detector.detect, minsize=30), [astronaut, astronaut[:400], astronaut[:, 50:]])
        for img, faces in zip([astronaut, astronaut[:400], astronaut[:, 50:]], found):
            assert_same(faces, detector.detect(img, 30))

    def test_an_executor(self, context: BaseContext, astronaut: Image, engines: dict[str, Path]) -> None:
        paths = [engines[net] for net in ("pnet", "rnet", "onet")]
        with TrtMtcnn(paths, "cpu", "fast", threads=1) as detector:
            serial = detector.detect(astronaut)
            with ProcessPoolExecutor(2, mp_context=context) as pool:
                for faces in pool.map(detector.detect, [astronaut] * 4):
                    assert_same(faces, serial)

    def test_engines_that_are_gone_are_an_error_in_the_worker(self, tmp_path: Path, engines: dict[str, Path]) -> None:
        names = ("pnet", "rnet", "onet")
        for net in names:
            for path in (engines[net], engines[net].with_name(f"{net}.engine.json")):
                (tmp_path / path.name).write_bytes(path.read_bytes())
        with TrtMtcnn([tmp_path / f"{net}.engine" for net in names], "cpu") as detector:
            (tmp_path / "onet.engine").unlink()
            with multiprocessing.get_context("spawn").Pool(1, unpickle, [detector_bytes(detector)]) as pool:
                assert "there is no engine" in pool.apply_async(told).get(TIMEOUT)


def detector_bytes(detector: TrtMtcnn) -> bytes:
    import pickle

    return pickle.dumps(detector)


_told = ""


def unpickle(pickled: bytes) -> None:
    import pickle

    global _told
    try:
        pickle.loads(pickled)
    except Exception as error:
        _told = str(error)


def told() -> str:
    return _told


class TestForks:
    def test_before_anything_was_made(self) -> None:
        run("""
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        os._exit(len(TrtMtcnn(device="cpu").detect(img)[0]))
    children.append(child)
assert len(TrtMtcnn(device="cpu").detect(img)[0]) == 1
for child in children:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
""")

    @pytest.mark.parametrize("native", [True, False])
    def test_while_other_threads_detect(self, native: bool) -> None:
        """A child may hold no lock of theirs. It detects, or says that OpenVINO cannot, and must be able to end."""
        run(
            f"native = {native}"
            + OPENVINO
            + """
detector = TrtMtcnn(device="cpu")
stop = threading.Event()
def detect():
    while not stop.is_set():
        assert len(detector.detect(img)[0]) == 1
        TrtMtcnn(device="cpu", threads=2).close()
threads = [threading.Thread(target=detect) for _ in range(3)]
for thread in threads:
    thread.start()
for i in range(20):
    time.sleep(0.01 * (i % 3))
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        right = 0
        for use in (lambda: detector.detect(img), lambda: detector.detect_batch([img]), lambda: TrtMtcnn(device="cpu")):
            try:
                use()
                right += native
            except DeviceError as error:
                right += not native and "forked" in str(error)
        detector.close()
        del detector
        if i % 2:
            os._exit(0 if right == 3 else 1)
        stop.set()
        sys.exit(0 if right == 3 else 1)  # runs what runs at the end of an interpreter
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if ended != 0:
        stop.set()
        sys.exit(f"child {i} ended with {ended}")
stop.set()
for thread in threads:
    thread.join()
assert len(detector.detect(img)[0]) == 1
"""
        )

    @pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc's on_exit")
    def test_what_libraries_of_the_parent_do_at_the_end(self) -> None:
        """OpenVINO's allocator may wait there for ever: here, C's pause() does. A child's own handlers run."""
        ended = run(
            """
import ctypes
libc = ctypes.CDLL(None)
def at_the_end(name, value):
    libc.__cxa_atexit(ctypes.cast(libc[name], ctypes.c_void_p), ctypes.c_void_p(value), None)
native = False
"""
            + OPENVINO
            + """
detector = TrtMtcnn(device="cpu")
detector.detect(img)
at_the_end("pause", 0)
child = os.fork()
if child == 0:
    signal.alarm(20)
    libc.strdup.restype = ctypes.c_void_p
    at_the_end("puts", libc.strdup(b"a handler of its own"))
    print("the last line", end=" ")
    sys.exit(3)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
print("waited", flush=True)
os._exit(0)
"""
        ).stdout
        assert ended == "the last line a handler of its own\nwaited\n"

    def test_a_pool_of_forks(self) -> None:
        run("""
import multiprocessing
def work(_):
    return detector.detect(img)[0]
detector = TrtMtcnn(device="cpu")
before = detector.detect(img)[0]
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert all(np.array_equal(found, before) for found in pool.map(work, range(8)))
assert len(detector.detect(img)[0]) == 1
""")


class TestTheEnd:
    """The interpreter ends while threads are in native code."""

    @pytest.mark.parametrize("end", ["pass", "sys.exit(0)", "os._exit(0)"])
    @pytest.mark.parametrize("threads", [0, 1])
    def test_daemon_threads(self, threads: int, end: str) -> None:
        for _ in range(3):
            run(f"""
detector = TrtMtcnn(device="cpu", threads={threads})
def detect():
    while True:
        detector.detect(large, 20)
for _ in range(4):
    threading.Thread(target=detect, daemon=True).start()
time.sleep(0.3)
{end}
""")

    def test_ordinary_threads_are_waited_for(self) -> None:
        done = run("""
detector = TrtMtcnn(device="cpu")
def detect():
    for _ in range(5):
        count = len(detector.detect(large, 40)[0])
    sys.stdout.write(f"done {count}\\n")  # in one piece, as threads share it
for _ in range(3):
    threading.Thread(target=detect).start()
sys.exit(0)
""")
        assert done.stdout.split() == ["done", "25"] * 3

    def test_detectors_that_live_to_the_end(self) -> None:
        run("""
import mtcnn
detector = mtcnn.keep = TrtMtcnn(device="cpu")
detector.itself = [detector]  # which only the collector of cycles frees, if anything
detector.detect(img)
class Late:
    def __del__(self, detect=detector.detect, img=img):
        assert len(detect(img)[0]) == 1
late = Late()
""")

    def test_a_detector_used_at_exit(self) -> None:
        run("""
import atexit
detector = TrtMtcnn(device="cpu")
atexit.register(lambda: print(len(detector.detect(img)[0])))
""")


class TestCtrlC:
    @pytest.mark.parametrize("call", ["detector.detect(large, 12)", "detector.detect_batch([large] * 200)"])
    def test_it_ends_a_long_call(self, call: str) -> None:
        """Within the time of a stage; the detector works on as before."""
        run(f"""
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what is started in the background
detector = TrtMtcnn(device="cpu")
before = detector.detect(img)
begun = threading.Event()
def interrupt():
    begun.wait()
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
interrupted = False
began = time.monotonic()
try:
    begun.set()
    while True:
        {call}
except KeyboardInterrupt:
    interrupted = True
assert interrupted and time.monotonic() - began < 30
for a, b in zip(before, detector.detect(img)):
    assert np.array_equal(a, b)
""")


def test_subinterpreters_are_refused_or_work() -> None:
    run("""
try:
    import _interpreters as interpreters
except ImportError:  # before Python 3.13
    import _xxsubinterpreters as interpreters
before = TrtMtcnn(device="cpu").detect(img)
other = interpreters.create()
failed, code = None, f"import sys; sys.path[:] = {sys.path!r}; import pytrt"
try:
    failed = getattr(interpreters, "exec", interpreters.run_string)(other, code)
except Exception as error:
    failed = error
assert failed is None or "ImportError" in str(failed), failed
interpreters.destroy(other)
print("refused" if failed else "works")
assert np.array_equal(before[0], TrtMtcnn(device="cpu").detect(img)[0])
""")


@pytest.mark.skipif(sys.version_info < (3, 13), reason="creates only such as NumPy works in")
@pytest.mark.parametrize("kind", ["isolated", "legacy"])
def test_a_subinterpreter_that_comes_first_spoils_nothing(kind: str) -> None:
    """What NumPy refuses there leaves the main interpreter as it was."""
    code = f"""
import sys
import _interpreters
other = _interpreters.create({kind!r})
code = f"import sys; sys.path[:] = {{sys.path!r}}; import pytrt; pytrt.isa()"
failed = _interpreters.exec(other, code)
_interpreters.destroy(other)
assert failed and "ImportError" in str(failed) and "subinterpreters" in str(failed), failed
from pytrt import isa
print(isa())
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
