"""Predicted cycles on Arm: what is counted as one run of instructions."""

from __future__ import annotations

from benchmarks.arm.build import Block
from benchmarks.arm.predict import hottest, is_branch, joined


def test_runs_that_qemu_cut_are_joined() -> None:
    text = {4 * i: "fmla v0.4s, v1.4s, v2.s[0]" for i in range(20)}
    text |= {4 * 5: "b.ne #0", 4 * 11: "ret"}
    blocks = [Block(12, 3, 10), Block(0, 3, 10), Block(24, 6, 10), Block(48, 2, 10), Block(56, 2, 7)]
    # 0..11 and 12..23 follow each other; then a branch; 48.. and 56.. ran differently often.
    assert joined(blocks, text) == [Block(0, 6, 10), Block(24, 6, 10), Block(48, 2, 10), Block(56, 2, 7)]


def test_runs_that_overlap_are_told_apart() -> None:
    text = {4 * i: "fmla v0.4s, v1.4s, v2.s[0]" for i in range(8)} | {4 * 5: "b.ne #0"}
    # A loop from 8 to 20 that is entered from above twice and runs five times each: QEMU's first block has its start.
    assert joined([Block(0, 6, 2), Block(8, 4, 8)], text) == [Block(0, 2, 2), Block(8, 4, 10)]


def test_branches() -> None:
    assert all(map(is_branch, ("b #0", "b.ne #0", "cbz x0, #0", "tbnz w1, #3, #0", "ret", "blr x8")))
    assert not any(map(is_branch, ("bfmmla v0.4s, v1.8h, v2.8h", "bic v0.16b, v1.16b, v2.16b", "add x0, x0, #1")))


def test_what_ran_seldom_is_left_out() -> None:
    assert hottest([Block(0, 1, 1), Block(4, 10, 1000), Block(64, 10, 500)]) == [Block(4, 10, 1000), Block(64, 10, 500)]
