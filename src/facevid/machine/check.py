"""The answer of one check of a machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "note", "warning", "fault"]


@dataclass(frozen=True)
class Check:
    """What was looked at, what was found, and what to do about it.

    status: "ok"; "note" for what a build does without; "warning" for what may spoil or slow it; "fault" for what stops
    it. do: empty where nothing need be done.
    """

    name: str
    status: Status
    found: str
    do: str = ""


def gigabytes(count: float) -> str:
    """Bytes in units of 10^9, with as many digits as tell something."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def gibibytes(count: float) -> str:
    """Bytes of memory in units of 2^30."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**30:.2f} GiB"
