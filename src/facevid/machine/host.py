"""Checks of the machine itself: versions, cores, memory, GPU, and the optional parts of facevid."""

from __future__ import annotations

import importlib
import os
import platform
import re
import sys
from importlib import metadata, util

import facevid
from facevid.engine import available_cores
from facevid.engine.limits import Memory, affinity_cores, core_quota, memory
from facevid.machine.check import Check, gibibytes

WORKER_BYTES = round(0.55 * 2**30)
"""Memory of one worker that analyses: .535 GiB at most, whatever a source's length (docs/performance.md, Memory)."""

_PYTHONS = ((3, 11), (3, 13))
_EXTRAS = {
    "models": "face attributes and speech recognition by models that are downloaded",
    "hub": "datasets on a hub, in object storage or behind a web server",
    "fetch": "fetching the videos of published corpora by their ids",
    "torch": "the loader for training",
    "generate": "training video models and making videos",
    "ray": "running the steps of a build on a Ray cluster",
}
"""What the optional parts are for; only those that this version of facevid has are spoken of."""


def host_checks() -> list[Check]:
    """Versions, cores, memory, GPU and optional parts."""
    cores = available_cores()
    return [version_check(), core_check(cores), memory_check(memory(), cores), gpu_check(), *extra_checks()]


def version_check() -> Check:
    """Python and facevid."""
    found = f"Python {platform.python_version()}, facevid {facevid.__version__}"
    low, high = _PYTHONS
    if low <= sys.version_info[:2] < high:
        return Check("versions", "ok", found)
    return Check(
        "versions", "fault", f"{found}: mediapipe 0.10.21, which carries the models, has no build for this Python",
        "Install facevid with Python 3.11 or 3.12.",
    )  # fmt: skip


def core_check(cores: int) -> Check:
    """Cores that this process may use, which in a container are often fewer than the machine has."""
    there, allowed, quota = os.cpu_count() or cores, affinity_cores(), core_quota()
    found = f"{cores} of {there} cores may be used"
    if quota is not None and quota < allowed:
        found += f" (the container's quota is worth {quota:g})"
    elif allowed < there:
        found += " (this process is bound to them)"
    busy = os.getloadavg()[0]
    if busy > cores / 2:
        return Check(
            "cores", "warning", f"{found}, and other programs want {busy:.1f} of them (load average)",
            "End those first: beside them a build takes longer than is said here.",
        )  # fmt: skip
    return Check("cores", "ok", found)


def memory_check(found: Memory | None, cores: int) -> Check:
    """Whether a worker a core fits into the memory that is free."""
    if found is None:
        return Check("memory", "note", "the system does not tell how much there is")
    room = min(found.total, found.limit or found.total)
    said = f"{gibibytes(found.available)} free of {gibibytes(room)}"
    if found.limit is not None and found.limit < found.total:
        said += f" (the container's limit; the machine has {gibibytes(found.total)})"
    fit = found.available // WORKER_BYTES
    need = f"a worker needs {gibibytes(WORKER_BYTES)}"
    if fit >= cores:
        return Check("memory", "ok", f"{said}; {need}")
    if fit:
        return Check(
            "memory", "warning", f"{said}, which is enough for {fit} workers: {need}",
            f"Build with --workers {fit}, or free some memory: a worker that gets none is ended by the system.",
        )  # fmt: skip
    return Check("memory", "fault", f"{said}: {need}", "Free some memory, or raise the container's limit.")


def gpu_check() -> Check:
    """What torch sees; a build itself needs no GPU."""
    if util.find_spec("torch") is None:
        return Check("gpu", "note", "not looked for, since torch is not installed; a build needs none")
    try:
        cuda = importlib.import_module("torch").cuda
        devices = [
            cuda.get_device_properties(k) for k in range(cuda.device_count() if cuda.is_available() else 0)
        ]
    except (ImportError, OSError, RuntimeError, AssertionError) as error:
        reason = " ".join(str(error).split())
        return Check(
            "gpu", "warning", f"torch is installed but does not work ({reason})",
            "Install it again; a build goes without, training and the loader do not.",
        )  # fmt: skip
    if not devices:
        return Check("gpu", "note", "none that torch sees; a build needs none, training is slow without")
    return Check("gpu", "ok", ", ".join(f"{d.name} with {gibibytes(d.total_memory)}" for d in devices))


def extra_checks() -> list[Check]:
    """The optional parts of this installation: there or not, and what each is for."""
    try:
        about = metadata.metadata("facevid")
    except metadata.PackageNotFoundError:
        return [Check("extras", "note", "not known: facevid runs from a source tree without being installed")]
    wanted = metadata.requires("facevid") or []
    return [
        _extra_check(name, _packages(name, wanted))
        for name in about.get_all("Provides-Extra") or ()
        if name in _EXTRAS
    ]


def _extra_check(name: str, packages: list[str]) -> Check:
    lacking = [package for package in packages if not _installed(package)]
    if not lacking:
        return Check(f"extra {name}", "ok", f"installed: {_EXTRAS[name]}")
    return Check(
        f"extra {name}", "note", f"without {', '.join(lacking)}: {_EXTRAS[name]}", f"pip install 'facevid[{name}]'"
    )  # fmt: skip


def _packages(extra: str, wanted: list[str]) -> list[str]:
    """The distributions of an extra, from lines such as `s3fs>=2024.6; extra == 'hub'`."""
    mine = [line for line in wanted if re.search(rf"extra == ['\"]{re.escape(extra)}['\"]", line)]
    return [re.split(r"[\s\[<>=!~;]", line, maxsplit=1)[0] for line in mine]


def _installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
