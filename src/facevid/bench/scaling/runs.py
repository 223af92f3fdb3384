"""The table of a scaling study: what each training run had (size, data), and what it came to (loss)."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from facevid.bench.scaling.errors import ScalingError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_NAMED = 5  # rows that an error names before it says "and more"


@dataclass(frozen=True)
class Runs:
    """Runs of a study, all arrays (n,).

    size: parameters N > 0. data: amount D > 0 in `unit`. loss: the metric > 0, the lower the better. compute: FLOP of
    each run, or None. seed: which of several runs alike, or None.
    """

    size: Floats
    data: Floats
    loss: Floats
    compute: Floats | None = None
    seed: Ints | None = None
    unit: str = "samples"
    metric: str = "loss"

    def __len__(self) -> int:
        return len(self.loss)

    @property
    def sizes(self) -> Floats:
        """The sizes there are, ascending."""
        return np.unique(self.size)

    @property
    def amounts(self) -> Floats:
        """The amounts of data there are, ascending."""
        return np.unique(self.data)

    def where(self, chosen: NDArray[np.bool_]) -> Runs:
        """The runs of a mask (n,)."""
        return Runs(
            self.size[chosen],
            self.data[chosen],
            self.loss[chosen],
            None if self.compute is None else self.compute[chosen],
            None if self.seed is None else self.seed[chosen],
            self.unit,
            self.metric,
        )

    def without_highest(self, count: int) -> Runs:
        """The runs less the `count` of highest loss, which are often those that failed to train."""
        if not 0 <= count < len(self):
            raise ScalingError(f"Cannot leave out {count} of {len(self)} runs; give 0 to {len(self) - 1}.")
        kept = np.ones(len(self), np.bool_)
        kept[np.argsort(self.loss, kind="stable")[len(self) - count :]] = False
        return self.where(kept)

    def factor(self) -> float:
        """k of C = k N D, FLOP for one parameter and one `unit` of data: the median over the runs.

        Raises ScalingError where the runs have no compute, or where k differs between runs by more than a tenth, so
        that no one k is theirs.
        """
        if self.compute is None:
            raise ScalingError(
                "The runs have no column of compute, so k of C = k N D is not known; name the column, or give the "
                "factor (6 for a transformer whose data is counted in tokens)."
            )
        factors = self.compute / (self.size * self.data)
        middle = float(np.median(factors))
        if factors.max() > 1.1 * middle or factors.min() < 0.9 * middle:
            raise ScalingError(
                f"Compute is not k N D with one k: it goes from {factors.min():.3g} to {factors.max():.3g} FLOP per "
                f"parameter and {self.unit}; give the factor that holds for the budget."
            )
        return middle


def read_runs(
    source: str | Path | Iterable[Mapping[str, Any]],
    *,
    size: str = "size",
    data: str | None = "data",
    loss: str = "loss",
    compute: str | None = None,
    seed: str | None = None,
    factor: float = 6.0,
    unit: str = "samples",
    metric: str = "loss",
) -> Runs:
    """A table of runs from a CSV or Parquet file, or from rows given as mappings, by the names of its columns.

    data None: the amount follows from compute, D = C / (factor N), in tokens for the factor 6 of a transformer
    (Kaplan et al. 2020, section 2.1). unit: what `data` counts. metric: what `loss` is, for sentences.

    Raises ScalingError for a file that cannot be read, a column that is not there, a value that is not a finite number
    above 0, and two runs alike without seeds to tell them apart; rows are named, the first being row 1.
    """
    where = f"{source}" if isinstance(source, str | Path) else "the given rows"
    rows = _rows(Path(source)) if isinstance(source, str | Path) else [dict(r) for r in source]
    if not rows:
        raise ScalingError(f"There are no runs in {where}; give one row for each training run.")
    if data is None and compute is None:
        raise ScalingError(
            "Neither a column of data nor one of compute is named; name at least one of the two."
        )
    sizes = _column(rows, size, where)
    losses = _column(rows, loss, where)
    flop = None if compute is None else _column(rows, compute, where)
    if data is not None:
        amounts = _column(rows, data, where)
    else:
        assert flop is not None
        if not (math.isfinite(factor) and factor > 0):
            raise ScalingError(
                f"factor is {factor}; it shall be a number above 0, such as 6 for a transformer."
            )
        amounts = flop / (factor * sizes)
    seeds = None if seed is None else _seeds(rows, seed, where)
    _refuse_duplicates(sizes, amounts, seeds, where)
    return Runs(sizes, amounts, losses, flop, seeds, unit, metric)


def size_name(size: float, digits: int = 3) -> str:
    """A number of parameters as people say it: 2B, 350M, 1.3M, 900."""
    rounded = float(f"{size:.{digits}g}")
    for unit, scale in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("K", 1e3)):
        if rounded >= scale:
            return f"{rounded / scale:.{digits}g}{unit}"
    return f"{rounded:.{digits}g}"


def distinct_names(sizes: Floats) -> list[str]:
    """Names of sizes with as many digits, from three on, as tell them apart."""
    for digits in range(3, 17):
        names = [size_name(float(s), digits) for s in sizes]
        if len(set(names)) == len(names):
            return names
    return [repr(float(s)) for s in sizes]


def size_names(sizes: Floats) -> str:
    """Sizes listed as people say them, the first few of many."""
    named = distinct_names(sizes)
    if len(named) > _NAMED:
        named = [*named[:_NAMED], f"{len(named) - _NAMED} more"]
    return " and ".join([*[", ".join(named[:-1])][: len(named) - 1], named[-1]])


def _rows(path: Path) -> list[dict[str, Any]]:
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise ScalingError(
            f"{path} is neither a .csv nor a .parquet file; a table of runs is read from those."
        )
    try:
        if suffix == ".parquet":
            return list(pq.read_table(path).to_pylist())
        with path.open(newline="", encoding="utf-8-sig") as file:
            return list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise ScalingError(f"The table of runs {path} cannot be read: {error}.") from error


def _column(rows: list[dict[str, Any]], name: str, where: str) -> Floats:
    _require(rows, name, where)
    values = np.array([_number(r.get(name)) for r in rows], np.float64)
    bad = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
    if len(bad):
        found = ", ".join(f"row {i + 1} has {rows[i].get(name)!r}" for i in bad[:_NAMED])
        raise ScalingError(
            f"Column {name!r} of {where} shall hold finite numbers above 0, but {found}{_more(len(bad))}; mend or "
            "leave out these rows."
        )
    return values


def _seeds(rows: list[dict[str, Any]], name: str, where: str) -> Ints:
    _require(rows, name, where)
    values = [_number(r.get(name)) for r in rows]
    bad = [i for i, v in enumerate(values) if not v.is_integer()]
    if bad:
        found = ", ".join(f"row {i + 1} has {rows[i].get(name)!r}" for i in bad[:_NAMED])
        raise ScalingError(
            f"Column {name!r} of {where} shall hold whole numbers, but {found}{_more(len(bad))}."
        )
    return np.array([int(v) for v in values], np.int64)


def _require(rows: list[dict[str, Any]], name: str, where: str) -> None:
    if not any(name in r for r in rows):
        there = ", ".join(repr(key) for key in rows[0])
        raise ScalingError(f"There is no column {name!r} in {where}; it has {there}.")


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _refuse_duplicates(sizes: Floats, amounts: Floats, seeds: Ints | None, where: str) -> None:
    first: dict[tuple[float, ...], int] = {}
    alike: list[tuple[int, int]] = []
    for i in range(len(sizes)):
        key = (float(sizes[i]), float(amounts[i]), *([] if seeds is None else [float(seeds[i])]))
        if key in first:
            alike.append((first[key] + 1, i + 1))
        else:
            first[key] = i
    if alike:
        pairs = ", ".join(f"rows {i} and {j}" for i, j in alike[:_NAMED])
        what = "size and data" if seeds is None else "size, data and seed"
        advice = (
            "name a column of seeds if they are repeated runs, else leave one out"
            if seeds is None
            else "give each its own seed, or leave one out"
        )
        raise ScalingError(f"In {where}, {pairs}{_more(len(alike))} have the same {what}; {advice}.")


def _more(count: int) -> str:
    return f" (and {count - _NAMED} more)" if count > _NAMED else ""
