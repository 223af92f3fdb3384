"""Head movements that mean something: nods, shakes and wags, which swing to and fro, and a head held tilted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from facevid.annotate.observed import Floats
from facevid.annotate.signals import Signals, runs, smooth

SWING_DEG = {"nod": 8.0, "shake head": 9.0, "wag head": 8.0}
"""Smallest turn from one side to the other. Speech moves the head by about 2 to 5 degrees (Hadar et al. 1983; Busso
et al. 2007), more in yaw than in pitch; conversational nods span 5 to 20 (Hadar et al. 1985)."""
SMALL = 0.5
"""A movement fades in and out: between plain swings, some of this share of the smallest belong to it; it begins and
ends with swings of this share of its own largest, since speech sways before and after it."""
SWING_S = (0.1, 0.6)
"""Seconds of one swing: half a cycle of 0.8 to 5 Hz, the rate of nods and shakes (Kapoor & Picard 2001; Hadar 1985)."""
SWINGS = 3
"""So many swings in a row are a movement: one and a half cycles. Two happen in ordinary posture shifts."""
DRIFT_S = 1.25
"""What turns slower than .8 Hz, the slowest nods, is drift of posture and is taken away: a Hann window of its period
leaves a half of it. Else a nod on a head that sinks loses every second swing."""
TILT_DEG = 9.0
"""Roll that is held: natural head posture keeps within 3 degrees (SD) of upright, so this is three of them."""
TILT_S = 0.5
AXES = (("nod", "pitch"), ("shake head", "yaw"), ("wag head", "roll"))


@dataclass(frozen=True)
class Movement:
    """A movement of the head from frame `first` to before `last`; `size` in degrees."""

    name: str
    first: int
    last: int
    size: float
    confidence: float
    detail: Mapping[str, float] = field(default_factory=dict)

    def seconds(self, fps: float) -> tuple[float, float]:
        return self.first / fps, self.last / fps


def oscillations(s: Signals) -> list[Movement]:
    """Nods, shakes and wags. Where two axes swing at once, the one that swings further past its threshold counts."""
    found = [m for name, axis in AXES for m in _swings(name, getattr(s, axis), s.fps)]
    kept: list[Movement] = []
    for m in sorted(found, key=lambda m: -m.size / SWING_DEG[m.name]):
        if not any(_overlap(m, k) > 0.3 for k in kept):
            kept.append(m)
    return kept


def held_tilt(s: Signals, swings: list[Movement]) -> list[Movement]:
    """Stretches in which the head is held to one side; not while it wags."""
    roll = smooth(s.roll, s.fps, 0.3)
    found = []
    for side in (1.0, -1.0):
        for first, last in runs(side * roll > TILT_DEG * 0.6):
            size = float((side * roll[first:last]).max())
            if size < TILT_DEG or last - first < TILT_S * s.fps:
                continue
            m = Movement(
                "tilt",
                first,
                last,
                size,
                round(1 - TILT_DEG / (2 * size), 3),
                {"degrees": round(side * size, 1)},
            )
            if not any(k.name == "wag head" and _overlap(m, k) > 0.3 for k in swings):
                found.append(m)
    return found


def _swings(name: str, angle: Floats, fps: float) -> list[Movement]:
    """Runs of swings between turning points of `angle` (n,), each large and quick enough."""
    track = smooth(angle, fps, 0.12) - smooth(angle, fps, DRIFT_S)
    least = SWING_DEG[name]
    turns = _turning_points(track, least * SMALL)
    swings = [(a, b, abs(float(track[b] - track[a]))) for a, b in pairwise(turns)]
    out = []
    group: list[tuple[int, int, float]] = []
    for swing in [*swings, (0, 0, 0.0)]:
        a, b, size = swing
        if size >= least * SMALL and SWING_S[0] <= (b - a) / fps <= SWING_S[1]:
            group.append(swing)
            continue
        largest = max((g[2] for g in group), default=0.0)
        while group and group[0][2] < SMALL * largest:
            group.pop(0)
        while group and group[-1][2] < SMALL * largest:
            group.pop()
        sizes = [g[2] for g in group]
        if sum(v >= least for v in sizes) >= 2 and len(sizes) >= SWINGS:
            typical = float(np.median(sorted(sizes)[-SWINGS:]))
            hz = len(group) / 2 / ((group[-1][1] - group[0][0]) / fps)
            detail = {"degrees": round(typical, 1), "hz": round(hz, 2), "swings": float(len(group))}
            sure = round(float(np.clip(1 - least / (2 * typical), 0, 1)), 3)
            out.append(Movement(name, group[0][0], group[-1][1] + 1, typical, sure, detail))
        group = []
    return out


def _turning_points(track: Floats, least: float) -> list[int]:
    """Frames at which `track` turns, ends included, leaving out to and fro of less than `least`."""
    points, low, high = [0], 0, 0
    heading = 0
    for i in range(1, len(track)):
        low = i if track[i] < track[low] else low
        high = i if track[i] > track[high] else high
        if heading >= 0 and track[high] - track[i] >= least:
            points += [high] if high > points[-1] else []
            heading, low = -1, i
        elif heading <= 0 and track[i] - track[low] >= least:
            points += [low] if low > points[-1] else []
            heading, high = 1, i
    last = high if heading >= 0 else low
    return points + ([last] if last > points[-1] else [])


def _overlap(a: Movement, b: Movement) -> float:
    """Shared frames over those of the shorter."""
    shared = min(a.last, b.last) - max(a.first, b.first)
    return max(shared, 0) / max(min(a.last - a.first, b.last - b.first), 1)
