"""What benchmarks/follow.py rests on: the probe, its score, balanced prompts, pictures paired with other people's."""

from __future__ import annotations

import importlib
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from facevid.annotate.parse_caption import parse

torch = pytest.importorskip("torch")
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module", autouse=True)
def benchmarks() -> Iterator[None]:
    """The folder of the benchmarks as Python has it when one of them is run."""
    sys.path.insert(0, str(BENCHMARKS))
    torch.set_num_threads(1)
    yield
    sys.path.remove(str(BENCHMARKS))


def module(name: str) -> ModuleType:
    return importlib.import_module(name)


def coloured(people: int, seed: int) -> Any:
    """Two clips of each person, whose upper half is dark or fair, brighter on the left or the right."""
    dice = np.random.default_rng(seed)
    frames, who, colours, sides = [], [], [], []
    for person in range(people):
        fair = person // 2 % 2  # folds take people in turn
        for side in ("left", "right"):
            picture = dice.normal(110, 12, (2, 32, 32, 3))
            picture[:, :16] += 60 if fair else -60
            picture[:, :, :16] += 35 if side == "left" else 0
            picture[:, :, 16:] += 35 if side == "right" else 0
            frames.append(picture.clip(0, 255).astype(np.uint8))
            who.append(f"p{person}")
            colours.append("blonde" if fair else "black")
            sides.append(side)
    return module("follow_probe").Examples(np.stack(frames), who, {"hair_colour": colours, "light": sides})


def test_a_probe_tells_two_colours_and_two_sides_apart_on_people_whom_it_never_saw() -> None:
    probe = module("follow_probe")
    values = {"hair_colour": ("black", "blonde"), "light": ("left", "right")}
    examples = coloured(8, 1)
    dim = (examples.frames * 0.9).astype(np.uint8)
    told = probe.held_out(
        examples, values, shown={"real": examples.frames, "dim": dim}, folds=2, epochs=30, batch=8
    )
    for by in told.values():
        for name, known in values.items():
            assert module("follow_score").score(examples.labels[name], by[name], known)["accuracy"] > 0.9, (
                name
            )


def test_what_is_not_known_teaches_nothing() -> None:
    probe = module("follow_probe")
    examples = coloured(4, 2)
    nothing = probe.Examples(examples.frames, examples.people, {"hair_colour": [None] * 8})
    trained = probe.train_probe(nothing, {"hair_colour": ("black", "blonde")}, epochs=1)
    assert torch.isfinite(next(trained.network.parameters())).all()


def test_a_ring_about_an_eye_is_read_by_the_face_embedders_features_on_people_whom_it_never_saw() -> None:
    cv2 = pytest.importorskip("cv2")
    probe = module("follow_probe")
    dice = np.random.default_rng(3)
    frames = np.full((12, 1, 64, 64, 3), 150, np.uint8) + dice.integers(0, 30, (12, 1, 64, 64, 3), np.uint8)
    for k in range(12):
        for x in (26, 38):
            at = (x + int(dice.integers(-1, 2)), 28 + int(dice.integers(-1, 2)))
            cv2.circle(frames[k, 0], at, 2, (40, 40, 40), -1)
            if k % 2:
                cv2.circle(frames[k, 0], at, 5, (30, 30, 30), 1)
    worn = ["yes" if k % 2 else "no" for k in range(12)]
    examples = probe.Examples(frames, [f"p{k}" for k in range(12)], {"eyeglasses": worn})
    told = probe.held_out(examples, {"eyeglasses": ("no", "yes")}, shown={"real": frames})
    assert told["real"]["eyeglasses"] == worn


def test_chance_is_one_of_the_values_and_each_value_counts_alike() -> None:
    score = module("follow_score").score
    found = score(["a"] * 8 + ["b", "c", None], ["a"] * 11, ("a", "b", "c"))
    assert found["chance"] == pytest.approx(1 / 3, abs=1e-4)
    assert found["accuracy"] == pytest.approx(1 / 3, abs=1e-4)  # always the same answer is chance
    assert found["count"] == 10
    assert found["confusion"] == [[8, 0, 0], [1, 0, 0], [1, 0, 0]]


def test_the_interval_is_wilsons() -> None:
    # Wilson 95 % of 81 of 263, as Newcombe 1998 (Statistics in Medicine 17, table I) gives it: .2553 to .3662
    low, high = module("follow_score").wilson(81 / 263, 263)
    assert (low, high) == (pytest.approx(0.2553, abs=1e-4), pytest.approx(0.3662, abs=1e-4))


def test_nobody_is_in_two_folds() -> None:
    people = ["a", "b", "a", "c", "d", "b", "e", "a"]
    folds = module("follow_probe").by_person(people, 3)
    assert set(folds) == {0, 1, 2}
    assert all(len({folds[k] for k, p in enumerate(people) if p == who}) == 1 for who in set(people))


