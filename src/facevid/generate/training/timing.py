"""Where the time of a training goes: waiting for data or computing, throughput, and the share of the device's peak."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

_WARM = 3  # first steps of a process, in which memory is laid out and kernels are chosen


@dataclass(frozen=True)
class Speed:
    """Of all steps of this process but the first few. mfu: share of the device's peak; None where that is unknown.

    stall: share of the time in which the loop waited for data, which on a GPU with work queued is an upper bound.
    """

    steps: int
    step_s: float
    samples_per_s: float
    stall: float
    mfu: float | None


class Laps:
    """Measures steps. `lap` at the end of each; `resume` after something that is no part of a step."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self._laps = 0
        self._spent = self._waited = 0.0
        self._kept = self._samples = 0

    def resume(self) -> None:
        self._last = time.perf_counter()

    def lap(self, waited_s: float, samples: int) -> float:
        """Seconds since the last lap or `resume`; waited_s: of them, for data. samples: of the step, over all ranks."""
        now = time.perf_counter()
        seconds, self._last = now - self._last, now
        self._laps += 1
        if self._laps == _WARM + 1:
            self._spent = self._waited = 0.0
            self._kept = self._samples = 0
        self._spent += seconds
        self._waited += waited_s
        self._kept += 1
        self._samples += samples
        return seconds

    def speed(self, flops: float, peak: float | None) -> Speed:
        """flops: of one sample forwards. peak: of all devices, a second."""
        step_s = self._spent / self._kept if self._kept else 0.0
        per_s = self._samples / self._spent if self._spent else 0.0
        # Forwards once, backwards twice that (Kaplan et al. 2020, section 2.1).
        used = 3 * flops * per_s / peak if peak and flops else None
        stall = self._waited / self._spent if self._spent else 0.0
        return Speed(self._kept, step_s, per_s, stall, used)


def peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations a second of a large matrix product on the device, the best of a few."""
    size = 8192 if device.type == "cuda" else 1024
    a = torch.randn(size, size, device=device).to(dtype)
    best = 0.0
    for _ in range(8):
        _wait(device)
        began = time.perf_counter()
        a @ a
        _wait(device)
        best = max(best, 2 * size**3 / (time.perf_counter() - began))
    return best


def peak_memory(device: torch.device) -> int:
    """Most bytes in use so far: on the device, or of the process where that is the CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def free_memory(device: torch.device) -> int:
    """Bytes that this process can still take: of the device, or of the machine or container where that is a CPU."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)
    import psutil  # accelerate needs it too

    free = int(psutil.virtual_memory().available)
    try:
        limit, used = (
            int(Path("/sys/fs/cgroup", f"memory.{name}").read_text()) for name in ("max", "current")
        )
    except (OSError, ValueError):  # no container, or one without a limit
        return free
    return min(free, limit - used)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
