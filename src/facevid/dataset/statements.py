"""Statements about clips: who said what with which confidence; all are kept, and an order decides which is shown.

A statement is one row of the table `annotations`. What is shown of them stands in the clips table: `attributes`,
`actions`, `captions`, `caption` and `transcript`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facevid.dataset.vocabulary import ATTRIBUTES, VocabularyError, attribute, check_action

SHOWN_ORDER = ("self", "annotator", "model", "measured")
"""Whose value is shown where several were given: the first of these that gave one, then the most confident."""

KINDS = ("attribute", "action", "caption", "transcript", "review")
REVIEW_VALUES = ("keep", "reject")
UNKNOWN = "unknown"
MAY_WITHDRAW = ("self", "annotator")
"""Who may say that an attribute is unknown or no caption of a length right: what ranks after it is then not shown."""
CAPTION_LENGTHS = ("short", "medium", "long")
_BATCH = 1000  # clips whose statements are Python objects at once


@dataclass(frozen=True)
class Statement:
    """What somebody or something says of one clip.

    kind: "attribute", "action", "caption", "transcript" or "review". name: the attribute, the action, the caption's
    length ("short", "medium", "long"), the transcript's language, or "keep" for a review. value: of an attribute its
    value, of a caption or transcript the text, of a review "keep" or "reject"; empty for an action. Of an attribute or
    a caption a person may also say "unknown", which hides what models and measures say there: the value cannot be
    told, the caption was rejected. start_s, end_s: seconds from the clip's start, None for the whole clip. confidence:
    0 to 1, None where nobody said how sure. by: "self", "annotator", "model:NAME" or "measured:NAME". who: the
    annotator's id, None otherwise. detail: what else is known (JSON-able), such as the numbers measured.
    """

    clip_id: str
    kind: str
    name: str
    value: str
    by: str
    confidence: float | None = None
    start_s: float | None = None
    end_s: float | None = None
    who: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise VocabularyError(
                f"A statement cannot be of kind {self.kind!r}; allowed: {', '.join(KINDS)}."
            )
        if source_of(self.by) not in SHOWN_ORDER:
            raise VocabularyError(
                f"by cannot be {self.by!r}; allowed: self, annotator, model:NAME, measured:NAME."
            )
        if self.confidence is not None and not 0 <= self.confidence <= 1:
            raise VocabularyError(f"confidence cannot be {self.confidence}; it lies from 0 to 1.")
        if self.kind == "attribute":
            known = attribute(self.name)
            if self.value != UNKNOWN or source_of(self.by) not in MAY_WITHDRAW:
                object.__setattr__(self, "value", known.check(self.value))
        elif self.kind == "action":
            check_action(self.name)
            if self.start_s is None or self.end_s is None or self.end_s < self.start_s:
                raise VocabularyError(f"The action {self.name!r} needs start_s and end_s, in this order.")
        elif self.kind == "caption":
            if self.name not in CAPTION_LENGTHS:
                raise VocabularyError(f"A caption is {', '.join(CAPTION_LENGTHS)}, not {self.name!r}.")
            if self.value == UNKNOWN and source_of(self.by) not in MAY_WITHDRAW:
                raise VocabularyError(
                    f"A caption by {self.by} cannot be {UNKNOWN!r}, by which {' or '.join(MAY_WITHDRAW)} says that "
                    "none is right; allowed: its text, or no statement."
                )
        elif self.kind == "review" and (self.name != "keep" or self.value not in REVIEW_VALUES):
            raise VocabularyError(
                f"A review is named keep and says {' or '.join(REVIEW_VALUES)}, not {self.name!r}: {self.value!r}."
            )


def source_of(by: str) -> str:
    """ "self", "annotator", "model" or "measured" of a statement's `by`."""
    return by.split(":", 1)[0]


