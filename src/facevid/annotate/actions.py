"""Actions of a clip with start and end, measured on its meshes and speech: no model, no picture.

Every action is a signal that leaves its own neutral level by more than a threshold for long enough. Lengths are in eye
distances (outer corners, about 9 cm in adults, Farkas 1994), so .01 is about a millimetre. Singing, shouting and
whispering need more than a speech probability, and a sigh looks like a breath: none of them is answered.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facevid.annotate.movements import held_tilt, oscillations
from facevid.annotate.observed import Act, Floats, Observed
from facevid.annotate.signals import Signals, bridged, measure_signals, runs, smooth

Bools = NDArray[np.bool_]

SPEECH = 0.5
"""Speech probability that counts as speech: Silero's own default threshold."""
PAUSE_S = 0.5
"""Pauses up to here belong to one stretch of talk; longer ones end it (Heldner & Edlund 2010: most are shorter)."""
TALK_S = 0.25
"""Shortest speech that counts: Silero's own default."""
TALK_GAPE = 0.015
"""The lips' gap must vary by this (1.4 mm from 10th to 90th percentile) or the voice is somebody else's."""
SHUT = 0.7
"""An eye is shut under this share of its open aspect ratio. The mesh's
lids stay apart in a shut eye (.25 to .6 of open, the more the shorter the blink), so less than half must do; an open
eye scatters by .05."""
BLINK_S = 0.5
"""Longer closures are no blinks: blinks last .1 to .4 s, half shut to half open (Caffier et al. 2003: over .5 s is
counted as a long closure)."""
LID_EDGE = 0.3
"""A closure lasts from and to where the lids have gone this share of their deepest way."""
DEEP, LONG_S = 0.6, 0.35
"""Closed eyes keep most of their depth for longer than the shut phase of a blink, .05 to .2 s (Caffier et al. 2003)."""
WINK_GAP = 0.25
"""Difference of both eyes' shares in a wink, where a blink's two eyes differ by .1; the other eye follows a little."""
WINK_S = 0.2
"""Shortest wink; a shorter difference is one eye's part of a blink."""
SMILE = 0.038
"""Movement of the mouth's corners up and out, 3.4 mm. A full smile moves them 7 to 14 mm (Paletz et al. 1994), so
this is about a third of a plain one."""
SMILE_LIFT = 0.008
"""Of it, at least so much upwards, .7 mm: speech and a stretched mouth (AU20) draw the corners only sideways."""
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
YAWN_GAPE, YAWN_S = 0.18, 1.0
"""Lips 16 mm apart for a second: speech opens them under 12 mm and only for a vowel's length; yawns last 2 to 6 s."""
OPEN_GAPE, OPEN_S = 0.07, 1.0
"""Lips 6 mm apart for a second without speech: an open mouth."""
AWAY_DEG, CONE_DEG = 8.0, 4.5
"""Gaze feels direct within a cone of 9 degrees, 4.5 to either side (Gamer & Hecht 2007); off is nearly twice that."""
GAZE_BIAS = 0.02
"""A clip's median gaze is straight ahead if nearer to the middle than this (eye widths): the eyes' own asymmetry
(angle kappa) cancels in the mean of both; farther off it is a look aside that lasts."""
AWAY_S = 0.4
"""Shorter looks aside are glances and ordinary saccades (fixations last .2 to .4 s)."""
GLANCE_S = 0.3
"""A look back shorter than a fixation does not end a look aside."""
EYE_WIDTH_CM, EYE_RADIUS_CM = 3.0, 1.2
"""Palpebral fissure and eyeball of adults: they turn an iris's place in eye widths into an angle."""


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
    eyes = [
        a for a in _eye_acts(s) if not _touches(yawns, a.start_s, a.end_s)
    ]  # a yawn shuts the eyes itself
    shut = _mask(len(s), [*eyes, *yawns], o.fps)
    frowns = [a for a in _frowns(s, shut) if not _touches(yawns, a.start_s, a.end_s)]
    smiles = _smiles(s, talking, _mask(len(s), [*yawns, *frowns], o.fps))
    frowns = [a for a in frowns if not _touches(smiles, a.start_s, a.end_s)]
    turns = oscillations(s)
    acts = [*talk, *yawns, *eyes, *smiles, *frowns, *_raised_brows(s, shut), *_away(s)]
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
            sure = float(o.speech[first:last].mean()) * _sure(moves, TALK_GAPE)
            acts.append(Act("talk", first / s.fps, last / s.fps, round(sure, 3), {"lips": round(moves, 4)}))
    return acts


