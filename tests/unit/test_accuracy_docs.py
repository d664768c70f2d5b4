"""The tables of docs/accuracy.md and docs/verification.md are those of the newest reports."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.accuracy import publish


@pytest.mark.parametrize("page", publish.PAGES, ids=lambda page: page.stem)
def test_a_page_is_of_the_newest_reports(page: Path) -> None:
    text = page.read_text()
    assert publish.filled(text) == text, "make accuracy-docs writes it anew"


def test_another_figure_is_another_page() -> None:
    def reports(kind: str) -> dict[str, Any]:
        report = copy.deepcopy(dict(publish.newest(kind)))
        report["results"]["yunet"]["boxes"]["recall"] = 0.12345
        report["differences"]["yunet"]["ap"] = [0.2, 0.1, 0.3]
        return report

    text = "\n".join(f"<!-- make accuracy-docs: {name} -->\nold\n<!-- end -->" for name in ("glance", "differences"))
    page = publish.filled(text, reports)
    assert "old" not in page and "| 0.123 |" in page and "| **+0.200** (+0.100..+0.300) |" in page


@pytest.mark.parametrize(
    "text", ["<!-- make accuracy-docs: glance -->\n", "<!-- make accuracy-docs: other -->\n<!-- end -->"]
)
def test_a_block_that_cannot_be_filled(text: str) -> None:
    with pytest.raises(ValueError, match="needs its <!-- end -->|no block is called other: there are glance, curves"):
        publish.filled(text)


def test_the_newest(tmp_path: Path) -> None:
    for date, kind in (("2026-01-02", "lnet"), ("2025-12-31", "lnet"), ("2027-01-01", "beside")):
        (tmp_path / f"accuracy-{kind}-{date}-cpu.json").write_text(json.dumps({"machine": date}))
    assert publish.newest("lnet", tmp_path) == {"machine": "2026-01-02"}
    with pytest.raises(FileNotFoundError, match="accuracy-small-DATE-PROCESSOR"):
        publish.newest("small", tmp_path)
