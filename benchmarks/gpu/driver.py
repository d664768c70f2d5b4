"""What NVIDIA's driver says of the first GPU, as JSON: driver.py RESULT.json. Needs Python alone.

A process of its own, for a driver that is not well may never answer.
"""

from __future__ import annotations

import ctypes
import json
import sys
from pathlib import Path
from typing import Any

# CUdevice_attribute of cuda.h.
ATTRIBUTES = {
    "multiprocessors": 16,
    "clock_khz": 13,
    "memory_clock_khz": 36,
    "memory_bus_bits": 37,
    "l2_bytes": 38,
    "compute_capability_major": 75,
    "compute_capability_minor": 76,
}
# nvmlClockType_t of nvml.h.
CLOCKS = {"graphics_mhz": 0, "sm_mhz": 1, "memory_mhz": 2}


def problem_of(status: int, what: str) -> str:
    return f"the NVIDIA driver cannot {what} (CUDA error {status}): check nvidia-smi"


def describe() -> dict[str, Any]:
    """Of the first GPU; {"problem": ...} where there is none."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return {
            "problem": "there is no NVIDIA driver on this machine (libcuda.so.1 is missing); --emulate tests this "
            "script without"
        }
    count, device, number = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    if status := cuda.cuInit(0):
        return {"problem": problem_of(status, "start")}
    cuda.cuDeviceGetCount(ctypes.byref(count))
    if not count.value:
        return {"problem": "the NVIDIA driver sees no GPU: check nvidia-smi and CUDA_VISIBLE_DEVICES"}
    name, memory = ctypes.create_string_buffer(256), ctypes.c_size_t()
    if status := cuda.cuDeviceGet(ctypes.byref(device), 0):
        return {"problem": problem_of(status, "open the first GPU")}
    cuda.cuDeviceGetName(name, len(name), device)
    cuda.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    found: dict[str, Any] = {"problem": None, "gpu": name.value.decode(errors="replace"), "gpus": count.value}
    found["memory_mib"] = memory.value >> 20
    for attribute, key in ATTRIBUTES.items():
        if cuda.cuDeviceGetAttribute(ctypes.byref(number), key, device) == 0:
            found[attribute] = number.value
    cuda.cuDriverGetVersion(ctypes.byref(number))
    found["cuda_of_driver"] = f"{number.value // 1000}.{number.value % 1000 // 10}"
    return found | management()


def management() -> dict[str, Any]:
    """The driver's version and the clocks now, from NVML, which some containers lack."""
    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return {}
    if nvml.nvmlInit_v2():
        return {}
    version, handle, number = ctypes.create_string_buffer(96), ctypes.c_void_p(), ctypes.c_uint()
    found: dict[str, Any] = {}
    if nvml.nvmlSystemGetDriverVersion(version, len(version)) == 0:
        found["driver"] = version.value.decode(errors="replace")
    if nvml.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(handle)) == 0:
        for clock, kind in CLOCKS.items():
            if nvml.nvmlDeviceGetClockInfo(handle, kind, ctypes.byref(number)) == 0:
                found[clock] = number.value
            if nvml.nvmlDeviceGetMaxClockInfo(handle, kind, ctypes.byref(number)) == 0:
                found[f"most_{clock}"] = number.value
        if nvml.nvmlDeviceGetPowerUsage(handle, ctypes.byref(number)) == 0:
            found["power_w"] = number.value / 1000
    nvml.nvmlShutdown()
    return found


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(describe()))
