"""Joins what several workers saw of a source into what one pass would have: shots, faces with their ids, and rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from facevid.curate.faces import Box, same_faces
from facevid.curate.frames import FrameWriter
from facevid.curate.partfile import PartFile
from facevid.curate.shots import Signs, lead_in
from facevid.curate.watch import SHOT, Watched
from facevid.curate.windows import OBSERVED
from facevid.recipe import Recipe

Floats = NDArray[np.float32]
_FRAME, _FACE, _BOX = OBSERVED.index("frame"), OBSERVED.index("face"), OBSERVED.index("x0")


class NotSplit(Exception):
    """The parts do not show what one pass over the source would show; str() says why, as half a sentence."""


def join_parts(
    parts: Sequence[PartFile], writer: FrameWriter, recipe: Recipe
) -> tuple[Floats, list[Watched]]:
    """Observations of all parts with the source's own face ids, and every stretch in one.

    Meshes go to `writer`. Raises NotSplit, before anything is written, where parts do not fit together.
    """
    stretches = [_used(stretch, recipe) for stretch in _by_stretch(parts)]
    ids = _Ids()
    tables = []
    for part in parts:
        used = [w for stretch in stretches for p, w in stretch if p is part]
        if used:
            tables.append(_take(part, used, ids, writer))
    return np.concatenate(tables), [_one([w for _, w in stretch]) for stretch in stretches]


Placed = tuple[PartFile, Watched]


def _by_stretch(parts: Sequence[PartFile]) -> Iterator[list[Placed | str]]:
    """The pieces of each stretch in order; for a part that could not be looked at alone, the sentence that says so."""
    stretch: list[Placed | str] = []
    for part in parts:
        if part.not_alone is not None:
            stretch.append(part.not_alone)
        for watched in part.pieces:
            if stretch and not watched.piece.inside:
                yield stretch
                stretch = []
            stretch.append((part, watched))
    yield stretch


def _used(stretch: Sequence[Placed | str], recipe: Recipe) -> list[Placed]:
    """The pieces up to the one in which the source ends, after a check that each fits the one before."""
    used: list[Placed] = []
    for placed in stretch:
        if used and used[-1][1].broke_off:
            break
        if isinstance(placed, str):
            raise NotSplit(placed)
        if used:
            _check_fit(used[-1][1], placed[1], recipe)
        used.append(placed)
    return used


def _check_fit(before: Watched, after: Watched, recipe: Recipe) -> None:
    """Both must have read the same pictures around the bound: one decoded on, the other came by seeking."""
    shared = range(after.piece.first - lead_in(recipe.shots), before.end + 1)
    same = all(n in before.marks and before.marks[n] == after.marks.get(n) for n in shared)
    if not same or before.end != after.first:
        raise NotSplit(
            f"its pictures around {after.piece.first / recipe.fps:.1f} s are others when they are sought than when all "
            "before them is read"
        )


@dataclass
class _Ids:
    """Face ids of the source: how many are given out, and who was seen where the last piece ended inside a shot."""

    given: int = 0
    left: list[tuple[int, Box]] = field(default_factory=list)

    def of(self, watched: Watched, seen: Floats) -> dict[int, int]:
        """A piece's own ids -> the source's; a face that goes on from the piece before keeps its id."""
        here = _faces_at(seen, watched.first)
        pairs = same_faces([box for _, box in self.left], [box for _, box in here])
        out = {here[j][0]: self.left[i][0] for i, j in pairs.items()}
        counts = (seen[:, _FRAME] >= watched.first) & (seen[:, _FRAME] < watched.end)
        shown = {int(face) for face in np.unique(seen[counts, _FACE])}
        for face in range(watched.ids_at_end):
            if face not in out and (face >= watched.ids_before or face in shown):
                out[face] = self.given
                self.given += 1
        at_end = _faces_at(seen, watched.end) if watched.ending == SHOT else []
        self.left = [(out[face], box) for face, box in at_end if face in out]
        return out


def _faces_at(seen: Floats, frame: int) -> list[tuple[int, Box]]:
    rows = seen[seen[:, _FRAME] == frame]
    return [
        (int(r[_FACE]), (float(r[_BOX]), float(r[_BOX + 1]), float(r[_BOX + 2]), float(r[_BOX + 3])))
        for r in rows
    ]


def _take(part: PartFile, used: Sequence[Watched], ids: _Ids, writer: FrameWriter) -> Floats:
    """The rows of a part that count, with the source's ids; meshes are copied to the writer."""
    seen = part.seen()
    known: dict[int, int] = {}
    for watched in used:
        known |= ids.of(watched, seen)
    counts = np.zeros(len(seen), bool)
    for w in used:
        counts |= (seen[:, _FRAME] >= w.first) & (seen[:, _FRAME] < w.end)
    seen = seen[counts]
    seen[:, _FACE] = [known[int(face)] for face in seen[:, _FACE]]
    for frame, rows in groupby(part.rows(), key=itemgetter(1)):
        if any(w.first <= frame < w.end for w in used):
            for face, _, *rest in sorted((known[row[0]], *row[1:]) for row in rows):
                writer.copy((face, frame, *rest))
    # The faces of a frame lie in the order in which they were found, which is that of their ids.
    return np.asarray(seen[np.lexsort((seen[:, _FACE], seen[:, _FRAME]))])


def _one(pieces: Sequence[Watched]) -> Watched:
    """The pieces of a stretch as one that was looked at in one go."""
    signs = Signs()
    ends = [w.piece.first for w in pieces[1:]] + [pieces[-1].begin + len(pieces[-1].signs.content)]
    for w, end in zip(pieces, ends, strict=True):
        first = w.piece.first if w.piece.inside else w.begin
        signs.take(w.signs, first - w.begin, end - w.begin)
    last = pieces[-1]
    return replace(
        pieces[0], end=last.end, ending=last.ending, stopped=last.stopped, signs=signs, marks={},
        skipped=sum(w.skipped for w in pieces), scale=max(w.scale for w in pieces),
    )  # fmt: skip
