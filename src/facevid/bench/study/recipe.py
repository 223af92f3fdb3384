"""The recipe of a study: one YAML file with data, sizes, lengths of training and what is fitted, checked when read."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from facevid.bench.errors import BenchError
from facevid.generate.recipe import told
from facevid.recipe import Needs

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(gt=0, le=1)]
Unit = Literal["clips", "people", "hours"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.]{0,39}")
_SET_HERE = {
    "seed": "seeds",
    "optimisation.steps": "steps, samples or epochs",
    "optimisation.minutes": "minutes",
    "validation.every": "validations",
    "data.holdout": "data.test",
    "model.autoencoder": "--autoencoder",
}
"""Fields of a training's recipe that a study decides, and where."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


class StudyData(_Part):
    """Which clips. where: an SQL condition; subset: a saved one. test: share of the people held out, the same for all
    runs. by: attributes that test set and fractions keep in proportion. fractions: of what is left to learn from, each
    inside every larger one. of: what a fraction counts. unit: what the laws count as amount of data.

    of is "persons": a dataset grows by people, and clips of one person are no independent samples. test .2: with .1
    the tenth of a small dataset is a handful of people. fractions: halvings, evenly spaced on the logarithmic axis on
    which powers are straight; four are the fewest that a floor can be told from (`scaling.support`).
    """

    where: str | None = None
    subset: str | None = None
    test: Annotated[float, Field(gt=0, lt=1)] = 0.2
    by: tuple[str, ...] = ()
    fractions: Annotated[tuple[Fraction, ...], Field(min_length=2)] = (0.125, 0.25, 0.5, 1.0)
    of: Literal["clips", "hours", "persons"] = "persons"
    unit: Unit = "clips"

    @field_validator("by", "fractions", mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        return _tuple(value)

    @model_validator(mode="after")
    def _each_once(self) -> StudyData:
        if len(set(self.fractions)) < len(self.fractions):
            raise ValueError("give each of the fractions once")
        return self


class StudySize(_Part):
    """One size of model. recipe: of its training, that of the study unless given. width, depth: of our own family;
    learning rates and batch, and depth unless given, follow its rule (families/facevid.py, `size_of`). changes: such as
    "optimisation.lr=1e-3", made last. resources: in place of those of the study, each by itself.
    """

    name: str
    recipe: str | None = None
    width: Count | None = None
    depth: Count | None = None
    changes: tuple[str, ...] = ()
    resources: Needs = Needs()

    @field_validator("changes", mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        return _tuple(value)

    @model_validator(mode="after")
    def _sound(self) -> StudySize:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                "a size's name is part of a folder's: letters, digits, dots and underscores, 40 at most"
            )
        if self.depth is not None and self.width is None:
            raise ValueError("give width along with depth: the learning rates follow from it")
        return self


class FitSettings(_Part):
    """How laws are fitted. huber: where the loss of log residuals turns from a square to a line, None for squares
    alone. resamples, level: of the bootstrap's intervals. seed: of all chance.

    huber None: Hoffmann et al. 2022 took 1e-3 for hundreds of runs with strays; far below the noise it fits least
    absolute residuals, which of a dozen runs looks at a few. resamples 1,000: Efron & Tibshirani 1993, chapter 13, for
    percentile intervals.
    """

    huber: Positive | None = None
    resamples: Annotated[int, Field(ge=2)] = 1000
    level: Annotated[float, Field(gt=0, lt=1)] = 0.95
    seed: Annotated[int, Field(ge=0)] = 0

    @property
    def delta(self) -> float:
        """Huber's delta as the fits take it: infinity for least squares."""
        return math.inf if self.huber is None else self.huber


class Study(_Part):
    """A whole study. Exactly one of steps, samples and epochs says how long a run trains.

    recipe: of the trainings of all sizes that name none. changes: to all of them. seed: by which people are held out
    and fractions drawn; seeds: of trainings, each of the grid once with each. steps: of every run. samples: that every
    run sees. epochs: how often a run sees each of its windows. minutes: after which a run ends unfinished; the same
    command gives it as many again. validations: of a run, evenly spread.

    metric: the held-out loss without or with the first picture given. loss: which of a run's validations counts.
    "best", as Kaplan et al. 2020 (section 4.2) stop early to tell L(N, D): a model that has long learnt few clips by
    heart says nothing of what these clips are worth. "last" for runs of one epoch, where nothing is learnt by heart.
    validations 16: of every run the best of as many, so that none has more chances.

    resources: what a training takes up of its machine where runs are trained by workers, one core unless given; `cpus`
    are also its threads. No result depends on them.
    """

    name: str
    seed: Annotated[int, Field(ge=0)] = 0
    recipe: str | None = None
    changes: tuple[str, ...] = ()
    data: StudyData = StudyData()
    sizes: Annotated[tuple[StudySize, ...], Field(min_length=1)]
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (0,)
    steps: Count | None = None
    samples: Count | None = None
    epochs: Positive | None = None
    minutes: Positive | None = None
    validations: Count = 16
    metric: Literal["held_out", "held_out_loss_image"] = "held_out"
    loss: Literal["best", "last"] = "best"
    fit: FitSettings = FitSettings()
    resources: Needs = Needs()

    @field_validator("changes", "sizes", "seeds", mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        return _tuple(value)

    @model_validator(mode="after")
    def _sound(self) -> Study:
        given = [n for n in ("steps", "samples", "epochs") if getattr(self, n) is not None]
        if len(given) != 1:
            raise ValueError(
                f"give exactly one of steps, samples and epochs, not {' and '.join(given) or 'none of them'}"
            )
        for what, names in (("sizes", [s.name for s in self.sizes]), ("seeds", list(self.seeds))):
            if len(set(names)) < len(names):
                raise ValueError(f"give each of the {what} once, by its own name")
        for size in self.sizes:
            if size.recipe is None and self.recipe is None:
                raise ValueError(f"the size {size.name} has no recipe; name one there, or for all sizes")
            for change in (*self.changes, *size.changes):
                _refuse_set_here(change)
        return self

    def needs(self, size: StudySize) -> dict[str, Any]:
        """What a training of a size takes up, as fields of `facevid.engine.Resources`."""
        return self.resources.model_dump(exclude_none=True) | size.resources.model_dump(exclude_none=True)

    @property
    def length(self) -> str:
        """How long runs train, in words."""
        if self.steps is not None:
            return f"{self.steps:,} steps each"
        if self.samples is not None:
            return f"{self.samples:,} samples each"
        return f"{self.epochs:g} epochs each"


def study_names() -> list[str]:
    """Names of the studies that come with facevid."""
    folder = resources.files("facevid.recipes").joinpath("study")
    return sorted(Path(f.name).stem for f in folder.iterdir() if f.name.endswith(".yaml"))


def read_study(source: str | Path | Mapping[str, Any] | Study, changes: Sequence[str] = ()) -> Study:
    """A study by its name, its file, or as a mapping; `changes` such as "optimisation.compile=true" follow its own.

    Raises BenchError that names every field that is wrong, its value and what is allowed.
    """
    body, where = (source.model_dump(), source.name) if isinstance(source, Study) else _body(source)
    if changes:
        body = {**body, "changes": [*(body.get("changes") or ()), *changes]}
    try:
        return Study.model_validate(body)
    except ValidationError as error:
        faults = "; ".join(told(fault, what="study", known=_fields) for fault in error.errors())
        raise BenchError(f"the study {where} cannot be used. {faults}.") from None


def _body(source: str | Path | Mapping[str, Any]) -> tuple[Any, str]:
    if isinstance(source, Mapping):
        return dict(source), str(source.get("name", "given"))
    path = Path(source)
    if str(source) in study_names():
        text = resources.files("facevid.recipes").joinpath("study").joinpath(f"{source}.yaml").read_text()
    elif path.suffix in (".yaml", ".yml") and path.is_file():
        text = path.read_text(encoding="utf-8")
    else:
        raise BenchError(
            f"there is no study {source}; give a YAML file, or one of: {', '.join(study_names())}. A table of runs is "
            "a .csv, .parquet or .jsonl file."
        )
    try:
        body = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BenchError(f"the study {source} is no YAML: {error}.") from None
    if not isinstance(body, dict):
        raise BenchError(f"the study {source} is no mapping of fields to values.")
    return body, str(source)


def _fields(path: Sequence[Any]) -> list[str]:
    parts: dict[str, type[BaseModel]] = {"data": StudyData, "sizes": StudySize, "fit": FitSettings}
    if "resources" in path:
        return list(Needs.model_fields)
    return list(parts.get(str(path[0]) if path else "", Study).model_fields)


def _refuse_set_here(change: str) -> None:
    field = change.partition("=")[0].strip()
    if field in _SET_HERE:
        raise ValueError(
            f"{change!r}: {field} is set by {_SET_HERE[field]} of the study; leave it out of changes"
        )


def _tuple(value: Any) -> Any:
    """YAML has lists, and what is read is frozen."""
    return tuple(value) if isinstance(value, list) else value
