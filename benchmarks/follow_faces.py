"""Whether a video shows the person of a picture: faces in it are compared to that picture and another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from facevid import backends
from facevid.curate.stills import look_for_faces, settled_mesh
from facevid.recipe import load_recipe

Picture = npt.NDArray[np.uint8]
Vector = npt.NDArray[np.float32]
_SIDE = 256
"""Pixels to which small pictures are enlarged: detector and embedder were made for faces of a hundred and more."""


@dataclass(frozen=True)
class Pair:
    """Embeddings of a given picture, of another person's, and of the first and last frame of the video made from it;
    None where no face was found."""

    given: Vector
    partner: Vector
    first: Vector | None
    last: Vector | None

    @property
    def found(self) -> bool:
        """Whether both frames show a face."""
        return self.first is not None and self.last is not None

    @property
    def followed(self) -> bool:
        """Whether both frames are nearer to the given picture than to the other."""
        return all(
            frame is not None
            and float(np.linalg.norm(frame - self.given)) < float(np.linalg.norm(frame - self.partner))
            for frame in (self.first, self.last)
        )


class FaceReader:
    """Embeds the one face of a picture, aligned by its mesh as clips' faces are."""

    def __init__(self) -> None:
        recipe = load_recipe(None)
        self._settings = recipe.analyze
        self._detector: Any = backends.load("face_detector", recipe.backends.face_detector)
        self._mesh: Any = backends.load("face_mesh", recipe.backends.face_mesh)
        self._embedder: Any = backends.load("face_embedder", recipe.backends.face_embedder)

    def embed(self, picture: Picture) -> Vector | None:
        """128 numbers of the largest face of a picture uint8 (H, W, 3); None where none is found."""
        scale = math.ceil(_SIDE / min(picture.shape[:2]))
        if scale > 1:
            picture = np.asarray(
                cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.uint8
            )
        still = look_for_faces(np.ascontiguousarray(picture), self._detector, self._settings)
        if not still.faces:
            return None
        points = settled_mesh(still, still.faces[0], self._mesh)
        if points is None:
            return None
        chip = self._embedder.chip(still.image, points)
        return np.asarray(self._embedder.embed(chip[None])[0], np.float32)


def partners(people: Sequence[str], seed: int = 0) -> list[int]:
    """For each place another one, of another person; each is somebody's partner once.

    Raises ValueError where one person has more than half of the places.
    """
    dice = np.random.default_rng([seed, 8102])
    names, number, count = np.unique(np.asarray(people), return_inverse=True, return_counts=True)
    if 2 * int(count.max()) > len(people):
        raise ValueError(
            f"{names[count.argmax()]} has {count.max()} of {len(people)} places, more than half."
        )
    order = np.lexsort((dice.random(len(people)), dice.permutation(len(names))[number]))
    # People stand side by side: a turn by the most that one has leads everybody to somebody else.
    found = np.empty(len(people), np.int64)
    found[order] = np.roll(order, -int(count.max()))
    return [int(k) for k in found]


def followed(pairs: Sequence[Pair]) -> dict[str, Any]:
    """The share of pairs that follow their picture (a face that is not found counts against it), and distances."""
    near = [
        (float(np.linalg.norm(frame - p.given)), float(np.linalg.norm(frame - p.partner)))
        for p in pairs
        for frame in (p.first, p.last)
        if frame is not None
    ]
    return {
        "count": len(pairs),
        "followed": round(sum(p.followed for p in pairs) / len(pairs), 4) if pairs else None,
        "face_found": round(sum(p.found for p in pairs) / len(pairs), 4) if pairs else None,
        "distance_to_own": round(float(np.median([a for a, _ in near])), 4) if near else None,
        "distance_to_other": round(float(np.median([b for _, b in near])), 4) if near else None,
    }
