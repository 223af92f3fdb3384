"""Looks at pictures one after the other: faces, meshes, light, hands and text, with a memory of what came before."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facevid import backends
from facevid.curate import quality
from facevid.curate.crop import crop_square
from facevid.curate.faces import FaceFollower, Seen
from facevid.curate.frames import FrameWriter
from facevid.curate.pose import face_height, head_pose, mouth_opening
from facevid.curate.windows import Observations
from facevid.engine import worker_threads
from facevid.recipe import Analyze, Recipe

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Models:
    """The frame-level backends of one worker."""

    face_detector: Any
    face_mesh: Any
    hand_detector: Any
    text_detector: Any
    speech_detector: Any


@lru_cache(maxsize=1)
def _models(names: tuple[str, ...], text_side: int) -> Models:
    threads = worker_threads()
    face, mesh, hand, text, speech = names
    return Models(
        backends.load("face_detector", face, threads=threads),
        backends.load("face_mesh", mesh, threads=threads),
        backends.load("hand_detector", hand, threads=threads),
        backends.load("text_detector", text, threads=threads, max_side=text_side),
        backends.load("speech_detector", speech, threads=threads),
    )


def models(recipe: Recipe) -> Models:
    """The backends that the recipe names, loaded once in each worker."""
    b = recipe.backends
    names = (b.face_detector, b.face_mesh, b.hand_detector, b.text_detector, b.speech_detector)
    return _models(names, recipe.analyze.text_side)


@dataclass
class Looker:
    """Measures every frame as it passes and keeps what each face showed."""

    loaded: Models
    recipe: Recipe
    writer: FrameWriter
    seen: Observations = field(default_factory=Observations)
    _before: Image | None = None
    _bars: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    _last: dict[int, _Memory] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._text_every = max(1, round(self.recipe.analyze.text_every_s * self.recipe.fps))
        self._follower = FaceFollower(self.loaded.face_detector, self.loaded.face_mesh, self.recipe.analyze)

    @property
    def faces_so_far(self) -> int:
        """Face ids given out so far; the next face found gets this one."""
        return self._follower.ids_given

    def look(self, index: int, image: Image, small: Image, *, new_picture: bool) -> None:
        """The next frame of the source, RGB at analysed size, and the same picture small."""
        faces = self._follower.push(image, new_picture=new_picture)
        grey = quality.grey_of(small)
        if new_picture or index % self.recipe.analyze.detect_every == 0:
            self._bars = quality.borders(small)
        before = None if new_picture else self._before
        memory: dict[int, _Memory] = {}
        for seen in faces:
            memory[seen.face] = self._face(index, image, grey, before, seen)
        self._last, self._before = memory, grey

    def _face(self, index: int, image: Image, grey: Image, before: Image | None, seen: Seen) -> _Memory:
        height, width = image.shape[:2]
        mesh, tall = seen.mesh, face_height(seen.mesh)
        crop = crop_square(seen.box, tall, (width, height), self.recipe.crop)
        memory = self._last.get(seen.face) or _Memory(index, index + self._text_every // 2, index)
        text = self._look_closer(index, image, seen, crop, memory)
        moved = float("nan")
        if memory.mesh is not None:
            moved = 1000 * float(np.abs(mesh[:468, :2] - memory.mesh[:468, :2]).mean()) / max(tall, 1e-6)
        inside = (
            (mesh[:468, 0] >= 0) & (mesh[:468, 0] < width) & (mesh[:468, 1] >= 0) & (mesh[:468, 1] < height)
        )
        pose = head_pose(mesh)
        if index >= memory.next_light:
            memory.next_light = index + self.recipe.analyze.light_every
            memory.light = quality.face_measures(image, mesh, seen.box)
        x0, y0, x1, y1 = seen.box
        self.seen.add(
            frame=index, face=seen.face, x0=x0, y0=y0, x1=x1, y1=y1, height=tall,
            yaw=pose[0], pitch=pose[1], roll=pose[2], mouth=mouth_opening(mesh),
            confidence=seen.confidence, inside=float(inside.mean()),
            motion_pixels=quality.pixel_motion(grey, before, seen.box, width), motion_landmarks=moved,
            hand=memory.hand, text=text,
            bar_left=self._bars[0], bar_top=self._bars[1], bar_right=self._bars[2], bar_bottom=self._bars[3],
            faces=max(1, self._follower.faces_in_view), **memory.light,
        )  # fmt: skip
        self.writer.write(index, seen, pose)
        memory.mesh = mesh
        return memory

    def _look_closer(
        self, index: int, image: Image, seen: Seen, crop: tuple[float, float, float, float], memory: _Memory
    ) -> float:
        """Hands and text, now and then, in the square that a clip of this face would keep; returns the text."""
        settings, text = self.recipe.analyze, float("nan")
        if index < memory.next_hand and index < memory.next_text:
            return text
        x0, y0, x1, y1 = (int(v) for v in crop)
        square = np.ascontiguousarray(image[y0:y1, x0:x1])
        if index >= memory.next_hand:
            hands = self.loaded.hand_detector.detect(square)
            shift = np.array([x0, y0], np.float32)
            covered = quality.hand_over_face([h.points[:, :2] + shift for h in hands], seen.mesh)
            # A face is now and then taken for a hand for a moment; a hand is seen again at the next look.
            memory.hand, memory.hand_before = min(covered, memory.hand_before), covered
            memory.next_hand = index + settings.hands_every
        if index >= memory.next_text:
            memory.next_text = index + self._text_every
            text = text_width(self.loaded.text_detector.read(square), settings)
        return text


@dataclass
class _Memory:
    """What is carried from one frame of a face to the next."""

    next_hand: int
    next_text: int
    next_light: int
    light: dict[str, float] = field(default_factory=dict)
    mesh: NDArray[np.float32] | None = None
    hand: float = 0.0
    hand_before: float = 0.0


def text_width(boxes: list[Any], settings: Analyze) -> float:
    """Characters in all lines read with enough confidence; wide ones (UAX #11: W, F) count two.

    A Chinese or Japanese character says about as much as two Latin letters, so one threshold serves both.
    """
    total = 0
    for box in boxes:
        if box.confidence < settings.text_confidence:
            continue
        for character in box.text:
            if not character.isspace():
                total += 2 if unicodedata.east_asian_width(character) in "WF" else 1
    return float(total)
