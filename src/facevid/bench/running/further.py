"""Further real clips, for the floor alone: of people whom chance put on the other side of a split."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from facevid.bench.running.evidence import real_windows
from facevid.bench.running.judged import Judged
from facevid.generate.data.windows import Windows
from facevid.generate.errors import GenerateError

SPARE = 1.1
"""Further clips for one made video: in some of them no face is found."""
_STREAM = 7301  # of the people drawn


def further_windows(judged: Judged, windows: Windows, *, most: int, seed: int) -> Windows | None:
    """One window of each of as many further clips as the floor takes beside those of `windows`, `most` at most.

    People who are seen in `windows` are left out. Of the others whole people are drawn, since clips of one person are
    alike, and a floor of more people at the same number of clips would be too low; only the last one drawn may be
    parted. None where there is nobody.
    """
    if judged.others is None or most < 1:
        return None
    try:
        found = real_windows(judged.others.clips, judged.shape)
    except GenerateError:  # all are too short
        return None
    known = set(_people(windows))
    who = np.array(_people(found), str)
    people = np.array(sorted(set(who.tolist()) - known), str)
    dice = np.random.default_rng([seed, _STREAM])
    places = [np.flatnonzero(who == one) for one in dice.permutation(people)]
    wanted = min(most, math.ceil(SPARE * len(judged.videos)))
    chosen = np.sort(np.concatenate([np.zeros(0, np.int64), *places])[:wanted])
    if not len(chosen):
        return None
    return replace(found, row=found.row[chosen], start=found.start[chosen], bucket=found.bucket[chosen])


def about_floors(judged: Judged, further: Windows | None) -> Iterator[str]:
    """What a reader must know of the floors: what they were drawn from too, and what they cannot tell."""
    if judged.others is not None and further is not None:
        yield (
            f"The floors are drawn from the real clips compared and {len(further):,} further ones, of "
            f"{len(set(_people(further))):,} people ({judged.others.of}). People are dealt out whole."
        )

    if any(video.picture is not None for video in judged.videos):
        yield (
            "The videos show the people of the clips that they are compared with, while the two sides of a floor show "
            "different people: a faithful model lies well below the floor, most of all in faces and colours."
        )


def _people(windows: Windows) -> list[str]:
    """Who is seen in each window: a person, or nobody else than in its clip."""
    rows = windows.dataset.rows(["clip_id", "identity"]).take(windows.row).to_pylist()
    return [str(row["identity"] or row["clip_id"]) for row in rows]
