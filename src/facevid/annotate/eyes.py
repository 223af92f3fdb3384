"""What eyes do: blinks, winks, closed eyes and looks aside, from how far the lids are open and from the iris.

Mesh and pictures together still leave a shut eye some of its opening, so a closure is told by how long and how evenly
both lids come down, more than by how far.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facevid.annotate.observed import Act, Floats
from facevid.annotate.signals import Signals, bridged, confidence, lasting, smooth, spans

Bools = NDArray[np.bool_]

HELD, HELD_SMOOTH_S = 0.2, 0.3
"""Both eyes, averaged over a blink's length, are held closed when they lose this share of their opening: open eyes lose
.14 at most in 97 of 100 clips, held closed ones .25 or more in 9 of 10."""
HELD_DEPTH = 0.5
"""And this part of what the clip's deepest blink loses: lids that shut farther a moment later were only narrowed."""
HELD_S = (0.55, 2.0)
"""Shorter is a blink (over .5 s counts as a long closure: Caffier et al. 2003); longer may as well be eyes cast down or
narrowed, whose lids look the same to a mesh, and is not told."""
BLINK, BLINK_ONE = 0.15, 0.6
"""A blink takes this share of the opening from both eyes' mean, or of this part of one eye's: in a turned head or
behind frames one lid is seen to move less. Open eyes scatter by .05."""
BLINK_S = (0.1, 0.6)
"""Blinks last .1 to .4 s (Caffier et al. 2003), a little more with their smoothing."""
BLINK_SMOOTH_S, AROUND_S = 0.1, 1.2
"""A blink is short against the eye's opening around it: the running median over three blinks' length, which follows
narrowed eyes, pitch and gaze."""
LID_EDGE = 0.3
"""A blink lasts from and to where the lids have gone this share of their deepest way."""
WINK, WINK_OTHER = 0.25, 0.3
"""A winking eye loses this share of its opening, and the other eye less than this part of that: in blinks seen from the
side the other eye mostly follows by half and more."""
WINK_S = (0.25, 0.6)
"""Duration of a wink at half its depth: a shorter one-sided closure is a blink of which one lid was not seen, a longer
one may be a squint of one eye."""
WINK_EDGE_S, WINK_SMOOTH_S = 0.06, 0.12
"""A wink begins and ends so long before and after half its depth."""
SHUT = 0.7
"""While an eye is lower than this share of its opening, its iris is a guess."""
AWAY_DEG = 8.0
"""Gaze feels direct within a cone of 9 degrees, 4.5 to either side (Gamer & Hecht 2007); off is nearly twice that, in
both eyes: they move together, and one alone is an iris misplaced by the mesh."""
GAZE_SMOOTH_S = 0.3
"""A fixation lasts .2 to .4 s: nothing shorter is a look."""
AHEAD_DEG, AHEAD_S, BIAS_DEG = 10.0, 0.3, 5.0
"""Straight ahead is the median of the frames within 10 degrees of the middle of the eye, if there are .3 s of them, and
at most 5 degrees from it (SD between people: 2.1 to 2.8 on drawn faces, 1.3 on real ones)."""
MADE_UP = 0.75
"""Eyes hold the camera while the head turns, if their turn makes up for it, within AWAY_DEG, for most of the time."""
YAW_SHARE = 0.15
"""Part of the head's yaw that the mesh takes from the eyes' turn in frontal coordinates, since the iris lies deeper or
nearer than the corners (.11 to .19 by regression on drawn faces, whose eyes are still in the head)."""
AWAY_S = 0.4
"""Shorter looks aside are glances and ordinary saccades (fixations last .2 to .4 s)."""
GLANCE_S = 0.3
"""A look back shorter than a fixation does not end a look aside."""
EYE_WIDTH_CM, EYE_RADIUS_CM = 3.0, 1.2
"""Palpebral fissure and eyeball of adults: they turn an iris's place in eye widths into an angle."""


def winks(s: Signals) -> list[Act]:
    """One eye shut, the other open."""
    right, left = _openings(s, WINK_SMOOTH_S)
    usual = np.median(right - left)
    acts = []
    for eye, shut, other, sign in (("right", right, left, -1), ("left", left, right, 1)):
        apart = np.asarray(sign * (right - left - usual), np.float32)
        for peak in spans(apart, 0.2, 0.5):
            first, last = _half_depth(apart, peak[0] + int(np.argmax(apart[slice(*peak)])))
            inside = slice(int(np.ceil(first)), int(last) + 1)
            depth, follows = 1 - float(np.median(shut[inside])), 1 - float(np.median(other[inside]))
            lasts = (last - first) / s.fps
            least = max(WINK, follows / WINK_OTHER)
            if WINK_S[0] <= lasts <= WINK_S[1] and depth > least:
                start = max(first / s.fps - WINK_EDGE_S, 0)
                end = min((last + 1) / s.fps + WINK_EDGE_S, len(s) / s.fps)
                acts.append(Act("wink", start, end, confidence(depth, WINK), {"eye": eye}))
    return acts


def blinks_and_closures(s: Signals, winked: list[Act], narrowed: Bools) -> list[Act]:
    """Blinks and closed eyes beside the winks. `narrowed` (n,): frames in which a smile or the like draws the lids
    together, which is no closure.
    """
    right, left = _openings(s, HELD_SMOOTH_S)
    lost = np.where(narrowed, 0, 1 - (right + left) / 2).astype(np.float32)
    taken = np.zeros(len(s), bool)
    for act in winked:
        taken[max(round(act.start_s * s.fps) - 2, 0) : round(act.end_s * s.fps) + 2] = True
    acts = []
    deepest = float((1 - np.mean(_openings(s, BLINK_SMOOTH_S), axis=0)).max())
    for first, last in lasting(spans(lost, HELD, 0.5), HELD_S[0], s.fps):
        if last - first > HELD_S[1] * s.fps or float(lost[first:last].max()) < HELD_DEPTH * deepest:
            continue
        deep = lost[first:last] > 0.6 * lost[first:last].max()
        both = [float(np.median(1 - eye[first:last][deep])) for eye in (right, left)]
        if min(both) > WINK_OTHER * max(both) and taken[first:last].mean() < 0.5:
            taken[first:last] = True
            sure = confidence(float(lost[first:last].max()), HELD)
            acts.append(Act("close eyes", first / s.fps, last / s.fps, sure))
    return acts + _blinks(s, taken)


