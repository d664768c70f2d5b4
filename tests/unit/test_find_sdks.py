"""Where setup.py finds TensorRT's headers and the CUDA toolkit."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import find_sdks


def sdk(folder: Path, version: tuple[int, int, int], old_names: bool = False, parser: bool = True) -> Path:
    """A folder like a TensorRT SDK's, as far as its headers' names and its version go."""
    include = folder / "include"
    include.mkdir(parents=True)
    prefix = "#define NV_TENSORRT_{}" if not old_names else "#define TRT_{}_ENTERPRISE"
    lines = [f"{prefix.format(part)} {n} //!< {part}" for part, n in zip(("MAJOR", "MINOR", "PATCH"), version)]
    if old_names:  # as TensorRT 10.14 and later write it
        lines += [f"#define NV_TENSORRT_{part} TRT_{part}_ENTERPRISE" for part in ("MAJOR", "MINOR", "PATCH")]
    (include / "NvInferVersion.h").write_text("\n".join(lines))
    (include / "NvInfer.h").write_text("")
    if parser:
        (include / "NvOnnxParser.h").write_text("")
    return folder


def toolkit(folder: Path, lib: str = "lib64", without: str = "") -> Path:
    for name in ("bin/nvcc", "include/cuda_runtime.h", f"{lib}/libcudart_static.a"):
        if name.endswith(without or "\0"):
            continue
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    (folder / "bin" / "nvcc").chmod(0o755) if (folder / "bin" / "nvcc").exists() else None
    return folder


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose usual places hold nothing but what a test puts under tmp_path/usual."""
    monkeypatch.delenv("TENSORRT_ROOT", raising=False)
    monkeypatch.delenv("CUDA_HOME", raising=False)
    usual = tmp_path / "usual"
    monkeypatch.setattr(find_sdks, "TENSORRT_FOLDERS", (f"{usual}/tensorrt*", f"{usual}/include"))
    return tmp_path


