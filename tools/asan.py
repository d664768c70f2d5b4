"""Runs the native tests with the module that `make asan` built: any error and any leak of ours fails.

    python tools/asan.py build/asan [what pytest is to run]

Python itself is not sanitized, so the sanitizers' libraries are loaded before it. Its allocator gives way to malloc,
which they watch. Leaks are told by who allocated: Python, NumPy and OpenVINO keep memory until the process ends, and
what they keep is not for us to free. What our module took from malloc, or through OpenVINO's C API, is.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = ["test_ops.py", "test_pytrt.py", "test_align.py"]
OURS = ("csrc/", "build/cython/", "_pytrt.", "libopenvino_c.so")
ALLOCATORS = ("__interceptor_", "operator new", "libasan.so", "libstdc++.so")


def main() -> int:
    folder, arguments = Path(sys.argv[1]).resolve(), sys.argv[2:]
    if os.environ.get("TRT_MTCNN_ASAN") == "inside":
        return run_inside(folder, arguments)
    runtimes = [find_runtime(name) for name in ("libasan.so", "libubsan.so")]
    environment = os.environ | {
        "LD_PRELOAD": " ".join(runtimes),
        # Without detect_stack_use_after_return: GCC 12 forgets 64-byte alignment in the frames it makes for that.
        "ASAN_OPTIONS": f"abort_on_error=1:detect_stack_use_after_return=0:log_path={folder}/report",
        "UBSAN_OPTIONS": "abort_on_error=1:print_stacktrace=1",  # writes to stderr beside another sanitizer
        "LSAN_OPTIONS": "detect_leaks=1:exitcode=0",  # leaks are judged below
        "PYTHONMALLOC": "malloc",
        "TBB_ENABLE_SANITIZERS": "1",  # else OpenVINO's TBB opens libraries in a way that sanitizers refuse
        "TRT_MTCNN_ASAN": "inside",
        "TRT_MTCNN_ENGINES": str(folder / "engines"),
    }
    for _ in range(3):
        for old in folder.glob("report.*"):
            old.unlink()
        command = [sys.executable, __file__, str(folder), *arguments]
        failed = subprocess.run(command, env=environment, cwd=ROOT).returncode
        reports = [path.read_text(errors="replace") for path in sorted(folder.glob("report.*"))]
        errors = [text for text in reports if "ERROR: AddressSanitizer" in text]
        # It looks into the memory of threads, and crashes where one, OpenVINO's say, ends meanwhile.
        if errors or not any("LeakSanitizer has encountered a fatal error" in text for text in reports):
            break
        print("sanitizers: the search for leaks itself crashed: once more", flush=True)
    leaks = [leak for text in reports for leak in leaks_of_ours(text)]
    print("\n\n".join(errors + leaks), end="")
    if failed or errors or leaks:
        print(f"\nsanitizers: FAILED (tests exited with {failed}, {len(errors)} memory errors, {len(leaks)} leaks)")
        return 1
    print("sanitizers: no error and no leak")
    return 0


def find_runtime(name: str) -> str:
    compiler = os.environ.get("CXX", "g++").split()
    path = subprocess.run([*compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout
    if not os.path.isabs(path):
        sys.exit(f"{compiler[0]} has no {name}; use g++, or install its sanitizers")
    return path.strip()


def leaks_of_ours(report: str) -> list[str]:
    return [part for part in report.split("\n\n") if " leak of " in part and is_ours(part)]


def is_ours(leak: str) -> bool:
    """Whether the first frame that is no allocator's is ours."""
    for frame in re.findall(r"^\s+#\d+ .*$", leak, re.M):
        if not any(name in frame for name in ALLOCATORS):
            return any(name in frame for name in OURS)
    return False


def run_inside(folder: Path, arguments: list[str]) -> int:
    # The checkout's own module must not be found first: once imported, this one stays.
    sys.path.insert(0, str(folder))
    import pytrt._pytrt as module

    path = Path(module.__file__ or "")
    assert path.is_relative_to(folder), f"{path} is not the sanitized module"
    assert b"__asan_report_load" in path.read_bytes(), f"{path} was built without sanitizers"
    assert "libasan.so" in Path("/proc/self/maps").read_text(), "the sanitizer's library is not loaded"
    print(f"sanitized: {path.relative_to(ROOT)}", flush=True)
    import pytest

    tests = [str(path) for name in TESTS if (path := ROOT / "tests" / "unit" / name).exists()]
    # Reports reach stderr only where pytest leaves it alone.
    options = ["-q", "--capture=sys", "-p", "no:cacheprovider", "-p", "no:faulthandler"]
    # The sanitizer's operator new ends the process where the real one throws.
    options += ["--deselect", "tests/unit/test_pytrt.py::TestStages::test_too_large_to_hold"]
    failed = int(pytest.main([*options, *(arguments or tests)]))
    detect_faces()
    return failed


def detect_faces() -> None:
    """Whole detections: every preset, a batch, several threads at once, pictures of odd sizes."""
    import cv2
    import numpy as np

    from mtcnn import FaceAligner, TrtMtcnn
    from mtcnn.params import PRESETS

    img = cv2.imread(str(ROOT / "docs" / "images" / "astronaut.jpg"))
    assert img is not None
    pictures = [img, img[:300, 100:400], img[::2, ::2], np.zeros((1, 1, 3), np.uint8), np.zeros((8, 600, 3), np.uint8)]
    for preset in PRESETS:
        with TrtMtcnn(preset=preset) as detector:
            found = [len(dets) for dets, _ in detector.detect_batch(pictures)]
            assert found == [1, 1, 1, 0, 0], found
            landmarks = detector.detect(img, minsize=12)[1]
            FaceAligner().align_all(img, landmarks)
            with ThreadPoolExecutor(6) as pool:
                assert [len(dets) for dets, _ in pool.map(detector.detect, 4 * pictures)] == 4 * found
    print("whole detections: done", flush=True)


if __name__ == "__main__":
    sys.exit(main())
