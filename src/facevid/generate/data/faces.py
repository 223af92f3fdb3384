"""Where the face of a window is, by the keypoints that a dataset has of every frame."""

from __future__ import annotations

import numpy as np

from facevid.curate.crop import crop_square
from facevid.curate.pose import face_height, mesh_box
from facevid.dataset.clip import Clip
from facevid.dataset.loading.order import Floats, Ints
from facevid.dataset.published import DatasetError
from facevid.recipe import Crop

_KEPT = 256
"""Clips whose faces are remembered: windows of one clip are often read one after the other."""


class FaceSquares:
    """Squares around the faces of windows, with the margins that clips and pictures are cut by, in face heights."""

    def __init__(self, crop: Crop) -> None:
        self._crop = crop
        self._known: dict[str, tuple[Floats, Floats]] = {}

    def of(self, clip: Clip, frames: Ints) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1 in pixels of the clip, inside the picture: the faces of all these frames, and the margins.

        Raises DatasetError where the clip has keypoints in none of them.
        """
        boxes, heights = self._faces(clip)
        boxes, heights = boxes[frames], heights[frames]
        seen = np.isfinite(boxes).all(axis=1) & (heights > 0)
        if not seen.any():
            raise DatasetError(
                f"Clip {clip.clip_id} has no keypoints in frames {frames.min()} to {frames.max()}, so no face to cut "
                "it by (data.crop)."
            )
        boxes, tall = boxes[seen], float(np.median(heights[seen]))
        union = (*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist())
        size = float(clip.row["width"]), float(clip.row["height"])
        return crop_square(union, tall, size, self._crop)

    def _faces(self, clip: Clip) -> tuple[Floats, Floats]:
        """Box (n, 4) and height (n,) of the face in each frame, in pixels."""
        found = self._known.get(clip.clip_id)
        if found is None:
            mesh = clip.mesh.astype(np.float64)
            found = np.array([mesh_box(m) for m in mesh]), np.array([face_height(m) for m in mesh])
            if len(self._known) >= _KEPT:
                self._known.pop(next(iter(self._known)))
            self._known[clip.clip_id] = found
        return found
