"""What mouth and brows express: smiles, laughs, frowns and raised brows, each from several cues against rest.

A cue is how far a signal is from its rest in units of what it wanders on faces that express nothing; cues are averaged
with their weights, and the average must be high for long. The lips' curve has a rest that is much the same in all
faces, so it also tells which of a clip's frames are at rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

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
CURVE_SD, LIFT_SD, WIDTH_SD, BROW_SD = 0.013, 0.0095, 0.025, 0.0061
"""Rest: SD of the curve between people, and of lift, width and brows within clips of speech, in eye
distances (development data)."""
CURVE_REST = (-2.0, 1.15)
"""A clip's own rest is believed within these SD between people; beyond, the clip is one long expression."""
REST_S, REST_SHARE, EXPRESSES_S = 0.3, 0.2, 4.0
"""Rest of an expression is what shows least of it: a fifth of a short clip, which a smile may fill, and .3 s at least;
of a longer one all but 4 s, since spontaneous expressions last .5 to 4 s (Ekman & Friesen 1982)."""
SMILE, SMILE_S = 3.0, 0.4
"""A smile's cues average so many SD over rest, as 1 of 100 clips without one do (437 of development), from the first to
the last two fifths of its height for so long: shorter ones are visemes that the window left."""
SMILE_CURVE = 1.0
"""Of it, the corners over the lips by so many SD: a stretched mouth (AU20) or a wide vowel has none of it."""
FROWN = 2.6
"""A frown's cues average so many SD; a little fewer than a smile's, since the next line asks for each of them."""
FROWN_CURVE, FROWN_LIFT, FROWN_BROW = 1.0, 1.5, 1.0
"""In the median of the frown: corners so far down under the lips and the nose, and brows no farther up."""
DRAWN_DOWN = -0.5
"""Two positions of a mouth are a frown and rest below, rest and a smile above this: on development data smiles lie
over 0 (5th percentile), frowns under -.76 (95th); in the middle between both."""
EXPRESSION_S = 0.5
"""Shortest expression that counts: spontaneous ones last .5 to 4 s (Ekman & Friesen 1982); shorter is speech."""
LAUGH_HZ = (3.0, 6.5)
"""Bouts of laughter beat 4 to 5 times a second (Bachorowski et al. 2001; Provine & Yong 1991: one in 210 ms)."""
LAUGH_BEAT = 0.012
"""Amplitude of the beat in the lips' gap, 1.1 mm: held grins beat by less than .5 mm. How far the lips part beside it
says nothing more: some meshes hardly open them, and speech before or after the laugh opens them as far."""
BROW_S = 0.3
BROW_RAISE = 5.0
"""Rise of the brows over rest in SD, 2.7 mm: a third of the frontalis' 8 to 10 mm (full raise). Stress of speech lifts
them by 1 to 2 mm."""
FROWN_TRUST, BROWS_TRUST = 0.73, 0.68
"""Share of found frowns and raised brows that are right, on development data and real faces together (30 of 41, 27 of
40; docs/annotations.md): their confidence is lowered by it, so that captions name only plain ones."""
BLINK_LIDS, BLINK_S = 0.7, 0.6
"""While the lids are lower than this share for shorter than this, the mesh draws the brows up: no brow is read."""


@dataclass(frozen=True)
class Cues:
    """Each (n,), in SD of a face that expresses nothing. curve, lift, width: mouth's corners up over the lips (0 is
    level), up over the nose, and apart. brows: up.
    """

    curve: Floats
    lift: Floats
    width: Floats
    brows: Floats

    @property
    def smile(self) -> Floats:
        """Zygomaticus major (AU12) pulls the corners up and out."""
        return np.asarray((self.curve + (self.lift + self.width) / 2) / 2, np.float32)

    @property
    def frown(self) -> Floats:
        """Depressor anguli oris (AU15) pulls the corners down; corrugator (AU4) lowers the brows."""
        return np.asarray(-(self.curve + self.lift / 2 + self.brows / 2) / 2, np.float32)

    def over(self, rest: Bools) -> Cues:
        """The cues less their median over the frames of `rest` (n,); of the curve no more than people differ in."""
        levels = {name: float(np.median(getattr(self, name)[rest])) for name in CUES}
        levels["curve"] = float(np.clip(levels["curve"], *CURVE_REST))
        return Cues(
            **{name: np.asarray(getattr(self, name) - level, np.float32) for name, level in levels.items()}
        )


CUES = tuple(field.name for field in fields(Cues))


def measure_cues(s: Signals, height: Floats) -> Cues:
    """The cues of a clip whose brows are at `height` (n,), eye distances (see `brows.brow_height`)."""

    def slow(values: Floats, sd: float) -> Floats:
        return np.asarray(smooth(values, s.fps, SLOW_S) / sd, np.float32)

    return Cues(
        curve=slow(s.corner_slope - JAW_CURVE * s.gape, CURVE_SD),
        lift=slow(s.corner_lift + JAW_LIFT * s.gape, LIFT_SD),
        width=slow(s.mouth_width, WIDTH_SD),
        brows=slow(without_blinks(height, s), BROW_SD),
    )


