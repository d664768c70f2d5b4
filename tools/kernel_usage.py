"""What ptxas says of the CUDA kernels: registers, local memory and the warps that an SM holds, by architecture.

    python tools/kernel_usage.py build/ptxas.log [--markdown]

Several logs are read as one. Fails where registers of any kernel are spilled to memory, or where no kernel is told of.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

# Warps and blocks that an SM holds at most, by compute capability (CUDA C++ Programming Guide, technical
# specifications); each SM has 64 Ki registers, given to warps by 256.
LIMITS = {75: (32, 16), 80: (64, 32), 86: (48, 16), 87: (48, 16), 89: (48, 24), 90: (64, 32), 100: (64, 32)}
LIMITS |= {110: (48, 24), 120: (48, 24)}
REGISTERS, UNIT = 65536, 256

ENTRY = re.compile(r"Compiling entry function '(\w+)' for 'sm_(\d+)a?'")
FRAME = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers")
NAME = re.compile(r"run(?:_warp)?_kernelI\w*?N?S\d?_(\d+)(\w+)")


class Usage(NamedTuple):
    """Of one kernel on one architecture."""

    kernel: str
    capability: int
    registers: int
    stack: int  # bytes a thread
    spilled: int

    @property
    def warps(self) -> int:
        """Warps that an SM holds at once, in blocks of 128 threads."""
        most_warps, most_blocks = LIMITS.get(self.capability, LIMITS[75])
        in_block = 4
        by_registers = REGISTERS // (-(-self.registers * 32 // UNIT) * UNIT) // in_block
        return min(by_registers, most_warps // in_block, most_blocks) * in_block


def readable(symbol: str) -> str:
    """A kernel's name without its namespaces."""
    found = NAME.search(symbol)
    if not found:
        return symbol
    name = found[2][: int(found[1])]
    return f"{name} (a warp each)" if "run_warp_kernel" in symbol else name


def read(text: str) -> list[Usage]:
    """Every kernel of a log, in its order."""
    found, kernel, capability, frame = [], "", 0, (0, 0, 0)
    for line in text.splitlines():
        if entry := ENTRY.search(line):
            kernel, capability = readable(entry[1]), int(entry[2])
        elif numbers := FRAME.search(line):
            frame = int(numbers[1]), int(numbers[2]), int(numbers[3])
        elif used := USED.search(line):
            found.append(Usage(kernel, capability, int(used[1]), frame[0], frame[1] + frame[2]))
    return found


def by_kernel_and_capability(usages: list[Usage]) -> dict[str, dict[int, Usage]]:
    found: dict[str, dict[int, Usage]] = defaultdict(dict)
    for usage in usages:
        found[usage.kernel][usage.capability] = usage
    return found


def table(usages: list[Usage]) -> str:
    """A line a kernel: for each architecture registers, and the warps that an SM holds."""
    by_kernel = by_kernel_and_capability(usages)
    targets = sorted({usage.capability for usage in usages})
    lines = [f"{'registers/warps an SM':28}" + "".join(f"{f'sm_{target}':>9}" for target in targets) + "   stack"]
    for kernel, found in sorted(by_kernel.items()):
        cells = [f"{found[t].registers}/{found[t].warps}" if t in found else "-" for t in targets]
        stack = max(usage.stack for usage in found.values())
        lines.append(f"{kernel:28}" + "".join(f"{cell:>9}" for cell in cells) + f"{stack:>6} B")
    return "\n".join(lines)


def markdown(usages: list[Usage]) -> str:
    """The same for documents: kernels that use the same everywhere share a line."""
    targets = sorted({usage.capability for usage in usages})
    rows: dict[str, list[str]] = {}
    for kernel, found in sorted(by_kernel_and_capability(usages).items()):
        cells = (f"{found[t].registers}/{found[t].warps}" if t in found else "" for t in targets)
        rows.setdefault(" | ".join(cells), []).append(kernel)
    most = " | ".join(f"sm_{t}, {LIMITS.get(t, LIMITS[75])[0]}" for t in targets)
    lines = [f"| registers/warps, of | {most} |", "|---" * (len(targets) + 1) + "|"]
    return "\n".join([*lines, *(f"| {', '.join(kernels)} | {cells} |" for cells, kernels in rows.items())])


def main() -> int:
    paths = [argument for argument in sys.argv[1:] if argument != "--markdown"]
    usages = [usage for path in paths for usage in read(Path(path).read_text())]
    print(markdown(usages) if "--markdown" in sys.argv[1:] else table(usages))
    spilled = [usage for usage in usages if usage.spilled]
    for usage in spilled:
        print(f"{usage.kernel} spills {usage.spilled} bytes on sm_{usage.capability}", file=sys.stderr)
    if not usages:
        print(f"{' '.join(paths)} tells of no kernel", file=sys.stderr)
    return 1 if spilled or not usages else 0


if __name__ == "__main__":
    sys.exit(main())
