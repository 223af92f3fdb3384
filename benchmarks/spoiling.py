"""What spoils a video in a known way, by a known amount; videos are uint8 (T, H, W, 3)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Video = NDArray[np.uint8]


def blurred(video: Video, by: float) -> Video:
    """By so many pixels of standard deviation."""
    return np.stack([np.asarray(cv2.GaussianBlur(f, (0, 0), by), np.uint8) for f in video])


def noisy(video: Video, by: float) -> Video:
    """Noise of this deviation, anew in each frame."""
    noise = np.random.default_rng(5).normal(0, by, video.shape)
    return (video + noise).clip(0, 255).astype(np.uint8)


def shuffled(video: Video, share: float) -> Video:
    """This share of the frames in a random order."""
    dice = np.random.default_rng(6)
    order = np.arange(len(video))
    some = dice.permutation(len(video))[: round(share * len(video))]
    order[np.sort(some)] = dice.permutation(some)
    return video[order]


def frozen(video: Video, share: float) -> Video:
    """This share of the frames, the last ones, are the one before them."""
    stop = max(1, round((1 - share) * len(video)))
    return video[np.minimum(np.arange(len(video)), stop - 1)]


def cast(video: Video, by: float) -> Video:
    """Red brighter and blue darker by so many values of 255."""
    return (video.astype(np.float64) + np.array([by, 0, -by])).clip(0, 255).astype(np.uint8)


def swapped(video: Video, other: Video, share: float) -> Video:
    """This share of the frames, the last ones, are of somebody else."""
    begin = round((1 - share) * len(video))
    return np.concatenate([video[:begin], other[begin:]])