_S, _D, _F = pa.string(), pa.float64(), pa.float32()
_SAID = pa.struct([("value", _S), ("confidence", _F), ("by", _S)])
ANNOTATIONS: tuple[tuple[str, pa.DataType, str], ...] = (
    ("clip_id", _S, "clip"),
    ("kind", _S, "attribute, action, caption, transcript or review"),
    ("name", _S, "the attribute or action; a caption's length; a transcript's language"),
    ("value", _S, "value or text, unknown where a person withdraws it; empty for an action"),
    ("start_s", _D, "start in the clip in seconds, null for the whole clip"),
    ("end_s", _D, "end in the clip in seconds, null for the whole clip"),
    ("confidence", _F, "how sure, 0 to 1, or null"),
    ("by", _S, "who said so: self, annotator, model:NAME or measured:NAME"),
    ("who", _S, "the annotator's id, else null"),
    ("detail", _S, "JSON of what else is known, such as the numbers measured, or null"),
)
"""Columns of the table `annotations`: every statement of every source."""

LABELS: tuple[tuple[str, pa.DataType, str], ...] = (
    (
        "attributes",
        pa.struct([(name, _SAID) for name in ATTRIBUTES]),
        "per attribute the value shown, its confidence and who said so; null where unknown",
    ),
    (
        "actions",
        pa.list_(pa.struct([("name", _S), ("start_s", _D), ("end_s", _D), ("confidence", _F), ("by", _S)])),
        "actions in the clip by their start, in seconds of the clip; null where nobody looked",
    ),
    (
        "caption",
        _S,
        "the caption shown: of medium length, a person's or a model's before the grammar's; null where withdrawn",
    ),
    (
        "captions",
        pa.list_(pa.struct([("length", _S), ("text", _S), ("by", _S)])),
        "all captions that nobody withdrew; null where there is none",
    ),
    (
        "transcript",
        pa.struct([("text", _S), ("language", _S), ("confidence", _F), ("by", _S)]),
        "what is said, or null",
    ),
    ("review", _S, "keep or reject where somebody looked at the clip as a whole, or null"),
)
"""Columns that the clips table gets from the statements."""
LABEL_COLUMNS = frozenset(name for name, _, _ in LABELS)


def to_table(statements: Iterable[Statement]) -> pa.Table:
    """Statements as rows of the table `annotations`, sorted, each once."""
    return combined(pa.Table.from_pylist([_row(s) for s in statements], _schema(ANNOTATIONS)))


def combined(*tables: pa.Table) -> pa.Table:
    """The rows of several tables of statements, each once, sorted by clip and then by all other columns."""
    rows = pa.concat_tables(tables)
    names = [name for name, _, _ in ANNOTATIONS]
    rows = rows.group_by(names, use_threads=False).aggregate([]).select(names).cast(_schema(ANNOTATIONS))
    return rows.sort_by([(name, "ascending") for name in names]) if rows.num_rows else rows


def from_table(table: pa.Table) -> list[Statement]:
    """Rows of the table `annotations` as statements."""
    return [
        Statement(**{**row, "detail": json.loads(row["detail"]) if row["detail"] else {}})
        for row in table.to_pylist()
    ]


