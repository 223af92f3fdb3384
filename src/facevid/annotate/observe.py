"""Looks at and listens to one published clip, once, for all measures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facevid import media
from facevid.annotate.observed import Floats, Images, Observed, UpperFace
from facevid.annotate.upper_face import UpperFaces
from facevid.backends.protocols import PersonSegmenter, SpeechDetector
from facevid.dataset import Clip

RATE, HOP = 16000, 512
"""Sound is heard in hops of 32 ms, the only size that the speech detector takes."""
SILENCE_DB = -120.0


def observe(
    clip: Clip, *, segmenter: PersonSegmenter, speech_detector: SpeechDetector, looks: int = 8
) -> Observed:
    """The clip's meshes, poses, brows, eyes and sound at every frame; pictures and masks at up to `looks` frames.

    The pictures are spread evenly; a clip shorter than `looks` gives each frame once. All are decoded in one pass, in
    which no others are kept.

    Raises DatasetError or MediaError where the clip's shard is missing or does not decode.
    """
    frames = int(clip["frames"])
    fps = float(clip["fps"])
    at = look_at(frames, looks)
    mesh = clip.mesh.astype(np.float32)
    images, upper = look(clip, mesh, at)
    masks = np.stack([segmenter.mask(image) for image in images])
    speech, level = (
        heard(clip.speech(), speech_detector, frames=frames, fps=fps) if clip.has_audio else (None, None)
    )
    return Observed(
        fps=fps,
        mesh=mesh,
        pose=clip.pose,
        looks=at,
        images=images,
        masks=masks,
        speech=speech,
        level=level,
        upper=upper,
    )


def look(clip: Clip, mesh: Floats, at: NDArray[np.int64]) -> tuple[Images, UpperFace | None]:
    """The pictures of the frames `at` (k,), and brows and eyes of all of them."""
    upper = UpperFaces(mesh, clip.pose)
    looked: list[Images] = []
    for frame, image in enumerate(media.each_clip_frame(clip.read("mp4"))):
        if frame == len(mesh):
            break
        upper.look(image)
        if len(looked) < len(at) and frame == at[len(looked)]:
            looked.append(image)
    if frame < len(mesh) - 1:
        raise media.MediaError(
            "unreadable",
            f"clip {clip.clip_id} has {frame + 1} pictures and {len(mesh)} meshes; build it again.",
        )
    return np.stack(looked), upper.all()


def look_at(frames: int, looks: int) -> NDArray[np.int64]:
    """Up to `looks` frame numbers, rising and distinct, each the middle of an equal part of the clip."""
    count = min(looks, frames)
    return ((np.arange(count) + 0.5) * frames / count).astype(np.int64)


def heard(samples: Floats, detector: SpeechDetector, *, frames: int, fps: float) -> tuple[Floats, Floats]:
    """Speech probability and level in dB below full scale (RMS, -120..0) of the hop at each frame's middle.

    samples: (m,) 16 kHz mono in [-1, 1]. Frames after the end of the sound are silent.
    """
    detector.reset()
    if not len(samples):
        return np.zeros(frames, np.float32), np.full(frames, SILENCE_DB, np.float32)
    probabilities = detector.probabilities(samples)
    padded = np.pad(samples.astype(np.float64), (0, -len(samples) % HOP))
    power = (padded.reshape(-1, HOP) ** 2).mean(axis=1)
    hop = ((np.arange(frames) + 0.5) / fps * RATE / HOP).astype(np.int64)
    inside = hop < len(power)
    hop = np.minimum(hop, len(power) - 1)
    level = np.clip(10 * np.log10(np.maximum(power[hop], 1e-12)), SILENCE_DB, 0)
    return (
        np.where(inside, probabilities[hop], 0).astype(np.float32),
        np.where(inside, level, SILENCE_DB).astype(np.float32),
    )
