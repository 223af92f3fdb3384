"""Faces in a single picture, looked for as in the frames of a video."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facevid.backends.protocols import Face, FaceDetector, FaceMesh, Floats
from facevid.recipe import Analyze

Image = NDArray[np.uint8]
LARGEST = 1600
"""Longer side in pixels that a picture should have at most: a detector made for video finds no face that fills more."""
LOOKS = 5
"""Times that a mesh is fitted to one picture: it settles as it does over the first frames of a track."""


@dataclass(frozen=True)
class Still:
    """What was found in a picture.

    image: the picture, with `margin` pixels of grey around it where faces were found only so. faces: those that count,
    highest score first, in pixels of `image`; a face much smaller than the largest is background.
    """

    image: Image
    margin: int
    faces: tuple[Face, ...]


def look_for_faces(image: Image, detector: FaceDetector, settings: Analyze) -> Still:
    """The faces of a picture, uint8 (H, W, 3) RGB; a face that fills it is found better with air about it."""
    for by in (0, max(image.shape[:2]) // 2):
        picture = np.pad(image, ((by, by), (by, by), (0, 0)), constant_values=128) if by else image
        found = [f for f in detector.detect(picture) if f.score >= settings.face_score]
        tall = [f.box[3] - f.box[1] for f in found]
        large = [f for f, t in zip(found, tall, strict=True) if t >= settings.second_face_share * max(tall)]
        if large:
            return Still(picture, by, tuple(large))
    return Still(image, 0, ())


def settled_mesh(still: Still, face: Face, mesh: FaceMesh) -> Floats | None:
    """The mesh of a face of `still`, (478, 3) in pixels of its image; None where none fits."""
    tracker, points = mesh.tracker(), None
    for _ in range(LOOKS):
        points = tracker.update(still.image, face.box)
    tracker.release()
    return points
