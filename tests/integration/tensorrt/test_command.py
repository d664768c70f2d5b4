"""The command create_engines, in one process and in several at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mtcnn.cli.create_engines import main
from mtcnn.engines import (
    NETWORKS,
    current_engines,
    read_engine,
)
from tests.conftest import ROOT
from tests.support.damaged_engines import HARM
from tests.support.tensorrt import RTX, files, needs_bindings, needs_rtx

pytestmark = pytest.mark.slow


@needs_rtx
class TestCommand:
    def run(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
        code = main(["--flavour", RTX, *arguments])
        said = capsys.readouterr()
        return code, said.out, " ".join(said.err.split())

    @needs_bindings
    def test_builds(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        code, out, err = self.run(
            capsys,
            "--output",
            str(tmp_path),
            "--target",
            "sm_86,8.9",
            "--pnet-size",
            "640x960",
            "--rnet-batch",
            "16,64",
        )
        assert code == 0, err
        assert out.splitlines() == [str(tmp_path / f"{network}.engine") for network in NETWORKS]
        details = [read_engine(Path(line))[1].details for line in out.splitlines()]
        assert [d["targets"] for d in details] == [[86, 89]] * 3
        assert details[0]["profile"][2] == [8, 3, 640, 960]
        assert details[1]["profile"][1:] == [[16, 3, 24, 24], [64, 3, 24, 24]]

    def test_no_build(self, engines_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
        before = files(engines_copy)
        code, out, _ = self.run(capsys, "--output", str(engines_copy), "--no-build")
        assert code == 0
        assert out.splitlines() == [str(engines_copy / f"{network}.engine") for network in NETWORKS]
        assert files(engines_copy) == before
        HARM["stale"][0](engines_copy)
        before = files(engines_copy)
        code, out, err = self.run(capsys, "--output", str(engines_copy), "--no-build")
        assert (code, out) == (1, "")
        assert "rnet.engine was made from another model" in err
        assert files(engines_copy) == before

    def test_no_build_of_nothing(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        code, _, err = self.run(capsys, "--output", str(tmp_path / "none"), "--no-build")
        assert code == 1 and "there is no " in err
        assert not (tmp_path / "none").exists()

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            pytest.param(["--target", "sm_90"], 1, "does not build for sm_90", marks=needs_bindings),
            (["--target", "hopper"], 2, "target must be like"),
            (["--pnet-size", "640"], 2, "--pnet-size"),
            (["--rnet-batch", "64,8"], 2, "--rnet-batch"),
            (["--onet-batch", "a,b"], 2, "--onet-batch"),
            (["--workspace", "-5"], 2, "--workspace"),
            (["--optimization-level", "9"], 2, "--optimization-level"),
            (["--precision", "bf16"], 2, "for CPUs"),
            (["--models", "/nowhere"], 1, "there is no model"),
        ],
    )
    def test_refusals(
        self, arguments: list[str], code: int, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        got, out, err = self.run(capsys, "--output", str(tmp_path), *arguments)
        assert (got, out) == (code, "")
        assert message in err and "Traceback" not in err
        assert files(tmp_path) == {}

    @pytest.mark.parametrize("arguments", [["--flavour", "vulkan"], ["--precision", "int8"], ["--workspace", "much"]])
    def test_argparse_refusals(self, arguments: list[str]) -> None:
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2


@needs_rtx
class TestTwoProcesses:
    def start(self, code: str, folder: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", code, str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def test_building_into_one_folder(self, tmp_path: Path) -> None:
        codes = [
            "import sys; from mtcnn.cli.create_engines import main; "
            f"sys.exit(main(['--flavour', '{RTX}', '--output', sys.argv[1], '--precision', '{precision}']))"
            for precision in ("fp32", "fp16")
        ]
        runs = [self.start(code, tmp_path) for code in codes]
        for run in runs:
            _, err = run.communicate(timeout=120)
            assert run.returncode == 0, err
        assert current_engines(tmp_path, RTX, build=False)
        # One came after the other: the engines are of one of them, not a mixture.
        assert len({read_engine(tmp_path / f"{network}.engine")[1].precision for network in NETWORKS}) == 1
        assert sorted(files(tmp_path)) == sorted(f"{n}.engine{end}" for n in NETWORKS for end in ("", ".json"))

    def test_first_use_builds_once(self, tmp_path: Path) -> None:
        code = (
            "import logging, sys; from pathlib import Path; from mtcnn.engines import current_engines; "
            "logging.basicConfig(level='INFO', stream=sys.stdout, format='%(message)s'); "
            f"current_engines(Path(sys.argv[1]), '{RTX}')"
        )
        runs = [self.start(code, tmp_path) for _ in range(3)]
        said = ""
        for run in runs:
            out, err = run.communicate(timeout=120)
            assert run.returncode == 0, err
            said += out
        assert said.count("building engines in") == 1
