"""Actions of a clip with start and end, measured on its meshes and speech: no model, no picture.

Every action is a signal that leaves its own neutral level by more than a threshold for long enough. Lengths are in eye
distances (outer corners, about 9 cm in adults, Farkas 1994), so .01 is about a millimetre. Singing, shouting and
whispering need more than a speech probability, and a sigh looks like a breath: none of them is answered.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from facevid.annotate.brows import brow_height
from facevid.annotate.eyes import blinks_and_closures, eyes_open, looks_aside, winks
from facevid.annotate.facial_acts import measure_cues, mouth_acts, raised_brows
from facevid.annotate.movements import held_tilt, oscillations
from facevid.annotate.observed import Act, Observed
from facevid.annotate.signals import (
    Signals,
    bridged,
    confidence,
    lasting,
    measure_signals,
    runs,
    smooth,
    spans,
)

Bools = NDArray[np.bool_]

SPEECH = 0.5
"""Speech probability that counts as speech: Silero's own default threshold."""
PAUSE_S = 0.5
"""Pauses up to here belong to one stretch of talk; longer ones end it (Heldner & Edlund 2010: most are shorter)."""
TALK_S = 0.25
"""Shortest speech that counts: Silero's own default."""
TALK_GAPE = 0.015
"""The lips' gap must vary by this (1.4 mm from 10th to 90th percentile) or the voice is somebody else's."""
YAWN_GAPE, YAWN_S = 0.18, 1.0
"""Lips 16 mm apart for a second: speech opens them under 12 mm and only for a vowel's length; yawns last 2 to 6 s."""
YAWN_EYES = 0.8
"""A yawn narrows the eyes (Barbizet 1958), which are wide open in a mouth opened by surprise."""
OPEN_GAPE, OPEN_S = 0.1, 0.8
"""Lips 9 mm apart for .8 s without speech: an open mouth."""
OPEN_ROUND = 0.3
"""Lips' gap over the mouth's width; a grin that bares shut teeth stays under this."""


def measure_actions(o: Observed) -> list[Act]:
    """The actions of a clip by start; times in seconds from its first frame, an action cut by the clip's ends is cut.

    Empty where there are fewer than two frames with a mesh. Without sound there is no talk.
    """
    s = measure_signals(o)
    if s is None:
        return []
    talk = speaking(o, s)
    talking = _mask(len(s), talk, o.fps)
    yawns = _yawns(s, talking)
    winked = [a for a in winks(s) if not _touches(yawns, a.start_s, a.end_s)]
    other = _mask(
        len(s), [*yawns, *winked], o.fps
    )  # a wink draws up the cheek and the mouth's corner with it
    cues = measure_cues(s, brow_height(o, s))
    moods = mouth_acts(s, cues, talking, other, heard=o.speech is not None)
    glad = [a for a in moods if a.name != "frown"]
    lids = blinks_and_closures(s, winked, _mask(len(s), glad, o.fps))
    eyes = [
        *winked,
        *(a for a in lids if not _touches(yawns, a.start_s, a.end_s)),
    ]  # a yawn shuts the eyes itself
    cross = [a for a in moods if a.name == "frown"]
    drawn = _mask(len(s), [*(a for a in eyes if a.name != "blink"), *yawns, *cross], o.fps)
    turns = oscillations(s)
    acts = [*talk, *yawns, *eyes, *moods, *raised_brows(s, cues, drawn), *looks_aside(s)]
    acts += _open_mouths(s, talking | _mask(len(s), [*yawns, *glad], o.fps))
    acts += [Act(m.name, *m.seconds(o.fps), m.confidence, m.detail) for m in (*turns, *held_tilt(s, turns))]
    return sorted(acts, key=lambda a: (a.start_s, a.end_s, a.name))


def speaking(o: Observed, s: Signals) -> list[Act]:
    """Stretches of talk: speech is heard and the lips move."""
    if o.speech is None:
        return []
    heard = np.zeros(len(s), bool)
    heard[: len(o.speech)] = np.nan_to_num(o.speech[: len(s)]) >= SPEECH
    acts = []
    for first, last in runs(bridged(heard, int(PAUSE_S * s.fps))):
        if last - first < TALK_S * s.fps:
            continue
        low, high = np.percentile(s.gape[first:last], [10, 90])
        moves = float(high - low)
        if moves >= TALK_GAPE:
            sure = float(o.speech[first:last].mean()) * confidence(moves, TALK_GAPE)
            acts.append(Act("talk", first / s.fps, last / s.fps, round(sure, 3), {"lips": round(moves, 4)}))
    return acts


def _yawns(s: Signals, talking: Bools) -> list[Act]:
    gape = smooth(s.gape, s.fps)
    eyes = np.mean(eyes_open(s), axis=0)
    return [
        Act("yawn", a / s.fps, b / s.fps, confidence(float(gape[a:b].max()), YAWN_GAPE))
        for a, b in lasting(spans(gape, YAWN_GAPE, 0.3), YAWN_S, s.fps)
        if talking[a:b].mean() < 0.5
        and float(np.median((gape / s.mouth_width)[a:b])) > OPEN_ROUND
        and float(np.median(eyes[a:b])) < YAWN_EYES
    ]


def _open_mouths(s: Signals, other: Bools) -> list[Act]:
    gape = smooth(s.gape, s.fps)
    return [
        Act("open mouth", a / s.fps, b / s.fps, confidence(float(gape[a:b].mean()), OPEN_GAPE))
        for a, b in lasting(
            runs((gape > OPEN_GAPE) & (gape > OPEN_ROUND * s.mouth_width) & ~other), OPEN_S, s.fps
        )
    ]


def _touches(acts: Iterable[Act], start_s: float, end_s: float) -> bool:
    return any(min(a.end_s, end_s) - max(a.start_s, start_s) > 0 for a in acts)


def _mask(n: int, acts: list[Act], fps: float) -> Bools:
    out = np.zeros(n, bool)
    for a in acts:
        out[round(a.start_s * fps) : round(a.end_s * fps)] = True
    return out
