"""Actions of a clip with start and end, measured on its meshes and speech: no model, no picture.

Every action is a signal that leaves its own neutral level by more than a threshold for long enough. Lengths are in eye
distances (outer corners, about 9 cm in adults, Farkas 1994), so .01 is about a millimetre. Singing, shouting and
whispering need more than a speech probability, and a sigh looks like a breath: none of them is answered.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from facevid.annotate.eyes import eyes_open, lid_acts, looks_aside
from facevid.annotate.movements import held_tilt, oscillations
from facevid.annotate.observed import Act, Floats, Observed
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
SMILE = 0.038
"""Movement of the mouth's corners up and out, 3.4 mm. A full smile moves them 7 to 14 mm (Paletz et al. 1994), so
this is about a third of a plain one."""
SMILE_LIFT = 0.014
"""Of it, at least so much upwards: half of what 45 degrees lift. Speech and a stretched mouth (AU20) draw the corners
only sideways."""
EXPRESSION_S = 0.5
"""Shortest expression that counts: spontaneous ones last .5 to 4 s (Ekman & Friesen 1982); shorter is speech."""
LAUGH_GAPE = 0.04
"""A laugh opens the lips (AU25, AU26) by 3.5 mm more than the neutral mouth."""
LAUGH_HZ = (3.0, 6.5)
"""Bouts of laughter beat 4 to 5 times a second (Bachorowski et al. 2001; Provine & Yong 1991: one in 210 ms)."""
LAUGH_BEAT = 0.004
"""Amplitude of the beat in the lips' gap, .4 mm: what pixels of float16 keypoints can show over a bout."""
REST_S = 0.3
"""Least rest from which a neutral mouth can be told."""
BROW_SMOOTH_S, BROW_S = 0.3, 0.3
BROW_RAISE = 0.03
"""Rise of the brows, 2.7 mm: a third of the frontalis' 8 to 10 mm (full raise), above the mesh's own 1 mm."""
BROW_DROP = 0.012
"""Drop of the brows, 1.1 mm; AU4 lowers them by few millimetres."""
CORNER_DROP = 0.022
"""Drop of the mouth's corners (AU15), 2 mm; with lowered brows it makes a frown."""
HELD_S = 0.3
"""A frown is held longer than the window that smooths brows and corners, so no single jerk of a speaker makes one."""
BROW_DRAW = 0.025
"""Approach of the brows' inner ends, 2.2 mm of about 27 (AU4 draws them together by several)."""
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
    eyes = [a for a in lid_acts(s) if not _touches(yawns, a.start_s, a.end_s)]  # a yawn shuts the eyes itself
    shut = _mask(len(s), [*eyes, *yawns], o.fps)
    frowns = [a for a in _frowns(s) if not _touches(yawns, a.start_s, a.end_s)]
    winks = [a for a in eyes if a.name == "wink"]  # they draw up the cheek and the mouth's corner with it
    smiles = _smiles(s, talking, _mask(len(s), [*yawns, *frowns, *winks], o.fps), heard=o.speech is not None)
    frowns = [a for a in frowns if not _touches(smiles, a.start_s, a.end_s) and a.detail["held_s"] >= HELD_S]
    turns = oscillations(s)
    acts = [*talk, *yawns, *eyes, *smiles, *frowns, *_raised_brows(s, shut), *looks_aside(s)]
    acts += _open_mouths(s, talking | _mask(len(s), [*yawns, *smiles], o.fps))
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


def smile_track(s: Signals, other: Bools | None = None) -> tuple[Floats, Floats]:
    """Movement of the mouth's corners from neutral, eye distances, each (n,): up and out together (AU12), and up alone.

    The corners travel at about 45 degrees, along the zygomaticus major. Neutral is the clip's 25th percentile outside
    `other` (n,), frames in which another action draws the mouth; so a smile may fill two thirds of a clip.
    """
    rest = np.ones(len(s), bool) if other is None or (~other).sum() < REST_S * s.fps else ~other
    up = smooth(s.corner_lift, s.fps)
    path = (up + smooth(s.mouth_width, s.fps) / 2) / np.float32(np.sqrt(2))
    return path - np.percentile(path[rest], 25), up - np.percentile(up[rest], 25)


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


