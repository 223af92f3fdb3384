"""`compare` holds the figures of several benchmarks side by side and says which may be compared, and who is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any, Literal

import pyarrow as pa

from facevid.bench.errors import BenchError
from facevid.bench.measures.metric import Better
from facevid.bench.page import compare_text
from facevid.bench.page.alike import Difference, differences, labels
from facevid.bench.page.judge import Verdict, apart, measured, off, off_interval
from facevid.bench.page.pairs import Paired, paired
from facevid.bench.page.words import Interval, better_of, in_order, title_of, unit_of
from facevid.bench.result import DistanceResult, Result

_KIND = ("kind", "dimensions", "ddof", "kernel", "unbiased", "scale")


@dataclass(frozen=True)
class Value:
    """One result's value of a row.

    value: None where it was not measured, which `note` then says. n: videos. real: the real mean, of metrics. All
    further ones are None for the first result and where the row is not comparable: difference: to the first; apart:
    whether the intervals of the two have no point in common; paired: the videos of both that were asked for alike, held
    against each other; verdict: against the first, by the pairs where there are some, else "not clear" where it cannot
    be told from the intervals.
    """

    value: float | None
    interval: Interval | None
    n: int
    missing: int
    real: float | None = None
    difference: float | None = None
    apart: bool | None = None
    paired: Paired | None = None
    verdict: Verdict | None = None
    note: str | None = None


@dataclass(frozen=True)
class Row:
    """A distance or a metric over all results.

    better: None for a metric that this facevid does not know. comparable: whether the values may be held against each
    other; `why` says why not. best: the index of the best value; clear: whether its interval lies apart from all others
    (for "as real" the interval of how far the mean is from the real one).
    """

    kind: Literal["distance", "metric"]
    name: str
    title: str
    unit: str
    better: Better | None
    values: list[Value]
    comparable: bool = True
    why: str | None = None
    best: int | None = None
    clear: bool = False


@dataclass(frozen=True)
class Comparison:
    """What `compare` found. names: of the results; labels: A, B, C ... in the same order. differences: in which they
    were not measured alike; none where all may be compared."""

    names: list[str]
    labels: list[str]
    differences: list[Difference]
    distances: list[Row]
    metrics: list[Row]

    @property
    def alike(self) -> bool:
        """Whether all were measured alike: same real videos, shape, settings, readers and facevid."""
        return not self.differences

    @property
    def distances_comparable(self) -> bool:
        """Whether real videos and shape are the same, without which no distance can be held against another."""
        return not any(one.parts_distances for one in self.differences)

    def sentences(self) -> list[str]:
        """Whether the results may be compared, and each difference, in sentences."""
        return compare_text.sentences(self)

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {**asdict(self), "alike": self.alike, "distances_comparable": self.distances_comparable}

    def text(self) -> str:
        """As plain tables for a terminal."""
        return compare_text.text(self)


_Pairs = Mapping[tuple[int, int], Mapping[str, Paired]]


def compare(results: Sequence[Result], videos: Sequence[pa.Table | None] | None = None) -> Comparison:
    """Hold results side by side, the others against the first.

    videos: the table of each (`videos.parquet`), by which videos that were asked for alike are held against each other
    one by one; where they lack, means are compared by their intervals alone, which tell less.

    Results that were not measured alike are compared as far as they can be: of other real videos or another shape only
    the metrics. That intervals overlap does not show that two are equal: it leaves open which is better. Raises
    BenchError for fewer than two results, or another number of tables.
    """
    if len(results) < 2:
        raise BenchError("one report alone cannot be compared; give two or more.")
    if videos is not None and len(videos) != len(results):
        raise BenchError(
            f"{len(videos)} tables of videos were given for {len(results)} reports; give one for each."
        )
    called = labels(len(results))
    found = differences(results, called)
    parted = any(one.parts_distances for one in found)
    names = dict.fromkeys(d.name for one in results for d in one.distances)
    metrics = in_order(m.name for one in results for m in one.metrics)
    pairs = {} if videos is None else _pairs(results, videos, metrics)
    return Comparison(
        names=[one.name for one in results],
        labels=called,
        differences=found,
        distances=[_judged(_distance(name, results, called, parted), {}) for name in names],
        metrics=[_judged(_metric(name, results), pairs) for name in metrics],
    )


def _pairs(results: Sequence[Result], videos: Sequence[pa.Table | None], metrics: Sequence[str]) -> _Pairs:
    """Every two results, the earlier first, with their metrics over videos that were asked for alike."""
    asked = [(name, better_of(name)) for name in metrics]
    found = {}
    for first, second in combinations(range(len(results)), 2):
        here, there = videos[first], videos[second]
        if here is None or there is None:
            continue
        real = {m.name: None if m.real is None else m.real.mean for m in results[first].metrics}
        found[first, second] = paired(here, there, asked, real)
    return found


def _distance(name: str, results: Sequence[Result], called: Sequence[str], parted: bool) -> Row:
    held = [next((d for d in one.distances if d.name == name), None) for one in results]
    title = next(d.title for d in held if d is not None)
    why = "real videos or shape differ" if parted else _unlike(held, called)
    values = [_distance_value(one) for one in held]
    return Row("distance", name, title, "", "lower", values, comparable=why is None, why=why)


def _distance_value(one: DistanceResult | None) -> Value:
    if one is None:
        return Value(None, None, 0, 0, note="not measured")
    found = measured(one)
    if found is None:
        return Value(None, None, one.n_made, one.missing_made, note=one.why or "too few videos")
    return Value(found.value, found.interval, one.n_made, one.missing_made)


def _unlike(held: Sequence[DistanceResult | None], called: Sequence[str]) -> str | None:
    """Why values of a distance cannot be held against each other, although data and shape are the same."""
    there = [
        (d, d.found, name)
        for d, name in zip(held, called, strict=True)
        if d is not None and d.found is not None
    ]
    if not there:
        return None
    first, first_found, first_name = there[0]
    for other, found, name in there[1:]:
        pair = f"{first_name} and {name}"
        if other.about != first.about:
            return f"the features of {pair} differ"
        for key in _KIND:
            if found.get(key) != first_found.get(key):
                return f"{key} of {pair} differs"
        sizes, first_sizes = (other.n_real, other.n_made), (first.n_real, first.n_made)
        if sizes != first_sizes and not found.get("unbiased"):
            return (
                f"it depends on the number of videos, and {first_name} has {_sizes(first_sizes)}, "
                f"{name} {_sizes(sizes)}"
            )
    return None


def _sizes(sizes: tuple[int, int]) -> str:
    return f"{sizes[0]:,} real and {sizes[1]:,} made"


def _metric(name: str, results: Sequence[Result]) -> Row:
    values = []
    for one in results:
        found = next((m for m in one.metrics if m.name == name), None)
        if found is None:
            values.append(Value(None, None, 0, 0, note="not measured"))
            continue
        made, real = found.made, found.real
        note = None if made.mean is not None else "no video has it"
        values.append(
            Value(
                made.mean, made.interval, made.n, made.missing, None if real is None else real.mean, note=note
            )
        )
    return Row("metric", name, title_of(name), unit_of(name), better_of(name), values)


def _judged(row: Row, pairs: _Pairs) -> Row:
    """The row with differences and verdicts against the first, and the best of all."""
    if not row.comparable:
        return row
    first = row.values[0]
    values = [first]
    for k, one in enumerate(row.values[1:], 1):
        values.append(_against(one, first, row.better, pairs.get((0, k), {}).get(row.name)))
    return replace(row, values=values, **_best(row, pairs))


def _against(one: Value, first: Value, better: Better | None, pair: Paired | None) -> Value:
    if one.value is None or first.value is None:
        return one
    apart_ = None
    if one.interval is not None and first.interval is not None:
        apart_ = apart(one.interval, first.interval)
    return replace(
        one,
        difference=one.value - first.value,
        apart=apart_,
        paired=pair,
        verdict=None if better is None else _verdict(one, first, better) if pair is None else pair.verdict,
    )


def _verdict(one: Value, first: Value, better: Better) -> Verdict | None:
    """None where an interval or the real mean lacks."""
    if one.interval is None or first.interval is None:
        return None
    mine = off_interval(one.interval, better, one.real)
    theirs = off_interval(first.interval, better, first.real)
    if mine is None or theirs is None:
        return None
    if not apart(mine, theirs):
        return "not clear"
    return "better" if mine[1] < theirs[0] else "worse"


def _best(row: Row, pairs: _Pairs) -> dict[str, Any]:
    better = row.better
    if better is None:
        return {}
    offs = {
        k: at
        for k, one in enumerate(row.values)
        if one.value is not None and (at := off(one.value, better, one.real)) is not None
    }
    if len(offs) < 2:
        return {}
    best = min(offs, key=lambda k: offs[k])

    def worse(k: int) -> bool:
        pair = pairs.get((min(k, best), max(k, best)), {}).get(row.name)
        if pair is None:
            return _verdict(row.values[k], row.values[best], better) == "worse"
        return pair.verdict == ("worse" if best < k else "better")

    return {"best": best, "clear": all(worse(k) for k in offs if k != best)}
