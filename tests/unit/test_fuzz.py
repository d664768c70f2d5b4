"""The fuzzer's corpus and a few random bytes, without the fuzzer: see tests/fuzz/targets.py and `make fuzz`."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.fuzz.targets import TARGETS

MEMORY = 8 << 30  # what asks for more gets a MemoryError rather than this machine's memory
SANITIZED = "asan" in os.environ.get("LD_PRELOAD", "")

CODE = """
import random, resource, sys
from pathlib import Path
from tests.fuzz.targets import TARGETS

if int(sys.argv[2]):
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]),) * 2)
target = TARGETS[sys.argv[1]]
cases = [path.read_bytes() for path in sorted(Path("tests/fuzz/corpus", sys.argv[1]).glob("*"))]
assert len(cases) > 10, "the corpus is missing"
random.seed(0)
cases += [random.randbytes(random.randrange(1, 200)) for _ in range(30)]
for case in cases:
    print(case.hex(), flush=True)
    target(case)
"""


@pytest.mark.slow
@pytest.mark.skipif(SANITIZED, reason="make fuzz does this with sanitizers, and more")
@pytest.mark.parametrize("target", TARGETS)
def test_only_documented_errors(target: str) -> None:
    command = [sys.executable, "-W", "ignore", "-c", CODE, target, str(MEMORY)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]
