"""The recipe's rules of people: which stretches are left out for their licence, for want of consent, or for an age."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from facevid.curate.select import REJECTED_COLUMNS
from facevid.dataset.ages import years
from facevid.dataset.rights import has_consent, licence_is
from facevid.dataset.spans import Span, centre_of, owners, read_spans
from facevid.recipe import People

Verdict = tuple[str, float | None, float | None]
"""Reason, value and threshold."""


def judge_people(
    stretches: pa.Table, sources: Sequence[Mapping[str, Any]], rules: People
) -> tuple[pa.Table, pa.Table]:
    """The stretches that may be kept, and the others as rejected rows with `licence`, `consent` or `age`.

    A stretch is judged by what its spans say, and by its source where those say nothing; of several spans each must
    pass. The first rule that fails is the reason, in that order.
    """
    if not (rules.require_consent or rules.licences is not None or rules.minimum_age is not None):
        return stretches, REJECTED_COLUMNS.empty_table()
    known = {str(s["source_id"]): _Judged.of(s, rules) for s in sources}
    names = ("source_id", "start_s", "end_s", "face_x", "face_y")
    rows = zip(*(stretches[name].to_pylist() for name in names), strict=True)
    verdicts = [known[source_id].verdict(*place) for source_id, *place in rows]
    passed = pa.array([v is None for v in verdicts], pa.bool_())
    failed = stretches.filter(pc.invert(passed))
    return stretches.filter(passed), _rejected(failed, [v for v in verdicts if v is not None])


def youngest(source: Mapping[str, Any], span: Span | None) -> float | None:
    """The lowest age that is stated or labelled for a source, or for one span of it; None where none is known."""
    said = list(_ages(_stated(source)))
    if span is not None:
        said += _ages(span.self_reported)
        said += [
            label["value"] for label in span.labels if (label["kind"], label["name"]) == ("attribute", "age")
        ]
    return min((age for age in map(years, said) if age is not None), default=None)


def _stated(source: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the people of a source stated about themselves."""
    stated: dict[str, Any] = json.loads(source.get("self_reported") or "{}")
    return stated


def _ages(stated: Mapping[str, Any]) -> Iterator[Any]:
    return (value for name, value in stated.items() if str(name).strip().lower() == "age")


@dataclass(frozen=True)
class _Judged:
    """A source with the verdicts on its spans, or the one that holds for all of it."""

    source: Mapping[str, Any]
    spans: tuple[Span, ...]
    each: tuple[Verdict | None, ...]
    whole: Verdict | None

    @classmethod
    def of(cls, source: Mapping[str, Any], rules: People) -> _Judged:
        spans = read_spans(source.get("spans"))
        whole, each = _verdict(source, None, rules), [_verdict(source, span, rules) for span in spans]
        if all(verdict == each[0] for verdict in each):
            return cls(source, (), (), each[0] if each else whole)
        return cls(source, spans, tuple(each), whole)

    def verdict(
        self, start_s: float, end_s: float, face_x: float | None, face_y: float | None
    ) -> Verdict | None:
        """Of a stretch: that of the source, or the first of its spans' that is one."""
        if not self.spans:
            return self.whole
        centre = centre_of({"face_x": face_x, "face_y": face_y}, self.source)
        mine = owners(self.spans, start_s, end_s, centre)
        found = [v for span, v in zip(self.spans, self.each, strict=True) if any(span is m for m in mine)]
        return next((v for v in found if v is not None), None) if found else self.whole


def _verdict(source: Mapping[str, Any], span: Span | None, rules: People) -> Verdict | None:
    def said(name: str) -> str | None:
        value = span.facts.get(name) if span is not None else None
        return source.get(name) if value is None else value

    if rules.licences is not None and not licence_is(said("licence"), rules.licences):
        return "licence", None, None
    if rules.require_consent and not has_consent(said("consent")):
        return "consent", None, None
    if rules.minimum_age is not None:
        age = youngest(source, span)
        if age is not None and age < rules.minimum_age:
            return "age", age, float(rules.minimum_age)
    return None


def _rejected(failed: pa.Table, verdicts: Sequence[Verdict]) -> pa.Table:
    reasons, values, thresholds = (
        (list(column) for column in zip(*verdicts, strict=True)) if verdicts else ([], [], [])
    )
    said = {
        "reason": pa.array(reasons, pa.string()),
        "score": pa.array(reasons, pa.string()),
        "value": pa.array(values, pa.float64()),
        "threshold": pa.array(thresholds, pa.float64()),
        "duplicate_of": pa.nulls(len(failed), pa.string()),
    }
    columns = [said[name] if name in said else failed[name] for name in REJECTED_COLUMNS.names]
    return pa.Table.from_arrays(columns, schema=REJECTED_COLUMNS)
