"""What a study will cost, before it is begun: weights and operations of every size, and minutes by measured steps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facevid.bench.errors import BenchError
from facevid.bench.study.parts import Parts
from facevid.bench.study.plan import Plan, Planned
from facevid.engine import write_json_atomic
from facevid.generate.errors import GenerateError
from facevid.generate.quiet import without_bars

if TYPE_CHECKING:
    from facevid.generate.training.task import Batch, Task

COSTS = "costs.json"
START_S = 20.0
"""Seconds that a run takes to import its libraries, read its latents and build its model: docs/train.md."""


@dataclass(frozen=True)
class SizeCost:
    """One size. parameters: trained ones. flops: of one sample forwards. step_s: seconds of a mean step whose latents
    lie on disk; encode_s: to read and encode one window. unmeasured: why there are no seconds, a sentence."""

    parameters: int
    flops: float
    step_s: float | None = None
    encode_s: float | None = None
    unmeasured: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class StudyCost:
    """sizes: by name. seconds: of each run, by its name, None where a size could not be measured. encode_s: of all
    latents, once. total_s: of everything, None where a run's are."""

    sizes: Mapping[str, SizeCost]
    seconds: Mapping[str, float | None]
    encode_s: float | None
    total_s: float | None

    def to_dict(self) -> dict[str, Any]:
        return {**vars(self), "sizes": {n: c.to_dict() for n, c in self.sizes.items()}}


def cost_of_sizes(
    plan: Plan, sizes: Sequence[str], *, measure: bool, on_size: Callable[[str, int, int], None] | None = None
) -> dict[str, SizeCost]:
    """Counts weights and operations of the named sizes on shapes alone; measure: also trains a few steps of each bucket
    and writes nothing. on_size: called with the name, and how many are done and to do."""
    found: dict[str, SizeCost] = {}
    for number, size in enumerate(sizes):
        if on_size is not None:
            on_size(size, number, len(sizes))
        with without_bars():
            found[size] = _cost(_largest(plan, size), plan.parts, measure)
    if on_size is not None and sizes:
        on_size(sizes[-1], len(sizes), len(sizes))
    return found


def refuse_same_weights(costs: Mapping[str, SizeCost]) -> None:
    """Raises BenchError for two sizes of as many weights: to the laws they are one."""
    by: dict[int, str] = {}
    for name, cost in costs.items():
        if cost.parameters in by:
            raise BenchError(
                f"the sizes {by[cost.parameters]} and {name} both have {cost.parameters:,} weights, so that no law of "
                "size tells them apart; give one of them another width or depth, or study them apart."
            )
        by[cost.parameters] = name


