"""Spans of a source: the stretches, faces and people that a manifest names in one file, and whose clips are whose."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Box = tuple[float, float, float, float]
Point = tuple[float, float]

FACTS = ("url", "licence", "consent", "collected_by", "language")
"""What a manifest may say of a source, or of one span of it, beside its path."""
_OWNED = 0.5
"""A clip that lies in a span with half of its length or more is that span's."""


@dataclass(frozen=True)
class Span:
    """One stretch of a source that a manifest names, and what it says of the person there.

    start_s, end_s: seconds from the first picture of the file, None for its begin and its end. box: x0, y0, x1, y1 in
    displayed pixels; the face whose centre lies in it is meant. person: the manifest's own id. facts: those of `FACTS`
    in which this span differs from other spans of its source. self_reported: likewise, what the person stated.
    labels: what a corpus says, see `facevid.dataset.labels`; a label's times are seconds of the file.
    """

    start_s: float | None = None
    end_s: float | None = None
    box: Box | None = None
    person: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    self_reported: Mapping[str, Any] = field(default_factory=dict)
    labels: tuple[Mapping[str, Any], ...] = ()

    @property
    def whole(self) -> bool:
        """Whether it stands for the whole file, so that nothing of it is left aside."""
        return self.start_s is None and self.end_s is None and self.box is None

    @property
    def place(self) -> tuple[float | None, float | None, Box | None, str | None]:
        """When, where and who; two spans of one place are one."""
        return self.start_s, self.end_s, self.box, self.person

    def overlap_s(self, start_s: float, end_s: float) -> float:
        """Seconds that the span shares with a stretch; 0 for none."""
        low = max(start_s, self.start_s if self.start_s is not None else -math.inf)
        high = min(end_s, self.end_s if self.end_s is not None else math.inf)
        return max(0.0, high - low)

    def holds(self, centre: Point) -> bool:
        """Whether a face with this centre, in displayed pixels, is the one that is meant."""
        return self.box is None or (
            self.box[0] <= centre[0] <= self.box[2] and self.box[1] <= centre[1] <= self.box[3]
        )

    def frames(self, fps: float) -> tuple[int, int | None]:
        """First frame, and the one after the last (None: to the end), of the grid frames wholly inside the span."""
        first = 0 if self.start_s is None else math.ceil(self.start_s * fps - 1e-6)
        return first, None if self.end_s is None else math.floor(self.end_s * fps + 1e-6)

    def to_json(self) -> dict[str, Any]:
        """As the published column `spans` has it: only what is known."""
        row: dict[str, Any] = {
            "start_s": self.start_s, "end_s": self.end_s, "box": list(self.box) if self.box else None,
            "person": self.person, **self.facts, "self_reported": dict(self.self_reported) or None,
            "labels": [dict(label) for label in self.labels] or None,
        }  # fmt: skip
        return {name: value for name, value in row.items() if value is not None}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Span:
        """Read back what `to_json` wrote."""
        return cls(
            start_s=row.get("start_s"),
            end_s=row.get("end_s"),
            box=tuple(row["box"]) if row.get("box") else None,
            person=row.get("person"),
            facts={name: row[name] for name in FACTS if name in row},
            self_reported=row.get("self_reported") or {},
            labels=tuple(row.get("labels") or ()),
        )


def spans_text(spans: Iterable[Span]) -> str | None:
    """Spans as the text of the column `spans`, those of one place joined, in order of time; None for none."""
    joined: dict[Any, Span] = {}
    for span in spans:
        known = joined.get(span.place)
        if known is not None:
            labels = known.labels + tuple(label for label in span.labels if label not in known.labels)
            facts, stated = {**span.facts, **known.facts}, {**span.self_reported, **known.self_reported}
            span = replace(known, facts=facts, self_reported=stated, labels=labels)
        joined[span.place] = span
    ordered = sorted(joined.values(), key=lambda s: (s.start_s or 0.0, s.end_s or math.inf, str(s.place)))
    if not ordered:
        return None
    return json.dumps([s.to_json() for s in ordered], ensure_ascii=False, sort_keys=True, default=str)


def read_spans(text: str | None) -> tuple[Span, ...]:
    """The spans of a source, from its column `spans`."""
    return tuple(Span.from_json(row) for row in json.loads(text)) if text else ()


def spans_of(spans: Sequence[Span], start_s: float, end_s: float, centre: Point | None) -> list[Span]:
    """The spans that a stretch of one face overlaps and that mean this face, in their order.

    centre: of the face, in displayed pixels; None where it is not known, then every face may be meant. Where the
    boxes of several people hold the centre, the one in whose middle the face is wins.
    """
    near = [s for s in spans if s.overlap_s(start_s, end_s) > 0]
    boxes = {s.box for s in near if s.box is not None}
    if centre is None or not boxes:
        return near
    holding = [box for box in boxes if Span(box=box).holds(centre)]
    anywhere = any(s.box is None for s in near)
    # A face that left its box for most of this stretch is still the one of the span: no other was kept.
    among = holding or ([] if anywhere else list(boxes))
    best = min(among, key=lambda box: (off_middle(box, centre), box), default=None)
    return [s for s in near if s.box is None or s.box == best]


def owners(spans: Sequence[Span], start_s: float, end_s: float, centre: Point | None) -> list[Span]:
    """Those of `spans_of` in which the stretch lies with half of its length or more."""
    return [s for s in spans_of(spans, start_s, end_s, centre) if owns(s, start_s, end_s)]


def owns(span: Span, start_s: float, end_s: float) -> bool:
    """Whether a stretch lies in the span with half of its length or more."""
    return span.overlap_s(start_s, end_s) >= _OWNED * (end_s - start_s)


def off_middle(box: Box, centre: Point) -> float:
    """How far a point is from the middle of a box, in half widths and half heights of it."""
    wide, high = max(1e-6, box[2] - box[0]) / 2, max(1e-6, box[3] - box[1]) / 2
    return math.hypot((centre[0] - box[0] - wide) / wide, (centre[1] - box[1] - high) / high)


def centre_of(row: Mapping[str, Any], source: Mapping[str, Any]) -> Point | None:
    """Centre of a clip's face in displayed pixels, from its scores face_x and face_y; None where not measured."""
    x, y = row.get("face_x"), row.get("face_y")
    width, height = source.get("width"), source.get("height")
    if x is None or y is None or not width or not height or math.isnan(x) or math.isnan(y):
        return None
    return x * width, y * height


def said_of(
    row: Mapping[str, Any], source: Mapping[str, Any], spans: Sequence[Span], name: str
) -> str | None:
    """What is known of one of `FACTS` for a clip: by its span, else by its source."""
    if spans:
        for span in owners(spans, row["start_s"], row["end_s"], centre_of(row, source)):
            if name in span.facts:
                return str(span.facts[name])
    value = source.get(name)
    return None if value is None else str(value)
