"""The tests of tests/gpu, whose outcomes are kept test by test."""

from __future__ import annotations

import json
import sys
import unittest
from pathlib import Path


class Recorder(unittest.TextTestResult):
    """Writes what is known after every test, for one of them may crash the process."""

    path: Path
    _running: str | None = None

    def startTest(self, test: unittest.TestCase) -> None:
        self._running = test.id()
        self._write()
        super().startTest(test)

    def stopTest(self, test: unittest.TestCase) -> None:
        super().stopTest(test)
        self._running = None
        self._ended = [*getattr(self, "_ended", []), test.id()]
        self._write()

    def _write(self) -> None:
        bad = {"failed": self.failures, "error": self.errors}
        named = {status: [test.id() for test, _ in found] for status, found in bad.items()}
        named["skipped"] = [f"{test.id()}: {why}" for test, why in self.skipped]
        named["running when it ended"] = [self._running] if self._running else []
        unwell = {test.partition(" ")[0].partition(":")[0] for names in named.values() for test in names if test}
        named["passed"] = [test for test in getattr(self, "_ended", []) if test not in unwell]
        result = {
            "by_status": {status: names for status, names in named.items() if names},
            "messages": {test.id(): text[-1500:] for found in bad.values() for test, text in found},
        }
        self.path.write_text(json.dumps(result))


def run_tests(path: Path, module: str) -> int:
    Recorder.path = path
    suite = unittest.defaultTestLoader.loadTestsFromName(module)
    runner = unittest.TextTestRunner(sys.stdout, verbosity=2)
    runner.resultclass = Recorder  # type: ignore[assignment]
    outcome = runner.run(suite)
    return 0 if outcome.wasSuccessful() else 1