def study_cost(sizes: Mapping[str, SizeCost], runs: Sequence[Planned]) -> StudyCost:
    """The seconds of some runs, one after the other: their steps, their validations, their start, and all latents once.

    A validation computes each of its samples forwards, twice where pictures are given, at a third of a training step's
    price for one sample.
    """
    seconds: dict[str, float | None] = {}
    for run in runs:
        step_s = sizes[run.size].step_s
        if step_s is None:
            seconds[run.name] = None
            continue
        options = run.recipe.optimisation
        validations = -(-run.steps // run.recipe.validation.every)
        twice = 2 if run.recipe.conditioning.image > 0 else 1
        one = step_s / (run.samples / run.steps) / 3
        tested = validations * run.recipe.validation.samples * twice * one
        limit = float("inf") if options.minutes is None else 60 * options.minutes
        seconds[run.name] = START_S + min(run.steps * step_s + tested, limit)
    known = [s for s in seconds.values() if s is not None]
    encode = _encode_s(sizes, runs)
    whole = None if len(known) < len(seconds) or encode is None else sum(known) + encode
    return StudyCost(dict(sizes), seconds, encode, whole)


def _encode_s(sizes: Mapping[str, SizeCost], runs: Sequence[Planned]) -> float | None:
    """All sizes see the same latents, so those of the most data are all there are to make."""
    if not runs:
        return 0.0
    largest = max(runs, key=lambda r: r.windows)
    one = sizes[largest.size].encode_s
    return None if one is None else one * (largest.windows + largest.recipe.validation.samples)


def known_costs(plan: Plan, sizes: Sequence[str], folder: Path | None) -> dict[str, SizeCost]:
    """What was measured in a study's folder before, of the sizes whose recipes have not changed since."""
    try:
        held = {} if folder is None else json.loads((folder / COSTS).read_text(encoding="utf-8"))
        found = {name: SizeCost(**held[name]["cost"]) for name in sizes if name in held}
        return {name: cost for name, cost in found.items() if held[name]["of"] == _of(plan, name)}
    except (OSError, ValueError, KeyError, TypeError):
        return {}  # what was measured can be measured again


def keep_costs(plan: Plan, costs: Mapping[str, SizeCost], folder: Path) -> None:
    """Keeps what was measured in a study's folder, so that a study that was stopped need not measure again."""
    known = {**known_costs(plan, [size.name for size in plan.study.sizes], folder), **costs}
    held = {name: {"of": _of(plan, name), "cost": cost.to_dict()} for name, cost in known.items()}
    write_json_atomic(held, folder / COSTS)


def _largest(plan: Plan, size: str) -> Planned:
    return max((run for run in plan.runs if run.size == size), key=lambda run: run.data)


def _of(plan: Plan, size: str) -> str:
    """What a measurement is of: a hash of the recipe."""
    body = _largest(plan, size).recipe.model_dump(mode="json")
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _cost(run: Planned, parts: Parts, measure: bool) -> SizeCost:
    from facevid.generate.train import make_task
    from facevid.generate.training.ranks import accelerator_for

    accelerator = accelerator_for(run.recipe)
    clips = (parts.train[run.fraction], parts.test)
    task = make_task(run.recipe, *clips, Path(), accelerator, True, None, False)
    counted = task.cost()
    cost = SizeCost(counted.parameters, counted.flops)
    return _measured(cost, run, parts, accelerator) if measure else cost


def _measured(cost: SizeCost, run: Planned, parts: Parts, accelerator: Any) -> SizeCost:
    """Each bucket by itself, since a few steps hold them by chance; not compiled, which takes longer than they do."""
    from facevid.generate.data.windows import windows_of
    from facevid.generate.recipe import read_recipe
    from facevid.generate.train import make_task
    from facevid.generate.training.estimate import estimate

    text = run.recipe.conditioning.drop_prompt < 1
    train, test = parts.train[run.fraction], parts.test
    bounds = windows_of(train, run.recipe.data, captions=text).bounds
    weights = [b.share * float(bounds[k + 1] - bounds[k]) for k, b in enumerate(run.recipe.data.buckets)]
    body = run.recipe.model_dump(mode="json")
    body["optimisation"] = {**body["optimisation"], "compile": False}
    step_s = encode_s = 0.0
    for bucket, weight in zip(body["data"]["buckets"], weights, strict=True):
        if not weight:
            continue
        recipe = read_recipe({**body, "data": {**body["data"], "buckets": [bucket]}})
        task = _latent_task(make_task(recipe, train, test, Path(), accelerator, True, None, False))
        found = estimate(task, recipe, accelerator)
        if found.step_s is None or found.data_s is None:
            return SizeCost(cost.parameters, cost.flops, unmeasured=found.unmeasured)
        samples = recipe.optimisation.batch * bucket["batches"]
        step_s += weight / sum(weights) * found.step_s
        encode_s += weight / sum(weights) * found.data_s / samples
    return SizeCost(cost.parameters, cost.flops, step_s, encode_s)


def _latent_task(task: Task) -> Task:
    from facevid.generate.diffusion import DiffusionTask

    return _LatentTask(task) if isinstance(task, DiffusionTask) else task


class _LatentTask:
    """A task of videos whose batches come encoded, as they will lie on disk: encoding then counts as reading."""

    def __init__(self, task: Any) -> None:
        self._task = task
        self.name, self.module = task.name, task.module

    def weighed(self) -> _LatentTask:
        return _LatentTask(self._task.weighed())

    def training(self) -> _Encoded:
        return _Encoded(self._task)

    def to(self, device: Any, dtype: Any) -> None:
        self._task.to(device, dtype)

    def cost(self) -> Any:
        return self._task.cost()

    def validation(self) -> Any:
        raise GenerateError("only steps of training are measured.")

    def samples(self, folder: Path, seconds: float) -> list[Path]:
        raise GenerateError("only steps of training are measured.")

    def save(self, folder: Path, about: Mapping[str, Any]) -> None:
        raise GenerateError("only steps of training are measured.")


class _Encoded:
    """Batches of pixels with their latents and text features in their place."""

    def __init__(self, task: Any) -> None:
        self._task, self._source = task, task.training()

    @property
    def samples(self) -> int:
        return int(self._source.samples)

    def iterate(
        self, first: int, last: int, *, batch: int, accumulate: int = 1, rank: int = 0, world_size: int = 1
    ) -> Iterator[Batch]:
        from facevid.generate.data.making import device_of, encoded
        from facevid.generate.data.sources import TEXT

        family = self._task.family
        for found in self._source.iterate(
            first, last, batch=batch, accumulate=accumulate, rank=rank, world_size=world_size
        ):
            video, captions = found.pop("video"), found.pop("caption")
            text = {f"{TEXT}{name}": value.detach() for name, value in family.text_features(captions).items()}
            yield {**found, **text, **encoded(family, video.to(device_of(family)))}
