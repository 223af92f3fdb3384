"""What mouth and brows express: smiles, laughs, frowns and raised brows, each from several cues against rest.

A cue is how far a signal is from its rest in units of what it wanders on faces that express nothing; cues are averaged
with their weights, and the average must be high for long. The lips' curve has a rest that is much the same in all
faces, so it also tells which of a clip's frames are at rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facevid.annotate.eyes import eyes_open
from facevid.annotate.observed import Act, Floats
from facevid.annotate.signals import Signals, confidence, lasting, runs, smooth, spans

Bools = NDArray[np.bool_]

SLOW_S = 0.5
"""Window that leaves expressions and takes away visemes: half power at 1.5 Hz, syllables come at 4 to 8 Hz."""
JAW_CURVE, JAW_LIFT = 0.12, 0.15
"""What a gap of the lips adds to the curve and takes from the corners' height, by regression over clips in which
nothing but speech happens (.11 to .13 and .13 to .19 on drawn faces; .22 and .11 on nine clips of real ones)."""
CURVE_SD, LIFT_SD, WIDTH_SD, BROW_SD, GAP_SD = 0.013, 0.0095, 0.025, 0.0055, 0.0088
"""Rest: SD of the curve between people, and of lift, width, brows and their gap within clips of speech, in eye
distances."""
CURVE_REST = 0.015
"""A clip's own rest is believed up to here, about one SD between people; beyond, the clip is one long expression."""
REST_S = 0.3
"""Least rest from which a level can be told; where a clip has less, the frames nearest to rest stand for it."""
SMILE, SMILE_S = 2.5, 0.4
"""A smile's cues average so many SD, which rest does in fewer than one frame of a hundred (normal distribution), from
the first to the last two fifths of its height for so long: shorter ones are visemes that the window left."""
SMILE_CURVE = 1.0
"""Of it, the corners over the lips by so many SD: a stretched mouth (AU20) or a wide vowel has none of it."""
FROWN = 2.0
"""A frown's cues average so many SD: fewer than a smile's, since all three must agree (next line)."""
FROWN_CURVE, FROWN_LIFT, FROWN_BROW = 1.0, 1.5, 1.0
"""And each of them, in the median of the frown: a mouth alone may pout, brows alone come down after a raise."""
EXPRESSION_S = 0.5
"""Shortest expression that counts: spontaneous ones last .5 to 4 s (Ekman & Friesen 1982); shorter is speech."""
LAUGH_HZ = (3.0, 6.5)
"""Bouts of laughter beat 4 to 5 times a second (Bachorowski et al. 2001; Provine & Yong 1991: one in 210 ms)."""
LAUGH_BEAT = 0.012
"""Amplitude of the beat in the lips' gap, 1.1 mm: held grins beat by less than .5 mm. How far the lips part beside it
says nothing more: some meshes hardly open them, and speech before or after the laugh opens them as far."""
BROW_S = 0.3
BROW_RAISE = 0.03
"""Rise of the brows, 2.7 mm: a third of the frontalis' 8 to 10 mm (full raise), above the mesh's own 1 mm."""
DRAWN, LOWERED = 2.8, 2.2
"""Brows drawn together and lowered by so many SD, 2.2 and 1.1 mm (AU4 alone): the corrugator does both,
where raised brows that come down change the height alone, and the mesh's scatter mostly one of them."""
HELD_S = 0.3
"""A frown is held longer than the window that smooths it, so no single jerk of a speaker makes one."""
FROWN_TRUST, BROWS_TRUST = 0.6, 0.4
"""Share of found frowns and raised brows that were right on people held out and on real faces (docs/annotations.md):
their confidence is lowered by it, so that captions, which take what is likelier right than wrong, leave them out."""
PITCH_BROW = 0.0008
"""What a degree of pitch still takes from the brows' height in the frontal face."""
BLINK_LIDS, BLINK_S = 0.8, 0.6
"""While the lids are lower than this share for shorter than this, the mesh draws the brows up: no brow is read."""


@dataclass(frozen=True)
class Cues:
    """Each (n,), in SD from rest. curve, lift, width: mouth's corners up over the lips, up over the nose, and apart.
    brows: up. drawn: inner ends of the brows together. rest: frames whose mouth is at rest.
    """

    curve: Floats
    lift: Floats
    width: Floats
    brows: Floats
    drawn: Floats
    rest: Bools

    @property
    def smile(self) -> Floats:
        """Zygomaticus major (AU12) pulls the corners up and out."""
        return np.asarray((self.curve + (self.lift + self.width) / 2) / 2, np.float32)

    @property
    def frown(self) -> Floats:
        """Depressor anguli oris (AU15) pulls the corners down; corrugator (AU4) lowers the brows."""
        return np.asarray(-(self.curve + self.lift / 2 + self.brows / 2) / 2, np.float32)


