"""What the system lets this process use: cores and memory, as its control groups limit them (Linux)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_CONTROLS = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")
_MEMINFO = Path("/proc/meminfo")
# Version 1 says "no limit" by the largest number of pages that the kernel can count.
_NO_LIMIT = 1 << 60


@dataclass(frozen=True)
class Memory:
    """Bytes of memory: of the machine, free for this process now, and what its control groups allow (None: all)."""

    total: int
    available: int
    limit: int | None


def affinity_cores() -> int:
    """Cores that this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def core_quota(controls: Path = _CONTROLS, own_groups: Path = _OWN_GROUPS) -> float | None:
    """Cores whose whole time the control groups of this process let it use, such as 1.5; None without a limit.

    Of a group and those above it the least counts. `cpu.max` holds "QUOTA PERIOD" (Linux kernel, cgroup-v2.rst),
    `cpu.cfs_quota_us` and `cpu.cfs_period_us` the same in version 1 (sched-bwc.rst).
    """
    found = []
    for folder in _groups("cpu", controls, own_groups):
        quota, _, period = _text(folder / "cpu.max").partition(" ")
        if not quota:
            quota, period = _text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit() and int(period):
            found.append(int(quota) / int(period))
    return min(found, default=None)


def memory(
    controls: Path = _CONTROLS, own_groups: Path = _OWN_GROUPS, meminfo: Path = _MEMINFO
) -> Memory | None:
    """The memory of this machine and of this process's control groups; None where the system does not tell.

    What is free within a limit does not count files that the kernel keeps in memory and would drop.
    """
    fields = dict(line.split(":", 1) for line in _text(meminfo).splitlines() if ":" in line)
    try:
        total, available = (int(fields[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
    except (KeyError, ValueError, IndexError):
        return None
    limits = []
    for folder in _groups("memory", controls, own_groups):
        limit = _number(folder, "memory.max", "memory.limit_in_bytes")
        if limit is None or limit >= _NO_LIMIT:
            continue
        limits.append(limit)
        used = _number(folder, "memory.current", "memory.usage_in_bytes") or 0
        stat = dict(line.split(" ", 1) for line in _text(folder / "memory.stat").splitlines() if " " in line)
        kept = int(stat.get("total_inactive_file") or stat.get("inactive_file") or 0)
        available = min(available, max(0, limit - max(0, used - kept)))
    return Memory(total, available, min(limits, default=None))


def _groups(controller: str, controls: Path, own_groups: Path) -> Iterator[Path]:
    """The folders of this process's groups for a controller, innermost first, those above included.

    In a container the names are often those of the host, and what is mounted is the container's own group.
    """
    for line in _text(own_groups).splitlines():
        _, names, path = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        mounted = [controls / name for name in (names, controller)] if names else [controls]
        top = next((folder for folder in mounted if folder.is_dir()), None)
        if top is None:
            continue
        inner = top / path.lstrip("/")
        for folder in (inner, *inner.parents):
            if folder.is_dir():
                yield folder
            if folder == top:
                break


def _number(folder: Path, *names: str) -> int | None:
    texts = (_text(folder / name) for name in names)
    return next((int(text) for text in texts if text.isdigit()), None)


def _text(path: Path) -> str:
    """The text of a small file of the kernel, empty where there is none."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""
