"""How much memory a worker may hold, its children included, and which worker holds too much."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from facevid.engine.limits import Memory, memory

LOOK_S = 0.25
"""Seconds between two looks. A process fills about 2 GB a second on one core, so little is missed."""
_SHORT = 0.1
# What cannot be dropped when memory is short; pages of files can (proc_pid_status(5)).
_HELD = ("RssAnon", "RssShmem", "VmSwap")

W = TypeVar("W")


@dataclass(frozen=True)
class Allowance:
    """What a worker may hold in bytes.

    strict: it is ended as soon as it holds more. Otherwise more is allowed as long as a tenth of the machine's memory,
    or of what the control groups of this process allow, is free; then the one that holds most is ended, if it
    holds more than its allowance.
    """

    bytes: int
    strict: bool

    @property
    def ending(self) -> str:
        """How a worker that outgrew it ended, in words after "it"."""
        return f"needed more than its {self.bytes / 1e9:.3g} GB of memory and was ended"

    def outgrown(self, workers: Iterable[W], held: Callable[[W], int]) -> list[W]:
        """The workers that must be ended; held: bytes that one holds, asked only where that may matter."""
        if not self.strict:
            found = memory()
            if found is None or found.available >= _SHORT * _whole(found):
                return []
        sizes = {worker: held(worker) for worker in workers}
        beyond = sorted((w for w, size in sizes.items() if size > self.bytes), key=lambda w: -sizes[w])
        return beyond if self.strict else beyond[:1]


def allowance(given_bytes: int | None, workers: int) -> Allowance | None:
    """What each of so many workers on this machine may hold: what was given, else an equal share of nine tenths.

    None where nothing was given and the system does not tell how much memory it has.
    """
    if given_bytes is not None:
        return Allowance(given_bytes, strict=True)
    found = memory()
    return None if found is None else Allowance(int((1 - _SHORT) * _whole(found) / workers), strict=False)


def held_bytes(pid: int) -> int:
    """Memory that a process and its descendants hold (Linux), 0 for one that is gone.

    Pages that several of them share are counted for each, pages of files for none.
    """
    process = Path(f"/proc/{pid}")
    try:
        fields = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    except (OSError, ValueError):
        return 0
    children: list[int] = []
    with contextlib.suppress(OSError):  # a kernel built without these lists, or a thread that has just ended
        for thread in (process / "task").iterdir():
            children += map(int, (thread / "children").read_text().split())
    own = sum(int(fields.get(name, "0").split()[0]) for name in _HELD) * 1024
    return own + sum(map(held_bytes, children))


def _whole(found: Memory) -> int:
    return found.total if found.limit is None else min(found.total, found.limit)
