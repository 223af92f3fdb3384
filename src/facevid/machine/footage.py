"""How much footage there is: files, bytes and seconds, by looking into containers only; and stretches drawn from it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from facevid import media
from facevid.curate.manifest import Found
from facevid.curate.remote_footage import heads_of
from facevid.curate.scan import file_names
from facevid.dataset.spans import Span
from facevid.engine import Item, Step, StepError
from facevid.machine.ranges import Range, exactly, ratio
from facevid.machine.scratch import Scratch
from facevid.recipe import Recipe
from facevid.storage import Head

PROBED_AT_MOST = 500
STRETCH_S = 10.0
"""Seconds of one stretch of the sample: long enough for most clips to end by themselves, short enough for several."""
_SEED = 20240617


@dataclass(frozen=True)
class Piece:
    """A stretch of a file that a build looks at, in seconds from its first picture."""

    found: Found
    start_s: float
    end_s: float
    whole: bool
    """Whether it is all of the file."""

    @property
    def seconds(self) -> float:
        return self.end_s - self.start_s

    @property
    def spans(self) -> tuple[Span, ...]:
        """The spans to name in a manifest for just this stretch; none for a whole file without any."""
        if self.whole:
            return self.found.spans
        cut = [
            replace(
                s, start_s=max(self.start_s, s.start_s or 0.0), end_s=min(self.end_s, _end(s, self.end_s))
            )
            for s in self.found.spans or (Span(),)
        ]
        return tuple(s for s in cut if _end(s, 0.0) > (s.start_s or 0.0))


@dataclass(frozen=True)
class Unusable:
    """A file that cannot be used, and why, in a sentence."""

    item: str
    message: str


@dataclass(frozen=True)
class Footage:
    """What there is to build from.

    seconds: of pictures that a build looks at; a range where not every file was looked into.
    probed: files that were looked into. longest_s: the most seconds that a build looks at in one of these.
    """

    files: int
    bytes: int
    probed: int
    unusable: tuple[Unusable, ...]
    seconds: Range
    longest_s: float
    pieces: tuple[Piece, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON, without the pieces."""
        return {
            "files": self.files, "bytes": self.bytes, "probed": self.probed, "longest_s": self.longest_s,
            "seconds": vars(self.seconds), "unusable": [vars(u) for u in self.unusable],
        }  # fmt: skip


def probe_step(payload: dict[str, Any], recipe: object) -> dict[str, Any]:
    """Seconds of the file at `_path`, from its header."""
    try:
        return {"duration_s": media.probe(str(payload["_path"])).duration_s}
    except media.MediaError as error:
        raise StepError(error.kind, str(error)) from error


PROBE = Step(name="probe", version=1, function=probe_step, timeout_s=600.0)


def count_footage(found: Sequence[Found], room: Scratch, recipe: Recipe) -> Footage:
    """Look into every file, or into `PROBED_AT_MOST` drawn at random; the rest is taken to be alike, byte for byte."""
    heads = heads_of(found)
    sizes = {one.path: _size(one.path, heads) for one in found}
    drawn = list(found)
    if len(found) > PROBED_AT_MOST:
        chosen = np.random.default_rng(_SEED).choice(len(found), PROBED_AT_MOST, replace=False)
        drawn = [found[k] for k in sorted(chosen.tolist())]
    tried = room.run(PROBE, [Item(one.key, {"_path": one.location}) for one in drawn], recipe)
    names = file_names(found)
    pieces: list[Piece] = []
    looked_at: list[float] = []
    for one in drawn:
        outcome = tried[one.key]
        own = pieces_of(one, float(outcome.value["duration_s"])) if outcome.status == "ok" else []
        pieces += own
        looked_at.append(sum(piece.seconds for piece in own))
    unusable = [
        Unusable(names[path], outcome.message or "")
        for path, outcome in sorted(tried.items())
        if outcome.status != "ok"
    ]
    weights = [sizes[one.path] for one in drawn]
    seconds, left = exactly(sum(looked_at)), sum(sizes.values()) - sum(weights)
    if left > 0 and any(weights):
        seconds += ratio(looked_at, weights) * left
    return Footage(
        len(found),
        sum(sizes.values()),
        len(drawn),
        tuple(unusable),
        seconds,
        max(looked_at, default=0.0),
        tuple(pieces),
    )


def pieces_of(found: Found, duration_s: float) -> list[Piece]:
    """What a build looks at in a file of this length: all of it, or the spans that a manifest names, joined."""
    spans = found.spans or (Span(),)
    ends = sorted((s.start_s or 0.0, min(_end(s, duration_s), duration_s)) for s in spans)
    joined: list[tuple[float, float]] = []
    for start, end in ends:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        elif end > start:
            joined.append((start, end))
    return [Piece(found, a, b, whole=(a, b) == (0.0, duration_s)) for a, b in joined]


def draw(pieces: Sequence[Piece], seconds: float) -> list[Piece]:
    """Stretches of `STRETCH_S` seconds or less, `seconds` in all, at equal distances through all pieces.

    The first distance is drawn from a fixed seed; so every second of the footage is about as likely, and the stretches
    come from as many files as can be. All pieces, whole, where they are no longer than `seconds`.
    """
    whole = sum(piece.seconds for piece in pieces)
    if whole <= seconds:
        return list(pieces)
    count = math.ceil(seconds / STRETCH_S)
    step = whole / count
    at = float(np.random.default_rng(_SEED).uniform(0, step)) + step * np.arange(count)
    ends = np.cumsum([piece.seconds for piece in pieces])
    drawn = []
    for place, number in zip(at.tolist(), np.searchsorted(ends, at, side="right").tolist(), strict=True):
        piece = pieces[min(number, len(pieces) - 1)]
        start = place - (float(ends[min(number, len(pieces) - 1)]) - piece.seconds) + piece.start_s
        drawn.append(_stretch(piece, start, seconds / count))
    return list({(d.found.path, d.start_s): d for d in drawn}.values())


def names_of(pieces: Iterable[Piece]) -> list[str]:
    """A name of each piece that tells it from the others: its file and where it begins."""
    pieces = list(pieces)
    files = file_names([piece.found for piece in {p.found.path: p for p in pieces}.values()])
    return [f"{files[p.found.key]} from {p.start_s:.1f} s" for p in pieces]


def _stretch(piece: Piece, start_s: float, seconds: float) -> Piece:
    """So many seconds of a piece from `start_s` on, earlier where the piece ends before, all of a shorter one."""
    if piece.seconds <= seconds:
        return piece
    begin = max(piece.start_s, min(start_s, piece.end_s - seconds))
    return Piece(piece.found, begin, begin + seconds, whole=False)


def _end(span: Span, otherwise: float) -> float:
    return otherwise if span.end_s is None else span.end_s


def _size(path: Path | str, heads: Mapping[str, Head | None]) -> int:
    if isinstance(path, str):
        head = heads[path]
        return 0 if head is None else head.size
    try:
        return path.stat().st_size
    except OSError:
        return 0  # looking into it says what is wrong
