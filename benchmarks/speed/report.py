"""A report as Markdown: every table of it for the file beside it, and the few that documents hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["as_markdown", "processors_table", "readme_table", "replace_block", "slower_on_more", "speed_table", "title"]

BEGIN, END = "<!-- make bench: begin -->", "<!-- make bench: end -->"
NAMES = {"yunet": "YuNet in OpenCV"}

Report = Mapping[str, Any]


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


def as_markdown(report: Report) -> str:
    """All of it."""
    pauses = report["quiet"]
    parts = [
        f"{report['machine']}. {versions(report['versions'])}",
        f"`{report['command']}`, {report['minutes']:g} minutes. Of {pauses['pauses']} pauses between turns the longest "
        f"took {pauses['longest_s']:.2f} s, {pauses['never_quiet']} ended while threads still ran; other programs kept "
        f"{pauses['machine_busy']:.1%} of the machine busy.",
    ]
    if report.get("race"):
        parts += ["## Side by side", speed_table(report), slower_on_more(report)]
        parts += ["## Each race", *map(race_table, report["race"])]
        parts += ["## Beside the floor", floors(report["floor"], report["peak"], report["cores"])]
    if report.get("labelled"):
        parts += ["## Labelled faces", labelled_table(report["labelled"])]
    if report.get("throughput"):
        parts += ["## Throughput", throughput(report["throughput"])]
    if report.get("footprint"):
        parts += ["## Memory and start", footprint(report["footprint"]), imports(report["import"])]
    if report.get("curves"):
        parts += ["## Growth", *map(curve_table, report["curves"])]
    return "\n\n".join(part for part in parts if part) + "\n"


def speed_table(report: Report) -> str:
    """Hot, after a pause, and how many times our time, a table for every kind of picture; and the labelled faces found.
    All in one would be wider than a page.
    """
    races = report["race"]
    parts = []
    for block in races:
        head = ["detector", "smallest face, px", "threads", "ms", "after a pause, ms", "times accurate's"]
        rows = [[name(r["detector"]), smallest(r), *race_cells(r)] for r in block["results"]]
        parts += [f"{title(block).capitalize()}:", table(head, rows)]
    labelled = {(r["detector"], r["minsize"]): r for r in report.get("labelled", [])}
    if labelled:
        first = next(iter(labelled.values()))
        head = ["detector", "smallest face, px", f"of {first['labelled']} labelled faces"]
        head += [f"of {first['small']} smaller ones", "false ones a photograph", "ms a photograph"]
        rows = [
            [
                name(r["detector"]),
                smallest(r),
                *labelled_cells(labelled.get((r["detector"], r["minsize"]), {"error": ""})),
            ]
            for r in races[0]["results"]
        ]
        parts += ["Labelled faces found in photographs:", table(head, rows)]
    return "\n\n".join(parts)


def race_cells(r: Report) -> list[str]:
    if "error" in r:
        return ["", "failed", "", ""]
    return [str(r["threads"]), ms(r["median_ms"]), ms(r["paused_median_ms"]), times(r)]


def labelled_cells(r: Report) -> list[str]:
    if "error" in r:
        return ["", "", "", ""]
    return [str(r["found"]), str(r["small_found"]), f"{r['false_positives']:.2f}", ms(r["ms"])]


def times(r: Report) -> str:
    """How many times the time of our default preset."""
    ratios = {minsize: f"{ratio['median_ratio']:.2g}" for minsize, ratio in r["ratios"].items()}
    if r["minsize"] is None:  # it has the same time beside each
        return ", ".join(f"{ratio} ({minsize} px)" for minsize, ratio in ratios.items())
    return next(iter(ratios.values()), "")


def slower_on_more(report: Report) -> str:
    """A line for each detector and picture where more threads are slower."""
    lines = []
    for block in report["race"]:
        for r in block["results"]:
            if not r.get("slower_on_more_threads"):
                continue
            tried = ", ".join(f"{ms(t['median_ms'])} ms with {n}" for n, t in r["by_threads"].items())
            lines.append(f"- {name(r['detector'])}, {title(block)}, smallest face {smallest(r)}: {tried}")
    if not lines:
        return ""
    return "Slower on more threads (hot, of each number of threads; the table has the fastest):\n\n" + "\n".join(lines)


def readme_table(report: Report, minsize: float = 40) -> str:
    races = report["race"]
    footprints = {r["detector"]: r for r in report.get("footprint", [])}
    head = ["detector"]
    for block in races:
        head += [f"{title(block)}, ms", "after a pause"]
    head += ["on one thread", "MB", "start, ms"]
    rows = []
    for i, entry in enumerate(races[0]["results"]):
        if entry["minsize"] not in (None, minsize):
            continue
        row = [name(entry["detector"])]
        for block in races:
            r = block["results"][i]
            row += ["failed", ""] if "error" in r else [ms(r["median_ms"]), ms(r["paused_median_ms"])]
        row.append(ms(entry["by_threads"]["1"]["median_ms"]) if "1" in entry.get("by_threads", {}) else "")
        found = footprints.get(entry["detector"], {"error": ""})
        row += ["", ""] if "error" in found else footprint_cells(found)
        rows.append(row)
    return table(head, rows)


def processors_table(reports: Sequence[Report], minsize: float = 40) -> str:
    """How our default preset stands beside each peer on every processor, first kind of picture."""
    peers = [r["detector"] for r in reports[0]["race"][0]["results"] if not r["detector"].startswith("trt-mtcnn")]
    peers = list(dict.fromkeys(peers))
    head = ["processor", "cores", "measured on", "accurate, ms", *(f"{name(p)}: ms (times)" for p in peers)]
    rows = []
    for report in reports:
        results = {r["detector"]: r for r in report["race"][0]["results"] if r["minsize"] in (None, minsize)}
        row = [report["processor"]["name"], str(report["cores"]), report["date"]]
        row.append(ms(results["trt-mtcnn accurate"]["median_ms"]))
        for peer in peers:
            r = results.get(peer, {"error": ""})
            ratio = r.get("ratios", {}).get(f"{minsize:g}")
            row.append(f"{ms(r['median_ms'])} ({ratio['median_ratio']:.2g})" if ratio else "")
        rows.append(row)
    return table(head, rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def name(label: str) -> str:
    return NAMES.get(label, label)


def smallest(r: Report) -> str:
    return "any" if r["minsize"] is None else f"{r['minsize']:g}"


def title(block: Report) -> str:
    """ "street 1080p"."""
    return str(block["work"]).replace("-", " ")


def ms(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def versions(found: Mapping[str, Mapping[str, str]]) -> str:
    texts = []
    for label in (label for label in found if not label.startswith("trt-mtcnn")):
        rest = ", ".join(f"{k} {v}" for k, v in found[label].items() if k not in (label, "python", "numpy"))
        own = found[label].get(label, "")
        texts.append(f"{label} {own}".strip() + f" ({rest})" * bool(rest))
    return f"Beside {'; '.join(texts)}." if texts else ""


def race_table(block: Report) -> str:
    many = f", mean of {block['pictures']} pictures" if block["pictures"] > 1 else ""
    compared = any("found" in r for r in block["results"])
    head = ["detector", "smallest face", "threads", "ms", "10%..90%", "after a pause, ms", "10%..90%"]
    head += ["times accurate's", "10%..90%", "first call, ms", "faces", "ms by threads"]
    rows = []
    for r in block["results"]:
        if "error" in r:
            rows.append([r["detector"], smallest(r), "failed", r["error"].replace("|", "/"), *[""] * (8 + compared)])
            continue
        row = [r["detector"], smallest(r), str(r["threads"]), f"{r['median_ms']:.2f}"]
        row += [f"{r['p10_ms']:.2f}..{r['p90_ms']:.2f}", f"{r['paused_median_ms']:.2f}"]
        row += [f"{r['paused_p10_ms']:.2f}..{r['paused_p90_ms']:.2f}", times(r)]
        row.append(", ".join(f"{q['p10_ratio']:.2f}..{q['p90_ratio']:.2f}" for q in r["ratios"].values()))
        row += [f"{r['first_ms']:.0f}", f"{r['faces']}"]
        row.append(", ".join(f"{n}: {t['median_ms']:.2f}" for n, t in r["by_threads"].items()))
        same = f"{r['found']} / {r['missed']} / {r['extra']}" if "found" in r else ""
        rows.append(row + [same] * compared)
    text = f"**{title(block)}**, {block['size']}{many}"
    return f"{text}\n\n" + table(head + ["same / missed / extra"] * compared, rows)


def labelled_table(found: Sequence[Report]) -> str:
    head = ["detector", "smallest face", "threads", "found", "smaller ones found", "false ones a photograph", "ms"]
    rows = []
    for r in found:
        if "error" in r:
            rows.append([r["detector"], smallest(r), "failed", r["error"].replace("|", "/"), "", "", ""])
            continue
        row = [r["detector"], smallest(r), str(r["threads"]), f"{r['found']} of {r['labelled']}"]
        row += [f"{r['small_found']} of {r['small']}", f"{r['false_positives']:.2f}", f"{r['ms']:.2f}"]
        rows.append(row)
    return table(head, rows)


def floors(found: Sequence[Report], peak: Mapping[str, float], cores: int) -> str:
    rows = [
        [
            f"{f['work']}, smallest face {f['minsize']:g}",
            f["detector"],
            f"{f['gflop']:.2f}",
            f"{f['floor_ms']:.2f}",
            f"{f['median_ms']:.2f}",
            f"{f['ratio']:.2f}",
        ]
        for f in found
    ]
    head = ["work", "detector", "GFLOP a picture", "floor, ms", "measured, ms", "ratio"]
    measured = f"{cores} cores: {peak['gflops']:.0f} GFLOP/s, {peak['gb_per_s']:.1f} GB/s"
    return f"float32 matrix product and memory read, {measured}.\n\n" + table(head, rows)


def throughput(found: Sequence[Report]) -> str:
    kinds = list(dict.fromkeys((r["work"], r["kind"]) for r in found))
    names = list(dict.fromkeys(r["detector"] for r in found))
    cells = {(r["detector"], r["work"], r["kind"]): r for r in found}
    rows = []
    for label in names:
        results = [cells.get((label, *kind)) for kind in kinds]
        rows.append(
            [label, *("" if r is None else "failed" if "error" in r else f"{r['median_per_s']:.1f}" for r in results)]
        )
    return "Pictures a second.\n\n" + table(["detector", *(f"{w}, {kind}" for w, kind in kinds)], rows)


def footprint_cells(r: Report) -> list[str]:
    return [f"{r['peak_mb']:.0f}", f"{r['start_to_first_face']['median_ms']:.0f}"]


def footprint(found: Sequence[Report]) -> str:
    rows = []
    for r in found:
        if "error" in r:
            rows.append([r["detector"], "failed", r["error"].replace("|", "/")])
            continue
        memory, start = footprint_cells(r)
        spread = r["start_to_first_face"]
        rows.append([r["detector"], memory, f"{start} ({spread['p10_ms']:.0f}..{spread['p90_ms']:.0f})"])
    return table(["detector", "peak memory, MB", "start of the process to the first faces, ms"], rows)


def imports(found: Mapping[str, Mapping[str, float]]) -> str:
    rows = [[f"`{statement}`", f"{spread['median_ms']:.1f}"] for statement, spread in found.items()]
    return table(["in a new process", "ms"], rows)


def curve_table(curve: Report) -> str:
    head = ["detector", *curve["labels"], "line", "largest error"]
    rows = []
    for label, found in curve["curves"].items():
        line = found["line"]
        unit, each = ("megapixel", 1e6) if curve["x"] == "pixels" else ("face", 1)
        text = f"{line['ms_at_0']:.2f} ms + {line['ms_per_x'] * each:.3g} ms a {unit}"
        cells = ["failed" if value is None else f"{value:.2f}" for value in found["median_ms"]]
        rows.append([label, *cells, text, f"{line['largest_error']:.0%}"])
    scene = "Pixels: one scene, stretched" if curve["x"] == "pixels" else "Faces: copies of one in a 3840x2160 picture"
    return f"{scene}; smallest face {curve['minsize']:g}, ms.\n\n" + table(head, rows)
