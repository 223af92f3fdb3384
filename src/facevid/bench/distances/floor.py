"""The real-against-real floor: what a distance would be if the made samples were real ones, at these sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facevid.bench.distances.bootstrap import numbered
from facevid.bench.distances.features import Chosen, Features, Ints, check_seed, check_shape
from facevid.bench.errors import BenchError

_STREAM, _FURTHER_STREAM = 2, 3  # beside the two of the bootstrap, so that no draws are shared


@dataclass(frozen=True)
class Floor:
    """Distances between two disjoint random sets of real samples, drawn without replacement, `draws` times.

    value: their mean. lowest, highest: of the draws. n_real, n_made: the sizes of the two sets. n_pool: real samples
    they were drawn from. grouped: whether samples of one group were kept on one side (all but those of one group at
    most). seed: of the draws. groups: how many there are in the pool, None where nobody said.
    """

    value: float
    lowest: float
    highest: float
    n_real: int
    n_made: int
    n_pool: int
    draws: int
    grouped: bool
    seed: int
    groups: int | None = None


def floor_sizes(n_pool: int, n_real: int, n_made: int) -> tuple[int, int]:
    """The sizes of two disjoint sets from `n_pool` real samples: (n_real, n_made) if they fit, else the largest that
    do in about the same proportion, halves for n_real = n_made.

    A Fréchet distance of smaller sets is larger, so that a floor at smaller sizes is too high: a report must name them.
    """
    if n_real + n_made <= n_pool:
        return n_real, n_made
    first = min(max(2, round(n_pool * n_real / (n_real + n_made))), n_pool - 2)
    return first, min(n_made, n_pool - first)


def real_floor(
    measure: Callable[[Features, Features], float],
    pool: NDArray[Any],
    n_real: int,
    n_made: int,
    *,
    draws: int = 10,
    seed: int = 0,
    groups: NDArray[Any] | None = None,
) -> Floor:
    """The floor of a distance at n_real against n_made samples.

    measure: the distance, such as `frechet_from_features`. pool: real features (n, d), n >= n_real + n_made.
    groups: (n,), the person seen in each sample; groups are then dealt out whole, as people who are on both sides would
    make these alike (one group at most is parted, where the sizes fall inside it). Raises BenchError where the pool is
    too small; `floor_sizes` says what fits.
    """
    check_seed(seed)
    check_shape(pool, "the real features")
    if min(n_real, n_made) < 2 or n_real + n_made > len(pool) or draws < 1:
        raise BenchError(
            f"{draws} times {n_real} and {n_made} real samples without a common one cannot be drawn from {len(pool)}; "
            f"draw once or more, 2 samples or more a side, {len(pool)} at most in all, or give more real samples."
        )
    numbers = None if groups is None else numbered(groups, len(pool))
    values = []
    for k in range(draws):
        order = _dealt(len(pool), numbers, np.random.default_rng([seed, _STREAM, k]))
        # Sorted, as a memory map is read quickest in order.
        one, other = np.sort(order[:n_real]), np.sort(order[len(order) - n_made :])
        values.append(measure(Chosen(pool, one), Chosen(pool, other)))
    return Floor(
        value=float(np.mean(values)),
        lowest=min(values),
        highest=max(values),
        n_real=n_real,
        n_made=n_made,
        n_pool=len(pool),
        draws=draws,
        grouped=groups is not None,
        seed=seed,
        groups=None if numbers is None else int(numbers.max()) + 1,
    )


def further_apart(
    measure: Callable[[Features, Features], float],
    real: NDArray[Any],
    further: NDArray[Any],
    n_made: int,
    *,
    seed: int = 0,
    groups: NDArray[Any] | None = None,
) -> float:
    """The distance of the real features to n_made of the further ones, drawn at random as for the floor.

    Where the further samples are of the real ones' distribution, it is one more draw of the floor that is drawn from
    both: above all of k draws in one of k + 1 cases. Raises BenchError where there are fewer than n_made.
    """
    if n_made > len(further):
        raise BenchError(f"{n_made} samples cannot be drawn from {len(further)}; give more further samples.")
    numbers = None if groups is None else numbered(groups, len(further))
    order = _dealt(len(further), numbers, np.random.default_rng([seed, _FURTHER_STREAM]))
    return measure(real, Chosen(further, np.sort(order[:n_made])))


def _dealt(n: int, groups: Ints | None, rng: np.random.Generator) -> Ints:
    """All samples in random order; with groups those of a group side by side, groups in random order."""
    order = rng.permutation(n)
    if groups is not None:
        place = rng.permutation(int(groups.max()) + 1)
        order = order[np.argsort(place[groups[order]], kind="stable")]
    return np.asarray(order, np.int64)