class TestTensorRtHeaders:
    def test_none(self, bare: Path) -> None:
        assert find_sdks.tensorrt_headers() == {}

    @pytest.mark.parametrize("old_names", [False, True])
    def test_root(self, old_names: bool, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        root = sdk(bare / "sdk", (10, 3, 0), old_names)
        monkeypatch.setenv("TENSORRT_ROOT", str(root))
        assert find_sdks.tensorrt_headers() == {10: find_sdks.TensorRtHeaders(root / "include", (10, 3, 0))}

    def test_root_may_be_the_include_folder_itself(self, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        root = sdk(bare / "sdk", (11, 1, 0))
        monkeypatch.setenv("TENSORRT_ROOT", str(root / "include"))
        assert find_sdks.tensorrt_headers()[11].include == root / "include"

    def test_several_roots(self, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        roots = [sdk(bare / "a", (10, 15, 1)), sdk(bare / "b", (11, 1, 0)), bare / "absent"]
        monkeypatch.setenv("TENSORRT_ROOT", ":".join(map(str, roots)))
        found = find_sdks.tensorrt_headers()
        assert {major: h.version for major, h in found.items()} == {10: (10, 15, 1), 11: (11, 1, 0)}

    def test_newest_of_each_major_version(self, bare: Path) -> None:
        for name, version in [("-a", (10, 15, 1)), ("-b", (10, 8, 0)), ("-c", (10, 15, 0)), ("", (11, 1, 0))]:
            sdk(bare / "usual" / f"tensorrt{name}", version)
        found = find_sdks.tensorrt_headers()
        assert {major: h.version for major, h in found.items()} == {10: (10, 15, 1), 11: (11, 1, 0)}
        assert found[10].include == bare / "usual" / "tensorrt-a" / "include"

    def test_systems_include_folder(self, bare: Path) -> None:
        sdk(bare / "usual", (10, 3, 0))
        assert find_sdks.tensorrt_headers()[10].include == bare / "usual" / "include"

    def test_headers_without_the_parser_are_of_no_use(self, bare: Path) -> None:
        sdk(bare / "usual" / "tensorrt", (10, 8, 0), parser=False)
        assert find_sdks.tensorrt_headers() == {}

    @pytest.mark.parametrize("version", [(8, 6, 1), (12, 0, 0)])
    def test_versions_that_the_sources_do_not_know(self, version: tuple[int, int, int], bare: Path) -> None:
        sdk(bare / "usual" / "tensorrt", version)
        assert find_sdks.tensorrt_headers() == {}

    def test_unreadable_version(self, bare: Path) -> None:
        root = sdk(bare / "usual" / "tensorrt", (10, 8, 0))
        (root / "include" / "NvInferVersion.h").write_bytes(b"\xff\xfe#define NV_TENSORRT_MAJOR ten")
        assert find_sdks.tensorrt_headers() == {}
        (root / "include" / "NvInferVersion.h").unlink()
        assert find_sdks.tensorrt_headers() == {}

    def test_turned_off(self, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        sdk(bare / "usual" / "tensorrt", (10, 8, 0))
        monkeypatch.setenv("TENSORRT_ROOT", "none")
        assert find_sdks.tensorrt_headers() == {}

    def test_this_machine(self) -> None:
        """The real headers, where there are any: the version read is the one in their own text."""
        found = find_sdks.tensorrt_headers()
        if not found:
            pytest.skip("no TensorRT headers on this machine")
        for major, headers in found.items():
            assert headers.version[0] == major
            assert str(headers.version[1]) in (headers.include / "NvInferVersion.h").read_text()


class TestCudaTargets:
    def nvcc(self, folder: Path, known: str) -> find_sdks.CudaToolkit:
        home = toolkit(folder / "cuda")
        lines = "\n".join(f"compute_{number}" for number in known.split())
        (home / "bin" / "nvcc").write_text(f"#!/bin/sh\ntest \"$1\" = --list-gpu-arch && echo '{lines}'\n")
        return find_sdks.CudaToolkit(home / "bin" / "nvcc", home / "include", home / "lib64")

    @pytest.fixture(autouse=True)
    def unset(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("TRT_MTCNN_CUDA_TARGETS", raising=False)
        monkeypatch.setattr(find_sdks.platform, "machine", lambda: "x86_64")

    @pytest.mark.parametrize(
        ("known", "targets"),
        [
            ("75 80 86 87 88 89 90 100 103 110 120 121", "75 80 86 89 90 100 120"),  # CUDA 13.0
            ("50 52 53 60 61 62 70 72 75 80 86 87 89 90", "75 80 86 89 90"),  # CUDA 12.6
        ],
    )
    def test_what_nvcc_knows(self, known: str, targets: str, tmp_path: Path) -> None:
        assert find_sdks.cuda_targets(self.nvcc(tmp_path, known)) == targets.split()

    def test_jetson(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(find_sdks.platform, "machine", lambda: "aarch64")
        assert find_sdks.cuda_targets(self.nvcc(tmp_path, "75 80 86 87 89 90")) == ["75", "80", "86", "87", "89", "90"]

    def test_chosen(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TRT_MTCNN_CUDA_TARGETS", "89,90")
        assert find_sdks.cuda_targets(self.nvcc(tmp_path, "75")) == ["89", "90"]

    @pytest.mark.parametrize(
        ("targets", "flags"),
        [
            ("75 80 86 90", ["compute_75,code=[sm_75]", "compute_80,code=[sm_80,sm_86,sm_90,compute_80]"]),
            ("89 100 120", ["compute_80,code=[sm_89]", "compute_100,code=[sm_100,sm_120,compute_100]"]),
            ("75", ["compute_75,code=[sm_75,compute_75]"]),
            ("90a", ["compute_80,code=[sm_90a,compute_80]"]),
            ("70", ["compute_70,code=[sm_70,compute_70]"]),
        ],
    )
    def test_few_virtual_architectures(self, targets: str, flags: list[str]) -> None:
        assert find_sdks.code_flags(targets.split()) == [f"-gencode=arch={flag}" for flag in flags]

    def test_nvcc_too_old(self, tmp_path: Path) -> None:
        with pytest.raises(SystemExit, match="knows none of the GPUs"):
            find_sdks.cuda_targets(self.nvcc(tmp_path, "50 60"))

    def test_this_machine(self) -> None:
        found = find_sdks.cuda_toolkit()
        if found is None:
            pytest.skip("no CUDA toolkit on this machine")
        assert set(find_sdks.cuda_targets(found)) <= {*["75", "80", "86", "87", "89", "90", "100", "110", "120"]}


class TestCudaToolkit:
    @pytest.fixture(autouse=True)
    def elsewhere(self, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """No toolkit in the PATH or among the packages; /usr/local/cuda cannot be hidden."""
        if Path("/usr/local/cuda").exists():
            pytest.skip("/usr/local/cuda exists")
        (bare / "empty").mkdir()
        monkeypatch.setenv("PATH", str(bare / "empty"))
        monkeypatch.setattr(find_sdks.sysconfig, "get_path", lambda _: str(bare / "site"))

    def test_none(self) -> None:
        assert find_sdks.cuda_toolkit() is None

    @pytest.mark.parametrize("lib", ["lib64", "lib"])
    def test_home(self, lib: str, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        home = toolkit(bare / "cuda", lib)
        monkeypatch.setenv("CUDA_HOME", str(home))
        found = find_sdks.cuda_toolkit()
        assert found == find_sdks.CudaToolkit(home / "bin" / "nvcc", home / "include", home / lib)

    @pytest.mark.parametrize("missing", ["nvcc", "cuda_runtime.h", "libcudart_static.a"])
    def test_incomplete(self, missing: str, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CUDA_HOME", str(toolkit(bare / "cuda", without=missing)))
        assert find_sdks.cuda_toolkit() is None

    def test_path(self, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        home = toolkit(bare / "opt" / "cuda-13")
        (bare / "bin").mkdir()
        (bare / "bin" / "nvcc").symlink_to(home / "bin" / "nvcc")
        monkeypatch.setenv("PATH", str(bare / "bin"))
        found = find_sdks.cuda_toolkit()
        assert found is not None and found.nvcc == home / "bin" / "nvcc"

    def test_packages_newest_first(self, bare: Path) -> None:
        for name in ("cu12", "cu13"):
            toolkit(bare / "site" / "nvidia" / name, "lib")
        found = find_sdks.cuda_toolkit()
        assert found is not None and found.nvcc == bare / "site" / "nvidia" / "cu13" / "bin" / "nvcc"

    def test_home_comes_first(self, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        toolkit(bare / "site" / "nvidia" / "cu13", "lib")
        home = toolkit(bare / "cuda")
        monkeypatch.setenv("CUDA_HOME", str(home))
        found = find_sdks.cuda_toolkit()
        assert found is not None and found.nvcc.is_relative_to(home)

    def test_turned_off(self, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        toolkit(bare / "site" / "nvidia" / "cu13", "lib")
        monkeypatch.setenv("CUDA_HOME", "none")
        assert find_sdks.cuda_toolkit() is None
