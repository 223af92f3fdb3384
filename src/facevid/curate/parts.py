"""How a long source is divided: its stretches into pieces, the pieces into parts that workers look at side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from facevid.curate.shots import lead_in
from facevid.curate.wanted import Stretch
from facevid.curate.windows import window_starts
from facevid.recipe import Recipe

WARM_UP_S = 2.0
"""Seconds that a piece begun inside a shot is looked at before its measurements count: two looks for hands, of which
the smaller counts, several detections, a settled mesh. What still differs: docs/performance.md, Long sources."""


@dataclass(frozen=True)
class Piece:
    """Frames `first` to `end` - 1 of a stretch (end None: to the end of the source).

    inside: it begins where another piece of its stretch ends. goes_on: another one follows where it ends. Both bounds
    are nominal then: the pieces meet at the first new picture in the overlap behind them, or at the overlap's end.
    """

    first: int
    end: int | None
    inside: bool = False
    goes_on: bool = False

    def to_json(self) -> list[Any]:
        return [self.first, self.end, self.inside, self.goes_on]


Part = tuple[Piece, ...]
"""What one worker looks at: one piece of a long stretch, or several short stretches whole."""


def overlap_frames(recipe: Recipe) -> int:
    """Frames behind a nominal bound in which two pieces may meet."""
    return max(1, round(recipe.analyze.part_overlap_s * recipe.fps))


def warm_up_frames(recipe: Recipe) -> int:
    """Frames looked at before those that count, where a piece begins inside a shot."""
    return min(overlap_frames(recipe), max(1, round(WARM_UP_S * recipe.fps)))


def whole(stretches: Sequence[Stretch]) -> Part:
    """Stretches that are looked at in one go."""
    return tuple(Piece(first, end) for first, end in stretches)


def parts_of(stretches: Sequence[Stretch], frames: int, recipe: Recipe) -> list[Part]:
    """The parts of the stretches of a source of about `frames` frames, in order; one where they are not long.

    Parts hold `analyze.part_s` of video, the last of a stretch half as much to one and a half times as much.
    """
    if recipe.analyze.part_s is None:
        return [whole(stretches)]
    # So long that what lies before and behind a bound never reaches the next one.
    least = 4 * (overlap_frames(recipe) + lead_in(recipe.shots))
    size = max(round(recipe.analyze.part_s * recipe.fps), least)
    parts: list[Part] = []
    short: list[Piece] = []
    held = 0
    for first, end in stretches:
        length = max(1, min(frames, frames if end is None else end) - first)
        starts = [first + int(s) for s in window_starts(length, size)]
        if len(starts) == 1:
            short.append(Piece(first, end))
            held += length
        if short and (held >= size or len(starts) > 1):
            parts.append(tuple(short))
            short, held = [], 0
        if len(starts) > 1:
            bounds = [*starts[1:], end]
            parts += [
                (Piece(a, b, inside=k > 0, goes_on=k < len(starts) - 1),)
                for k, (a, b) in enumerate(zip(starts, bounds, strict=True))
            ]
    return [*parts, tuple(short)] if short else parts


def parts_payload(parts: Sequence[Part], recipe: Recipe) -> dict[str, Any]:
    """What a split does to the answer, as JSON values; nothing where a source is looked at in one go.

    So the hash of a source that is not split is what it was before sources could be.
    """
    if len(parts) < 2:
        return {}
    pieces = [[piece.to_json() for piece in part] for part in parts]
    return {"parts": {"overlap": overlap_frames(recipe), "warm_up": warm_up_frames(recipe), "pieces": pieces}}


def parts_given(payload: dict[str, Any]) -> list[Part]:
    """The parts of `parts_payload`; none for a source that is looked at in one go."""
    given = payload.get("parts")
    return [tuple(Piece(*piece) for piece in part) for part in given["pieces"]] if given else []
