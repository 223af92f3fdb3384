"""How far each eye is open in the pictures: what stands out between the lids, and how much it looks as it mostly does.

Iris, white and lashes of an open eye differ from each other more than anything on a lid that covers them, but a shut
eye's lashes and wrinkles stand out too; a shut eye looks unlike itself, but so does one that looks aside. The mean of
both, with that of the mesh (see `signals.py`), errs least: a mesh's lids stay apart in a shut eye, most behind glasses.
"""

from __future__ import annotations

import numpy as np

from facevid.annotate.frontal import EYES
from facevid.annotate.observed import Floats, UpperFace
from facevid.annotate.upper_face import FRAMES, box_in, contrast, likeness

INSET, OVER, UNDER = 0.03, 0.07, 0.05
"""The opening: 3 mm in from the eye's corners, 6 mm over and 4.5 mm under their line, where a wide open eye's lids are
(a palpebral fissure is 30 mm wide and 10 mm high, two thirds of it over the line)."""
AROUND = 0.02
"""The look of an eye takes in this much more over and under it: the edges of the lids."""
REACH = (4, 4)
"""A mesh's eye corners are off by less than 4 mm."""
OPEN = 85
"""Percentile of a clip's frames in which its eyes are open: they are shut for a twentieth of the time."""


def seen_open(upper: UpperFace) -> Floats:
    """How far the subject's right and left eye are open, (2, n), as a share of the clip's own open eye, about."""
    pictures = contrast(upper.eyes)
    out = []
    for eye in EYES:
        outer, inner = upper.template[eye[0]], upper.template[eye[3]]
        left, right = sorted((float(outer[0]), float(inner[0])))
        line = float(outer[1] + inner[1]) / 2
        frame = FRAMES["eyes"]
        x0, x1, y0, y1 = box_in(frame, left + INSET, right - INSET, line - OVER, line + UNDER)
        part = pictures[:, max(y0, 0) : y1, max(x0, 0) : x1]
        spread = part.std(axis=(1, 2)) if part.size else np.ones(len(pictures), np.float32)
        spread = spread / max(float(np.percentile(spread, OPEN)), 1e-3)
        whole = box_in(frame, left, right, line - OVER - AROUND, line + UNDER + AROUND)
        out.append((spread + np.maximum(likeness(pictures, whole, REACH), 0)) / 2)
    return np.asarray(out, np.float32)
