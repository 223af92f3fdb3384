"""Follows every face of a source from frame to frame: found by the detector now and then, kept by its mesh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from facevid.backends.protocols import Face, FaceDetector, FaceMesh, Floats, Image, MeshTracker
from facevid.curate.pose import mesh_box
from facevid.recipe import Analyze

Box = tuple[float, float, float, float]

SAME_FACE = 0.3
"""Overlap (intersection over union) from which a detection is the face that is already followed; the
usual IoU gate of tracking by detection (Bewley et al. 2016, SORT, IoU_min = 0.3)."""
_MISSED_DETECTIONS = 3
"""Detections in a row that may miss a face whose mesh is still seen (SORT's T_lost, in detector frames)."""


@dataclass(frozen=True)
class Seen:
    """One face in one frame: its id in this source, box, mesh (478, 3) in image pixels, confidence 0 to 1."""

    face: int
    box: Box
    mesh: Floats
    confidence: float


@dataclass
class _Followed:
    face: int
    tracker: MeshTracker
    box: Box
    missed: int = 0


@dataclass
class FaceFollower:
    """Push every frame in order; get the faces in it with ids that stay as long as a face is followed."""

    detector: FaceDetector
    mesh: FaceMesh
    settings: Analyze
    faces_in_view: int = 0
    _followed: list[_Followed] = field(default_factory=list)
    _next: int = 0
    _since: int = 1_000_000

    @property
    def ids_given(self) -> int:
        """Ids given out so far, those of faces that were lost at once included."""
        return self._next

    def push(self, image: Image, *, new_picture: bool) -> list[Seen]:
        """Faces of the next frame; `new_picture` ends every face, since the frame shows something else."""
        if new_picture:
            for followed in self._followed:
                followed.tracker.release()
            self._followed.clear()
        self._since += 1
        if new_picture or self._since >= self.settings.detect_every:
            self._since = 0
            self._detect(image)
        return self._follow(image)

    def _detect(self, image: Image) -> None:
        found = [f for f in self.detector.detect(image) if f.score >= self.settings.face_score]
        if not found and not self._followed:
            self.faces_in_view = 0
            return
        self._match(found)
        tall = [f.box[3] - f.box[1] for f in found] + [
            f.box[3] - f.box[1] for f in self._followed if f.missed
        ]
        largest = max(tall, default=0.0)
        self.faces_in_view = sum(t >= self.settings.second_face_share * largest for t in tall)

    def _match(self, found: list[Face]) -> None:
        pairs = same_faces([f.box for f in self._followed], [d.box for d in found])
        matched, taken = set(pairs), set(pairs.values())
        for i in matched:
            self._followed[i].missed = 0
        for i, followed in enumerate(self._followed):
            if i not in matched:
                followed.missed += 1
        for followed in self._followed:
            if followed.missed > _MISSED_DETECTIONS:
                followed.tracker.release()
        self._followed = [f for f in self._followed if f.missed <= _MISSED_DETECTIONS]
        room = self.settings.max_faces - len(self._followed)
        new = [d for j, d in enumerate(found) if j not in taken]
        for detection in sorted(new, key=lambda d: -(d.box[3] - d.box[1]))[:room]:
            self._followed.append(_Followed(self._next, self.mesh.tracker(), detection.box))
            self._next += 1

    def _follow(self, image: Image) -> list[Seen]:
        seen: list[Seen] = []
        kept: list[_Followed] = []
        for followed in self._followed:
            mesh = followed.tracker.update(image, followed.box)
            if mesh is None:
                followed.tracker.release()
                continue
            followed.box = mesh_box(mesh)
            if any(_overlap(followed.box, other.box) > 0.5 for other in kept):
                followed.tracker.release()
                continue
            kept.append(followed)
            seen.append(Seen(followed.face, followed.box, mesh, float(followed.tracker.presence)))
        self._followed = kept
        return seen


def same_faces(known: Sequence[Box], found: Sequence[Box]) -> dict[int, int]:
    """Which box of one picture is which of another: positions in `known` -> positions in `found`, one to one.

    Pairs overlap by at least `SAME_FACE`; those that overlap most are taken first.
    """
    pairs = sorted(
        ((_overlap(a, b), i, j) for i, a in enumerate(known) for j, b in enumerate(found)),
        key=lambda p: (-p[0], p[1], p[2]),
    )
    out: dict[int, int] = {}
    for overlap, i, j in pairs:
        if overlap >= SAME_FACE and i not in out and j not in out.values():
            out[i] = j
    return out


def _overlap(a: Box, b: Box) -> float:
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return 0.0
    shared = wide * high
    area_a, area_b = (a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])
    return float(shared / np.maximum(area_a + area_b - shared, 1e-9))
