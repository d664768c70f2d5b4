"""What tests share: the labelled data, engines in a folder of their own, a detector, a few pictures."""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from numpy.typing import NDArray

from mtcnn import TrtMtcnn, create_engines
from mtcnn.engines import NETWORKS

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("TRT_MTCNN_DATA") or ROOT.parent / "shared" / "data")

# Native code is slow only where the machine is busy: no deadlines. The same examples every time.
settings.register_profile(
    "tests", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("tests")

HAS_OPENCV = importlib.util.find_spec("cv2") is not None
WITHOUT_GIL = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


class AbsentPackages:
    """Skips what imports a package of which Pythons without the GIL have no wheel, in a test or as a file is read."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name in ("cv2", "lz4"):
            pytest.skip(f"{name} has no wheel for Pythons without the GIL", allow_module_level=True)


class AbsentModules:
    """Skips tests that import a module of Python that Windows has not; packages that try to are left to do so."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        importer = sys._getframe(1)
        while importer.f_back is not None and "importlib" in importer.f_code.co_filename:
            importer = importer.f_back
        is_test = importer.f_globals.get("__name__", "").startswith("tests.")
        if is_test and name in ("fcntl", "pty", "resource", "termios"):
            pytest.skip(f"Windows has no {name}", allow_module_level=True)


if WITHOUT_GIL:
    sys.meta_path.append(AbsentPackages())  # the last that is asked
if sys.platform == "win32":
    sys.meta_path.append(AbsentModules())

COUNTS = ("pictures", "faces")
DIFFERENCES = pytest.StashKey[dict[str, dict[str, float]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", 'slow: takes seconds; leave out with -m "not slow"')
    if WITHOUT_GIL:  # with PYTHON_GIL=0 they run without it; pytrt never turns it on
        config.addinivalue_line("filterwarnings", r"ignore:The global interpreter lock .*'(openvino|pycocotools)\.")
    config.stash[DIFFERENCES] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="a test that is skipped has failed")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and item.config.getoption("no_skips"):
        report.outcome = "failed"
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Why tests were skipped, a line a reason, and the largest differences from the reference, for the record."""
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else str(report.longrepr)
        for report in terminalreporter.stats.get("skipped", [])
    )
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"skipped {count}: {reason}")
    for title, found in sorted(config.stash[DIFFERENCES].items()):
        text = ", ".join(f"{name} {value:.2g}" for name, value in found.items() if name not in COUNTS)
        counts = " and ".join(f"{found[name]:.0f} {name}" for name in COUNTS)
        terminalreporter.write_line(f"largest differences, {title}, {counts}: {text}")


def need(path: Path) -> Path:
    """``path``, or skip the test."""
    if not path.exists():
        pytest.skip(f"{path} is absent; set TRT_MTCNN_DATA to the folder of labelled data")
    return path


def read_picture(path: Path) -> NDArray[np.uint8]:
    if not HAS_OPENCV:
        from PIL import Image

        return np.asarray(np.asarray(Image.open(need(path)).convert("RGB"))[:, :, ::-1], order="C")
    import cv2

    img = cv2.imread(str(need(path)))
    assert img is not None
    return np.asarray(img, np.uint8)


@pytest.fixture
def record_differences(request: pytest.FixtureRequest) -> Callable[..., None]:
    """``record_differences(title, faces=n, name=value, ...)`` for one picture: what the summary shows."""
    all_found = request.config.stash[DIFFERENCES]

    def record(title: str, faces: int, **values: float) -> None:
        found = all_found.setdefault(title, dict.fromkeys(COUNTS, 0))
        found["pictures"] += 1
        found["faces"] += faces
        for name, value in values.items():
            found[name] = max(found.get(name, 0), value)

    return record


@pytest.fixture(scope="session", autouse=True)
def engines_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The engines' folder for this session: the user's own is neither used nor touched."""
    folder = tmp_path_factory.mktemp("engines")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRT_MTCNN_ENGINES", str(folder))
        yield folder


@pytest.fixture(scope="session")
def engines(engines_folder: Path) -> dict[str, Path]:
    """The CPU's engine files by network."""
    return dict(zip(NETWORKS, create_engines(flavour="cpu"), strict=True))


@pytest.fixture(scope="session")
def detector(engines: dict[str, Path]) -> Iterator[TrtMtcnn]:
    with TrtMtcnn(device="cpu") as shared:
        yield shared


@pytest.fixture(scope="session")
def astronaut() -> NDArray[np.uint8]:
    """A picture that comes with the project: one face, about 80 pixels wide."""
    img = read_picture(ROOT / "docs" / "images" / "astronaut.jpg")
    img.flags.writeable = False
    return img


@pytest.fixture(scope="session")
def face(astronaut: NDArray[np.uint8], detector: TrtMtcnn) -> NDArray[np.uint8]:
    """The astronaut's face with some background, cut square."""
    x1, y1, x2, y2 = detector.detect(astronaut)[0][0, :4]
    cx, cy, half = int((x1 + x2) / 2), int((y1 + y2) / 2), int(0.9 * (y2 - y1))
    return np.ascontiguousarray(astronaut[max(0, cy - half) : cy + half, max(0, cx - half) : cx + half])
