"""What can be said of a value beside its floor, beside the real videos, and beside the value of another run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from facevid.bench.errors import BenchError
from facevid.bench.measures.metric import Better
from facevid.bench.page.words import Interval
from facevid.bench.result import DistanceResult, Figure

FloorVerdict = Literal["above", "reaching", "within", "unknown"]
"""above: interval and value lie above every draw of the floor. reaching: the value does, its interval does not. within:
the value is no larger than real videos have among themselves. unknown: there is no floor at the same sizes, and of the
same kind of videos, that could tell."""

RealVerdict = Literal["better", "worse", "higher", "lower", "not clear"]
"""Of a mean whose interval lies apart from that of the real videos; higher and lower where neither way is better."""

Verdict = Literal["better", "worse", "not clear"]


@dataclass(frozen=True)
class Measured:
    """A distance with its floor, out of `DistanceResult.found`.

    floor: lowest, mean and highest of its draws. floor_sizes: real against real videos. same_n: whether these are the
    sizes of the distance itself. pool: how many real videos the floor was drawn from, of how many people, and how many
    of the videos were not among those compared; None where the report does not say. further_apart: distance of the real
    videos compared to these further ones, None where there are too few of them.
    """

    value: float
    interval: Interval
    kind: str
    unbiased: bool
    floor: tuple[float, float, float] | None
    floor_sizes: tuple[int, int] | None
    same_n: bool
    pool: tuple[int, int, int] | None = None
    further_apart: float | None = None

    @property
    def further_differ(self) -> bool:
        """Whether the further real videos are further from those compared than every draw of the floor is wide."""
        return (
            self.floor is not None and self.further_apart is not None and self.further_apart > self.floor[2]
        )


def measured(distance: DistanceResult) -> Measured | None:
    """The figures of a distance; None where too few videos have its features. Raises BenchError where one lacks or is
    not finite."""
    found = distance.found
    if found is None:
        return None
    try:
        held = found["floor"]
        low, high = (_finite(x) for x in found["interval"])
        floor = None
        if held is not None:
            floor = (_finite(held["lowest"]), _finite(held["value"]), _finite(held["highest"]))
        return Measured(
            value=_finite(found["value"]),
            interval=(low, high),
            kind=str(found["kind"]),
            unbiased=bool(found.get("unbiased")),
            floor=floor,
            floor_sizes=None if held is None else (int(held["n_real"]), int(held["n_made"])),
            same_n=bool(found.get("floor_same_n")),
            pool=_pool(held, found),
            further_apart=None if found.get("further_apart") is None else _finite(found["further_apart"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BenchError(
            f"what was found of the distance {distance.name} cannot be read ({error!r}); run facevid bench again."
        ) from error


def _pool(floor: Mapping[str, Any] | None, found: Mapping[str, Any]) -> tuple[int, int, int] | None:
    if floor is None or floor.get("groups") is None:
        return None
    return int(floor["n_pool"]), int(floor["groups"]), int(found.get("n_further", 0))


def _finite(value: Any) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{value} is not finite")
    return float(value)


def beside_floor(found: Measured) -> FloorVerdict:
    """Where a distance lies beside what real videos have among themselves.

    A floor of fewer videos lies higher (or wider, for an unbiased distance), and one that was drawn from unlike videos
    too, so that neither can show a value to be within it.
    """
    if found.floor is None:
        return "unknown"
    top = found.floor[2]
    if found.value > top and found.interval[0] > top:
        return "above"
    if not found.same_n or found.further_differ:
        return "unknown"
    return "reaching" if found.value > top else "within"


def beside_real(better: Better | None, made: Figure, real: Figure | None) -> RealVerdict | None:
    """How the mean of the videos made lies beside that of the real ones; None where an interval lacks."""
    if real is None or made.interval is None or real.interval is None:
        return None
    if not apart(made.interval, real.interval):
        return "not clear"
    above = made.interval[0] > real.interval[1]
    if better is None or better == "as real":
        return "higher" if above else "lower"
    return "better" if above == (better == "higher") else "worse"


def apart(one: Interval, other: Interval) -> bool:
    """Whether two intervals have no point in common."""
    return one[1] < other[0] or other[1] < one[0]


def off(value: float, better: Better, real: float | None) -> float | None:
    """What is to be small: the value, its negative, or how far it is from the real mean (None where that lacks)."""
    if better == "lower":
        return value
    if better == "higher":
        return -value
    return None if real is None else abs(value - real)


def off_interval(interval: Interval, better: Better, real: float | None) -> Interval | None:
    """The interval of `off`, the real mean taken as it is."""
    low, high = interval
    if better == "lower":
        return low, high
    if better == "higher":
        return -high, -low
    if real is None:
        return None
    ends = abs(low - real), abs(high - real)
    return (0.0 if low <= real <= high else min(ends)), max(ends)
