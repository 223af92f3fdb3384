"""Faces followed from frame to frame, with a detector and a mesh that see a world we move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from facevid.backends.protocols import Face
from facevid.curate.faces import FaceFollower, Seen
from facevid.recipe import load_recipe

Box = tuple[float, float, float, float]
IMAGE = np.zeros((720, 1280, 3), np.uint8)
SETTINGS = load_recipe().analyze


def box_at(x: float, y: float = 300, side: float = 200) -> Box:
    return x - side / 2, y - side / 2, x + side / 2, y + side / 2


@dataclass
class World:
    """Faces that are there; `hidden` from the detector, `blank` to the mesh, by their number."""

    faces: list[Box] = field(default_factory=list)
    hidden: set[int] = field(default_factory=set)
    blank: set[int] = field(default_factory=set)
    scores: dict[int, float] = field(default_factory=dict)
    detections: int = 0
    released: int = 0

    def detect(self, image: np.ndarray) -> list[Face]:
        self.detections += 1
        points = np.zeros((6, 2), np.float32)
        return [
            Face(b, self.scores.get(i, 0.9), points) for i, b in enumerate(self.faces) if i not in self.hidden
        ]

    def tracker(self) -> Tracker:
        return Tracker(self)


@dataclass
class Tracker:
    """Sits on the face nearest to the box it is given."""

    world: World
    presence: float = 0.99

    def update(self, image: np.ndarray, box: Sequence[float]) -> np.ndarray | None:
        middle = (box[0] + box[2]) / 2
        near = min(
            enumerate(self.world.faces), key=lambda f: abs((f[1][0] + f[1][2]) / 2 - middle), default=None
        )
        if near is None or near[0] in self.world.blank:
            return None
        x0, y0, x1, y1 = near[1]
        mesh = np.full((478, 3), ((x0 + x1) / 2, (y0 + y1) / 2, 0), np.float32)
        mesh[0, :2], mesh[1, :2] = (x0, y0), (x1, y1)
        return mesh

    def release(self) -> None:
        self.world.released += 1


def follower(world: World, **changes: Any) -> FaceFollower:
    return FaceFollower(world, world, SETTINGS.model_copy(update=changes))  # type: ignore[arg-type]


def run(following: FaceFollower, frames: int) -> list[list[Seen]]:
    return [following.push(IMAGE, new_picture=False) for _ in range(frames)]


def test_a_face_keeps_its_id_while_it_moves() -> None:
    world = World([box_at(300)])
    following = follower(world)
    ids = []
    for step in range(40):
        world.faces[0] = box_at(300 + 8 * step)
        ids += [s.face for s in following.push(IMAGE, new_picture=False)]
    assert ids == [0] * 40


def test_what_is_seen_is_the_box_and_the_confidence_of_the_mesh() -> None:
    (seen,) = follower(World([box_at(300)])).push(IMAGE, new_picture=True)
    assert seen.box == box_at(300)
    assert seen.confidence == 0.99


def test_faces_are_looked_for_now_and_then_only() -> None:
    world = World([box_at(300)])
    run(follower(world), 4 * SETTINGS.detect_every)
    assert world.detections == 4


def test_a_new_picture_is_looked_at_at_once_and_its_faces_are_new() -> None:
    world = World([box_at(300)])
    following = follower(world)
    run(following, 2)
    assert [s.face for s in following.push(IMAGE, new_picture=True)] == [1]
    assert world.detections == 2


def test_two_faces_have_two_ids_and_both_are_in_view() -> None:
    following = follower(World([box_at(300), box_at(900)]))
    seen = run(following, 12)
    assert all(sorted(s.face for s in frame) == [0, 1] for frame in seen)
    assert following.faces_in_view == 2


def test_a_small_face_in_the_background_does_not_count_as_in_view() -> None:
    small = SETTINGS.second_face_share * 200
    for side, expected in ((small - 4, 1), (small + 4, 2)):
        following = follower(World([box_at(300), box_at(900, side=side)]))
        run(following, 1)
        assert following.faces_in_view == expected


def test_a_doubtful_face_is_no_face() -> None:
    following = follower(World([box_at(300)], scores={0: SETTINGS.face_score - 0.01}))
    assert run(following, 6)[-1] == []
    assert following.faces_in_view == 0


def test_a_face_that_the_detector_misses_is_kept_by_its_mesh_for_a_while() -> None:
    world = World([box_at(300)])
    following = follower(world)
    run(following, 1)
    world.hidden = {0}
    kept = sum(bool(frame) for frame in run(following, 40))
    assert 3 * SETTINGS.detect_every <= kept < 5 * SETTINGS.detect_every
    assert following.faces_in_view == 0


def test_a_face_missed_for_a_moment_keeps_its_id_and_stays_in_view() -> None:
    world = World([box_at(300), box_at(900)])
    following = follower(world)
    run(following, 1)
    world.hidden = {1}
    run(following, SETTINGS.detect_every)
    assert following.faces_in_view == 2
    world.hidden = set()
    assert sorted(s.face for s in run(following, 12)[-1]) == [0, 1]


def test_a_face_that_the_mesh_loses_is_gone_until_it_is_found_anew() -> None:
    world = World([box_at(300)])
    following = follower(world)
    run(following, 1)
    world.blank = {0}
    assert run(following, 1) == [[]]
    assert world.released == 1
    world.blank = set()
    seen = run(following, SETTINGS.detect_every)
    assert [s.face for s in seen[-1]] == [1]


def test_two_trackers_that_end_up_on_one_face_become_one() -> None:
    world = World([box_at(300), box_at(900)])
    following = follower(world)
    run(following, 1)
    world.faces = [box_at(300)]
    assert [s.face for s in run(following, 1)[0]] == [0]
    assert world.released == 1


def test_no_more_faces_are_followed_than_the_recipe_allows_but_all_are_counted() -> None:
    world = World([box_at(150 + 250 * n, side=200 + 2 * n) for n in range(5)])
    following = follower(world, max_faces=2)
    seen = run(following, 6)[-1]
    assert sorted(round(s.box[2] - s.box[0]) for s in seen) == [206, 208]
    assert following.faces_in_view == 5


def test_an_empty_picture_shows_nothing() -> None:
    following = follower(World())
    assert run(following, 6) == [[]] * 6
    assert following.faces_in_view == 0
