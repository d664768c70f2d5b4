"""The guard against slower code: what callgrind says, and what is made of it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import pytrt
from benchmarks.instructions import check
from benchmarks.instructions.callgrind import STAGES, CountingError, UnknownInstructionError, count, parse
from benchmarks.instructions.check import FIGURES, compare, compiler_of, main

ANNOTATED = """\
--------------------------------------------------------------------------------
Ir
--------------------------------------------------------------------------------
940,123,456 (100.0%)  PROGRAM TOTALS
 81,258,256 ( 8.64%)  ???:trtmtcnn::TrtMtcnn::onet(float, float) [/pytrt/_pytrt.so]
 53,173,190 ( 5.66%)  ???:trtmtcnn::TrtMtcnn::pnet(std::span<trtmtcnn::Level const, 18446744073709551615ul>, float) [/x]
 44,368,210 ( 4.72%)  csrc/mtcnn.cpp:trtmtcnn::TrtMtcnn::rnet(float, float, int) [/pytrt/_pytrt.so]
 44,000,000 ( 4.72%)  ???:trtmtcnn::cpu::CpuBackend::refine(int) [/pytrt/_pytrt.so]
  1,472,887 ( 0.16%)  ???:trtmtcnn::TrtMtcnn::load(std::span<trtmtcnn::Image const, 18446744073709551615ul>) [/x.so]
        657 ( 0.00%)  ???:trtmtcnn::TrtMtcnn::TrtMtcnn(std::unique_ptr<trtmtcnn::Backend>) [/pytrt/_pytrt.so]
"""
COUNTS = {"load": 1_472_887, "pnet": 53_173_190, "rnet": 44_368_210, "onet": 81_258_256}


def test_parse() -> None:
    assert parse(ANNOTATED) == COUNTS


def test_a_stage_that_is_not_there() -> None:
    with pytest.raises(CountingError, match="TrtMtcnn::rnet"):
        parse(ANNOTATED.replace("TrtMtcnn::rnet(", "TrtMtcnn::other("))


@pytest.mark.parametrize(
    ("factor", "good", "said"), [(1.09, True, "+9.0%"), (1.11, False, "more than 10%"), (0.8, True, "better")]
)
def test_compare(factor: float, good: bool, said: str) -> None:
    now = COUNTS | {"pnet": int(COUNTS["pnet"] * factor)}
    text, fine = compare(now, COUNTS, "gcc 12")
    assert fine == good
    assert said in next(line for line in text.splitlines() if line.startswith("pnet"))


def test_what_all_stages_add_counts_too() -> None:
    text, good = compare({stage: n * 111 // 100 for stage, n in COUNTS.items()}, COUNTS, "gcc 12")
    assert not good and text.count("more than 10%") == 5


def test_an_unknown_compiler() -> None:
    text, good = compare(COUNTS, None, "clang 99")
    assert good and "no figures for clang 99" in text


def test_the_module_s_compiler() -> None:
    name, _, major = compiler_of(Path(pytrt._pytrt.__file__)).partition(" ")
    assert name in ("gcc", "clang") and int(major) >= 9


def test_the_figures_are_whole() -> None:
    figures = json.loads(FIGURES.read_text())
    assert figures
    for counts in figures.values():
        assert list(counts) == sorted(STAGES) and all(n > 0 for n in counts.values())


@pytest.mark.parametrize(
    ("script", "error", "said"),
    [
        ("echo 'vex amd64->IR: unhandled instruction bytes: 0x62' >&2; exit 132", UnknownInstructionError, "0x62"),
        ("echo 1; exit 3", CountingError, "found 1"),
        ("echo 0", CountingError, "found 0"),
    ],
)
def test_what_valgrind_cannot_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, error: type[Exception], said: str
) -> None:
    for name in ("valgrind", "callgrind_annotate"):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(CountingError, match=said) as raised:
        count(tmp_path / "image.npy", tmp_path, tmp_path)
    assert raised.type is error


def test_without_valgrind(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("sys.argv", ["check"])
    assert main() == 0
    assert "not counted: valgrind is not installed" in capsys.readouterr().out


def test_an_update_tells_the_change_and_keeps_other_compilers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    compiler = compiler_of(Path(pytrt._pytrt.__file__))
    figures = tmp_path / "figures.json"
    figures.write_text(json.dumps({compiler: {stage: n // 2 for stage, n in COUNTS.items()}, "tcc 1": COUNTS}))
    monkeypatch.setattr(check, "FIGURES", figures)
    monkeypatch.setattr(check, "why_not", lambda: None)
    monkeypatch.setattr(check, "count", lambda *folders: COUNTS)
    monkeypatch.setattr("sys.argv", ["check"])
    assert main() == 1
    monkeypatch.setattr("sys.argv", ["check", "--update"])
    assert main() == 0
    assert "+100.0%" in capsys.readouterr().out
    assert json.loads(figures.read_text()) == {compiler: COUNTS, "tcc 1": COUNTS}
    monkeypatch.setattr("sys.argv", ["check"])
    assert main() == 0
