"""Limits of control groups, in folders that imitate both versions on hosts and in containers."""

import os
from pathlib import Path

import pytest

from inkwell.system.resources import limit_bytes, memory_limit_bytes, processors

GIB = 1 << 30
V1_NO_LIMIT = "9223372036854771712"  # the kernel's value for unlimited: the largest number, in whole pages
V1_OWN = "5:cpu,cpuacct:/docker/ab\n4:memory:/docker/ab\n1:name=systemd:/docker/ab\n0::/system.slice\n"
V2_OWN = "0::/kubepods.slice/pod.slice\n"

# Lines of /proc/self/cgroup, files in /sys/fs/cgroup, and the resulting limits: bytes of memory and processors.
CASES = {
    "v2, in a container": ("0::/\n", {"memory.max": f"{GIB}", "cpu.max": "200000 100000"}, GIB, 2),
    "v2, without a limit": ("0::/\n", {"memory.max": "max", "cpu.max": "max 100000"}, None, None),
    "v2, limits above our own": (
        V2_OWN,
        {
            "kubepods.slice/pod.slice/memory.max": f"{2 * GIB}",
            "kubepods.slice/memory.max": f"{GIB}",
            "kubepods.slice/pod.slice/cpu.max": "max 100000",
            "kubepods.slice/cpu.max": "150000 100000",
        },
        GIB,
        2,
    ),
    "v2, less than a processor": ("0::/\n", {"cpu.max": "5000 100000"}, None, 1),
    "v1, on a host": (
        V1_OWN,
        {
            "memory/docker/ab/memory.limit_in_bytes": f"{GIB}",
            "memory/memory.limit_in_bytes": V1_NO_LIMIT,
            "cpu/docker/ab/cpu.cfs_quota_us": "50000",
            "cpu/docker/ab/cpu.cfs_period_us": "20000",
            "cpu/cpu.cfs_quota_us": "-1",
            "cpu/cpu.cfs_period_us": "100000",
        },
        GIB,
        3,
    ),
    "v1, in a container": (
        V1_OWN,
        {"memory/memory.limit_in_bytes": f"{GIB}", "cpu/cpu.cfs_quota_us": "400000", "cpu/cpu.cfs_period_us": "100000"},
        GIB,
        4,
    ),
    "v1, without a limit": (
        V1_OWN,
        {"memory/memory.limit_in_bytes": V1_NO_LIMIT, "cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"},
        int(V1_NO_LIMIT),
        None,
    ),
    "nothing mounted": (V2_OWN, {}, None, None),
}


@pytest.mark.parametrize("case", CASES)
def test_the_lowest_limit_around_us_counts_in_both_versions(case: str, tmp_path: Path):
    lines, files, limit, quota = CASES[case]
    for name, text in files.items():
        file = tmp_path / "mounted" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")
    own = tmp_path / "cgroup"
    own.write_text(lines)
    assert memory_limit_bytes(tmp_path / "mounted", own) == limit
    assert processors(tmp_path / "mounted", own) == quota


def test_without_control_groups_there_is_no_limit(tmp_path: Path):
    assert memory_limit_bytes(tmp_path, tmp_path / "none") is None and processors(tmp_path, tmp_path / "none") is None


@pytest.mark.parametrize(("limit", "expected"), [(12_345_678, 12_345_678), (None, None), (int(V1_NO_LIMIT), None)])
def test_nobody_may_hold_more_than_the_machine_has(
    monkeypatch: pytest.MonkeyPatch, limit: int | None, expected: int | None
):
    monkeypatch.setattr("inkwell.system.resources.memory_limit_bytes", lambda: limit)
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert limit_bytes() == (expected or machine)
