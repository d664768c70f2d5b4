"""The benchmark's report as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["as_markdown", "replace_block"]

BEGIN, END = "<!-- make bench: begin -->", "<!-- make bench: end -->"


def replace_block(document: Path, text: str) -> None:
    """Puts the text between the document's marks.

    Raises:
        ValueError: they are not there, once each.
    """
    old = document.read_text()
    if old.count(BEGIN) != 1 or old.count(END) != 1 or old.index(BEGIN) > old.index(END):
        raise ValueError(f"{document} must hold the lines {BEGIN} and {END}, once each, in this order")
    before, after = old[: old.index(BEGIN)], old[old.index(END) :]
    document.write_text(f"{before}{BEGIN}\n{text.strip()}\n{after}")


def as_markdown(report: Mapping[str, Any], plot: str | None = None) -> str:
    """plot: the link to the picture of the curves."""
    parts = [f"{report['machine']}. {versions(report['versions'])}"]
    if report.get("latency"):
        parts += ["### Time of a picture", *map(latency, report["latency"])]
    if report.get("floor"):
        parts += ["### Beside the floor", floors(report["floor"], report["peak"])]
    if report.get("throughput"):
        parts += ["### Throughput", throughput(report["throughput"])]
    if report.get("footprint"):
        parts += ["### Memory and start", footprint(report["footprint"]), imports(report["import"])]
    if report.get("curves"):
        parts += ["### Growth", *([f"![Time over pixels and over faces]({plot})"] if plot else [])]
        parts += [curve_table(curve) for curve in report["curves"]]
    return "\n\n".join(parts) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def versions(found: Mapping[str, Mapping[str, str]]) -> str:
    names = [name for name in found if not name.startswith("trt-mtcnn")]
    texts = []
    for name in names:
        rest = ", ".join(f"{k} {v}" for k, v in found[name].items() if k not in (name, "python", "numpy"))
        own = found[name].get(name, "")
        texts.append(f"{name} {own}".strip() + f" ({rest})" * bool(rest))
    return f"Beside {'; '.join(texts)}." if texts else ""


def cores(n: int) -> str:
    return f"{n} core{'s' * (n > 1)}"


def latency(block: Mapping[str, Any]) -> str:
    many = f", mean of {block['pictures']} pictures" if block["pictures"] > 1 else ""
    title = f"**{block['work']}**, {block['size']}{many}, minsize {block['minsize']:g}, {cores(block['cores'])}"
    compared = any("found" in r for r in block["results"])
    head = ["detector", "ms", "10%..90%", "ratio", "after a pause, ms", "first call, ms", "faces"]
    rows = []
    for r in block["results"]:
        if "error" in r:
            rows.append([r["detector"], "failed", r["error"].replace("|", "/"), *[""] * (4 + compared)])
            continue
        row = [r["detector"], f"{r['median_ms']:.2f}", f"{r['p10_ms']:.2f}..{r['p90_ms']:.2f}", f"{r['ratio']:.2f}"]
        row += [f"{r['paused_ms']:.2f}", f"{r['first_ms']:.0f}", f"{r['faces']}"]
        rows.append(row + ([f"{r['found']} / {r['missed']} / {r['extra']}"] if compared else []))
    return f"{title}\n\n" + table(head + ["same / missed / extra"] * compared, rows)


def floors(found: Sequence[Mapping[str, Any]], peak: Mapping[str, Mapping[str, float]]) -> str:
    measured = "; ".join(
        f"{cores(int(n))}: {p['gflops']:.0f} GFLOP/s, {p['gb_per_s']:.1f} GB/s" for n, p in peak.items()
    )
    rows = [
        [
            f"{f['work']}, minsize {f['minsize']:g}, {cores(f['cores'])}",
            f["detector"],
            f"{f['gflop']:.2f}",
            f"{f['floor_ms']:.2f}",
            f"{f['median_ms']:.2f}",
            f"{f['ratio']:.2f}",
        ]
        for f in found
    ]
    head = ["work", "detector", "GFLOP a picture", "floor, ms", "measured, ms", "ratio"]
    return f"float32 matrix product and memory read, {measured}.\n\n" + table(head, rows)


def throughput(found: Sequence[Mapping[str, Any]]) -> str:
    kinds = list(dict.fromkeys((r["work"], r["cores"], r["kind"]) for r in found))
    names = list(dict.fromkeys(r["detector"] for r in found))
    cells = {(r["detector"], r["work"], r["cores"], r["kind"]): r for r in found}
    rows = []
    for name in names:
        results = [cells.get((name, *kind)) for kind in kinds]
        rows.append(
            [name, *("" if r is None else "failed" if "error" in r else f"{r['median_per_s']:.1f}" for r in results)]
        )
    return "Pictures a second.\n\n" + table(["detector", *(f"{w}, {cores(n)}, {kind}" for w, n, kind in kinds)], rows)


def footprint(found: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for r in found:
        if "error" in r:
            rows.append([r["detector"], "failed", r["error"].replace("|", "/")])
            continue
        start = r["start_to_first_face"]
        spread = f"{start['median_ms']:.0f} ({start['p10_ms']:.0f}..{start['p90_ms']:.0f})"
        rows.append([r["detector"], f"{r['peak_mb']:.0f}", spread])
    return table(["detector", "peak memory, MB", "start of the process to the first faces, ms"], rows)


def imports(found: Mapping[str, Mapping[str, float]]) -> str:
    rows = [[f"`{statement}`", f"{ms['median_ms']:.1f}"] for statement, ms in found.items()]
    return table(["in a new process", "ms"], rows)


def curve_table(curve: Mapping[str, Any]) -> str:
    head = ["detector", *curve["labels"], "line", "largest error"]
    rows = []
    for name, found in curve["curves"].items():
        line = found["line"]
        unit, each = ("megapixel", 1e6) if curve["x"] == "pixels" else ("face", 1)
        text = f"{line['ms_at_0']:.2f} ms + {line['ms_per_x'] * each:.3g} ms a {unit}"
        times = ["failed" if ms is None else f"{ms:.2f}" for ms in found["median_ms"]]
        rows.append([name, *times, text, f"{line['largest_error']:.0%}"])
    title = "Pixels: one scene, stretched" if curve["x"] == "pixels" else "Faces: copies of one in a 3840x2160 picture"
    return f"{title}; minsize {curve['minsize']:g}, ms.\n\n" + table(head, rows)
