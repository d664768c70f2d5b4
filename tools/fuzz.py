"""Fuzzes with the module that `make fuzz` built: python tools/fuzz.py build/fuzz [--seconds N] [target ...].

The targets are in tests/fuzz/targets.py. Atheris drives them with libFuzzer, guided by what they reach in mtcnn/ and,
since clang instruments our module, in csrc/. They start from tests/fuzz/corpus/ and from what earlier runs found, which
is kept in build/fuzz/corpus/. A finding is written to build/fuzz/findings/ and ends its target; `make fuzz` then fails.
`--merge` adds to tests/fuzz/corpus/ what reaches code that nothing there reaches.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT / "tests" / "fuzz" / "corpus"


def main() -> int:
    if "TRT_MTCNN_FUZZ" in os.environ:
        return run_inside(os.environ["TRT_MTCNN_FUZZ"])
    sys.path.insert(0, str(ROOT))
    import atheris

    from tests.fuzz.targets import TARGETS

    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], default=[])
    parser.add_argument(
        "--seconds", type=int, default=300, help="of each core, for all targets together (default %(default)s)"
    )
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="targets at once")
    parser.add_argument("--merge", action="store_true")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run the target on this file alone")
    options = parser.parse_intermixed_args()
    folder = options.folder.resolve()
    targets = options.targets or list(TARGETS)
    findings = folder / "findings"
    findings.mkdir(exist_ok=True)
    environment = os.environ | {
        "LD_PRELOAD": str(Path(atheris.path(), "asan_with_fuzzer.so")),
        # What cannot be allocated is a MemoryError, as it would be on a small machine. Leaks are for `make asan`.
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1:allocator_may_return_null=1:max_allocation_size_mb=2048",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONMALLOC": "malloc",
        "TBB_ENABLE_SANITIZERS": "1",
        "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
        "TRT_MTCNN_ENGINES": str(folder / "engines"),
    }

    def run(target: str) -> tuple[bool, str]:
        """Whether it found nothing, and what is said of it."""
        kept, seeds = folder / "corpus" / target, CORPUS / target
        for path in (kept, seeds):
            path.mkdir(parents=True, exist_ok=True)
        if options.merge:
            arguments = ["-merge=1", str(seeds), str(kept)]
        elif options.replay:
            arguments = [str(options.replay)]
        else:
            arguments = [f"-max_total_time={max(1, options.seconds // len(targets))}", str(kept), str(seeds)]
        # Seconds of wall clock: on a busy machine the sanitizers make minutes of one. Targets count processor time.
        command = [sys.executable, __file__, f"-artifact_prefix={findings}/{target}-", "-print_final_stats=1"]
        command += ["-max_len=400", "-timeout=300", "-rss_limit_mb=6000", "-malloc_limit_mb=1000000", *arguments]
        log = folder / f"{target}.log"
        with log.open("w") as file:
            code = subprocess.run(
                command, env=environment | {"TRT_MTCNN_FUZZ": target}, stdout=file, stderr=subprocess.STDOUT
            ).returncode
        text = log.read_text(errors="replace")
        runs, covered = (
            re.findall(pattern, text) or ["0"] for pattern in (r"number_of_executed_units: (\d+)", r"cov: (\d+)")
        )
        told = f"{target}: {runs[-1]} executions, {covered[-1]} places reached, {'FOUND' if code else 'no'} error"
        if code:
            began = re.search(r"=== Uncaught|==ERROR:|== ERROR:|runtime error:|$", text)
            told += f"\n{text[began.start() :][:3000] if began else ''}\n\n... all of it: {log}"
        return code == 0, told

    failed = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for passed, told in pool.map(run, targets):
            print(told, flush=True)
            failed |= not passed
    return failed


def run_inside(target: str) -> int:
    import atheris

    with atheris.instrument_imports(include=["mtcnn"]):
        import pytrt
        from tests.fuzz.targets import TARGETS, detector, stages

        if target in ("answers", "folders"):  # modules of their own, which import more of mtcnn
            importlib.import_module(f"tests.fuzz.{target}")
    folder = Path(os.environ["PYTHONPATH"].split(os.pathsep)[0])
    assert Path(pytrt.__file__).is_relative_to(folder), f"{pytrt.__file__} is not the sanitized module"
    detector(), stages()
    atheris.Setup(sys.argv, TARGETS[target])
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
