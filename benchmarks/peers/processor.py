"""What this machine's processor is, also where a hypervisor calls it by half its name."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

__all__ = ["Processor", "machine", "processor"]

CORES = {  # vendor, family, first and last model: https://en.wikichip.org/wiki/{amd,intel}/cpuid
    ("AuthenticAMD", 23, 1, 47): "Zen",
    ("AuthenticAMD", 23, 48, 255): "Zen 2",
    ("AuthenticAMD", 25, 0, 15): "Zen 3",
    ("AuthenticAMD", 25, 16, 31): "Zen 4",
    ("AuthenticAMD", 25, 32, 95): "Zen 3",
    ("AuthenticAMD", 25, 96, 175): "Zen 4",
    ("AuthenticAMD", 26, 0, 255): "Zen 5",
    ("GenuineIntel", 6, 79, 79): "Broadwell",
    ("GenuineIntel", 6, 85, 85): "Skylake, Cascade Lake",
    ("GenuineIntel", 6, 106, 106): "Ice Lake",
    ("GenuineIntel", 6, 143, 143): "Sapphire Rapids",
    ("GenuineIntel", 6, 173, 173): "Granite Rapids",
    ("GenuineIntel", 6, 207, 207): "Emerald Rapids",
}
ARM_CORES = {"0xd08": "Cortex-A72", "0xd0c": "Neoverse N1", "0xd40": "Neoverse V1", "0xd49": "Neoverse N2"}
ARM_CORES |= {"0xd4f": "Neoverse V2", "0xd41": "Cortex-A78"}
EXTENSIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "asimdhp", "bf16", "sve")


@dataclass(frozen=True)
class Processor:
    """`name` with the design in brackets; `extensions`: those of its instruction set that matter here."""

    name: str
    extensions: tuple[str, ...]

    @property
    def slug(self) -> str:
        """For a file's name."""
        words = re.sub(r"\(R\)|\(TM\)|CPU|Processor|@[^(]*", " ", self.name)
        return "-".join(re.findall(r"[a-z0-9]+", words.lower()))


def processor(cpuinfo: str | None = None) -> Processor:
    """cpuinfo: the text of /proc/cpuinfo."""
    text = Path("/proc/cpuinfo").read_text() if cpuinfo is None else cpuinfo
    facts: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        facts.setdefault(key.strip(), value.strip())
    name = facts.get("model name") or facts.get("Model") or "Arm" * ("CPU part" in facts) or "CPU"
    core = ARM_CORES.get(facts.get("CPU part", ""), "")
    if "cpu family" in facts:
        vendor, family, model = facts.get("vendor_id"), int(facts["cpu family"]), int(facts.get("model", 0))
        for (v, f, low, high), known in CORES.items():
            if (vendor, family) == (v, f) and low <= model <= high:
                core = known
    flags = set(f"{facts.get('flags', '')} {facts.get('Features', '')}".split())
    return Processor(f"{name} ({core})" if core else name, tuple(e for e in EXTENSIONS if e in flags))


def machine() -> str:
    """The line that stands over a table."""
    return f"{processor().name}, {len(os.sched_getaffinity(0))} cores, {date.today()}"
