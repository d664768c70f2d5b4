"""How many cores may be used: the CPU set, and what cgroups grant."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import pytrt

CORES = len(os.sched_getaffinity(0))


def limited_to(cores: float) -> int:
    return min(CORES, math.ceil(cores))


class Machine:
    """The files in which Linux tells a process its cgroups."""

    def __init__(self, folder: Path) -> None:
        self.proc = folder / "proc"
        self.proc.mkdir()
        self.mounts = folder / "mounts"
        self._mountinfo = ["21 26 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw"]
        self._cgroups = ["3:memory:/elsewhere", "1:name=systemd:/elsewhere"]

    def mount(self, name: str, kind: str, options: str, root: str = "/") -> None:
        self._mountinfo.append(f"29 23 0:26 {root} {self.mounts / name} ro,nosuid shared:4 - {kind} {kind} {options}")

    def belong(self, line: str) -> None:
        self._cgroups.append(line)

    def grant(self, folder: str, **files: str) -> None:
        path = self.mounts / folder
        path.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (path / name.replace("cpu_", "cpu.", 1)).write_text(text + "\n")

    def usable_cores(self) -> int:
        (self.proc / "mountinfo").write_text("\n".join(self._mountinfo) + "\n")
        (self.proc / "cgroup").write_text("\n".join(self._cgroups) + "\n")
        return pytrt.usable_cores(str(self.proc))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def version_2(machine: Machine) -> Machine:
    machine.mount("cgroup", "cgroup2", "rw,nsdelegate")
    return machine


@pytest.fixture
def version_1(machine: Machine) -> Machine:
    machine.mount("cgroup/memory", "cgroup", "rw,memory")
    machine.mount("cgroup/cpu", "cgroup", "rw,cpu,cpuacct")
    return machine


class TestVersion2:
    @pytest.mark.parametrize(
        ("limit", "cores"),
        [
            ("50000 100000", 0.5),
            ("100000 100000", 1),
            ("150000 100000", 1.5),
            ("800000 100000", 8),
            ("10000 20000", 0.5),
        ],
    )
    def test_a_container_with_its_own_view(self, version_2: Machine, limit: str, cores: float) -> None:
        version_2.belong("0::/")
        version_2.grant("cgroup", cpu_max=limit)
        assert version_2.usable_cores() == limited_to(cores)

    @pytest.mark.parametrize("text", ["max 100000", "", "0 100000", "100000", "-5 100000", "some text", "1 0"])
    def test_no_limit(self, version_2: Machine, text: str) -> None:
        version_2.belong("0::/")
        version_2.grant("cgroup", cpu_max=text)
        assert version_2.usable_cores() == CORES

    @pytest.mark.parametrize("tight", ["", "/kube.slice", "/kube.slice/pod one", "/kube.slice/pod one/box"])
    def test_the_tightest_of_those_above_counts(self, version_2: Machine, tight: str) -> None:
        version_2.belong("0::/kube.slice/pod one/box")
        for folder in ("/kube.slice", "/kube.slice/pod one", "/kube.slice/pod one/box"):
            version_2.grant(f"cgroup{folder}", cpu_max="max 100000")
        version_2.grant(f"cgroup{tight}", cpu_max="90000 100000")
        assert version_2.usable_cores() == 1

    def test_neighbours_do_not_count(self, version_2: Machine) -> None:
        version_2.belong("0::/mine")
        version_2.grant("cgroup/mine", cpu_max="max 100000")
        version_2.grant("cgroup/mine/below", cpu_max="1000 100000")
        version_2.grant("cgroup/other", cpu_max="1000 100000")
        (version_2.mounts / "cpu.max").write_text("1000 100000\n")  # above what is mounted
        assert version_2.usable_cores() == CORES


class TestVersion1:
    @pytest.mark.parametrize(("quota", "cores"), [("50000", 0.5), ("100000", 1), ("100001", 1.00001), ("-1", math.inf)])
    def test_quota(self, version_1: Machine, quota: str, cores: float) -> None:
        version_1.belong("4:cpu,cpuacct:/box")
        version_1.grant("cgroup/cpu/box", cpu_cfs_quota_us=quota, cpu_cfs_period_us="100000")
        assert version_1.usable_cores() == (CORES if cores == math.inf else limited_to(cores))

    @pytest.mark.parametrize("path", ["/docker/abc", "/docker/abcd", "/docker", "/../elsewhere", "/"])
    def test_what_is_mounted_is_the_containers_own(self, machine: Machine, path: str) -> None:
        machine.mount("cgroup/cpu", "cgroup", "rw,cpuacct,cpu", root="/docker/abc")
        machine.belong(f"4:cpuacct,cpu:{path}")
        machine.grant("cgroup/cpu", cpu_cfs_quota_us="70000", cpu_cfs_period_us="100000")
        machine.grant("cgroup/elsewhere", cpu_cfs_quota_us="1", cpu_cfs_period_us="100000")
        assert machine.usable_cores() == 1

    def test_other_controllers_do_not_count(self, version_1: Machine) -> None:
        version_1.mount("cgroup/cpuset", "cgroup", "rw,cpuset")
        for name in ("cpuset", "memory"):
            version_1.belong(f"5:{name}:/box")
            version_1.grant(f"cgroup/{name}/box", cpu_cfs_quota_us="1000", cpu_cfs_period_us="100000")
        assert version_1.usable_cores() == CORES


class TestOtherwise:
    def test_both_versions(self, version_1: Machine) -> None:
        version_1.mount("cgroup/unified", "cgroup2", "rw")
        version_1.belong("0::/mine")
        version_1.belong("1:cpu:/mine")
        version_1.grant("cgroup/unified/mine", cpu_max="max 100000")
        version_1.grant("cgroup/cpu/mine", cpu_cfs_quota_us="1000", cpu_cfs_period_us="100000")
        assert version_1.usable_cores() == 1

    @pytest.mark.parametrize("text", ["", "\n\n", "29 - cgroup2", "x - cgroup", " - cgroup2 a b c\n", "é" * 9999])
    def test_files_that_say_nothing(self, tmp_path: Path, text: str) -> None:
        assert pytrt.usable_cores(str(tmp_path / "none")) == CORES
        for name in ("mountinfo", "cgroup"):
            (tmp_path / name).write_text(text)
        assert pytrt.usable_cores(str(tmp_path)) == CORES

    def test_cpu_set(self) -> None:
        code = "import pytrt; print(pytrt.usable_cores())"
        core = str(min(os.sched_getaffinity(0)))
        made = subprocess.run(["taskset", "-c", core, sys.executable, "-c", code], capture_output=True, text=True)
        assert (made.stdout, made.stderr) == ("1\n", "")


@pytest.fixture
def half_a_core() -> Iterator[Path]:
    """A cgroup of this machine that grants half a core."""
    for folder, name, limit in (
        (Path("/sys/fs/cgroup"), "cpu.max", "50000 100000"),
        (Path("/sys/fs/cgroup/cpu"), "cpu.cfs_quota_us", "50000"),
    ):
        made = folder / f"trt-mtcnn-{os.getpid()}"
        try:
            made.mkdir()
        except OSError:
            continue
        try:
            if (made / name).exists():
                (made / name).write_text(limit)
                yield made
                return
        finally:
            with suppress(OSError):
                made.rmdir()
    pytest.skip("no cgroup can be made here: that takes root, and the controller cpu")


def test_a_real_quota(half_a_core: Path) -> None:
    code = "import pytrt; print(pytrt.usable_cores(), pytrt.CpuDevice('').threads, pytrt.CpuDevice('', 3).threads)"
    move = 'echo $$ > "$0/cgroup.procs" && grep -q "$(basename "$0")" /proc/self/cgroup || exit 77'
    made = subprocess.run(
        ["sh", "-c", f'{move}\nexec "$@"', str(half_a_core), sys.executable, "-c", code], capture_output=True, text=True
    )
    if made.returncode == 77:
        pytest.skip(f"no process can be moved to a cgroup here: {made.stderr}")
    assert (made.stdout, made.stderr) == ("1 1 3\n", "")
