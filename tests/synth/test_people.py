"""People are the same for the same seed, differ from each other, and cover the Monk scale."""

from __future__ import annotations

import numpy as np

from facevid.synth import MONK, make_people
from facevid.synth.cast import _vector


def test_the_same_seed_gives_the_same_people() -> None:
    assert make_people(4, 3) == make_people(4, 3)
    assert make_people(4, 3) != make_people(4, 4)


def test_ten_people_have_the_ten_monk_tones() -> None:
    people = make_people(10, 5)
    assert sorted(p.monk for p in people) == list(range(1, 11))
    assert all(p.skin_srgb == MONK[p.monk - 1] for p in people)
    assert sum(p.presentation == "female" for p in people) == 5


def test_people_keep_their_distance() -> None:
    # distances are in units of dlib's embedding, whose same-person threshold in the default recipe is .4
    vectors = np.array([_vector(p) for p in make_people(12, 1)])
    apart = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)[np.triu_indices(12, 1)]
    assert apart.min() > 0.5


def test_appearance_is_plain_data() -> None:
    person = make_people(2, 1)[0]
    looks = person.appearance()
    assert looks["monk"] == person.monk
    assert looks["bald"] == (person.hair_style == "bald")
