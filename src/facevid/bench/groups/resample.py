"""How far the means of groups would move with other people in them: people drawn anew, and intervals from that.

People are drawn with all of their videos (the cluster bootstrap: Field and Welsh, "Bootstrapping clustered data",
2007), within their group where each person has one; else among all, so that two groups that show the same people move
together.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, stdtrit

from facevid.bench.groups.sample import Floats, Ints, Sample, cell_sums

_STREAM = 0


def resampled_means(sample: Sample, resamples: int, seed: int) -> Floats:
    """Means over videos, less the centre, (resamples, groups, m); NaN where a resample leaves all of a group out."""
    person, group, sums, videos = cell_sums(sample)
    drawn = _drawn(group if sample.one_group_each else np.zeros(sample.people, np.int64), resamples, seed)
    found = np.empty((resamples, sample.groups, sums.shape[1]))
    for one in range(sample.groups):
        cells = group == one
        totals = drawn[:, person[cells]] @ np.column_stack([sums[cells], videos[cells]])
        with np.errstate(invalid="ignore", divide="ignore"):
            found[:, one] = totals[:, :-1] / totals[:, -1:]
    return found


def mean_interval(
    draws: Floats, people: float, level: float, rounding: float = 0.0
) -> tuple[float, float] | None:
    """Percentiles of resampled means (resamples,) of a group of so many effective people, above 1 (`Census.effective`).

    None where they differ by no more than rounding: people who are all alike do not say how others would differ.

    Widened for few people as in Hesterberg, "What teachers should know about the bootstrap", 2015 (expanded percentile
    interval): a bootstrap over n people takes a variance over n, not n - 1, and a normal quantile for one of t.
    """
    wide = np.sqrt(people / (people - 1)) * stdtrit(people - 1, (1 + level) / 2)
    tail = float(ndtr(-wide))
    low, high = np.nanquantile(draws, [tail, 1 - tail])
    return (float(low), float(high)) if high - low > rounding else None


def gap_interval(
    draws: Floats,
    means: Floats,
    people: Floats,
    pair: tuple[int, int],
    level: float,
    rounding: float = 0.0,
) -> tuple[float, float] | None:
    """Where the difference of means of a pair of groups lies (second less first), whichever pair was picked.

    draws: (resamples, groups); means, people (effective ones): (groups,). The best and the worst of many groups are
    picked as they lie far apart, by chance too, so that the plain interval of their difference lies too high and is
    too sure. This one holds for the differences of all pairs at once, and so for the one picked: difference +- c s, s
    the standard error of each pair and c the quantile over resamples of the largest deviation of any pair, in its s
    (simultaneous sets by the bootstrap: Beran, "Balanced simultaneous confidence sets", 1988; an s for each pair as in
    Games and Howell, "Pairwise multiple comparison procedures with unequal n's and/or variances", 1976). For few
    people c becomes the same quantile of t, with the effective people of the smaller group less one as degrees of
    freedom, and s is over n - 1. With two groups it is the usual interval. It may go below 0: then the order may be
    the other way round. None where the two do not vary at all.
    """
    whole = draws[~np.isnan(draws).any(axis=1)]
    first, second = np.triu_indices(len(means), 1)
    differences = whole[:, second] - whole[:, first]
    spread = differences.std(axis=0)
    moved = spread > rounding
    position = int(np.flatnonzero((first == min(pair)) & (second == max(pair)))[0])
    if not moved[position]:
        return None
    away = np.abs(differences - (means[second] - means[first]))[:, moved] / spread[moved]
    c = float(np.quantile(away.max(axis=1), level))
    least = float(min(people[pair[0]], people[pair[1]]))
    wide = -stdtrit(least - 1, ndtr(-c)) * np.sqrt(least / (least - 1))
    half = float(wide * spread[position])
    difference = float(means[pair[1]] - means[pair[0]])
    return difference - half, difference + half


def _drawn(stratum: Ints, resamples: int, seed: int) -> Floats:
    """How often each person was drawn, (resamples, people), as many as there are from each stratum (people,)."""
    rng = np.random.default_rng([seed, _STREAM])
    drawn = np.empty((resamples, len(stratum)))
    for one in np.unique(stratum):
        members = np.flatnonzero(stratum == one)
        picks = rng.integers(len(members), size=(resamples, len(members)))
        picks += np.arange(resamples)[:, None] * len(members)
        counts = np.bincount(picks.ravel(), minlength=resamples * len(members))
        drawn[:, members] = counts.reshape(resamples, len(members))
    return drawn