def measure_cues(s: Signals, other: Bools) -> Cues:
    """The cues of a clip; `other` (n,) are frames in which another action draws the mouth: they tell no rest."""
    free = ~other if (~other).sum() >= REST_S * s.fps else np.ones(len(s), bool)
    curve = smooth(s.corner_slope - JAW_CURVE * s.gape, s.fps, SLOW_S)
    curve = curve - np.float32(np.clip(np.median(curve[free]), -CURVE_REST, CURVE_REST))
    nearest = np.sort(np.abs(curve[free]))[: max(int(REST_S * s.fps), 1)]
    rest = free & (np.abs(curve) <= max(CURVE_REST, float(nearest[-1])))

    def from_rest(values: Floats, sd: float) -> Floats:
        slow = smooth(values, s.fps, SLOW_S)
        return np.asarray((slow - np.median(slow[rest])) / sd, np.float32)

    height = (s.brow_height + s.inner_height) / 2 + PITCH_BROW * s.pitch
    return Cues(
        curve=np.asarray(curve / CURVE_SD, np.float32),
        lift=from_rest(s.corner_lift + JAW_LIFT * s.gape, LIFT_SD),
        width=from_rest(s.mouth_width, WIDTH_SD),
        brows=from_rest(without_blinks(height, s), BROW_SD),
        drawn=-from_rest(without_blinks(s.brow_gap, s), GAP_SD),
        rest=rest,
    )


def without_blinks(values: Floats, s: Signals) -> Floats:
    """`values` (n,) with a straight line over every blink."""
    low = runs(np.minimum(*eyes_open(s)) < BLINK_LIDS)
    keep = np.ones(len(s), bool)
    for first, last in low:
        if last - first < BLINK_S * s.fps:
            keep[max(first - 2, 0) : last + 2] = False
    if keep.sum() < 2:
        return values
    frames = np.arange(len(s))
    return np.interp(frames, frames[keep], values[keep]).astype(np.float32)


def smiles(s: Signals, cues: Cues, talking: Bools, other: Bools, *, heard: bool) -> list[Act]:
    """Smiles, and laughs: smiles whose open lips beat, but not with speech; unheard, one looks like the other."""
    acts = []
    for first, last in lasting(spans(np.where(other, 0, cues.smile), SMILE, 0.4), SMILE_S, s.fps):
        if float(np.median(cues.curve[first:last])) < SMILE_CURVE:
            continue
        height = float(np.percentile(cues.smile[first:last], 90))
        beat = _beat(s.gape[first:last], s.fps)
        laughs = heard and beat > LAUGH_BEAT and talking[first:last].mean() < 0.5
        detail = {"sd": round(height, 2), "beat": round(beat, 4)}
        name = "laugh" if laughs else "smile"
        acts.append(Act(name, first / s.fps, last / s.fps, confidence(height, SMILE), detail))
    return acts


def frowns(s: Signals, cues: Cues) -> list[Act]:
    """Corners of the mouth and brows down (AU15, AU4), or brows down and drawn together (AU4 alone)."""
    by_mouth = [
        (a, b)
        for a, b in spans(cues.frown, FROWN, 0.4)
        if float(np.median(cues.brows[a:b])) < -FROWN_BROW
        and float(np.median(cues.curve[a:b])) < -FROWN_CURVE
        and float(np.median(cues.lift[a:b])) < -FROWN_LIFT
    ]
    scowl = np.minimum(cues.drawn / DRAWN, -cues.brows / LOWERED).astype(np.float32)
    by_brows = [
        (a, b) for a, b in spans(scowl, 1.0, 0.5)
        if (scowl[a:b] > 1).sum() >= HELD_S * s.fps and not any(a < d and c < b for c, d in by_mouth)
    ]  # fmt: skip
    acts = []
    for track, least, found in ((cues.frown, FROWN, by_mouth), (scowl, 1.0, by_brows)):
        for first, last in lasting(found, EXPRESSION_S, s.fps):
            sure = FROWN_TRUST * confidence(float(track[first:last].max()), least)
            acts.append(Act("frown", first / s.fps, last / s.fps, sure))
    return acts


def raised_brows(s: Signals, shut: Bools) -> list[Act]:
    """Raised brows (AU1 and AU2), not while the eyes are shut: there the mesh draws the brows up."""
    height = smooth(without_blinks((s.brow_height + s.inner_height) / 2, s), s.fps, 0.3)
    rise = np.where(shut, 0, height - np.median(height))
    return [
        Act("raise brows", a / s.fps, b / s.fps, BROWS_TRUST * confidence(float(rise[a:b].max()), BROW_RAISE))
        for a, b in lasting(spans(rise, BROW_RAISE, 0.5), BROW_S, s.fps)
    ]


def _beat(gape: Floats, fps: float) -> float:
    """Amplitude of the strongest beat of LAUGH_HZ in a stretch, eye distances, in the median of windows of two beats of
    the slowest, so that a mouth that opens once has none; 0 where it is too short for a window.
    """
    n = round(2 * fps / LAUGH_HZ[0])
    if len(gape) < n:
        return 0.0
    fast = gape - smooth(gape, fps, 2 / LAUGH_HZ[0])
    parts = np.lib.stride_tricks.sliding_window_view(fast, n)
    power = np.abs(np.fft.rfft(parts * np.hanning(n), axis=1)) * 4 / n
    hz = np.fft.rfftfreq(n, 1 / fps)
    band = (hz >= LAUGH_HZ[0]) & (hz <= LAUGH_HZ[1])
    return float(np.median(power[:, band].max(axis=1))) if band.any() else 0.0
