"""Which frames a window has: its length at the wanted rate, and where in a clip it may begin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facevid.dataset.loading.order import Ints, random_below

SPEECH_RATE = 16000
_TINY = 1e-6  # of a frame, so that a product of rates that should be whole is not one less


@dataclass(frozen=True)
class Window:
    """A window of a clip: `frames` of it, in order. The last `padding` are repetitions of the last real one."""

    start: int
    frames: Ints
    padding: int

    @property
    def real(self) -> int:
        return len(self.frames) - self.padding


def window_frames(frames: int, fps: float, clip_fps: float, start: int = 0) -> Ints:
    """Numbers of the clip's frames that are shown at 0, 1/fps, 2/fps, ... seconds from frame `start` on.

    At a time between two frames the earlier one is shown: it is what a player would show.
    """
    return np.asarray(np.floor(np.arange(frames) * (clip_fps / fps) + _TINY), np.int64) + start


def span(frames: int, fps: npt.NDArray[np.float64], clip_fps: npt.NDArray[np.float64]) -> Ints:
    """How many of a clip's own frames a window reaches over, for each clip."""
    return np.asarray(np.floor((frames - 1) * (clip_fps / fps) + _TINY), np.int64) + 1


def whole(clip_frames: Ints, fps: npt.NDArray[np.float64], clip_fps: npt.NDArray[np.float64]) -> Ints:
    """How many frames a whole clip has at another rate, for each clip."""
    return np.asarray(np.floor((clip_frames - 1) * (fps / clip_fps) + _TINY), np.int64) + 1


def random_window(clip_frames: int, clip_fps: float, frames: int, fps: float, *what: object) -> Window:
    """A window whose start only `what` decides, each start as likely; a shorter clip is shown whole and padded."""
    reach = int(window_frames(frames, fps, clip_fps)[-1]) + 1
    start = random_below(clip_frames - reach + 1, *what) if clip_frames > reach else 0
    shown = window_frames(frames, fps, clip_fps, start)
    return Window(start, np.minimum(shown, clip_frames - 1), int((shown >= clip_frames).sum()))


def samples_of(frames: int, fps: float) -> int:
    """How many samples of 16 kHz sound go with so many frames."""
    return round(frames / fps * SPEECH_RATE)
