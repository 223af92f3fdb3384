"""Prompt suites: balanced, true to what they say they ask for, the same every time."""

from __future__ import annotations

import json
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2_contingency

import facevid
from facevid.annotate.parse_caption import parse
from facevid.bench.errors import BenchError
from facevid.bench.suites import Suite, prompt_suite, read_suite
from facevid.bench.suites.bases import BaseClips
from facevid.bench.suites.decks import dealt
from facevid.bench.suites.looks import groups_of, set_anew
from facevid.dataset.vocabulary import VocabularyError

from . import suites_people


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> facevid.Dataset:
    return suites_people.described(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def suite(people: facevid.Dataset, tmp_path_factory: pytest.TempPathFactory) -> Suite:
    return prompt_suite(people, tmp_path_factory.mktemp("suites") / "looks", count=60, duration_s=1.3, seed=4)


# --- balance ---


def test_every_value_is_asked_for_equally_often(suite: Suite) -> None:
    assert {n: set(v) for n, v in suite.about["values"].items()} == {
        "hair_colour": {"black", "blonde"},
        "eyeglasses": {"yes", "no"},
        "skin_tone": {"light", "dark"},
        "light": {"dim", "bright"},
        "light_direction": {"left", "right"},
    }
    for name in suite.about["values"]:
        assert set(Counter(e.asked[name] for e in suite.entries).values()) == {30}, name


def test_what_is_asked_of_one_attribute_tells_nothing_of_another() -> None:
    names, count = ("a", "b", "c"), 3000
    decks = {name: dealt([f"{name}{k}" for k in range(3)], 0, name) for name in names}
    drawn = {name: [next(deck) for _ in range(count)] for name, deck in decks.items()}
    for one, other in (("a", "b"), ("a", "c"), ("b", "c")):
        pairs = Counter(zip(drawn[one], drawn[other], strict=True))
        table = np.array([[pairs[f"{one}{i}", f"{other}{j}"] for j in range(3)] for i in range(3)])
        assert chi2_contingency(table).pvalue > 0.01


def test_any_beginning_of_a_deck_is_balanced_to_within_one() -> None:
    deck = dealt("abc", 5, "x")
    met: Counter[str] = Counter({"a": 0, "b": 0, "c": 0})
    for _ in range(50):
        met[next(deck)] += 1
        assert max(met.values()) - min(met.values()) <= 1


def test_a_value_that_few_people_have_is_not_asked_for_and_that_is_said(suite: Suite) -> None:
    assert suite.notes == [
        "light_tone is not asked for: only 'warm' is known of 3 or more of the 12 clips' people."
    ]
    assert "light_tone" not in suite.entries[0].asked


def test_known_groups_come_equally_often_as_far_as_the_clips_have_them(suite: Suite) -> None:
    # Two of six people are women; their clips stand behind half of the prompts.
    assert Counter(e.groups["gender"] for e in suite.entries) == {"female": 30, "male": 30}
    assert suite.about["balanced_over"] == [
        "age",
        "gender",
    ]  # skin tone is asked for, which silences ethnicity
    assert {e.groups["ethnicity"] for e in suite.entries} == {None}


def test_ethnicity_is_balanced_and_said_where_skin_tone_is_not_asked_for(
    people: facevid.Dataset, tmp_path: Path
) -> None:
    made = prompt_suite(people, tmp_path / "s", count=24, duration_s=1.3, balance=["hair_colour"])
    assert Counter(e.groups["ethnicity"] for e in made.entries) == {"asian": 12, "black": 12}
    assert Counter(e.groups["gender"] for e in made.entries) == {"female": 12, "male": 12}
    assert all(parse(e.prompt).attributes["ethnicity"] == {e.groups["ethnicity"]} for e in made.entries)


def test_groups_of_two_attributes_are_balanced_at_once_and_the_unknown_stays_unknown() -> None:
    groups: dict[str, list[str | None]] = {"gender": [], "age": []}
    for gender, age in product(["male"] * 9 + ["female"], ["25"] * 4 + ["70"] + [None]):
        groups["gender"].append(gender)
        groups["age"].append(age)
    bases = BaseClips(groups, [f"p{k}" for k in range(60)], seed=0)
    met: list[int] = []
    for _ in range(60):
        met.append(bases.ranked(1)[0])
        bases.take(met[-1])
    assert Counter(groups["gender"][k] for k in met) == {"male": 30, "female": 30}
    ages = Counter(groups["age"][k] for k in met)
    assert ages["25"] == ages["70"] and ages[None] > 0
    used = Counter(k for k in met if groups["gender"][k] == "male")
    assert len(used) >= 20 and max(used.values()) <= 3  # among equals, whoever was shown least


# --- what a prompt says ---


def test_reading_a_prompt_back_gives_what_it_asks_for_and_its_groups(suite: Suite) -> None:
    for entry in suite.entries:
        claims = parse(entry.prompt)
        assert claims.errors == []
        for name, value in entry.asked.items():
            said = claims.attributes.get(name, frozenset({"no"}))
            assert said <= set(groups_of(name)[value]), (entry.prompt, name, value)
        assert claims.attributes["skin_tone"] == {entry.groups["skin_tone"]}
        assert claims.attributes["gender"] == {entry.groups["gender"]}
        assert (claims.ages is None) == (entry.groups["age"] is None)
        if claims.ages is not None:
            assert claims.ages[0] <= float(entry.groups["age"] or "") < claims.ages[1]
        assert not {"sunglasses", "pale_skin", "ethnicity"} & set(claims.attributes)
        assert claims.attributes["hair_colour"] == {entry.asked["hair_colour"]}


def test_what_a_clip_does_after_the_video_ends_is_not_asked_for(suite: Suite) -> None:
    acts = {act for entry in suite.entries for act in parse(entry.prompt).actions}
    assert acts == {"smile"}


def test_labels_that_would_contradict_are_dropped_and_others_kept() -> None:
    said = {
        "hair_length": {"value": "bald", "confidence": None, "by": "self"},
        "headwear": {"value": "hat", "confidence": None, "by": "self"},
        "clothing": {"value": "suit", "confidence": 0.9, "by": "self"},
        "beard": None,
    }
    acts: list[dict[str, Any]] = [{"name": "smile"}, {"name": "nod"}]
    labels, actions = set_anew(said, acts, {"hair_colour": "red", "emotion": "sad"})
    assert {n: v["value"] for n, v in labels.items()} == {
        "clothing": "suit", "hair_colour": "red", "emotion": "sad"
    }  # fmt: skip
    assert [a["name"] for a in actions] == ["nod"]
    said["hair_length"] = {"value": "long", "confidence": None, "by": "self"}
    assert set_anew(said, acts, {"hair_colour": "red"})[0]["hair_length"]["value"] == "long"


@pytest.mark.parametrize("length", ["medium", "short"])
def test_shorter_texts_say_what_they_are_to_ask_for_or_are_refused(
    people: facevid.Dataset, tmp_path: Path, length: Any
) -> None:
    made = prompt_suite(
        people,
        tmp_path / "few",
        count=8,
        duration_s=1.3,
        length=length,
        balance=["hair_colour", "eyeglasses"],
    )
    for entry in made.entries:
        claims = parse(entry.prompt)
        assert claims.attributes["hair_colour"] == {entry.asked["hair_colour"]}
        assert ("eyeglasses" in claims.attributes) == (entry.asked["eyeglasses"] == "yes")
    if length == "short":
        with pytest.raises(BenchError, match=r"no short text says all of hair_colour .*take length='long'"):
            prompt_suite(people, tmp_path / "many", count=8, duration_s=1.3, length=length)
        assert not (tmp_path / "many").exists()


# --- seeds, files ---


def test_the_same_call_gives_the_same_bytes_and_another_seed_others(
    people: facevid.Dataset, suite: Suite, tmp_path: Path
) -> None:
    again = prompt_suite(people, tmp_path / "looks", count=60, duration_s=1.3, seed=4)
    for name in ("suite.json", "suite.jsonl"):
        assert (again.folder / name).read_bytes() == (suite.folder / name).read_bytes()
    other = prompt_suite(people, tmp_path / "other" / "looks", count=60, duration_s=1.3, seed=5)
    assert [e.prompt for e in other.entries] != [e.prompt for e in suite.entries]


def test_a_shorter_suite_and_one_of_fewer_seeds_are_parts_of_the_longer(
    people: facevid.Dataset, suite: Suite, tmp_path: Path
) -> None:
    some = prompt_suite(people, tmp_path / "s", count=25, seeds=2, duration_s=1.3, seed=4)
    assert [e for e in some.entries if e.entry.endswith("-s0")] == list(suite.entries[:25])
    assert [e.entry for e in some.entries[:3]] == ["p0000-s0", "p0000-s1", "p0001-s0"]
    assert some.entries[0].prompt == some.entries[1].prompt
    assert len({e.seed for e in some.entries}) == 50


def test_what_is_read_is_what_was_written(suite: Suite, people: facevid.Dataset) -> None:
    again = read_suite(suite.folder)
    assert again == suite and again.kind == "prompt" and again.name == "looks" and again.shape is None
    assert {(e.clip_id, e.person, e.picture, e.reference, e.partner) for e in again.entries} == {(None,) * 5}
    assert {e.built_from for e in again.entries} <= set(people.ids.to_pylist())
    assert again.about["dataset"]["name"] == "six people" and len(again.about["dataset"]["sha256"]) == 64


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"count": 0}, "0 prompts with 1 seeds, seed 0, cannot be made"),
    ({"seeds": 0}, "count and seeds are 1 or more"),
    ({"duration_s": 0}, "duration_s is 0; it is the seconds of a video, above 0"),
    ({"length": "huge"}, "a prompt cannot be 'huge'; allowed are short, medium and long"),
    ({"balance": ["gender"]}, "gender cannot be set anew in a prompt; allowed are hair_colour"),
    ({"balance": ["light", "light"]}, "named twice"),
]


