"""The readers that look at a video, frame by frame in one pass; nothing but a frame and the one before it is kept."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facevid import backends
from facevid.annotate.measure import measures
from facevid.annotate.observed import Observed
from facevid.bench.errors import BenchError
from facevid.bench.looking.seen import GRID, Floats, Seen, look_at
from facevid.curate.pose import head_pose, mesh_box
from facevid.curate.quality import face_measures, grey_of
from facevid.curate.stills import LOOKS as SETTLING
from facevid.curate.stills import look_for_faces
from facevid.recipe import Recipe

Image = NDArray[np.uint8]
READ_SIDE = 256
"""Pixels to which the shorter side of small videos is enlarged (bicubic, whole times) for the readers of faces, which
were made for faces of a hundred pixels and more."""
_FLOW_SIDE = 256
"""Longer side in pixels at which optical flow is computed."""
_FLOW = {
    "pyr_scale": 0.5, "levels": 3, "winsize": 15, "iterations": 3, "poly_n": 5, "poly_sigma": 1.2, "flags": 0,
}  # fmt: skip
"""Of Farneback's flow, as OpenCV's tutorial and most users have them."""


class Eyes:
    """Looks at videos with the backends that a recipe names; one of them serves one thread.

    Raises BackendError where a backend lacks its model.
    """

    def __init__(self, recipe: Recipe, *, threads: int = 1) -> None:
        named = recipe.backends
        self._settings = recipe.analyze
        self._detector = backends.load("face_detector", named.face_detector, threads=threads)
        self._mesh = backends.load("face_mesh", named.face_mesh, threads=threads)
        self._embedder = backends.load("face_embedder", named.face_embedder, threads=threads)
        self._segmenter = backends.load("person_segmenter", named.person_segmenter, threads=threads)

    @property
    def versions(self) -> dict[str, str]:
        """Reader -> its version and its weights'."""
        return {
            "face detector": self._detector.version,
            "face mesh": self._mesh.version,
            "face embedder": self._embedder.version,
            "person segmenter": self._segmenter.version,
        }

    def look(self, frames: Iterable[Image], *, count: int, fps: float, heard: Floats | None = None) -> Seen:
        """What is seen in the first `count` of the frames, uint8 (H, W, 3) RGB each.

        heard: (count,) amplitude of the voice in each frame, where there is sound. Raises BenchError for fewer frames.
        """
        looks, follower = look_at(count), _Follower(self)
        mesh = np.full((count, 478, 3), np.nan, np.float32)
        pictures, sharpness, chips = [], [], []
        size, before, last, at = (0, 0), None, None, -1
        flow, warp, change = (np.zeros(max(0, count - 1), np.float32) for _ in range(3))
        for at, image in enumerate(frames):
            size = (image.shape[0], image.shape[1])
            face = follower.look(image)
            if face is not None:
                mesh[at] = face.mesh
            if at in looks:
                pictures.append(image)
                sharpness.append(_sharpness(image, mesh[at]))
                chips.append(None if face is None else self._embedder.chip(face.picture, face.mesh_there))
            grey = _small_grey(image)
            if before is not None and last is not None:
                flow[at - 1], warp[at - 1] = moved(before, grey)
                change[at - 1] = cv2.norm(last, image, cv2.NORM_L1) / image.size
            before, last = grey, image
            if at == count - 1:
                break
        if at < count - 1:
            raise BenchError(
                f"it has {at + 1} frames, and {count} are compared; give videos of {count} or more."
            )
        return Seen(
            fps=fps,
            size=size,
            mesh=mesh,
            looks=looks,
            embeddings=self._embedded(chips),
            colours=np.stack([colours_of(picture) for picture in pictures]),
            sharpness=np.array(sharpness, np.float32),
            flow=flow,
            warp=warp,
            change=change,
            voice=heard,
            labels=self._labels(np.stack(pictures), mesh, looks, fps),
        )

    def _labels(self, pictures: Image, mesh: Floats, looks: NDArray[np.int64], fps: float) -> dict[str, str]:
        """Attribute -> value, as the measures of annotation tell them; those that they cannot tell are left out."""
        found = np.isfinite(mesh).all(axis=(1, 2))
        pictures, looks = pictures[found[looks]], looks[found[looks]]
        if not len(looks):
            return {}
        pose = np.full((len(mesh), 3), np.nan, np.float32)
        pose[found] = [head_pose(m) for m in mesh[found]]
        masks = np.stack([self._segmenter.mask(picture) for picture in pictures])
        observed = Observed(
            fps=fps, mesh=mesh, pose=pose, looks=looks, images=pictures, masks=masks, speech=None, level=None
        )
        return {name: value for kind, name, value, *_ in measures(observed) if kind == "attribute"}

    def _embedded(self, chips: list[Image | None]) -> Floats:
        vectors = np.full((len(chips), 128), np.nan, np.float32)
        there = [k for k, chip in enumerate(chips) if chip is not None]
        if there:
            vectors[there] = self._embedder.embed(np.stack([c for c in chips if c is not None]))
        return vectors


