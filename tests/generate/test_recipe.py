"""A recipe that cannot be used says which field is wrong, and what was probably meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from facevid.generate.errors import GenerateError
from facevid.generate.recipe import Bucket, read_recipe, recipe_names, usual_bucket
from facevid.generate.training.resume import refuse_another


def said(*changes: str) -> str:
    with pytest.raises(GenerateError) as told:
        read_recipe("facevid-xs", changes)
    return str(told.value)


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_that_comes_with_facevid_can_be_read(name: str) -> None:
    assert read_recipe(name).name == name


def test_a_field_that_is_not_known_is_named_with_the_one_that_was_meant() -> None:
    told = said("optimisation.stepz=3", "data.buckets=[{frame: 9, frames: 9, height: 32, width: 32}]")
    assert "optimisation.stepz is no field of a recipe; did you mean steps?" in told
    assert "data.buckets.0.frame is no field of a recipe; did you mean frames?" in told
    assert "known there: every, keep" in said("checkpoints.zzz=1")


def test_wrong_values_are_all_named_at_once() -> None:
    told = said("optimisation.batch=two", "data.buckets=3", "conditioning.image=2")
    assert "optimisation.batch = 'two'" in told
    assert "data.buckets = 3: it must be a list" in told
    assert "data.buckets = []: Value should have at least 1 item" in said("data.buckets=[]")
    assert "conditioning.image = 2: Input should be less than or equal to 1" in told


def test_a_model_makes_what_it_saw_most_of_among_videos_and_stills_only_where_there_is_nothing_else() -> None:
    still, short, long = (
        Bucket(frames=frames, height=8, width=8, share=share) for frames, share in ((1, 5), (5, 1), (9, 2))
    )
    assert usual_bucket([still, short, long]) == long
    assert usual_bucket([still]) == still


def test_a_field_that_is_missing_is_named() -> None:
    with pytest.raises(GenerateError, match=r"optimisation is missing"):
        read_recipe({"name": "mine", "data": {"buckets": []}, "model": {"family": "facevid"}})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("foo", "is no change of a recipe; write FIELD=VALUE"),
        ("optimisation.steps=[1", "the value cannot be read as YAML"),
        ("data.buckets.0.frames=17", "buckets of the recipe is a list; give it whole"),
        ("seed.x=1", "seed of the recipe has no fields"),
    ],
)
def test_a_change_that_is_none_is_refused(change: str, sentence: str) -> None:
    assert sentence in said(change)


def test_other_clips_are_told_in_words_not_by_hashes(tmp_path: Path) -> None:
    name = "data_read.train_clips_sha256"
    with pytest.raises(GenerateError, match=r"the clips to learn from are others \(--data, --where") as told:
        refuse_another({name: "a" * 64}, {name: "b" * 64}, tmp_path)
    assert "aaaa" not in str(told.value)
