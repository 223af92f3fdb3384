"""A distance as a report prints it: value, interval and floor, and all that it takes to compute them again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from facevid.bench.distances.bootstrap import bootstrap_frechet, bootstrap_mmd2, interval
from facevid.bench.distances.features import Features, Floats
from facevid.bench.distances.floor import Floor, floor_sizes, further_apart, real_floor
from facevid.bench.distances.frechet import frechet_from_features
from facevid.bench.distances.kernel import CUBIC, PolynomialKernel, mmd2
from facevid.bench.errors import BenchError


@dataclass(frozen=True)
class Settings:
    """How interval and floor are computed.

    resamples: of the bootstrap. level: of the interval. seed: of resamples and floor. floor_draws: 0 leaves it out.
    """

    resamples: int = 200
    level: float = 0.95
    seed: int = 0
    floor_draws: int = 10


@dataclass(frozen=True)
class Distance:
    """A distance between n_real and n_made samples of `dimensions` features.

    interval: see `bootstrap.interval`; for distances that are never negative its low end is 0 or more. bias: mean of
    the resamples minus value, the bootstrap's estimate of what the number of samples adds to the value. floor_same_n:
    whether the floor is at n_real and n_made; if not it is at the smaller sizes that it names, and too high. grouped:
    whether whole groups were resampled. ddof: of the covariances. kernel, unbiased, scale: of a kernel distance, whose
    value is scale x MMD^2. n_further: samples beside the real ones that the floor was drawn from; further_apart: see
    `floor.further_apart`, None where there are fewer than n_made.
    """

    kind: Literal["frechet", "mmd2"]
    value: float
    n_real: int
    n_made: int
    dimensions: int
    interval: tuple[float, float]
    level: float
    resamples: int
    bias: float
    seed: int
    grouped: bool
    floor: Floor | None
    floor_same_n: bool | None
    ddof: int | None = None
    kernel: PolynomialKernel | None = None
    unbiased: bool | None = None
    scale: float | None = None
    n_further: int = 0
    further_apart: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain numbers, texts, lists and dicts, for JSON."""
        return {**asdict(self), "interval": list(self.interval)}


@dataclass(frozen=True)
class Sides:
    """Real features (n, d) and made ones (m, d), the person seen in each sample, and more real samples for the floor.

    further: real features (k, d) of other people. The floor draws two sets without a common sample from them and
    `real` together, so k >= m gives a floor at the same sizes; without them `real` is parted. further_groups: of the
    further samples, where real_groups are given.
    """

    real: NDArray[Any]
    made: NDArray[Any]
    real_groups: NDArray[Any] | None = None
    made_groups: NDArray[Any] | None = None
    further: NDArray[Any] | None = None
    further_groups: NDArray[Any] | None = None


def compare_frechet(sides: Sides, *, ddof: int = 1, settings: Settings | None = None) -> Distance:
    """The squared Fréchet distance of two sets of features; raises BenchError as `bootstrap_frechet` does.

    ddof: 1 for covariances over n - 1 (FID), 0 for over n (StyleGAN-V's FVD).
    """
    chosen = settings or Settings()

    def measure(real: Features, made: Features) -> float:
        return frechet_from_features(real, made, ddof=ddof)

    resampled = bootstrap_frechet(
        sides.real,
        sides.made,
        resamples=chosen.resamples,
        seed=chosen.seed,
        ddof=ddof,
        real_groups=sides.real_groups,
        made_groups=sides.made_groups,
    )
    return _distance("frechet", sides, chosen, measure, resampled, positive=True, ddof=ddof)


def compare_mmd2(
    sides: Sides,
    *,
    kernel: PolynomialKernel = CUBIC,
    unbiased: bool = True,
    scale: float = 1.0,
    settings: Settings | None = None,
) -> Distance:
    """scale x MMD^2 over all pairs: KID and KVD by default, JEDi with (kernel=JEDI, unbiased=False, scale=100).

    Raises BenchError as `bootstrap_mmd2` does. An unbiased distance may be negative, and so may its interval and floor.
    """
    chosen = settings or Settings()

    def measure(real: Features, made: Features) -> float:
        return scale * mmd2(real, made, kernel=kernel, unbiased=unbiased)

    resampled = scale * bootstrap_mmd2(
        sides.real,
        sides.made,
        resamples=chosen.resamples,
        seed=chosen.seed,
        kernel=kernel,
        unbiased=unbiased,
        real_groups=sides.real_groups,
        made_groups=sides.made_groups,
    )
    named = {"kernel": kernel, "unbiased": unbiased, "scale": scale}
    return _distance("mmd2", sides, chosen, measure, resampled, positive=not unbiased, **named)


def _distance(
    kind: Literal["frechet", "mmd2"],
    sides: Sides,
    settings: Settings,
    measure: Callable[[Features, Features], float],
    resampled: Floats,
    *,
    positive: bool,
    **named: Any,
) -> Distance:
    n_real, n_made = len(sides.real), len(sides.made)
    value = measure(sides.real, sides.made)
    low, high = interval(value, resampled, settings.level)
    n_further = 0 if sides.further is None else len(sides.further)
    floor = _floor(sides, settings, measure) if settings.floor_draws else None
    beyond = None
    if floor is not None and sides.further is not None and n_further >= n_made:
        beyond = further_apart(
            measure, sides.real, sides.further, n_made, seed=settings.seed, groups=sides.further_groups
        )
    return Distance(
        kind=kind,
        value=value,
        n_real=n_real,
        n_made=n_made,
        dimensions=int(sides.real.shape[1]),
        interval=(max(0.0, low) if positive else low, high),
        level=settings.level,
        resamples=settings.resamples,
        bias=float(np.mean(resampled)) - value,
        seed=settings.seed,
        grouped=sides.real_groups is not None or sides.made_groups is not None,
        floor=floor,
        floor_same_n=None if floor is None else (floor.n_real, floor.n_made) == (n_real, n_made),
        n_further=0 if floor is None else n_further,
        further_apart=beyond,
        **named,
    )


def _floor(sides: Sides, settings: Settings, measure: Callable[[Features, Features], float]) -> Floor:
    pool, groups = sides.real, sides.real_groups
    if sides.further is not None:
        pool = np.concatenate([pool, sides.further])
        if groups is not None and sides.further_groups is not None:
            groups = np.concatenate([groups, sides.further_groups])
        elif groups is not None or sides.further_groups is not None:
            raise BenchError("real_groups and further_groups must both be given, or neither.")
    sizes = floor_sizes(len(pool), len(sides.real), len(sides.made))
    return real_floor(measure, pool, *sizes, draws=settings.floor_draws, seed=settings.seed, groups=groups)
