"""The largest run of a study, predicted by laws that were chosen and fitted without it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from facevid.bench.scaling import LAWS, Runs, ScalingError, bootstrap, choose, fit_law, law_for, predict
from facevid.bench.study.recipe import FitSettings


@dataclass(frozen=True)
class Prediction:
    """What one law foretells: the curve's value, and the interval of one run. within: whether all that was measured
    lies in it."""

    law: str
    title: str
    value: float
    low: float
    high: float
    within: bool


@dataclass(frozen=True)
class Foretold:
    """size, data: of the run. measured: its loss with each seed. best: the law chosen among the other runs. all: of
    every law that those support, in their order; refused: why others gave none."""

    size: float
    data: float
    measured: tuple[float, ...]
    unit: str
    metric: str
    level: float
    others: int
    best: Prediction
    all: tuple[Prediction, ...]
    refused: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def foretell(runs: Runs, settings: FitSettings) -> tuple[Foretold | None, str | None]:
    """Holds the runs of the largest size on its largest amount out, chooses a law among the others by `scaling.choose`,
    fits it to them, and predicts. Second: why that cannot be done, a clause; one of both is None."""
    largest = runs.size == runs.sizes[-1]
    held = largest & (runs.data == runs.data[largest].max())
    rest, out = runs.where(~held), runs.where(held)
    if not len(rest):
        return None, "there is no other run"
    try:
        best = choose(rest, LAWS, delta=settings.delta).best
    except ScalingError as error:
        return None, f"without it no law can be chosen ({str(error).rstrip('.')})"
    found: dict[str, Prediction] = {}
    refused: dict[str, str] = {}
    for name in LAWS:
        try:
            boot = bootstrap(
                fit_law(rest, name, delta=settings.delta), settings.resamples, seed=settings.seed
            )
            band = predict(boot, out.size[:1], out.data[:1], level=settings.level)
        except ScalingError as error:
            refused[name] = getattr(error, "reasons", str(error)).rstrip(".")
            continue
        low, high = float(band.low[0]), float(band.high[0])
        within = bool(((out.loss >= low) & (out.loss <= high)).all())
        found[name] = Prediction(name, law_for(name, rest).title, float(band.value[0]), low, high, within)
    if best not in found:
        return None, f"without it the chosen law has no interval ({refused[best]})"
    return Foretold(
        float(out.size[0]), float(out.data[0]), tuple(map(float, out.loss)), runs.unit, runs.metric,
        settings.level, len(rest), found[best], tuple(found.values()), refused,
    ), None  # fmt: skip
