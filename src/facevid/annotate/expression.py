"""What prevails over a whole clip: expression, where head and eyes point, and how often the eyes blink."""

from __future__ import annotations

import numpy as np

from facevid.annotate.brows import brow_height
from facevid.annotate.facial_acts import BROW_RAISE, FROWN, SMILE, at_rest, measure_cues
from facevid.annotate.observed import Act, Answer, Floats, Observed
from facevid.annotate.signals import Signals, measure_signals

PREVAILS = 0.4
"""Share of the clip, or of its talking-free part, that an expression must fill to be said to prevail."""
FRONTAL_DEG = 15.0
"""Head turned less than this counts as frontal; 15 degrees is the frontal bin of head pose sets (AFLW2000, BIWI)."""
PITCH_REST_DEG, PITCH_DEG = -6.0, 15.0
"""A face that looks straight ahead has a mesh pitch of -6 +- 5 degrees (median and SD of eight real people), since the
forehead lies behind the chin; up and down begin three SD from there."""
BLINKS_FROM_S = 2.0
"""Shorter clips give no rate: at 15 to 20 blinks a minute most hold none (Bentivoglio et al. 1997)."""
GAZE_SHARE = 0.55
"""A direction prevails from a little more than half of the clip."""
STILL_S = 1.0
"""Neutral needs at least this long a look."""


def measure_dynamic(o: Observed, acts: list[Act]) -> list[Answer]:
    """emotion, head_pose, gaze and blinks_per_minute of a clip, as far as they can be told; `acts` are its actions."""
    s = measure_signals(o)
    if s is None:
        return []
    found = (_emotion(o, s, acts), _head_pose(s), _gaze(s, acts), _blinks(s, acts))
    return [answer for answer in found if answer is not None]


def _emotion(o: Observed, s: Signals, acts: list[Act]) -> Answer | None:
    """happy from smiles and laughs (AU6, AU12), surprise from raised brows with an open mouth (AU1, AU2, AU26), sad
    from frowns (rough: AU1, AU4, AU15 and anger's AU4 look alike to a mesh); neutral where nothing left its baseline.

    Prototypes of Ekman & Friesen's EMFACS. Fear, contempt, disgust and anger are never answered.
    """
    seconds = len(s) / s.fps
    shares = {
        name: _share(acts, name, seconds) for name in ("smile", "laugh", "frown", "raise brows", "yawn")
    }
    happy = min(shares["smile"] + shares["laugh"], 1.0)
    if happy >= PREVAILS:
        return Answer("emotion", "happy", round(0.5 + 0.4 * happy, 3), {"share": round(happy, 3)})
    if shares["raise brows"] >= PREVAILS and _during(s.gape, acts, "raise brows", s.fps) > 0.1:
        return Answer("emotion", "surprise", 0.4, {"share": round(shares["raise brows"], 3)})
    if shares["frown"] >= PREVAILS:
        return Answer("emotion", "sad", 0.35, {"share": round(shares["frown"], 3)})
    if max(shares.values()) > 0 or seconds < STILL_S:
        return None  # something happened, but it does not prevail
    cues, free = measure_cues(s, brow_height(o, s)), np.ones(len(s), bool)
    smile, frown = (cues.over(at_rest(track, free, s.fps)) for track in (cues.smile, cues.frown))
    moved = {
        "smile": float(np.percentile(smile.smile, 90)) / SMILE,
        "frown": float(np.percentile(frown.frown, 90)) / FROWN,
        "brows": float(np.ptp(np.percentile(cues.brows, [10, 90]))) / BROW_RAISE,
    }
    most = max(moved.values())
    if most >= 1:
        return None
    return Answer(
        "emotion", "neutral", round(0.5 + 0.3 * (1 - most), 3), {k: round(v, 3) for k, v in moved.items()}
    )


def _head_pose(s: Signals) -> Answer:
    """Where the face points in the picture for most of the clip: median yaw and pitch."""
    yaw, pitch = float(np.median(s.yaw)), float(np.median(s.pitch))
    aside, tipped = abs(yaw) / FRONTAL_DEG, abs(pitch - PITCH_REST_DEG) / PITCH_DEG
    detail = {"yaw": round(yaw, 1), "pitch": round(pitch, 1)}
    if max(aside, tipped) < 1:
        return Answer("head_pose", "frontal", round(1 - max(aside, tipped) / 2, 3), detail)
    if aside >= tipped:
        return Answer("head_pose", "right" if yaw > 0 else "left", round(1 - 1 / (2 * aside), 3), detail)
    return Answer(
        "head_pose",
        "up" if pitch > PITCH_REST_DEG else "down",
        round(0.8 * (1 - 1 / (2 * tipped)), 3),
        detail,
    )


def _gaze(s: Signals, acts: list[Act]) -> Answer | None:
    """Where the eyes look for most of the clip. Up and down are not told: lids hide the iris.

    None where looks aside fill about half, or the head is turned so far that the eyes could not make up for it.
    """
    aside = [a for a in acts if a.name == "gaze away"]
    seconds = len(s) / s.fps
    shares = {
        side: sum(a.end_s - a.start_s for a in aside if a.detail["side"] == side) / seconds
        for side in ("left", "right")
    }
    shares["camera"] = 1 - shares["left"] - shares["right"]
    value = max(shares, key=lambda k: shares[k])
    if shares[value] <= GAZE_SHARE or (value == "camera" and abs(float(np.median(s.yaw))) > 2 * FRONTAL_DEG):
        return None
    return Answer("gaze", value, round(0.9 * shares[value], 3), {k: round(v, 3) for k, v in shares.items()})


def _blinks(s: Signals, acts: list[Act]) -> Answer | None:
    seconds = len(s) / s.fps
    if seconds < BLINKS_FROM_S:
        return None
    blinks = [a for a in acts if a.name == "blink"]
    rate = round(min(60 * len(blinks) / seconds, 120.0), 1)
    # a Poisson count k has a relative error of 1/sqrt(k): a short clip says little about a habit
    sure = len(blinks) / (len(blinks) + 2) if blinks else min(seconds / 30, 0.5)
    return Answer(
        "blinks_per_minute",
        f"{rate:g}",
        round(sure, 3),
        {"blinks": len(blinks), "seconds": round(seconds, 2)},
    )


def _share(acts: list[Act], name: str, seconds: float) -> float:
    return sum(a.end_s - a.start_s for a in acts if a.name == name) / seconds


def _during(values: Floats, acts: list[Act], name: str, fps: float) -> float:
    """Mean of `values` over the frames of an action; 0 where there is none."""
    parts = [values[round(a.start_s * fps) : round(a.end_s * fps)] for a in acts if a.name == name]
    return float(np.concatenate(parts).mean()) if parts and sum(map(len, parts)) else 0.0