def shown(statements: Sequence[Statement]) -> dict[str, Any]:
    """The label columns of one clip from all statements about it, by `SHOWN_ORDER`.

    Of several values that one source gives for parts of a clip, the one that lasts longest is shown.
    An action list is taken whole from the first source that gives any actions, since lists of two sources cannot be
    mixed without naming one action twice. Where a person withdrew the medium caption and nobody wrote a better one,
    `caption` is None: a caption of another length does not stand in for one that was found wrong.
    """
    best = sorted(statements, key=_rank)
    attributes: dict[str, Any] = {}
    for s in best:
        if s.kind == "attribute" and s.name not in attributes:
            label = {"value": s.value, "confidence": s.confidence, "by": s.by}
            attributes[s.name] = None if s.value == UNKNOWN else label
    attributes = {name: label for name, label in attributes.items() if label is not None}
    acted = [s for s in best if s.kind == "action"]
    actions = [
        {"name": s.name, "start_s": s.start_s, "end_s": s.end_s, "confidence": s.confidence, "by": s.by}
        for s in sorted(acted, key=lambda s: (s.start_s, s.end_s, s.name))
        if source_of(s.by) == source_of(acted[0].by)
    ]
    said, withdrawn = _captions([s for s in best if s.kind == "caption"])
    captions = [{"length": s.name, "text": s.value, "by": s.by} for s in said]
    stands_in = None if "medium" in withdrawn or not said else said[0].value
    heard = next((s for s in best if s.kind == "transcript"), None)
    return {
        "attributes": attributes or None,
        "actions": actions if acted else None,
        "caption": next((s.value for s in said if s.name == "medium"), stands_in),
        "captions": captions or None,
        "transcript": (
            {"text": heard.value, "language": heard.name, "confidence": heard.confidence, "by": heard.by}
            if heard
            else None
        ),
        "review": next((s.value for s in best if s.kind == "review"), None),
    }


def with_labels(clips: pa.Table, annotations: pa.Table) -> pa.Table:
    """Rows of the clips table with their label columns made anew from the statements, null where there are none."""
    bare = clips.drop_columns([c for c in clips.column_names if c in LABEL_COLUMNS])
    place = pc.index_in(annotations["clip_id"], value_set=bare["clip_id"].combine_chunks())
    place = np.asarray(pc.fill_null(place, -1))
    order = np.argsort(place, kind="stable")
    ends = np.searchsorted(place[order], np.arange(len(bare) + 1))
    # What is shown never depends on a detail, which takes longer to read than all else.
    statements = annotations.drop_columns(["detail"])
    parts = [_schema(LABELS).empty_table()]
    for first in range(0, len(bare), _BATCH):
        last = min(first + _BATCH, len(bare))
        said = [Statement(**row) for row in statements.take(order[ends[first] : ends[last]]).to_pylist()]
        bounds = ends[first : last + 1] - ends[first]
        rows = [shown(said[a:b]) for a, b in pairwise(bounds.tolist())]
        parts.append(pa.Table.from_pylist(rows, _schema(LABELS)))
    labels = pa.concat_tables(parts)
    for column in labels.schema:
        bare = bare.append_column(column, labels[column.name])
    return bare


def _captions(best: Sequence[Statement]) -> tuple[list[Statement], set[str]]:
    """The captions that are shown, by length and then as ranked, and the lengths that a person withdrew.

    Of two people equally sure, one who rejects and one who writes, the text is shown.
    """
    said: list[Statement] = []
    withdrawn: set[str] = set()
    for s in sorted(best, key=lambda s: (*_rank(s)[:2], s.value == UNKNOWN)):
        if s.value == UNKNOWN:
            withdrawn.add(s.name)
        elif s.name not in withdrawn:
            said.append(s)
    return sorted(said, key=lambda s: CAPTION_LENGTHS.index(s.name)), withdrawn


def _rank(s: Statement) -> tuple[Any, ...]:
    sure = -1.0 if s.confidence is None else s.confidence
    # Of an emotion that changes, the value that holds longest is the clip's; what holds throughout comes first.
    lasts = math.inf if s.start_s is None or s.end_s is None else s.end_s - s.start_s
    return (SHOWN_ORDER.index(source_of(s.by)), -sure, s.by, s.who or "", s.kind, s.name, -lasts, s.value)


def _row(s: Statement) -> dict[str, Any]:
    detail = json.dumps(dict(s.detail), sort_keys=True, ensure_ascii=False) if s.detail else None
    return {name: getattr(s, name) for name, _, _ in ANNOTATIONS} | {"detail": detail}


def _schema(columns: Sequence[tuple[str, pa.DataType, str]]) -> pa.Schema:
    return pa.schema([pa.field(n, t, metadata={"description": d}) for n, t, d in columns])
