"""Which runtime libraries are found, and what is said where there are none."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mtcnn import DeviceError
from mtcnn.engines import libraries
from mtcnn.engines.libraries import openvino_library, tensorrt_libraries

RUNTIME = {"tensorrt": "libnvinfer.so", "tensorrt-rtx": "libtensorrt_rtx.so"}
PARSER = {"tensorrt": "libnvonnxparser.so", "tensorrt-rtx": "libtensorrt_onnxparser_rtx.so"}
NEWEST = {"tensorrt": 11, "tensorrt-rtx": 1}
PACKAGE = {"tensorrt": "tensorrt_libs", "tensorrt-rtx": "tensorrt_rtx_libs"}


def put(folder: Path, flavour: str, major: int, parser: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{RUNTIME[flavour]}.{major}").touch()
    if parser:
        (folder / f"{PARSER[flavour]}.{major}").touch()
    return folder


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with no runtime: no package, nothing in the usual folders, nothing named in the environment."""
    for name in ("TRT_MTCNN_TENSORRT", "TRT_MTCNN_OPENVINO", "LD_LIBRARY_PATH"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "site").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site")])
    for name in (*PACKAGE.values(), "openvino"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(libraries, "_SYSTEM_FOLDERS", (str(tmp_path / "usual" / "tensorrt*" / "lib")[1:],))
    return tmp_path


@pytest.mark.parametrize("flavour", ["tensorrt", "tensorrt-rtx"])
class TestTensorRt:
    def expect(self, flavour: str, folder: Path, major: int | None = None) -> None:
        found = tensorrt_libraries(flavour)
        number = NEWEST[flavour] if major is None else major
        assert found == (str(folder / f"{RUNTIME[flavour]}.{number}"), str(folder / f"{PARSER[flavour]}.{number}"))

    def test_none(self, flavour: str, bare: Path) -> None:
        with pytest.raises(DeviceError) as caught:
            tensorrt_libraries(flavour)
        message = str(caught.value)
        assert f"{RUNTIME[flavour]}." in message and "was not found" in message
        assert "pip install" in message and "TRT_MTCNN_TENSORRT" in message

    def test_chosen_folder(self, flavour: str, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        put(bare / "site" / PACKAGE[flavour], flavour, NEWEST[flavour])
        chosen = put(bare / "chosen", flavour, NEWEST[flavour])
        monkeypatch.setenv("TRT_MTCNN_TENSORRT", str(chosen))
        self.expect(flavour, chosen)

    def test_chosen_folder_is_the_only_one(self, flavour: str, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        put(bare / "site" / PACKAGE[flavour], flavour, NEWEST[flavour])
        monkeypatch.setenv("TRT_MTCNN_TENSORRT", str(bare / "absent"))
        with pytest.raises(DeviceError, match="was not found"):
            tensorrt_libraries(flavour)

    def test_package(self, flavour: str, bare: Path) -> None:
        self.expect(flavour, put(bare / "site" / PACKAGE[flavour], flavour, NEWEST[flavour]))

    def test_library_path(self, flavour: str, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = put(bare / "lib", flavour, NEWEST[flavour])
        monkeypatch.setenv("LD_LIBRARY_PATH", f":{bare}/absent:{folder}:")
        self.expect(flavour, folder)

    def test_usual_folders_the_newest_first(self, flavour: str, bare: Path) -> None:
        for version in ("9", "10.15", "10.8"):
            put(bare / "usual" / f"tensorrt-{version}" / "lib", flavour, NEWEST[flavour])
        self.expect(flavour, bare / "usual" / "tensorrt-10.15" / "lib")

    def test_package_before_the_system(self, flavour: str, bare: Path) -> None:
        put(bare / "usual" / "tensorrt" / "lib", flavour, NEWEST[flavour])
        self.expect(flavour, put(bare / "site" / PACKAGE[flavour], flavour, NEWEST[flavour]))

    def test_no_parser(self, flavour: str, bare: Path) -> None:
        folder = put(bare / "usual" / "tensorrt-9" / "lib", flavour, NEWEST[flavour], parser=False)
        with pytest.raises(DeviceError) as caught:
            tensorrt_libraries(flavour)
        assert f"{folder}/{RUNTIME[flavour]}.{NEWEST[flavour]} is there, but its ONNX parser" in str(caught.value)

    def test_folder_without_the_parser_is_passed_over(self, flavour: str, bare: Path) -> None:
        put(bare / "usual" / "tensorrt-2" / "lib", flavour, NEWEST[flavour], parser=False)
        self.expect(flavour, put(bare / "usual" / "tensorrt-1" / "lib", flavour, NEWEST[flavour]))

    def test_version_that_is_not_known(self, flavour: str, bare: Path) -> None:
        put(bare / "usual" / "tensorrt" / "lib", flavour, 8)
        with pytest.raises(DeviceError, match="was not found"):
            tensorrt_libraries(flavour)


def test_major_versions_the_newest_first(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = put(bare / "old", "tensorrt", 10), put(bare / "new", "tensorrt", 11)
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{old}:{new}")
    assert tensorrt_libraries().runtime == str(new / "libnvinfer.so.11")
    (new / "libnvonnxparser.so.11").unlink()
    assert tensorrt_libraries().runtime == str(old / "libnvinfer.so.10")


class TestOpenVino:
    def test_this_machine(self) -> None:
        assert Path(openvino_library()).is_file()
        assert "openvino_c" in Path(openvino_library()).name

    def test_none(self, bare: Path) -> None:
        with pytest.raises(DeviceError, match="OpenVINO is not installed: pip install"):
            openvino_library()

    def test_chosen_file(self, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TRT_MTCNN_OPENVINO", str(bare / "libopenvino_c.so"))
        with pytest.raises(DeviceError, match="TRT_MTCNN_OPENVINO names no file"):
            openvino_library()
        (bare / "libopenvino_c.so").touch()
        assert openvino_library() == str(bare / "libopenvino_c.so")

    @pytest.mark.parametrize(
        ("system", "place"),
        [
            ("linux", "openvino/libs/libopenvino_c.so.2641"),
            ("linux", "openvino/libopenvino_c.so"),
            ("darwin", "openvino/libs/libopenvino_c.2641.dylib"),
            ("win32", "openvino/libs/openvino_c.dll"),
        ],
    )
    def test_package(self, system: str, place: str, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("mtcnn.engines.libraries.sys", SimpleNamespace(platform=system))
        path = bare / "site" / place
        path.parent.mkdir(parents=True)
        path.touch()
        (bare / "site" / "openvino" / "__init__.py").write_text("raise ImportError('it is not to be imported')")
        assert openvino_library() == str(path)
