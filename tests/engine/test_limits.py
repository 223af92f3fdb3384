"""What a container allows is read from its control groups, of either version, and holds for the number of workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from facevid.engine import available_cores, local
from facevid.engine.limits import core_quota, memory

GIB = 1 << 30


def system(folder: Path, groups: str, files: dict[str, str]) -> tuple[Path, Path]:
    """Control groups as the kernel shows them: their folder, and the file that names this process's own."""
    controls = folder / "cgroup"
    controls.mkdir()
    for name, text in files.items():
        (controls / name).parent.mkdir(parents=True, exist_ok=True)
        (controls / name).write_text(text + "\n")
    (folder / "own").write_text(groups + "\n")
    return controls, folder / "own"


def meminfo(folder: Path, total: int, available: int) -> Path:
    path = folder / "meminfo"
    path.write_text(f"MemTotal:  {total // 1024} kB\nMemFree: 1 kB\nMemAvailable:  {available // 1024} kB\n")
    return path


def test_version_2_the_least_quota_of_a_group_and_those_above_counts(tmp_path: Path) -> None:
    files = {"cpu.max": "max 100000", "a/cpu.max": "150000 100000", "a/b/cpu.max": "400000 100000"}
    assert core_quota(*system(tmp_path, "0::/a/b", files)) == 1.5


def test_version_1_a_quota_and_a_container_whose_groups_have_the_names_of_the_host(tmp_path: Path) -> None:
    files = {"cpu,cpuacct/cpu.cfs_quota_us": "200000", "cpu,cpuacct/cpu.cfs_period_us": "100000"}
    assert core_quota(*system(tmp_path, "3:cpu,cpuacct:/docker/1f2e\n0::/", files)) == 2.0


@pytest.mark.parametrize(
    ("groups", "files"),
    [
        ("0::/", {"cpu.max": "max 100000"}),
        ("1:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}),
        ("0::/", {}),
    ],
    ids=["version 2", "version 1", "no controller"],
)
def test_without_a_limit_there_is_no_quota(tmp_path: Path, groups: str, files: dict[str, str]) -> None:
    assert core_quota(*system(tmp_path, groups, files)) is None


def test_memory_is_what_the_container_has_left_without_files_that_the_kernel_would_drop(
    tmp_path: Path,
) -> None:
    files = {
        "memory.max": str(4 * GIB), "memory.current": str(3 * GIB), "memory.stat": f"anon 5\ninactive_file {GIB}",
    }  # fmt: skip
    controls, own = system(tmp_path, "0::/", files)
    found = memory(controls, own, meminfo(tmp_path, 64 * GIB, 50 * GIB))
    assert found is not None
    assert (found.total, found.available, found.limit) == (64 * GIB, 2 * GIB, 4 * GIB)


def test_memory_without_a_limit_is_that_of_the_machine(tmp_path: Path) -> None:
    files = {"memory/memory.limit_in_bytes": "9223372036854771712"}
    controls, own = system(tmp_path, "4:memory:/", files)
    found = memory(controls, own, meminfo(tmp_path, 8 * GIB, 6 * GIB))
    assert found is not None
    assert (found.total, found.available, found.limit) == (8 * GIB, 6 * GIB, None)


def test_a_system_that_tells_nothing_of_its_memory_is_not_guessed_at(tmp_path: Path) -> None:
    assert memory(tmp_path, tmp_path / "own", tmp_path / "meminfo") is None


@pytest.mark.parametrize(("quota", "cores"), [(None, 8), (1.5, 2), (0.5, 1), (64.0, 8)])
def test_a_build_starts_no_more_workers_than_its_quota_pays_for(
    monkeypatch: pytest.MonkeyPatch, quota: float | None, cores: int
) -> None:
    monkeypatch.setattr(local, "affinity_cores", lambda: 8)
    monkeypatch.setattr(local, "core_quota", lambda: quota)
    assert available_cores() == cores
