"""Which frames of a source are looked at: all of them, or those of the spans that a manifest names, with a margin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from facevid.curate.windows import Wanted
from facevid.dataset.spans import Span
from facevid.engine import StepError
from facevid.recipe import Recipe

LAST_FRAME = 2**31 - 1
Stretch = tuple[int, int | None]
"""First frame, and the frame after the last (None: to the end of the source)."""


def spans_payload(spans: Sequence[Span]) -> list[list[Any]]:
    """The spans that decide what is looked at, as JSON values; none where a span stands for the whole file."""
    if any(span.whole for span in spans):
        return []
    places = {(s.start_s, s.end_s, s.box) for s in spans}
    return sorted(([a, b, list(box) if box else None] for a, b, box in places), key=str)


def wanted_frames(spans: Sequence[Sequence[Any]], recipe: Recipe) -> list[Wanted]:
    """The frames of the spans of `spans_payload`, in order; raises StepError where no span holds a whole frame."""
    wanted = []
    for start_s, end_s, box in spans:
        place = (box[0], box[1], box[2], box[3]) if box else None
        first, end = Span(start_s, end_s).frames(recipe.fps)
        if end is None or first < end:
            wanted.append(Wanted(first, LAST_FRAME if end is None else end - 1, place))
    if spans and not wanted:
        raise StepError(
            "span",
            f"Not one span of this source lasts a frame of {1 / recipe.fps:g} s; correct the manifest's times.",
        )
    return sorted(wanted, key=lambda w: (w.first, w.last, w.box or ()))


def stretches_of(wanted: Sequence[Wanted], recipe: Recipe) -> list[Stretch]:
    """The stretches to look at: those wanted and, on either side, what tells a dissolve across their bounds.

    Stretches that touch are one, so no frame is looked at twice.
    """
    if not wanted:
        return [(0, None)]
    margin = 2 * recipe.shots.dissolve_frames + 1
    out: list[tuple[int, int]] = []
    for span in wanted:
        first, last = max(0, span.first - margin), min(LAST_FRAME, span.last + margin)
        if out and first <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], last))
        else:
            out.append((first, last))
    return [(first, None if last == LAST_FRAME else last + 1) for first, last in out]
