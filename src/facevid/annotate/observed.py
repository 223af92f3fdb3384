"""What the measures of a clip look at: its meshes and sound at every frame, its pictures and person masks at some."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Images = NDArray[np.uint8]


@dataclass(frozen=True)
class UpperFace:
    """Brows and eyes at each of n frames as if the head did not turn, in grey.

    brows, eyes: (n, h, w) uint8, each in the plane in which they lie (see `upper_face.FRAMES` for what they frame and
    the scale). template: (478, 3) float32, the clip's median face from the front in eye distances, from between the
    outer eye corners.
    """

    brows: Images
    eyes: Images
    template: Floats


@dataclass(frozen=True)
class Observed:
    """One clip, observed. n frames, k of them looked at as pictures.

    fps: frames a second. mesh: (n, 478, 3) float32, x right and y down in clip pixels, z in the same scale (smaller is
    nearer); 468..472 is the subject's right iris, 473..477 the left one. pose: (n, 3) degrees, yaw > 0 faces the
    picture's right, pitch > 0 up, roll > 0 clockwise. looks: (k,) frame numbers of the pictures, spread over the clip.
    images: (k, h, w, 3) uint8 RGB. masks: (k, h, w) float32 0..1, share of each pixel that shows the person.
    speech: (n,) probability of speech 0..1. level: (n,) sound level in dB below full scale, -120..0. Both are None for
    a clip without sound. upper: brows and eyes at every frame, seen from the front; None where no picture was looked at
    or fewer than two frames have a mesh.
    """

    fps: float
    mesh: Floats
    pose: Floats
    looks: NDArray[np.int64]
    images: Images
    masks: Floats
    speech: Floats | None
    level: Floats | None
    upper: UpperFace | None = None


@dataclass(frozen=True)
class Answer:
    """A measure's answer for one attribute: name and value of the vocabulary, confidence 0..1, the numbers behind it.

    A measure that cannot tell gives no Answer: unknown is never a value.
    """

    name: str
    value: str
    confidence: float
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Act:
    """An action seen: its name in the vocabulary, start and end in seconds of the clip, confidence 0..1."""

    name: str
    start_s: float
    end_s: float
    confidence: float
    detail: Mapping[str, Any] = field(default_factory=dict)