def eyes_open(s: Signals) -> tuple[Floats, Floats]:
    """How far the subject's right and left eye are open, as shares of their own open aspect ratio; about 1 is open.

    Open is the clip's 85th percentile: eyes are shut for a twentieth of the time (Soukupova & Cech 2016 use a fixed
    .2 to .3, which narrow eyes do not reach).
    """
    shares = [v / max(float(np.percentile(v, 85)), 1e-3) for v in (s.open_right, s.open_left)]
    return shares[0].astype(np.float32), shares[1].astype(np.float32)


def smile_track(s: Signals, other: Bools | None = None) -> tuple[Floats, Floats]:
    """Movement of the mouth's corners from neutral, eye distances, each (n,): up and out together (AU12), and up alone.

    The corners travel at about 45 degrees, along the zygomaticus major. Neutral is the clip's 25th percentile outside
    `other` (n,), frames in which another action draws the mouth; so a smile may fill two thirds of a clip.
    """
    rest = np.ones(len(s), bool) if other is None or (~other).sum() < REST_S * s.fps else ~other
    up = smooth(s.corner_lift, s.fps)
    path = (up + smooth(s.mouth_width, s.fps) / 2) / np.float32(np.sqrt(2))
    return path - np.percentile(path[rest], 25), up - np.percentile(up[rest], 25)


def gaze_angles(s: Signals) -> tuple[Floats, Bools] | None:
    """Turn of the eyes in the head, degrees (n,), to the picture's right; and the frames (n,) in which they are open.

    None where they hardly ever are. While they are shut the angle is interpolated: the mesh's iris is a guess then.
    """
    seen = np.minimum(*eyes_open(s)) > SHUT
    if seen.sum() < 2:
        return None
    frames = np.arange(len(s))
    across = np.interp(frames, frames[seen], s.gaze_x[seen])
    across -= np.clip(np.median(across), -GAZE_BIAS, GAZE_BIAS)
    turned = np.clip(across * EYE_WIDTH_CM / EYE_RADIUS_CM, -1, 1)
    return smooth(np.degrees(np.arcsin(turned)).astype(np.float32), s.fps), seen


def _eye_acts(s: Signals) -> list[Act]:
    """Blinks, winks and closed eyes: stretches in which one eye or both are shut."""
    right, left = eyes_open(s)
    low = np.minimum(right, left)
    acts = []
    for first, last in _closures(np.asarray(1 - low, np.float32), s.fps):
        one, other = (right, left) if right[first:last].sum() < left[first:last].sum() else (left, right)
        span = (first / s.fps, last / s.fps)
        shut, still = float(one[first:last].min()), float(other[first:last].min())
        apart = float((other[first:last] - one[first:last]).max())
        if still > SHUT and apart > WINK_GAP:
            if last - first >= WINK_S * s.fps:
                eye = "right" if one is right else "left"
                acts.append(Act("wink", *span, _sure(apart, WINK_GAP), {"eye": eye}))
        elif (shut + still) / 2 < (SHUT + 1) / 2:
            name = "blink" if span[1] - span[0] < BLINK_S else "close eyes"
            sure = _sure(1 - (shut + still) / 2, 1 - SHUT)
            acts.append(Act(name, *span, sure, {"open": round((shut + still) / 2, 3)}))
    return acts


def _closures(closed: Floats, fps: float) -> list[tuple[int, int]]:
    """Stretches in which an eye is shut; where a blink stands in a long squint, the blink alone."""
    found = []
    for first, last in _spans(closed, 1 - SHUT, LID_EDGE):
        if last - first >= BLINK_S * fps:
            deep = runs(closed[first:last] > DEEP * closed[first:last].max())
            if max(b - a for a, b in deep) < LONG_S * fps:
                found += [(first + max(a - 1, 0), min(first + b + 1, last)) for a, b in deep]
                continue
        found.append((first, last))
    return found


def _yawns(s: Signals, talking: Bools) -> list[Act]:
    gape = smooth(s.gape, s.fps)
    return [
        Act("yawn", a / s.fps, b / s.fps, _sure(float(gape[a:b].max()), YAWN_GAPE))
        for a, b in _long(_spans(gape, YAWN_GAPE, 0.3), YAWN_S, s.fps)
        if talking[a:b].mean() < 0.5
    ]


def _smiles(s: Signals, talking: Bools, other: Bools) -> list[Act]:
    """Smiles, and laughs: smiles whose open lips beat in silence."""
    track, lift = smile_track(s, other)
    gape = smooth(s.gape, s.fps)
    acts = []
    for first, last in _long(_spans(track, SMILE, 0.4), EXPRESSION_S, s.fps):
        if float(np.percentile(lift[first:last], 75)) < SMILE_LIFT or other[first:last].mean() > 0.5:
            continue
        height = float(np.percentile(track[first:last], 90))
        beat = _beat(s.gape[first:last], s.fps)
        opened = float(np.median(gape[first:last]) - np.percentile(gape, 20))
        laughs = opened > LAUGH_GAPE and beat > LAUGH_BEAT and talking[first:last].mean() < 0.5
        detail = {"corners": round(height, 4), "beat": round(beat, 4)}
        acts.append(
            Act("laugh" if laughs else "smile", first / s.fps, last / s.fps, _sure(height, SMILE), detail)
        )
    return acts


