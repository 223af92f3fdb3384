"""Videos of two reports that were asked for alike, held against each other one by one.

A suite asks every model the same, so what makes one prompt or picture harder than another is in both and falls out of
their difference. That tells apart what two separate intervals leave open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from facevid.bench.groups.holm import holm
from facevid.bench.groups.resample import mean_interval
from facevid.bench.measures.metric import Better
from facevid.bench.page.judge import Verdict, off
from facevid.bench.page.words import SURE, Interval

Floats = NDArray[np.float64]

_ALIKE = ("video", "prompt", "seed", "clip_id", "person")
_FEWEST = 10
"""People, or videos of nobody who exists; as of the intervals of a report (`Figure`)."""
_DRAWS = 2000
_LEVEL = 0.95
_RESAMPLES, _SWAPS = 0, 1


@dataclass(frozen=True)
class Paired:
    """A number over the videos that two reports were both asked for.

    n: pairs in which both videos have it; people: who is shown in them, videos of nobody who exists each for itself.
    difference: mean of the second less mean of the first; interval: 95 % of it, drawing people. p: how often what tells
    the two apart would be as large if they were equally good, by exchanging them within people at random; p_adjusted:
    Holm's, over the numbers of the two reports. verdict: of the second against the first; None where neither way is
    better.
    """

    n: int
    people: int
    difference: float
    interval: Interval | None
    p: float
    p_adjusted: float
    verdict: Verdict | None


def pair_up(first: pa.Table, second: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The rows of the made videos of two tables (`videos.parquet`) that were asked for alike, in the same order."""
    asked = [_asked(table) for table in (first, second)]
    both = [key for key in asked[0] if key in asked[1]]
    rows = [pa.array([own[key] for key in both], pa.int64()) for own in asked]
    return first.take(rows[0]), second.take(rows[1])


def paired(
    first: pa.Table,
    second: pa.Table,
    metrics: Iterable[tuple[str, Better | None]],
    real: Mapping[str, float | None],
) -> dict[str, Paired]:
    """Metric -> how it differs between two tables of videos; without those that fewer than 10 people's pairs have.

    metrics: names, and which way each is better; real: means of the real videos, for those that are best "as real".
    """
    rows = pair_up(first, second)
    found: dict[str, Paired] = {}
    for name, better in metrics:
        if not all(name in table.column_names for table in rows):
            continue
        # Without a real mean to be near to, it can only be told whether they differ.
        known = None if better == "as real" and real.get(name) is None else better
        one = _one(rows, name, known, real.get(name))
        if one is not None:
            found[name] = one
    sure = holm([one.p for one in found.values()])
    return {name: _adjusted(one, p) for (name, one), p in zip(found.items(), sure, strict=True)}


def _one(
    rows: tuple[pa.Table, pa.Table], name: str, better: Better | None, real: float | None
) -> Paired | None:
    """How a metric differs, its p not adjusted yet; None where too few people have it."""
    values = np.stack([table[name].to_numpy(zero_copy_only=False).astype(np.float64) for table in rows])
    has = np.isfinite(values).all(axis=0)
    ids, number = np.unique(_people(rows[0])[has], return_inverse=True)
    if len(ids) < _FEWEST:
        return None
    sums = np.stack([np.bincount(number, weights=one, minlength=len(ids)) for one in values[:, has]])
    videos = np.bincount(number, minlength=len(ids)).astype(np.float64)
    n = int(videos.sum())
    rounding = 1e-12 * float(np.abs(values[:, has]).max())
    effective = n**2 / float(videos @ videos)
    interval = mean_interval(_resampled(sums[1] - sums[0], videos), effective, _LEVEL, rounding)
    further, p = _swapped(sums / n, better or "lower", real, rounding)
    verdict: Verdict | None = None if better is None else "better" if further < 0 else "worse"
    return Paired(n, len(ids), float((sums[1] - sums[0]).sum() / n), interval, p, p, verdict)


def _resampled(sums: Floats, videos: Floats) -> Floats:
    """Means of differences with people drawn anew, (draws,)."""
    rng = np.random.default_rng(_RESAMPLES)
    drawn = rng.integers(len(videos), size=(_DRAWS, len(videos)))
    return np.asarray(sums[drawn].sum(axis=1) / videos[drawn].sum(axis=1), np.float64)


def _swapped(shares: Floats, better: Better, real: float | None, rounding: float) -> tuple[float, float]:
    """By how much further off the second is than the first, and p, exchanging the two within people (Fisher 1935).

    shares: what each person adds to the means of the first and of the second, (2, people).
    """
    rng = np.random.default_rng(_SWAPS)
    moved = (rng.random((_DRAWS, shares.shape[1])) < 0.5) @ (shares[1] - shares[0])
    first, second = shares.sum(axis=1)
    further = _further(first, second, better, real)
    as_large = sum(
        abs(_further(first + by, second - by, better, real)) >= abs(further) - rounding for by in moved
    )
    return further, (1 + as_large) / (1 + _DRAWS)


def _further(first: float, second: float, better: Better, real: float | None) -> float:
    ends = off(float(first), better, real), off(float(second), better, real)
    assert ends[0] is not None and ends[1] is not None
    return ends[1] - ends[0]


def _adjusted(one: Paired, p: float) -> Paired:
    return replace(
        one, p_adjusted=p, verdict=None if one.verdict is None else one.verdict if p < SURE else "not clear"
    )


def _asked(table: pa.Table) -> dict[tuple[object, ...], int]:
    """What was asked for -> the row of the video made of it."""
    columns = [
        table[name].to_pylist() if name in table.column_names else [None] * len(table) for name in _ALIKE
    ]
    made = [kind == "made" for kind in table["kind"].to_pylist()]
    return {key: row for row, key in enumerate(zip(*columns, strict=True)) if made[row]}


def _people(table: pa.Table) -> NDArray[np.str_]:
    shown: Sequence[str | None] = (
        table["person"].to_pylist() if "person" in table.column_names else [None] * len(table)
    )
    return np.array(
        [f"video {row}" if one is None else f"person {one}" for row, one in enumerate(shown)], np.str_
    )