def looks_aside(s: Signals) -> list[Act]:
    """Both eyes off the camera, to whatever side; eyes that turn against the head by as much as it turns are not (the
    vestibulo-ocular reflex holds the camera so).
    """
    looked = gaze_angles(s)
    if looked is None:
        return []
    turned, seen = looked
    aside = np.sign(turned[0]) * np.where(turned[0] * turned[1] > 0, np.min(np.abs(turned), axis=0), 0)
    makes_up = (np.abs(s.yaw) > AWAY_DEG) & (np.abs(aside + s.yaw) < AWAY_DEG)
    off = np.where(bridged(seen, int(BLINK_S[1] * s.fps)), np.abs(aside), 0).astype(np.float32)
    acts = []
    for first, last in lasting(spans(off, AWAY_DEG, 0.5, int(GLANCE_S * s.fps)), AWAY_S, s.fps):
        if seen[first:last].mean() > 0.5 and makes_up[first:last].mean() < MADE_UP:
            side = "right" if aside[first:last].sum() > 0 else "left"
            sure = confidence(float(np.percentile(off[first:last], 90)), AWAY_DEG)
            acts.append(Act("gaze away", first / s.fps, last / s.fps, sure, {"side": side}))
    return acts


def eyes_open(s: Signals) -> tuple[Floats, Floats]:
    """How far the subject's right and left eye are open, as shares of their own open aspect ratio; about 1 is open.

    Open is the clip's 85th percentile: eyes are shut for a twentieth of the time (Soukupova & Cech 2016 use a fixed
    .2 to .3, which narrow eyes do not reach).
    """
    shares = [v / max(float(np.percentile(v, 85)), 1e-3) for v in (s.open_right, s.open_left)]
    return shares[0].astype(np.float32), shares[1].astype(np.float32)


def gaze_angles(s: Signals) -> tuple[Floats, Bools] | None:
    """Turn of the right and the left eye in the head, degrees (2, n), to the picture's right, from straight ahead; and
    the frames (n,) in which they are open.

    None where they hardly ever are. While they are shut the angle is interpolated: the mesh's iris is a guess then.
    """
    seen = np.minimum(*eyes_open(s)) > SHUT
    if seen.sum() < 2:
        return None
    frames = np.arange(len(s))
    across = np.stack([np.interp(frames, frames[seen], v[seen]) for v in (s.gaze_right, s.gaze_left)])
    angles = np.degrees(np.arcsin(np.clip(across * EYE_WIDTH_CM / EYE_RADIUS_CM, -1, 1))).astype(np.float32)
    turned = np.stack([smooth(v, s.fps, GAZE_SMOOTH_S) for v in angles]) + np.float32(YAW_SHARE) * s.yaw
    middle = turned.mean(axis=0)
    near = seen & (np.abs(middle) < AHEAD_DEG)
    near = near if near.sum() >= AHEAD_S * s.fps else seen
    ahead = float(np.median(middle[near]))
    apart = np.median(turned[:, near], axis=1, keepdims=True) - ahead
    return np.asarray(turned - apart - np.clip(ahead, -BIAS_DEG, BIAS_DEG), np.float32), seen


def _blinks(s: Signals, taken: Bools) -> list[Act]:
    """Blinks outside `taken` frames."""
    lost = [_around(v, s.fps) - v for v in _openings(s, BLINK_SMOOTH_S)]
    track = np.maximum(np.mean(lost, axis=0), BLINK_ONE * np.maximum(*lost))
    track = np.where(taken, 0, track).astype(np.float32)
    return [
        Act("blink", a / s.fps, b / s.fps, confidence(float(track[a:b].max()), BLINK))
        for a, b in lasting(spans(track, BLINK, LID_EDGE), BLINK_S[0], s.fps)
        if b - a < BLINK_S[1] * s.fps
    ]


def _openings(s: Signals, seconds: float) -> list[Floats]:
    """Both eyes' smoothed opening as shares of the clip's 80th percentile."""
    slow = [smooth(v, s.fps, seconds) for v in (s.open_right, s.open_left)]
    return [v / np.float32(max(float(np.percentile(v, 80)), 1e-3)) for v in slow]


def _around(values: Floats, fps: float) -> Floats:
    """Running median of `values` (n,) over AROUND_S; the ends hold their value."""
    half = int(AROUND_S * fps) // 2
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, half, mode="edge"), 2 * half + 1)
    return np.asarray(np.median(windows, axis=1), np.float32)


def _half_depth(track: Floats, peak: int) -> tuple[float, float]:
    """Where `track` (n,) passes half its height before and after `peak`, between frames; the clip's ends cut it."""
    level = float(track[peak]) / 2
    first = last = peak
    while first > 0 and track[first - 1] > level:
        first -= 1
    while last < len(track) - 1 and track[last + 1] > level:
        last += 1
    before = (track[first] - level) / (track[first] - track[first - 1]) if first else 0.5
    after = (track[last] - level) / (track[last] - track[last + 1]) if last < len(track) - 1 else 0.5
    return float(first - before), float(last + after)
