"""The recipe's rules of people: which stretches are left out for their licence, for want of consent, or for an age."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from facevid.curate.select import REJECTED_COLUMNS
from facevid.dataset.rights import has_consent, licence_is
from facevid.dataset.spans import Span, centre_of, owners, read_spans
from facevid.recipe import People

_NUMBER = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:[-–]\s*\d+(?:\.\d+)?)?\s*(?:years?|y)?\s*", re.IGNORECASE)

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
    known = {s["source_id"]: (s, read_spans(s.get("spans"))) for s in sources}
    whole = {key: _verdict(s, None, rules) for key, (s, spans) in known.items() if not spans}
    ids = stretches["source_id"].to_pylist()
    verdicts: list[Verdict | None] = [whole.get(source_id) for source_id in ids]
    places = stretches.select(["start_s", "end_s", "face_x", "face_y"])
    for number, source_id in enumerate(ids):
        if source_id not in whole:
            row = {name: places[name][number].as_py() for name in places.column_names}
            verdicts[number] = _by_spans(row, *known[source_id], rules)
    passed = pa.array([v is None for v in verdicts], pa.bool_())
    failed = stretches.filter(pc.invert(passed))
    return stretches.filter(passed), _rejected(failed, [v for v in verdicts if v is not None])


def years(value: Any) -> float | None:
    """An age in years from what a manifest or a label says: a number, or the lower end of a range; else None."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        return float(value) if math.isfinite(value) and value >= 0 else None
    found = _NUMBER.fullmatch(str(value))
    return float(found.group(1)) if found else None


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


def _by_spans(
    row: Mapping[str, Any], source: Mapping[str, Any], spans: Sequence[Span], rules: People
) -> Verdict | None:
    mine = owners(spans, row["start_s"], row["end_s"], centre_of(row, source))
    found = [_verdict(source, span, rules) for span in mine] or [_verdict(source, None, rules)]
    return next((verdict for verdict in found if verdict is not None), None)


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
