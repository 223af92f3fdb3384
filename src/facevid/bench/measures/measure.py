"""Every number of one video, computed from what was seen in it and in what it is held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from facevid.annotate.frontal import to_front
from facevid.bench.looking.seen import Floats, Seen
from facevid.bench.measures.sync import mouth_sync
from facevid.bench.suites.looks import groups_of
from facevid.curate.pose import LEFT_EYE, RIGHT_EYE, mouth_opening

FACE_POINTS = 468
"""Of the mesh; the ten after them are the irises."""
_FEWEST_FRAMES = 2
Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Against:
    """What a video is held against, as far as there is any.

    picture: the picture that it was to start from, seen as a video of one frame. partner: the picture of somebody else,
    given to another video. reference: the real video that it should resemble frame by frame. asked: attribute -> value,
    or group of values as `suites.looks` has them, that the video should show.
    """

    picture: Seen | None = None
    partner: Seen | None = None
    reference: Seen | None = None
    asked: Mapping[str, str] = field(default_factory=dict)


def measure(seen: Seen, against: Against | None = None) -> dict[str, float]:
    """The metrics of METRICS that a video has; those that cannot be told are left out.

    A metric is left out where no face is found in the frames that it is of, or where there is nothing to hold it
    against; `identity_margin` is not: a face that is not found is nearer to nobody, and counts as 0.
    """
    held = against or Against()
    found = {"face_found": float(seen.found.mean())} | _identity(seen, held) | _picture(seen)
    found |= _movement(seen) | _sound(seen)
    if held.picture is not None:
        difference = np.linalg.norm(seen.colours - held.picture.colours[:1], axis=-1)
        found["colour_picture"] = float(difference.mean())
    if held.reference is not None:
        found |= _reference(seen, held.reference)
    told = [
        seen.labels[name] in groups_of(name).get(value, ())
        for name, value in held.asked.items()
        if name in seen.labels
    ]
    if told:
        found["asked_right"] = float(np.mean(told))
    return {name: value for name, value in found.items() if np.isfinite(value)}


def apart(a: Floats, b: Floats) -> Doubles:
    """Euclidean distances (n,) of face embeddings (n or 1, 128); NaN where either is missing."""
    return np.asarray(np.linalg.norm(a.astype(np.float64) - b.astype(np.float64), axis=-1))


def _identity(seen: Seen, held: Against) -> dict[str, float]:
    faces = seen.embeddings
    known = faces[np.isfinite(faces).all(axis=1)]
    found: dict[str, float] = {}
    if len(known) >= _FEWEST_FRAMES:
        found["identity_first"] = float(apart(known[1:], known[:1]).mean())
        found["identity_step"] = float(apart(known[1:], known[:-1]).mean())
    if held.picture is not None and len(known):
        found["identity_picture"] = float(apart(known, held.picture.embeddings[:1]).mean())
    if held.picture is not None and held.partner is not None:
        ends = faces[[0, -1]]
        own, other = (apart(ends, seen.embeddings[:1]) for seen in (held.picture, held.partner))
        pictures_known = np.isfinite(held.picture.embeddings[0, 0]) and np.isfinite(
            held.partner.embeddings[0, 0]
        )
        # A face that is not found compares as not nearer.
        found["identity_margin"] = float((own < other).all()) if pictures_known else float("nan")
    return found


def _picture(seen: Seen) -> dict[str, float]:
    sharp = seen.sharpness[np.isfinite(seen.sharpness)]
    found = {"sharpness": float(np.median(sharp))} if len(sharp) else {}
    if len(seen.flow):
        found["motion"] = float(seen.flow.mean()) * seen.fps
        found["flicker"] = float(seen.warp.mean())
        found["vbench_temporal_flickering"] = 1 - float(seen.change.mean(dtype=np.float64)) / 255
    return found


def _movement(seen: Seen) -> dict[str, float]:
    at = np.flatnonzero(seen.found)
    following = np.flatnonzero(np.diff(at) == 1)
    if not len(following):
        return {}
    pose = seen.pose[at].astype(np.float64)
    turn = np.abs(pose[following + 1] - pose[following]).mean() * seen.fps
    face = front_of(seen)[at]
    steps = np.linalg.norm(face[following + 1] - face[following], axis=-1)
    return {"head_turn": float(turn), "mesh_motion": float(steps.mean()) * seen.fps}


def _sound(seen: Seen) -> dict[str, float]:
    mouth = filled(np.array([mouth_opening(m) for m in seen.mesh], np.float64)[:, None])
    if mouth is None or seen.voice is None:
        return {}
    value, offset = mouth_sync(mouth[:, 0], seen.voice.astype(np.float64), fps=seen.fps)
    return {} if np.isnan(value) else {"mouth_sync": value, "mouth_offset": float(offset)}


def _reference(seen: Seen, reference: Seen) -> dict[str, float]:
    frames = min(len(seen.mesh), len(reference.mesh))
    both = np.flatnonzero(seen.found[:frames] & reference.found[:frames])
    if not len(both):
        return {}
    made, real = seen.mesh[both, :FACE_POINTS, :2], reference.mesh[both, :FACE_POINTS, :2]
    stretch = np.array([reference.size[1] / seen.size[1], reference.size[0] / seen.size[0]], np.float32)
    eyes = np.linalg.norm(reference.mesh[both, LEFT_EYE] - reference.mesh[both, RIGHT_EYE], axis=-1)
    found = {
        "mesh_distance": float((np.linalg.norm(made * stretch - real, axis=-1).mean(axis=1) / eyes).mean())
    }
    turned = np.abs(seen.pose[both] - reference.pose[both])
    found["pose_distance"] = float(np.minimum(turned, 360 - turned).mean())
    apart_by = np.linalg.norm(front_of(seen)[both] - front_of(reference)[both], axis=-1)
    found["expression_distance"] = float(apart_by.mean())
    return found


def front_of(seen: Seen) -> Doubles:
    """The mesh (n, 468, 3) without the head's own movement, in eye distances; NaN where no face was found."""
    at = np.flatnonzero(seen.found)
    face = np.full((len(seen.mesh), FACE_POINTS, 3), np.nan)
    if len(at):
        front, _, _ = to_front(seen.mesh[at].astype(np.float64), seen.pose[at].astype(np.float64))
        face[at] = front[:, :FACE_POINTS]
    return face


def filled(signals: Doubles, least: float = 0.8) -> Doubles | None:
    """Signals (n, d) with gaps filled linearly over time; None where fewer than `least` of the frames are known."""
    known = np.isfinite(signals).all(axis=1)
    if len(known) < _FEWEST_FRAMES or known.mean() < least:
        return None
    at = np.arange(len(signals))
    return np.stack([np.interp(at, at[known], column[known]) for column in signals.T], axis=1)
