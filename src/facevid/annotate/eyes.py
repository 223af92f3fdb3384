"""What eyes do: blinks, winks, closed eyes and looks aside, from the aspect ratio of the lids and the iris."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facevid.annotate.observed import Act, Floats
from facevid.annotate.signals import Signals, bridged, confidence, lasting, runs, smooth, spans

Bools = NDArray[np.bool_]

SHUT = 0.7
"""An eye is shut under this share of its open aspect ratio. The mesh's lids stay apart in a shut eye (.25 to .6 of
open, the more the shorter the blink), so less than half way must do; an open eye scatters by .05."""
BLINK_S = 0.5
"""Longer closures are no blinks: blinks last .1 to .4 s, half shut to half open (Caffier et al. 2003: over .5 s is
counted as a long closure)."""
SHUT_ASPECT = 0.25
"""And under this aspect ratio, else it was only wide open before: .2 to .25 part open from shut (Soukupova & Cech)."""
LID_EDGE = 0.3
"""A closure lasts from and to where the lids have gone this share of their deepest way."""
BLINK_BOTH = 0.78
"""Both eyes together are shut under this share; one blinks less than the other, most in a turned head."""
HELD_ASPECT = 0.2
"""Eyes that are held closed have a lower aspect ratio than this (Soukupova & Cech 2016); narrowed ones do not."""
DEEP, LONG_S = 0.6, 0.3
"""Closed eyes keep most of their depth for longer than the shut phase of a blink, .05 to .2 s (Caffier et al. 2003)."""
FLICKER_S = 0.12
"""Lids that seem to open for less than this stay closed: no blink opens and shuts again so fast."""
WINK_GAP = 0.25
"""Difference of both eyes' shares in a wink, where a blink's two eyes differ by .1; the other eye follows a little."""
WINK_S = 0.2
"""Shortest wink; a shorter difference is one eye's part of a blink."""
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


def lid_acts(s: Signals) -> list[Act]:
    """Blinks, winks and closed eyes: stretches in which one eye or both are shut."""
    right, left = eyes_open(s)
    low = np.minimum(right, left)
    aspect, mean = np.minimum(s.open_right, s.open_left), (s.open_right + s.open_left) / 2
    acts = []
    for first, last in _closures(np.asarray(1 - low, np.float32), mean, np.abs(right - left), s.fps):
        one, other = (right, left) if right[first:last].sum() < left[first:last].sum() else (left, right)
        span = (first / s.fps, last / s.fps)
        shut, still = float(one[first:last].min()), float(other[first:last].min())
        apart = float((other[first:last] - one[first:last]).max())
        alone = float(np.median(one[first:last] / np.maximum(other[first:last], 1e-3))) < 0.5
        if apart > WINK_GAP and (still > SHUT or alone):
            if last - first >= WINK_S * s.fps:
                eye = "right" if one is right else "left"
                acts.append(Act("wink", *span, confidence(apart, WINK_GAP), {"eye": eye}))
        elif (shut + still) / 2 < BLINK_BOTH and aspect[first:last].min() < SHUT_ASPECT:
            name = "blink" if span[1] - span[0] < BLINK_S else "close eyes"
            sure = confidence(1 - (shut + still) / 2, 1 - SHUT)
            acts.append(Act(name, *span, sure, {"open": round((shut + still) / 2, 3)}))
    return acts


def looks_aside(s: Signals) -> list[Act]:
    """Eyes off the camera; those that turn against the head, no farther than it does, are not (the vestibulo-ocular
    reflex holds the camera so).
    """
    looked = gaze_angles(s)
    if looked is None:
        return []
    turned, seen = looked
    makes_up = (turned * s.yaw < 0) & (np.abs(turned) < np.abs(s.yaw) + CONE_DEG)
    acts = []
    for side, sign in (("right", 1), ("left", -1)):
        off = np.where(makes_up, 0, sign * turned)
        for first, last in lasting(spans(off, AWAY_DEG, 0.5, int(GLANCE_S * s.fps)), AWAY_S, s.fps):
            if seen[first:last].mean() > 0.5:
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


def _closures(closed: Floats, aspect: Floats, apart: Floats, fps: float) -> list[tuple[int, int]]:
    """Stretches in which an eye is shut: `closed` is the share of its way, `aspect` and `apart` are the mean of
    both eyes and the difference of their shares, each (n,).

    What lasts longer than a blink and is not held closed is a squint or several blinks: only its depths are given.
    """
    found = []
    for first, last in spans(closed, 1 - SHUT, LID_EDGE):
        deep = closed[first:last] > DEEP * closed[first:last].max()
        longest = max(b - a for a, b in runs(bridged(deep, int(FLICKER_S * fps))))
        low, wide = np.percentile(aspect[first:last], 30), np.percentile(apart[first:last], 70)
        held = longest >= LONG_S * fps and (low <= HELD_ASPECT or wide > WINK_GAP)
        if last - first < BLINK_S * fps or held:
            found.append((first, last))
        else:
            parts = [(first + max(a - 1, 0), min(first + b + 1, last)) for a, b in runs(deep)]
            found += [(a, b) for a, b in parts if b - a < BLINK_S * fps]
    return found
