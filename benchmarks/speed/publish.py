#!/usr/bin/env python3
"""Puts reports of `make bench` into the documentation: python -m benchmarks.speed.publish [REPORT.json ...].

The table and the plot of docs/speed.md and README's table are of the newest report; a row for each processor's newest
comes below. Beside each report a file .md is written with all its tables. Nothing is typed by hand.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.peers.processes import ROOT
from benchmarks.speed import curves
from benchmarks.speed.report import (
    as_markdown,
    processors_table,
    readme_table,
    replace_block,
    slower_on_more,
    speed_table,
    title,
)

RESULTS = ROOT / "benchmarks" / "results"
PAGE, README, PLOT = ROOT / "docs" / "speed.md", ROOT / "README.md", ROOT / "docs" / "images" / "speed.svg"


def main() -> int:
    parser = argparse.ArgumentParser(description="Put reports of `make bench` into the documentation.")
    parser.add_argument("reports", nargs="*", type=Path, metavar="REPORT", help="default: each processor's newest")
    options = parser.parse_args()
    for path in options.reports:
        if not path.is_file():
            parser.error(f"there is no file {path}")
    read = {path: json.loads(path.read_text()) for path in options.reports or sorted(RESULTS.glob("20*.json"))}
    found = newest_of_each_processor(read)
    if not found:
        parser.error("no report of today's form: make bench BENCH='--json benchmarks/results/' writes one")
    publish(found)
    return 0


def newest_of_each_processor(reports: dict[Path, dict[str, Any]]) -> dict[Path, dict[str, Any]]:
    """Newest first; reports of another form, from before races were quiet, are left out."""
    usable = {path: report for path, report in reports.items() if report.get("race") and "quiet" in report}
    chosen: dict[tuple[str, int], Path] = {}
    for path in sorted(usable, key=lambda p: str(usable[p]["date"])):
        chosen[usable[path]["processor"]["name"], usable[path]["cores"]] = path
    return {path: usable[path] for path in sorted(chosen.values(), key=lambda p: str(usable[p]["date"]), reverse=True)}


def publish(reports: dict[Path, dict[str, Any]], page: Path = PAGE, readme: Path = README, plot: Path = PLOT) -> None:
    """reports: newest first."""
    for path, report in reports.items():
        path.with_suffix(".md").write_text(f"# Speed: {report['machine']}\n\n{as_markdown(report)}")
        say(path.with_suffix(".md"))
    details, newest = next(iter(reports.items()))
    link = os.path.relpath(details.with_suffix(".md").resolve(), page.parent.resolve())
    text = [
        f"{newest['machine']}, one run of `{newest['command']}`; median of {newest['rounds']} rounds "
        f"([all of it]({link})).",
        speed_table(newest),
        slower_on_more(newest),
    ]
    if newest.get("curves"):
        curves.draw(newest["curves"], plot)
        say(plot)
        text.append(f"![Time over pixels and over faces]({os.path.relpath(plot.resolve(), page.parent.resolve())})")
    text += [f"By processor, {title(newest['race'][0])}, smallest face 40:", processors_table(list(reports.values()))]
    replace_block(page, "\n\n".join(part for part in text if part))
    say(page)
    intro = f"{newest['machine']}, one run of `{newest['command']}`, smallest face 40:"
    replace_block(readme, f"{intro}\n\n{readme_table(newest)}")
    say(readme)


def say(path: Path) -> None:
    print(f"written: {os.path.relpath(path)}")


if __name__ == "__main__":
    sys.exit(main())
