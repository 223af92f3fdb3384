"""All metrics of a table of videos by all attributes and crossings asked for, with p values for the whole report."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil

import numpy as np
import pyarrow as pa

from facevid.bench.errors import BenchError
from facevid.bench.groups.compare import Aim, Comparison, Labels, check_values
from facevid.bench.groups.holm import adjusted
from facevid.bench.groups.labels import crossed
from facevid.bench.groups.sample import Bools, Floats, numbered
from facevid.bench.groups.settings import GroupSettings
from facevid.bench.measures.metric import Metric
from facevid.bench.result import GroupResult

PERSON = "person"
PREFIX = "group_"

_RARE = 10
"""So few deals with a gap as large leave p so unsure (a third of itself, or more) that more are dealt."""


def report_groups(
    table: pa.Table,
    *,
    attributes: Sequence[Sequence[str]],
    metrics: Sequence[Metric],
    real_means: Mapping[str, float],
    settings: GroupSettings | None = None,
) -> list[GroupResult]:
    """Every metric by every set of attributes, one after the other: results for attributes[0] first.

    table: videos.parquet, one row a video, with the column "person" (null: a person of its own), a column
    "group_<attribute>" of texts (null or "unknown": not known) for each attribute named, and one of numbers for each
    metric (null or NaN: the video lacks it). attributes: such as [["gender"], ["gender", "skin_tone"]], the latter
    crossed. real_means: of the metrics that are best "as real", as far as they are known. Each result is that of
    `compare_groups`, except for what follows.

    p_adjusted: Holm's over all results that have a p, say m. No p of d deals is below 1 / (1 + d), so that with many
    results none could be told from chance: where fewer than 10 deals of the first had a gap as large, labels are dealt
    2 m / (1 - level) times in all if that is more, and a gap that was never reached has a p_adjusted below half of
    1 - level. Such a p in two stages stays right: only those that are small after the first are looked at again, and
    what then counts is the p of all deals (after Besag and Clifford, "Sequential Monte Carlo p-values", 1991).

    Raises BenchError where a column is missing or not of its kind, a value is infinite, or a set of attributes is empty
    or names one twice.
    """
    chosen = settings or GroupSettings()
    people = numbered(_texts(table, PERSON))
    bundles = _bundles(table, metrics)
    comparisons: list[tuple[list[int], Comparison]] = []
    for at, names in enumerate(attributes):
        labels = Labels.of(crossed([_texts(table, PREFIX + name) for name in _checked(names)]))
        for has, values, columns in bundles:
            aims = [Aim(metrics[j].name, metrics[j].better, real_means.get(metrics[j].name)) for j in columns]
            places = [at * len(metrics) + j for j in columns]
            comparisons.append((places, Comparison(values, has, labels, people, names, aims, chosen)))
    return adjusted(_looked_at_again(comparisons, chosen))


def _looked_at_again(
    comparisons: Sequence[tuple[list[int], Comparison]], settings: GroupSettings
) -> list[GroupResult]:
    """The results in their places, those of small p with more deals."""
    found: dict[int, GroupResult] = {}
    for places, comparison in comparisons:
        found |= zip(places, comparison.results(), strict=True)
    tests = sum(one.p is not None for one in found.values())
    first, last = settings.permutations, ceil(2 * tests / (1 - settings.level))
    for places, comparison in comparisons if last > first else []:
        counts = {
            j: round(p * (1 + first)) - 1
            for j, place in enumerate(places)
            if (p := found[place].p) is not None and p * (1 + first) < 1 + _RARE - 0.5
        }
        if counts:
            more = comparison.as_large(list(counts), first, last)
            for (j, count), added in zip(counts.items(), more, strict=True):
                p = (1 + count + int(added)) / (1 + last)
                found[places[j]] = replace(found[places[j]], p=p)
    return [found[place] for place in sorted(found)]


_Bundle = tuple[Bools, Floats, list[int]]


def _bundles(table: pa.Table, metrics: Sequence[Metric]) -> list[_Bundle]:
    """Metrics that the same videos have: which videos (n,), the values (h, m), and the numbers of the metrics."""
    columns = [_numbers(table, metric.name) for metric in metrics]
    alike: dict[bytes, list[int]] = defaultdict(list)
    for j, column in enumerate(columns):
        alike[np.isnan(column).tobytes()].append(j)
    bundles = []
    for numbers in alike.values():
        has = ~np.isnan(columns[numbers[0]])
        bundles.append((has, np.stack([columns[j][has] for j in numbers], axis=1), numbers))
    return bundles


def _checked(names: Sequence[str]) -> Sequence[str]:
    if isinstance(names, str) or not names or len(set(names)) < len(names):
        raise BenchError(
            f"{names!r} is no set of attributes; name one or more, each once, such as ['gender', 'skin_tone']."
        )
    return names


def _numbers(table: pa.Table, name: str) -> Floats:
    kind = _field(table, name).type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        raise BenchError(f"the column {name} of the videos holds {kind}; a metric is a column of numbers.")
    values = table[name].cast(pa.float64()).to_numpy().astype(np.float64)
    check_values(values, name)
    return np.asarray(values, np.float64)


def _texts(table: pa.Table, name: str) -> list[str | None]:
    kind = _field(table, name).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)):
        raise BenchError(
            f"the column {name} of the videos holds {kind}; it must hold texts: give numbers as the names of their "
            "ranges."
        )
    return list(table[name].to_pylist())


def _field(table: pa.Table, name: str) -> pa.Field:
    if table.column_names.count(name) != 1:
        raise BenchError(
            f"the table of videos has {table.column_names.count(name)} columns called {name}, and it takes one; it has "
            f"{', '.join(table.column_names)}."
        )
    return table.schema.field(name)
