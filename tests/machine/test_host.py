"""What is said of cores, memory, GPU and optional parts, and what is to be done about each."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from facevid.engine.limits import Memory
from facevid.machine import host
from facevid.machine.host import (
    WORKER_BYTES,
    core_check,
    extra_checks,
    gpu_check,
    memory_check,
    version_check,
)

GIB = 1 << 30


def test_versions_name_python_and_facevid() -> None:
    check = version_check()
    assert check.status == "ok"
    assert "Python 3.1" in check.found and "facevid " in check.found


def test_a_python_without_mediapipe_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 13, 0))
    check = version_check()
    assert (check.status, "3.11 or 3.12" in check.do) == ("fault", True)


def test_a_quota_below_the_cores_of_the_machine_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(host, "affinity_cores", lambda: 64)
    monkeypatch.setattr(host, "core_quota", lambda: 1.5)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.1, 0.1, 0.1))
    check = core_check(2)
    assert check.status == "ok"
    assert check.found == "2 of 64 cores may be used (the container's quota is worth 1.5)"


def test_cores_that_others_keep_busy_are_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (7.25, 0.0, 0.0))
    check = core_check(4)
    assert (check.status, "7.2" in check.found) == ("warning", True)


@pytest.mark.parametrize(
    ("free", "status", "says"),
    [
        (8 * GIB, "ok", "a worker needs"),
        (2 * WORKER_BYTES, "warning", "--workers 2"),
        (GIB // 4, "fault", "raise"),
    ],
    ids=["enough", "enough for two", "too little"],
)
def test_memory_is_held_against_what_a_worker_needs(free: int, status: str, says: str) -> None:
    check = memory_check(Memory(64 * GIB, free, 8 * GIB), 4)
    assert check.status == status
    assert says in check.found + check.do
    assert "of 8.0 GiB (the container's limit; the machine has 64.0 GiB)" in check.found


def test_memory_that_the_system_does_not_tell_is_a_note() -> None:
    assert memory_check(None, 4).status == "note"


def torch_with(devices: list[Any], problem: Exception | None = None) -> Any:
    def count() -> int:
        if problem is not None:
            raise problem
        return len(devices)

    cuda = SimpleNamespace(
        is_available=lambda: bool(devices) or problem is not None,
        device_count=count,
        get_device_properties=lambda k: devices[k],
    )
    return SimpleNamespace(cuda=cuda)


@pytest.mark.parametrize(
    ("torch", "status", "says"),
    [
        (torch_with([SimpleNamespace(name="H100", total_memory=80 * GIB)]), "ok", "H100 with 80.0 GiB"),
        (torch_with([]), "note", "a build needs none"),
        (torch_with([], RuntimeError("driver too old")), "warning", "driver too old"),
    ],
    ids=["one", "none", "broken"],
)
def test_the_gpu_is_what_torch_sees_and_none_is_no_fault(
    monkeypatch: pytest.MonkeyPatch, torch: Any, status: str, says: str
) -> None:
    monkeypatch.setattr(host.util, "find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "torch", torch)
    check = gpu_check()
    assert (check.status, says in check.found) == (status, True)


def test_without_torch_no_gpu_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host.util, "find_spec", lambda name: None)
    assert (gpu_check().status, "torch is not installed" in gpu_check().found) == ("note", True)


def test_each_optional_part_is_there_or_named_with_what_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    about = SimpleNamespace(get_all=lambda field: ["dev", "fetch", "hub"])
    monkeypatch.setattr(host.metadata, "metadata", lambda name: about)
    wanted = [
        "numpy",
        'yt-dlp>=2025.1; extra == "fetch"',
        "s3fs>=1; extra == 'hub'",
        "aiohttp; extra == 'hub'",
    ]
    monkeypatch.setattr(host.metadata, "requires", lambda name: wanted)
    monkeypatch.setattr(host, "_installed", lambda package: package in ("yt-dlp", "aiohttp"))
    fetch, hub = extra_checks()
    assert (fetch.name, fetch.status) == ("extra fetch", "ok")
    assert (hub.status, hub.do) == ("note", "pip install 'facevid[hub]'")
    assert hub.found.startswith("without s3fs: datasets on a hub")


def test_every_optional_part_of_this_version_is_spoken_of() -> None:
    try:
        parts = host.metadata.metadata("facevid").get_all("Provides-Extra")
    except host.metadata.PackageNotFoundError:
        pytest.skip("facevid runs from a source tree without being installed")
    assert set(parts) - {"dev"} <= set(host._EXTRAS)
