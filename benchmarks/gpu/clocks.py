"""The GPU's clocks and power while something is measured, from NVML; nothing where a container lacks it."""

from __future__ import annotations

import ctypes
import threading
from statistics import median
from typing import Any

EVERY = 0.05  # seconds
SM, MEMORY = 1, 2  # nvmlClockType_t


class Clocks:
    """with Clocks() as clocks: ...; then clocks.seen has {"sm_mhz": [least, median, most], ...}."""

    def __init__(self) -> None:
        self.seen: dict[str, Any] = {}
        self._samples: dict[str, list[float]] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Clocks:
        try:
            nvml = ctypes.CDLL("libnvidia-ml.so.1")
        except OSError:
            return self
        handle = ctypes.c_void_p()
        if nvml.nvmlInit_v2() == 0 and nvml.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(handle)) == 0:
            self._thread = threading.Thread(target=self._watch, args=(nvml, handle), daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()
        self.seen = {name: [min(n), median(n), max(n)] for name, n in self._samples.items()}

    def _watch(self, nvml: ctypes.CDLL, handle: ctypes.c_void_p) -> None:
        number = ctypes.c_uint()
        while not self._stop.wait(EVERY):
            for name, kind in (("sm_mhz", SM), ("memory_mhz", MEMORY)):
                if nvml.nvmlDeviceGetClockInfo(handle, kind, ctypes.byref(number)) == 0:
                    self._samples.setdefault(name, []).append(number.value)
            if nvml.nvmlDeviceGetPowerUsage(handle, ctypes.byref(number)) == 0:
                self._samples.setdefault("watts", []).append(number.value / 1000)