# --- prompts ---

CLIPS = [
    (
        {
            "gender": {"value": "female", "confidence": None, "by": "self"},
            "hair_length": {"value": length, "confidence": None, "by": "self"},
            "sunglasses": {"value": "yes", "confidence": None, "by": "self"},
            "ethnicity": {"value": "asian", "confidence": None, "by": "self"},
            "pale_skin": None,
        },
        [{"name": "talk", "start_s": 0.0, "end_s": 3.0, "confidence": 0.9, "by": "measured:mesh"}],
    )
    for length in ("long", "bald")
]
VALUES = {
    "hair_colour": ("black", "blonde", "red"),
    "eyeglasses": ("no", "yes"),
    "skin_tone": ("dark", "light", "medium"),
    "light": ("bright", "dim"),
    "light_direction": ("left", "right"),
    "light_tone": ("cool", "warm"),
}


def test_prompts_ask_for_every_value_equally_often_and_say_so() -> None:
    made = module("follow_prompts").prompts(CLIPS, VALUES, count=60, length="long", duration_s=1.3)
    for name, values in VALUES.items():
        assert Counter(p.asked[name] for p in made) == {v: 60 // len(values) for v in values}
    for prompt in made:
        claims = parse(prompt.text)
        assert claims.errors == []
        for name in ("hair_colour", "light", "light_direction", "light_tone"):
            assert claims.attributes[name] == {prompt.asked[name]}, prompt
        (tone,) = claims.attributes["skin_tone"]
        assert module("follow_prompts").group_of("skin_tone", tone) == prompt.asked["skin_tone"]
        assert ("eyeglasses" in claims.attributes) == (prompt.asked["eyeglasses"] == "yes")
        assert not {"ethnicity", "sunglasses", "hair_length"} & set(claims.attributes) - {"hair_length"}


def test_a_tone_that_was_measured_is_not_read_as_a_label() -> None:
    value_of = module("follow_prompts").value_of
    for by, value in (
        ("self", "medium"),
        ("annotator", "medium"),
        ("measured:skin", None),
        ("model:x", None),
    ):
        said = {"skin_tone": {"value": "5", "confidence": 0.9, "by": by}}
        assert value_of("skin_tone", said) == value
    assert value_of("eyeglasses", {"eyeglasses": {"value": "no", "confidence": 0.3, "by": "self"}}) is None
    assert value_of("eyeglasses", None) is None


def test_of_light_its_ends_are_read_and_of_skin_its_group() -> None:
    group_of = module("follow_prompts").group_of
    assert [group_of("light", v) for v in ("dark", "dim", "normal", "bright")] == [
        "dim",
        "dim",
        None,
        "bright",
    ]
    assert [group_of("skin_tone", str(t)) for t in (1, 3, 4, 6, 7, 10)] == ["light"] * 2 + ["medium"] * 2 + [
        "dark"
    ] * 2
    assert group_of("light_direction", "even") is None and group_of("hair_colour", "red") == "red"


def test_values_that_few_people_have_are_not_asked_for() -> None:
    labels = {
        "hair_colour": ["red", "red", "black", "black", "brown"],
        "eyeglasses": ["yes", "yes", None, None, "no"],
    }
    people = ["a", "a", "b", "c", "d"]
    met = module("follow_prompts").values_met
    assert met(labels, people, 1) == {"hair_colour": ("black", "brown", "red"), "eyeglasses": ("no", "yes")}
    assert met(labels, people, 2) == {}


# --- pictures ---


@pytest.mark.parametrize("seed", range(5))
def test_nobody_is_paired_with_himself_and_everybody_is_a_partner_once(seed: int) -> None:
    people = ["a"] * 5 + ["b"] * 2 + ["c"] * 3 + ["d"]
    found = module("follow_faces").partners(people, seed)
    assert sorted(found) == list(range(11))
    assert all(people[k] != people[other] for k, other in enumerate(found))
    assert module("follow_faces").partners(people, seed) == found


def test_who_has_most_places_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match="a has 3 of 5"):
        module("follow_faces").partners(["a", "a", "a", "b", "c"])


def test_a_video_follows_its_picture_only_with_both_frames_and_a_face_in_each() -> None:
    faces = module("follow_faces")
    own, other = np.zeros(128, np.float32), np.ones(128, np.float32)
    near, far = own + 0.1, other - 0.1
    pairs = [
        faces.Pair(own, other, near, near),
        faces.Pair(own, other, near, far),
        faces.Pair(own, other, near, None),
        faces.Pair(own, other, far, near),
    ]
    assert [p.followed for p in pairs] == [True, False, False, False]
    found = faces.followed(pairs)
    assert (found["followed"], found["face_found"], found["count"]) == (0.25, 0.75, 4)
