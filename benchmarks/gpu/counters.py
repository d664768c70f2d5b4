"""Nsight Compute: which kernels it is to look at, and what it says of them."""

from __future__ import annotations

import csv
import io
from typing import Any


def slowest_kernels(kernels: dict[str, Any], count: int) -> list[str]:
    """Names of the kernels that take most of a frame, of what the part "kernels" measured, in any variant."""
    total: dict[str, float] = {}
    for variant in kernels.values():
        for rows in variant.get("frames", {}).values():
            for row in rows:
                if row["kind"] == "kernel" and row.get("us"):
                    total[row["name"]] = max(total.get(row["name"], 0), row["us"] * row["launches"])
    return sorted(total, key=lambda name: total[name], reverse=True)[:count]


def read_counters(said: str) -> dict[str, Any]:
    """The metrics in ncu's CSV, of each launch: {"launches": [{"kernel": ..., "SM Frequency (Ghz)": 1.7, ...}]}."""
    begin = said.find('"ID"')
    launches: dict[str, dict[str, Any]] = {}
    for row in csv.DictReader(io.StringIO(said[begin:])) if begin >= 0 else ():
        if not row.get("Metric Name"):
            continue
        launch = launches.setdefault(row["ID"], {"kernel": row["Kernel Name"]})
        unit = f" ({row['Metric Unit']})" if row.get("Metric Unit") else ""
        launch[row["Metric Name"] + unit] = _number(row["Metric Value"])
    found: dict[str, Any] = {"launches": list(launches.values())}
    if not launches:
        problems = [line for line in said.splitlines() if line.startswith("==ERROR==") or "ERR_" in line]
        found["left out"] = problems[0] if problems else "Nsight Compute told of no launch"
    return found


def _number(text: str) -> float | str:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return text
