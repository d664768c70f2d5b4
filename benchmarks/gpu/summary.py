"""The main figures of a report of the GPU check, as text."""

from __future__ import annotations

from typing import Any


def say(report: dict[str, Any]) -> None:
    for part in (_engines, _tests, _sanitize, _kernels, _speed, _torch, _counters, _endurance):
        for line in part(report):
            print(line)
    for failure in report["failed"]:
        print(f"FAILED {failure['part']}: {failure['why'][-300:]}")


def _engines(report: dict[str, Any]) -> list[str]:
    return [f"{variant}: engines built in {found['seconds']:.1f} s" for variant, found in _of(report, "engines")]


def _tests(report: dict[str, Any]) -> list[str]:
    return [
        f"{module}: " + ", ".join(f"{len(names)} {status}" for status, names in found["by_status"].items())
        for module, found in _of(report, "tests")
    ]


def _sanitize(report: dict[str, Any]) -> list[str]:
    return [
        f"{tool}: {found.get('left out') or found['summary'] if isinstance(found, dict) else found}"
        for tool, found in _of(report, "sanitize")
    ]


def _kernels(report: dict[str, Any]) -> list[str]:
    lines = []
    for variant, found in _of(report, "kernels"):
        for name, rows in found["frames"].items():
            timed = [row for row in rows if row["us"] is not None]
            if not timed:
                continue
            total = sum(row["us"] * row["launches"] for row in timed)
            lines.append(f"{variant}: {name}: {total:.0f} us of the GPU in all that is enqueued; most of it:")
            for row in sorted(timed, key=lambda row: -row["us"] * row["launches"])[:8]:
                floor = "not known" if row["floor_us"] is None else f"{row['floor_us']:.2f}"
                lines.append(
                    f"   {row['launches']:4g} x {row['us']:8.2f} us (floor {floor}) {row['kind']} {row['name']} of "
                    f"{row['amount']:,}"
                )
    return lines


def _speed(report: dict[str, Any]) -> list[str]:
    lines = []
    for variant, found in _of(report, "speed"):
        for name, times in found.get("latency", {}).items():
            lines.append(f"{variant}: {name}: median {times['median_ms']:.3f} ms, p95 {times['p95_ms']:.3f} ms")
        for name, rate in found.get("throughput", {}).items():
            lines.append(f"{variant}: {name}: {rate:.0f} frames/s")
        for name, stages in found.get("stages", {}).items():
            least = found["floors"].get(name, {})
            times = (f"{stage} {ms:.3f} ms (floor {least.get(stage, 0):.3f})" for stage, ms in stages.items())
            lines.append(f"{variant}: {name}: " + ", ".join(times))
    return lines


def _torch(report: dict[str, Any]) -> list[str]:
    return [f"PyTorch: {why}" for name, why in _of(report, "torch") if name == "left out"] + [
        f"PyTorch {precision}: " + ", ".join(f"{name} {us:.0f} us" for name, us in found["us"].items())
        for precision, found in _of(report, "torch")
        if isinstance(found, dict) and "us" in found
    ]


def _counters(report: dict[str, Any]) -> list[str]:
    lines = []
    for kernel, found in _of(report, "counters"):
        if isinstance(found, str) or "left out" in found:
            lines.append(f"{kernel}: {found if isinstance(found, str) else found['left out']}")
        for launch in [] if isinstance(found, str) else found["launches"][:1]:
            shown = [f"{name} {launch[name]}" for name in launch if "Throughput" in name or "Occupancy" in name]
            lines.append(f"{kernel}: " + ", ".join(shown[:6]))
    return lines


def _endurance(report: dict[str, Any]) -> list[str]:
    return [
        f"{variant}: {found['frames']} frames of mixed sizes, {found['threads']} threads: "
        f"{found['seconds']:.1f} s, memory {found['grown_mib']:+.1f} MiB"
        for variant, found in _of(report, "endurance")
    ]


def _of(report: dict[str, Any], part: str) -> list[tuple[str, Any]]:
    return list(report.get(part, {}).items())
