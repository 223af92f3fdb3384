"""Which laws there are, and what a grid of runs must have so that a law can be told from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facevid.bench.scaling.crossed import CrossedLaw, SlopesLaw
from facevid.bench.scaling.errors import ScalingError
from facevid.bench.scaling.kaplan import KaplanLaw
from facevid.bench.scaling.laws import Law
from facevid.bench.scaling.powers import AdditiveLaw, FlooredLaw, PowerLaw
from facevid.bench.scaling.runs import Runs, size_names

LAWS = ("power", "floored", "additive", "kaplan", "crossed", "slopes")
"""Names of the laws: in data, in data with a floor, Chinchilla's, two with an interaction, one slope per size."""

SIZES = 3  # two points lie on every power of size that leaves room for a floor
AMOUNTS = 3  # two points lie on every slope, so that nothing is left to show a bend
FLOOR_AMOUNTS = 4  # E, B and beta go through three points whatever they are
_TOGETHER = 0.99  # correlation of log size and log data above which one stands for the other


@dataclass(frozen=True)
class Lack:
    """What a grid lacks for a law, as a sentence; `forcible`: whether a fit can be made all the same, to look at."""

    reason: str
    forcible: bool


def law_for(name: str, runs: Runs) -> Law:
    """The law of a name (see LAWS), bound to runs; raises ScalingError for a name that is not one."""
    size0, data0 = float(np.log(runs.size).mean()), float(np.log(runs.data).mean())
    match name:
        case "power":
            return PowerLaw(data0)
        case "floored":
            return FlooredLaw(data0)
        case "additive":
            return AdditiveLaw(size0, data0)
        case "kaplan":
            return KaplanLaw(size0, data0)
        case "crossed":
            return CrossedLaw(size0, data0)
        case "slopes":
            return SlopesLaw(tuple(float(s) for s in runs.sizes), data0)
    raise ScalingError(f"There is no law {name!r}; the laws are {', '.join(LAWS)}.")


def lacks(law: Law, runs: Runs) -> list[Lack]:
    """All that the runs lack for a law; empty where they support it."""
    found = [*_sizes(law, runs), *_amounts(law, runs)]
    if len(runs) < law.width + 1:
        found.append(
            Lack(f"{_runs(len(runs))} cannot determine {law.width} constants and show an error; it takes at least "
                 f"{law.width + 1}", False)
        )  # fmt: skip
    if law.in_size and not found:
        together = float(np.corrcoef(np.log(runs.size), np.log(runs.data))[0, 1])
        if abs(together) > _TOGETHER:
            found.append(
                Lack(
                    f"size and data go hand in hand over the runs (correlation of their logs {together:.3f}), so that "
                    "nothing tells what either does; train some sizes on other amounts",
                    True,
                )
            )
    return found


def identified(law: Law, runs: Runs, counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which resamples (R,) of runs, given as counts (R, n), determine every parameter of the law."""
    there = counts > 0
    sizes, amounts = _members(runs.size), _members(runs.data)
    enough = there.sum(1) >= law.width
    if law.in_size:
        enough &= _covered(there, sizes) >= min(SIZES, sizes.shape[1])
    if law.per_size:
        for size in sizes.T:
            enough &= _covered(there & size, amounts) >= 2
    return np.asarray(enough & (_covered(there, amounts) >= (3 if law.has_floor else 2)), np.bool_)


def _sizes(law: Law, runs: Runs) -> list[Lack]:
    sizes = runs.sizes
    names = size_names(sizes)
    if law.in_size and len(sizes) == 1:
        return [Lack(f"all runs have one size ({names}), so that nothing tells what size does", False)]
    if law.in_size and len(sizes) < SIZES:
        return [
            Lack(
                f"two sizes ({names}) cannot give an exponent of size, for any exponent passes through two points; it "
                f"takes at least {SIZES}",
                True,
            )
        ]
    if law.per_size and len(sizes) == 1:
        return [Lack(f"all runs have one size ({names}), for which this is the power law", False)]
    return []


def _amounts(law: Law, runs: Runs) -> list[Lack]:
    if law.per_size:
        few = [s for s in runs.sizes if len(runs.where(runs.size == s).amounts) < AMOUNTS]
        if few:
            names = size_names(np.array(few))
            return [Lack(f"a slope takes at least {AMOUNTS} amounts of data, fewer than {names} had", False)]
        return []
    count = len(runs.amounts)
    # Where sizes differ, they say where the floor is as well as data does.
    least = FLOOR_AMOUNTS if law.has_floor and not law.in_size else AMOUNTS
    if count >= least:
        return []
    why = (
        "a floor, a scale and an exponent pass through any three"
        if least == FLOOR_AMOUNTS
        else "any line fits two"
    )
    return [
        Lack(
            f"{_amounts_said(count)} of data cannot give {law.formula}, for {why}; it takes at least {least}",
            False,
        )
    ]


def _amounts_said(count: int) -> str:
    return f"{count} amount{'s' if count > 1 else ''}"


def _runs(count: int) -> str:
    return f"{count} run{'s' if count > 1 else ''}"


def _members(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which run has which of the values there are, (n, values)."""
    return np.asarray(values[:, None] == np.unique(values), np.bool_)


def _covered(there: NDArray[np.bool_], members: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many of the values there are each resample has, (R,)."""
    return np.asarray((there.astype(np.float32) @ members.astype(np.float32) > 0).sum(1), np.int64)
