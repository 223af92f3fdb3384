"""How high the brows are, in every frame: the mean of what the mesh says and of what the pictures show.

Both err apart from each other: the mesh hardly lifts drawn or thin brows, but is not misled by the frame of glasses;
the picture follows whatever is drawn on the skin, but may take the frame for the brow.
"""

from __future__ import annotations

import numpy as np

from facevid.annotate.frontal import BROWS
from facevid.annotate.observed import Floats, Observed, UpperFace
from facevid.annotate.signals import Signals
from facevid.annotate.upper_face import FRAMES, PER_EYE_DISTANCE, Box, box_in, contrast, follow

BROW_REACH, NOSE_REACH = (6, 12), (8, 8)
"""Brows rise by 8 to 10 mm and fall by less; a mesh's rigid points are off by less than that."""
INNER = 0.45
"""The inner part of a brow, which frontalis and corrugator both move; hair and the temple hide the outer one."""
PITCH_BROW = 0.0008
"""What a degree of pitch still takes from the brows' height in the frontal mesh."""
ABOVE, BELOW, BESIDE = 0.06, 0.11, 0.05
"""What is followed, around the mesh's brow points, which lie on its upper edge: half a centimetre above, one below."""


def brow_height(o: Observed, s: Signals) -> Floats:
    """Height of the inner brows, (n,) in eye distances from a level of the clip's own; without pictures by the mesh."""
    height = s.inner_height + np.float32(PITCH_BROW) * s.pitch
    return height if o.upper is None else np.asarray((height + brow_rise(o.upper)) / 2, np.float32)


def brow_rise(upper: UpperFace) -> Floats:
    """Height of the inner brows over the nose's bridge, (n,) in eye distances, from their place in the clip's median
    picture.
    """
    brows = contrast(upper.brows)
    moved = np.mean([follow(brows, box, BROW_REACH)[:, 1] for box in _inner_brows(upper.template)], axis=0)
    bridge = follow(contrast(upper.eyes), _bridge(upper.template), NOSE_REACH)[:, 1]
    return np.asarray((bridge - moved) / PER_EYE_DISTANCE, np.float32)


def _inner_brows(template: Floats) -> list[Box]:
    boxes = []
    for points in BROWS:
        brow = template[list(points), :2]
        away = np.abs(brow[:, 0])
        side = float(np.sign(brow[:, 0].mean()))
        inner, outer = float(away.min()), float(away.max())
        height = brow[np.argsort(away)[:3], 1]
        boxes.append(
            box_in(
                FRAMES["brows"],
                side * (inner - BESIDE),
                side * (inner + INNER * (outer - inner)),
                float(height.min()) - ABOVE,
                float(height.max()) + BELOW,
            )
        )
    return boxes


def _bridge(template: Floats) -> Box:
    """The bridge of the nose with the inner eye corners, which no muscle moves far."""
    half = float(np.abs(template[[133, 362], 0]).mean()) + 0.02
    return box_in(FRAMES["eyes"], -half, half, -0.16, 0.24)
