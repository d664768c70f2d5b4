"""Predictions of what the kernels cost on x86 processors: how instructions that ran are put together to blocks."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.x86 import predict
from benchmarks.x86.build import parse
from benchmarks.x86.predict import Block, blocks_of, hottest, is_jump

TEXT = {
    0x10: "vmovups (%rdi), %ymm0",
    0x14: "vfmadd231ps %ymm1, %ymm2, %ymm0",
    0x19: "jne 0x14",
    0x1B: "vmovups %ymm0, (%rsi)",
    0x1F: "retq",
    0x20: "pushq %rbp",
}


@pytest.fixture(autouse=True)
def program(monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(predict, "disassembly", lambda _: (sorted(TEXT), TEXT))
    monkeypatch.setattr(predict, "kernel_symbols", lambda _: [(0x10, "kernel"), (0x20, "")])
    return Path("program")


def test_blocks_end_at_jumps_and_where_counts_change(program: Path) -> None:
    counts = {0x10: 1, 0x14: 8, 0x19: 8, 0x1B: 1, 0x1F: 1, 0x20: 5}
    lines = list(TEXT.values())
    assert blocks_of(program, counts) == [
        Block("kernel", (lines[0],), 1),
        Block("kernel", (lines[1], lines[2]), 8),
        Block("kernel", (lines[3], lines[4]), 1),
    ]


def test_a_jump_that_is_not_taken_ends_a_block(program: Path) -> None:
    lines = list(TEXT.values())
    assert [b.lines for b in blocks_of(program, dict.fromkeys((0x10, 0x14, 0x19, 0x1B), 3))] == [
        tuple(lines[:3]),
        (lines[3],),
    ]


def test_what_did_not_run_is_in_no_block(program: Path) -> None:
    assert [b.lines for b in blocks_of(program, {0x10: 2, 0x1F: 2})] == [(TEXT[0x10],), (TEXT[0x1F],)]


@pytest.mark.parametrize("text", ["jne 0x14", "jmp 0x10", "callq 0x10", "retq", "notrack jmpq *%rax"])
def test_jumps(text: str) -> None:
    assert is_jump(text)


@pytest.mark.parametrize("text", ["vmovups (%rdi), %ymm0", "leaq (%rax), %rbx"])
def test_no_jumps(text: str) -> None:
    assert not is_jump(text)


def test_seldom_blocks_are_left_out() -> None:
    often, seldom = Block("k", ("nop",) * 10, 1000), Block("k", ("nop",), 1)
    assert hottest([seldom, often]) == [often]


def test_costs_of_what_is_called_are_not_an_instructions_own() -> None:
    profile = "fn=kernel\n0x10 0 2\n0x14 0 3\ncfn=other\ncalls=2 0x20\n0x14 0 900\n0x18 0 2\nfn=again\n0x10 0 5\n"
    assert parse(profile) == {0x10: 7, 0x14: 3, 0x18: 2}