@pytest.mark.parametrize(("asked", "why"), REFUSED, ids=[w[:20] for _, w in REFUSED])
def test_what_cannot_be_asked_is_refused_in_a_sentence(
    people: facevid.Dataset, tmp_path: Path, asked: dict[str, Any], why: str
) -> None:
    with pytest.raises(BenchError, match=why):
        prompt_suite(people, tmp_path / "s", **{"duration_s": 1.0, **asked})
    assert not (tmp_path / "s").exists()


def test_an_attribute_that_there_is_not_is_named(people: facevid.Dataset, tmp_path: Path) -> None:
    with pytest.raises(VocabularyError, match="There is no attribute 'nose'"):
        prompt_suite(people, tmp_path / "s", duration_s=1.0, balance=["nose"])


def test_clips_that_nobody_described_are_refused(tmp_path: Path) -> None:
    from ..generate import fakes

    bare = facevid.open(fakes.clips_in(tmp_path, 2))
    with pytest.raises(
        BenchError, match="has no attributes, from which prompts are built; run `facevid annotate"
    ):
        prompt_suite(bare, tmp_path / "s", duration_s=1.0)


def test_a_suite_is_replaced_only_when_told_and_other_files_never(
    people: facevid.Dataset, tmp_path: Path
) -> None:
    place = tmp_path / "s"
    prompt_suite(people, place, count=2, duration_s=1.0)
    with pytest.raises(BenchError, match="holds a suite already; name another folder, or replace it"):
        prompt_suite(people, place, count=3, duration_s=1.0)
    assert len(prompt_suite(people, place, count=3, duration_s=1.0, overwrite=True).entries) == 3
    (place / "mine.txt").write_text("words")
    with pytest.raises(BenchError, match=r"no place for a suite: mine\.txt is there"):
        prompt_suite(people, place, count=3, duration_s=1.0, overwrite=True)
    assert (place / "mine.txt").read_text() == "words"


# --- damage ---


def damaged(suite: Suite, place: Path, **about: Any) -> Path:
    place.mkdir()
    held = json.loads((suite.folder / "suite.json").read_text())
    (place / "suite.json").write_text(json.dumps({**held, **about}))
    (place / "suite.jsonl").write_bytes((suite.folder / "suite.jsonl").read_bytes())
    return place


def test_missing_damaged_and_foreign_suites_are_said(suite: Suite, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"holds no suite\.json, so it is no suite; make one"):
        read_suite(tmp_path)
    with pytest.raises(BenchError, match="has the format 99, and this facevid reads the format 1"):
        read_suite(damaged(suite, tmp_path / "a", format=99))
    changed = damaged(suite, tmp_path / "b")
    lines = (changed / "suite.jsonl").read_text().replace("blonde", "purple")
    (changed / "suite.jsonl").write_text(lines)
    with pytest.raises(BenchError, match=r"is not what was written.*make the suite anew"):
        read_suite(changed)
    (changed / "suite.jsonl").unlink()
    with pytest.raises(BenchError, match="cannot be read"):
        read_suite(changed)
    (changed / "suite.json").write_text("{")
    with pytest.raises(BenchError, match=r"suite\.json cannot be read"):
        read_suite(changed)
