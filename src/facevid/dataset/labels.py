"""Labels that a manifest gives for spans of a source, made into statements about the clips that were cut there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from facevid.dataset.spans import Span, centre_of, owns, read_spans, spans_of
from facevid.dataset.statements import Statement, source_of, to_table
from facevid.dataset.vocabulary import VocabularyError

LABEL_KINDS = ("attribute", "action", "caption", "transcript")
LABELLED_BY = ("self", "annotator", "model")
FROM_LABELS = "manifest label"
"""What `detail.from` of every statement says that was made of a label; a build makes these anew."""
_SPOKEN_INSIDE = 0.9
"""A transcript is a clip's where this share of its time, or more, lies in the clip: others tell words not heard."""
_BATCH = 1000


def check_label(label: Any) -> dict[str, Any]:
    """A label as the column `spans` keeps it; raises ValueError with a sentence for one that is none.

    label: kind, name, value, by, and where known start_s, end_s (seconds of the file), who (the corpus or annotator)
    and confidence. Whether the vocabulary has its name and value is `understood`'s to say.
    """
    if not isinstance(label, Mapping):
        raise ValueError(f"a label must be a JSON object, not {label!r}")
    row = {name: label.get(name) for name in _FIELDS}
    if row["kind"] not in LABEL_KINDS:
        raise ValueError(f"a label cannot be of kind {row['kind']!r}; allowed: {', '.join(LABEL_KINDS)}")
    if not isinstance(row["by"], str) or source_of(row["by"]) not in LABELLED_BY:
        raise ValueError(f"a label cannot be by {row['by']!r}; allowed: self, annotator, model:NAME")
    if row["name"] is None:
        raise ValueError(f"a label of kind {row['kind']} needs a name")
    for name in ("start_s", "end_s", "confidence"):
        row[name] = _number(name, row[name])
    start, end = row["start_s"], row["end_s"]
    if (start is None) != (end is None) or (start is not None and not 0 <= start <= end):
        raise ValueError(
            f"a label cannot last from {start} to {end} s; give both times in this order, or none"
        )
    if row["confidence"] is not None and not 0 <= row["confidence"] <= 1:
        raise ValueError(f"a label's confidence lies from 0 to 1 and cannot be {row['confidence']:g}")
    row["name"], row["value"] = str(row["name"]), "" if row["value"] is None else str(row["value"])
    return {name: value for name, value in row.items() if value is not None}


def understood(label: Mapping[str, Any]) -> bool:
    """Whether the vocabulary has the label's name and value; if not, it stays in the sources table alone."""
    return _known(label["kind"], label["name"], label["value"], label["by"])


def clip_labels(clip: Mapping[str, Any], source: Mapping[str, Any], spans: Sequence[Span]) -> list[Statement]:
    """What the labels of a source say of one clip: its row of the clips table, of the sources table, the spans.

    Times become seconds of the clip. A label without times speaks of its whole span: attributes and captions go to the
    clips that lie in it with half of their length, an action lasts the whole clip, and its detail says that its times
    are not known. A transcript goes to a clip that holds .9 of its time.
    """
    start, end, centre = float(clip["start_s"]), float(clip["end_s"]), centre_of(clip, source)
    out = []
    for span in spans_of(spans, start, end, centre):
        owned = owns(span, start, end)
        for label in span.labels:
            if understood(label):
                times = _times(label, span, start, end, source.get("duration_s"), owned=owned)
                if times is not None:
                    out.append(_statement(clip["clip_id"], label, *times))
    return out


def label_tables(clips: Sequence[Mapping[str, Any]], sources: pa.Table) -> Iterator[pa.Table]:
    """Statements of all labels, some thousand clips at a time, in the order of the clips given."""
    if "spans" not in sources.column_names or sources["spans"].null_count == len(sources):
        return
    spanned = {s["source_id"]: s for s in sources.filter(pc.is_valid(sources["spans"])).to_pylist()}
    spans = {source_id: read_spans(row["spans"]) for source_id, row in spanned.items()}
    left = (clip for clip in clips if clip["source_id"] in spanned)
    while batch := list(islice(left, _BATCH)):
        yield to_table(
            statement
            for clip in batch
            for statement in clip_labels(clip, spanned[clip["source_id"]], spans[clip["source_id"]])
        )


def from_labels(table: pa.Table) -> pa.Array:
    """Which statements of a table were made of labels."""
    return pc.fill_null(pc.starts_with(table["detail"], f'{{"from": "{FROM_LABELS}"'), False)


_FIELDS = ("kind", "name", "value", "start_s", "end_s", "by", "who", "confidence")


def _times(
    label: Mapping[str, Any], span: Span, start: float, end: float, source_s: float | None, *, owned: bool
) -> tuple[float | None, float | None, bool] | None:
    """Seconds of the clip in which the label holds, and whether its own are known; None where it does not hold."""
    timed = "start_s" in label
    last = (source_s or math.inf) if span.end_s is None else span.end_s
    low, high = (label["start_s"], label["end_s"]) if timed else (span.start_s or 0.0, last)
    inside = min(high, end) - max(low, start)
    if inside < 0 or (inside == 0 and high > low) or not (timed or owned):
        return None
    if label["kind"] == "transcript" and inside < _SPOKEN_INSIDE * (high - low):
        return None
    if label["kind"] != "action" and (not timed or (low <= start and high >= end)):
        return None, None, timed
    return round(max(low, start) - start, 6), round(min(high, end) - start, 6), timed


def _statement(
    clip_id: str, label: Mapping[str, Any], start_s: float | None, end_s: float | None, timed: bool
) -> Statement:
    detail: dict[str, Any] = {"from": FROM_LABELS}
    if label["kind"] == "action" and not timed:
        detail["times"] = "unknown"
    return Statement(
        clip_id, label["kind"], label["name"], label["value"], label["by"], confidence=label.get("confidence"),
        start_s=start_s, end_s=end_s, who=None if label.get("who") is None else str(label["who"]), detail=detail,
    )  # fmt: skip


@lru_cache(maxsize=65536)
def _known(kind: str, name: str, value: str, by: str) -> bool:
    times = (0.0, 0.0) if kind == "action" else (None, None)
    try:
        Statement("", kind, name, value, by, start_s=times[0], end_s=times[1])
    except VocabularyError:
        return False
    return True


def _number(name: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"a label's {name} must be a number, not {value!r}")
    return float(value)
