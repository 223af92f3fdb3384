"""What the words of time in captions mean: actions as events, and when before, while and throughout are true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MENTION_FROM = 0.5
"""Confidence from which a label is put into a caption, if the caller names no other: likelier true than not."""
THROUGHOUT_FROM = 0.9
"""Share of the clip that an action fills for "throughout"."""
OFTEN_BLINKS = 40.0
"""Blinks a minute from which blinking is remarkable: half as much again as the 26 of people in conversation, who blink
most (17 at rest, 4.5 reading; Bentivoglio et al. 1997)."""
_TOLERANCE_S = 0.05  # a frame or so: two actions that touch do not overlap


@dataclass(frozen=True)
class Event:
    """All spans of one action in a clip, as (start, end) in seconds, by their start."""

    name: str
    spans: tuple[tuple[float, float], ...]

    @property
    def start(self) -> float:
        """When it begins first, in seconds."""
        return self.spans[0][0]

    @property
    def end(self) -> float:
        """When it ends last, in seconds."""
        return max(e for _, e in self.spans)

    @property
    def total(self) -> float:
        """Seconds that it lasts, all spans together."""
        return sum(e - s for s, e in self.spans)


def is_sure(label: Mapping[str, Any], sure_from: float) -> bool:
    """Whether a label is confident enough to be mentioned; where nobody said how sure, it is taken as sure."""
    return label["confidence"] is None or float(label["confidence"]) >= sure_from


def events(actions: Sequence[Mapping[str, Any]] | None, sure_from: float) -> list[Event]:
    """The sure actions of a clip, those of one name merged, by their start."""
    spans: dict[str, list[tuple[float, float]]] = {}
    for act in actions or ():
        if is_sure(act, sure_from):
            spans.setdefault(act["name"], []).append((float(act["start_s"]), float(act["end_s"])))
    merged = [Event(name, _joined(of)) for name, of in spans.items()]
    return sorted(merged, key=lambda e: (e.start, e.end, e.name))


def before(one: Event, other: Event) -> bool:
    """Whether all of one is over when the other begins: "one, then other", "one before other", "after one, other"."""
    return one.end <= other.start + _TOLERANCE_S and one.start < other.start


def starts_by(one: Event, other: Event) -> bool:
    """Whether one begins no later than the other: "one and other"."""
    return one.start <= other.start + _TOLERANCE_S


def during(one: Event, other: Event) -> bool:
    """Whether the two overlap for at least half of the shorter one: "one while other"."""
    shared = sum(max(0.0, min(e, f) - max(s, t)) for s, e in one.spans for t, f in other.spans)
    return shared > 0 and shared >= 0.5 * min(one.total, other.total)


def throughout(event: Event, duration_s: float) -> bool:
    """Whether the action fills the clip, or nearly."""
    return duration_s > 0 and event.total >= THROUGHOUT_FROM * duration_s


def blinks_often(event: Event, duration_s: float) -> bool:
    """Whether somebody blinks remarkably often in a clip: `OFTEN_BLINKS`, and four times at least."""
    return len(event.spans) >= 4 and len(event.spans) * 60 >= OFTEN_BLINKS * duration_s


def _joined(spans: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    joined: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1] + _TOLERANCE_S:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)