def _smiles(s: Signals, talking: Bools, other: Bools, *, heard: bool) -> list[Act]:
    """Smiles, and laughs: smiles whose open lips beat, but not with speech; unheard, one looks like the other."""
    track, lift = smile_track(s, other)
    gape = smooth(s.gape, s.fps)
    acts = []
    for first, last in lasting(spans(track, SMILE, 0.4), EXPRESSION_S, s.fps):
        if float(np.median(lift[first:last])) < SMILE_LIFT or other[first:last].mean() > 0.5:
            continue
        height = float(np.percentile(track[first:last], 90))
        beat = _beat(s.gape[first:last], s.fps)
        opened = float(np.median(gape[first:last]) - np.percentile(gape, 20))
        laughs = heard and opened > LAUGH_GAPE and beat > LAUGH_BEAT and talking[first:last].mean() < 0.5
        detail = {"corners": round(height, 4), "beat": round(beat, 4)}
        acts.append(
            Act(
                "laugh" if laughs else "smile", first / s.fps, last / s.fps, confidence(height, SMILE), detail
            )
        )
    return acts


def _open_mouths(s: Signals, other: Bools) -> list[Act]:
    gape = smooth(s.gape, s.fps)
    return [
        Act("open mouth", a / s.fps, b / s.fps, confidence(float(gape[a:b].mean()), OPEN_GAPE))
        for a, b in lasting(
            runs((gape > OPEN_GAPE) & (gape > OPEN_ROUND * s.mouth_width) & ~other), OPEN_S, s.fps
        )
    ]


def _raised_brows(s: Signals, shut: Bools) -> list[Act]:
    """Raised brows (AU1 and AU2), not while the eyes are shut: there the mesh draws the brows up."""
    height = smooth((s.brow_height + s.inner_height) / 2, s.fps, BROW_SMOOTH_S)
    rise = np.where(shut, 0, height - np.median(height))
    return [
        Act("raise brows", a / s.fps, b / s.fps, confidence(float(rise[a:b].max()), BROW_RAISE))
        for a, b in lasting(spans(rise, BROW_RAISE, 0.5), BROW_S, s.fps)
    ]


def _frowns(s: Signals) -> list[Act]:
    """Lowered brows (AU4) that draw together, or come with lowered corners of the mouth (AU15)."""
    height = smooth((s.brow_height + s.inner_height) / 2, s.fps, BROW_SMOOTH_S)
    low = (np.percentile(height, 65) - height) / BROW_DROP
    corners, gap = smooth(s.corner_lift, s.fps, BROW_SMOOTH_S), smooth(s.brow_gap, s.fps, BROW_SMOOTH_S)
    down = (np.percentile(corners, 65) - corners) / CORNER_DROP
    drawn = (np.percentile(gap, 65) - gap) / BROW_DRAW
    both = np.minimum(low, np.maximum(down, drawn))
    acts = []
    for first, last in lasting(spans(both, 1.0, 0.5), EXPRESSION_S, s.fps):
        held_s = float((both[first:last] > 1).sum()) / s.fps
        sure = confidence(float(both[first:last].max()), 1.0)
        acts.append(Act("frown", first / s.fps, last / s.fps, sure, {"held_s": round(held_s, 3)}))
    return acts


def _beat(gape: Floats, fps: float) -> float:
    """Amplitude of the strongest beat of LAUGH_HZ in a stretch, eye distances; 0 where it is too short for two."""
    if len(gape) < 2 * fps / LAUGH_HZ[0]:
        return 0.0
    slow = smooth(gape, fps, 2 / LAUGH_HZ[0])
    power = np.abs(np.fft.rfft((gape - slow) * np.hanning(len(gape)))) * 4 / len(gape)
    hz = np.fft.rfftfreq(len(gape), 1 / fps)
    band = (hz >= LAUGH_HZ[0]) & (hz <= LAUGH_HZ[1])
    return float(power[band].max()) if band.any() else 0.0


def _touches(acts: Iterable[Act], start_s: float, end_s: float) -> bool:
    return any(min(a.end_s, end_s) - max(a.start_s, start_s) > 0 for a in acts)


def _mask(n: int, acts: list[Act], fps: float) -> Bools:
    out = np.zeros(n, bool)
    for a in acts:
        out[round(a.start_s * fps) : round(a.end_s * fps)] = True
    return out