def at_rest(track: Floats, free: Bools, fps: float) -> Bools:
    """The frames (n,) of `free` in which `track` (n,) is lowest, as many as are rest (see REST_S)."""
    share = max(REST_SHARE, 1 - EXPRESSES_S * fps / len(track))
    count = min(max(int(share * free.sum()), int(REST_S * fps), 1), len(track))
    rest = np.zeros(len(track), bool)
    rest[np.argsort(np.where(free, track, np.inf), kind="stable")[:count]] = True
    return rest


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


def mouth_acts(s: Signals, cues: Cues, talking: Bools, other: Bools, *, heard: bool) -> list[Act]:
    """Smiles, laughs and frowns. `other` (n,): frames in which another action draws the mouth.

    A mouth that is higher for a while smiles then or frowns before and after; which of the two is rest is asked of
    every stretch. So each is looked for outside the other.
    """
    cross = frown_spans(s, cues, other)
    glad = smile_spans(s, cues, other | _inside(cross, len(s)))
    cross = frown_spans(s, cues, other | _inside([g[:2] for g in glad], len(s)))
    acts = []
    for first, last, height in glad:
        beat = _beat(s.gape[first:last], s.fps)
        laughs = heard and beat > LAUGH_BEAT and talking[first:last].mean() < 0.5
        detail = {"sd": round(height, 2), "beat": round(beat, 4)}
        name = "laugh" if laughs else "smile"
        acts.append(Act(name, first / s.fps, last / s.fps, confidence(height, SMILE), detail))
    acts += [Act("frown", a / s.fps, b / s.fps, FROWN_TRUST * confidence(h, FROWN)) for a, b, h in cross]
    return acts


def smile_spans(s: Signals, cues: Cues, other: Bools) -> list[tuple[int, int, float]]:
    """First frame, frame after the last and height in SD of each smile; the mouth's lowest frames are its rest."""
    rest = at_rest(cues.smile, _enough(~other, s.fps), s.fps)
    moved = cues.over(rest)
    track = np.where(other, 0, moved.smile)
    out = []
    for first, last in lasting(spans(track, SMILE, 0.4), SMILE_S, s.fps):
        if float(np.median(moved.curve[first:last])) < SMILE_CURVE or lower_is_drawn(
            cues, _core(track, first, last), rest
        ):
            continue
        out.append((first, last, float(np.percentile(track[first:last], 90))))
    return out


def frown_spans(s: Signals, cues: Cues, other: Bools) -> list[tuple[int, int, float]]:
    """As `smile_spans`; the highest frames are rest."""
    rest = at_rest(cues.frown, _enough(~other, s.fps), s.fps)
    moved = cues.over(rest)
    track = np.where(other, 0, moved.frown)
    out = []
    for first, last in lasting(spans(track, FROWN, 0.4), EXPRESSION_S, s.fps):
        core = _core(track, first, last)
        if (
            float(np.median(moved.curve[core])) < -FROWN_CURVE
            and float(np.median(moved.lift[core])) < -FROWN_LIFT
            and float(np.median(moved.brows[core])) < FROWN_BROW
            and lower_is_drawn(cues, rest, core)
        ):
            out.append((first, last, float(np.percentile(track[first:last], 90))))
    return out


def lower_is_drawn(cues: Cues, high: Bools, low: Bools) -> bool:
    """Whether the lower of two positions of a mouth is a frown, rather than the higher one a smile.

    high, low: frames (n,) of both. A mouth at rest is level; zygomaticus pulls the corners out by most of what it lifts
    them, depressor anguli oris hardly; brows come down in a frown. Each in SD.
    """

    def differ(name: str) -> float:
        values = getattr(cues, name)
        return float(np.median(values[high]) - np.median(values[low]))

    level = float(np.median(cues.curve[high]) + np.median(cues.curve[low])) / 2
    return level + differ("width") - differ("lift") / 2 - max(differ("brows"), 0) / 4 < DRAWN_DOWN


def raised_brows(s: Signals, cues: Cues, other: Bools) -> list[Act]:
    """Raised brows (AU1 and AU2). `other` (n,): frowns, yawns and held lids, in which the brows move with them."""
    rise = cues.brows - np.median(cues.brows[at_rest(cues.brows, _enough(~other, s.fps), s.fps)])
    return [
        Act("raise brows", a / s.fps, b / s.fps, BROWS_TRUST * confidence(float(rise[a:b].max()), BROW_RAISE))
        for a, b in lasting(spans(np.where(other, 0, rise), BROW_RAISE, 0.5), BROW_S, s.fps)
    ]


def _enough(free: Bools, fps: float) -> Bools:
    return free if free.sum() >= REST_S * fps else np.ones(len(free), bool)


def _core(track: NDArray[Any], first: int, last: int) -> Bools:
    """Frames of a stretch in which `track` is over half of its height."""
    out = np.zeros(len(track), bool)
    out[first:last] = track[first:last] > track[first:last].max() / 2
    return out


def _inside(found: Iterable[tuple[Any, ...]], n: int) -> Bools:
    out = np.zeros(n, bool)
    for first, last, *_ in found:
        out[first:last] = True
    return out


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