def _open_mouths(s: Signals, other: Bools) -> list[Act]:
    gape = smooth(s.gape, s.fps)
    return [
        Act("open mouth", a / s.fps, b / s.fps, _sure(float(gape[a:b].mean()), OPEN_GAPE))
        for a, b in _long(runs((gape > OPEN_GAPE) & ~other), OPEN_S, s.fps)
    ]


def _raised_brows(s: Signals, shut: Bools) -> list[Act]:
    """Raised brows (AU1 and AU2), not while the eyes are shut: there the mesh draws the brows up."""
    height = smooth((s.brow_height + s.inner_height) / 2, s.fps, BROW_SMOOTH_S)
    rise = np.where(shut, 0, height - np.median(height))
    return [
        Act("raise brows", a / s.fps, b / s.fps, _sure(float(rise[a:b].max()), BROW_RAISE))
        for a, b in _long(_spans(rise, BROW_RAISE, 0.5), BROW_S, s.fps)
    ]


def _frowns(s: Signals, shut: Bools) -> list[Act]:
    """Lowered brows (AU4) together with lowered corners of the mouth (AU15)."""
    height = smooth((s.brow_height + s.inner_height) / 2, s.fps, BROW_SMOOTH_S)
    corners = smooth(s.corner_lift, s.fps, BROW_SMOOTH_S)
    drops = [(np.percentile(v, 70) - v) / least for v, least in ((height, BROW_DROP), (corners, CORNER_DROP))]
    both = np.minimum(*drops)
    return [
        Act("frown", a / s.fps, b / s.fps, _sure(float(both[a:b].max()), 1.0))
        for a, b in _long(_spans(both, 1.0, 0.5), EXPRESSION_S, s.fps)
        if shut[a:b].mean() < 0.5
    ]


def _away(s: Signals) -> list[Act]:
    """Eyes off the camera; an eye that only makes up for the head's turn (the vestibulo-ocular reflex) is not."""
    looked = gaze_angles(s)
    if looked is None:
        return []
    turned, seen = looked
    total = np.where(turned * s.yaw < 0, np.abs(turned + s.yaw), np.abs(turned))
    acts = []
    for side, sign in (("right", 1), ("left", -1)):
        off = np.where(total > CONE_DEG, sign * turned, 0)
        for first, last in _long(_spans(off, AWAY_DEG, 0.5, int(GLANCE_S * s.fps)), AWAY_S, s.fps):
            if seen[first:last].mean() > 0.5:
                sure = _sure(float(np.percentile(off[first:last], 90)), AWAY_DEG)
                acts.append(Act("gaze away", first / s.fps, last / s.fps, sure, {"side": side}))
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


def _spans(track: NDArray[Any], least: float, edge: float, gap: int = 0) -> list[tuple[int, int]]:
    """Stretches around every peak of `track` (n,) over `least`, out to where it falls under `edge` of that peak.

    Peaks at most `gap` frames apart are one.
    """
    found: list[tuple[int, int]] = []
    for first, last in runs(bridged(track > least, gap)):
        level = edge * float(track[first:last].max())
        around = [
            (a, b) for a, b in runs(bridged(track > min(level, least), gap)) if a <= first and last <= b
        ]
        if around and (not found or around[0][0] >= found[-1][1]):
            found += around
        elif around:
            found[-1] = (min(found[-1][0], around[0][0]), max(found[-1][1], around[0][1]))
    return found


def _long(found: Iterable[tuple[int, int]], seconds: float, fps: float) -> list[tuple[int, int]]:
    return [(a, b) for a, b in found if b - a >= seconds * fps]


def _touches(acts: Iterable[Act], start_s: float, end_s: float) -> bool:
    return any(min(a.end_s, end_s) - max(a.start_s, start_s) > 0 for a in acts)


def _mask(n: int, acts: list[Act], fps: float) -> Bools:
    out = np.zeros(n, bool)
    for a in acts:
        out[round(a.start_s * fps) : round(a.end_s * fps)] = True
    return out


def _sure(value: float, threshold: float) -> float:
    """Confidence of a signal that passed its threshold, 1 - threshold / (2 value): .5 at it, .75 at twice it."""
    return round(float(np.clip(1 - threshold / max(2 * value, 1e-9), 0.0, 1.0)), 3)