@dataclass(frozen=True)
class _Face:
    """mesh: (478, 3), in pixels of the frame. picture, mesh_there: the frame as readers saw it, and the mesh in it."""

    mesh: Floats
    picture: Image
    mesh_there: Floats


class _Follower:
    """Follows the largest face of a video; looks for one anew wherever it is lost."""

    def __init__(self, eyes: Eyes) -> None:
        self._detector, self._settings = eyes._detector, eyes._settings
        self._tracker = eyes._mesh.tracker()
        self._box: tuple[float, float, float, float] | None = None
        self._margin = 0

    def look(self, image: Image) -> _Face | None:
        scale = max(1, math.ceil(READ_SIDE / min(image.shape[:2])))
        large = enlarged(image, scale)
        points = None
        if self._box is not None:
            picture = _with_margin(large, self._margin)
            points = self._tracker.update(picture, self._box)
        if points is None:
            picture, points = self._begin(large)
        if points is None:
            self._box = None
            return None
        self._box = mesh_box(points)
        mesh = points.copy()
        mesh[:, :2] -= self._margin
        return _Face(mesh / np.float32(scale), picture, points)

    def _begin(self, large: Image) -> tuple[Image, Floats | None]:
        self._tracker.release()
        still = look_for_faces(large, self._detector, self._settings)
        self._margin = still.margin
        if not still.faces:
            return large, None
        box = max(still.faces, key=lambda f: (f.box[2] - f.box[0]) * (f.box[3] - f.box[1])).box
        points = None
        for _ in range(SETTLING):
            points = self._tracker.update(still.image, box)
        return still.image, points


def enlarged(image: Image, scale: int) -> Image:
    """The picture `scale` times as wide and high, bicubic."""
    if scale == 1:
        return np.ascontiguousarray(image)
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.uint8)


def colours_of(image: Image) -> Floats:
    """CIE L*a*b* of the mean colours of a 4 x 4 grid, (16, 3) float32, row by row."""
    small = cv2.resize(image.astype(np.float32) / 255, (GRID, GRID), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2LAB), np.float32).reshape(-1, 3)


def moved(before: Image, now: Image) -> tuple[float, float]:
    """Mean length of the optical flow between two grey pictures, in widths, and what it leaves unexplained, 0 to 255.

    Flow from `now` back to `before` (Farneback 2003), by which `before` is then warped; the second is the mean absolute
    difference of that to `now` (Lai et al. 2018, without their mask of what is hidden).
    """
    flow = cv2.calcOpticalFlowFarneback(now, before, None, **_FLOW)  # type: ignore[call-overload]
    height, width = now.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    warped = cv2.remap(
        before, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    length = float(np.hypot(flow[..., 0], flow[..., 1]).mean()) / width
    return length, float(cv2.absdiff(warped, now).mean())


def _small_grey(image: Image) -> Image:
    grey = grey_of(image)
    longer = max(grey.shape)
    if longer <= _FLOW_SIDE:
        return grey
    size = tuple(max(1, round(side * _FLOW_SIDE / longer)) for side in grey.shape[::-1])
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def _sharpness(image: Image, mesh: Floats) -> float:
    if not np.isfinite(mesh).all():
        return float("nan")
    return face_measures(image, mesh, mesh_box(mesh))["sharpness"]


def _with_margin(image: Image, by: int) -> Image:
    return np.pad(image, ((by, by), (by, by), (0, 0)), constant_values=128) if by else image
