"""The recipe: what is shipped loads, what is given is merged, and every mistake is named."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from facevid.recipe import (
    REASONS,
    SCORES,
    Recipe,
    RecipeError,
    load_recipe,
    recipe_text,
    shipped_recipes,
)

PAPER_REASONS = {
    "no_face", "multiple_faces", "resolution", "duration", "sharpness", "brightness", "motion", "pose", "occlusion",
    "text", "border", "speech", "sync", "duplicate", "age", "licence", "consent", "review",
}  # fmt: skip


def mistakes(recipe: Any) -> str:
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe)
    return str(caught.value)


@pytest.mark.parametrize("name", shipped_recipes())
def test_every_shipped_recipe_loads(name: str) -> None:
    assert isinstance(load_recipe(name), Recipe)


def test_the_default_recipe_holds_what_the_paper_reports() -> None:
    recipe = load_recipe()
    rules = {rule.score: rule for rule in recipe.select.rules}
    assert recipe.name == "dh-facevid"
    assert recipe.cut.size == 512
    assert rules["faces"].max == 1
    assert rules["face_px"].min == 256
    assert rules["text_chars"].max == 10
    assert rules["border_px"].max == 20


def test_reasons_are_the_published_contract() -> None:
    assert set(REASONS) == PAPER_REASONS


def test_every_default_rule_reads_a_known_score_for_a_known_reason() -> None:
    for rule in load_recipe().select.rules:
        assert rule.score in SCORES
        assert rule.reason in REASONS


def test_every_rule_of_the_shipped_file_names_the_source_of_its_threshold() -> None:
    lines = recipe_text().splitlines()
    rules = [n for n, line in enumerate(lines) if line.strip().startswith("- {reason")]
    assert len(rules) == len(load_recipe().select.rules)
    for n in rules:
        assert lines[n - 1].strip().startswith("#"), lines[n]


def test_a_mapping_changes_only_the_fields_it_gives() -> None:
    changed, usual = load_recipe({"cut": {"size": 256}}), load_recipe()
    assert changed.cut.size == 256
    assert changed.cut.crf == usual.cut.crf
    assert changed.select == usual.select


def test_rules_that_are_given_replace_all_rules() -> None:
    only = load_recipe({"select": {"rules": [{"reason": "text", "score": "text_chars", "max": 3}]}})
    assert [(r.score, r.max) for r in only.select.rules] == [("text_chars", 3.0)]


def test_a_file_needs_only_its_changes_and_may_name_its_base(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("base: dh-facevid\nname: mine\nselect:\n  min_s: 4.0\n", encoding="utf-8")
    recipe = load_recipe(path)
    assert (recipe.name, recipe.select.min_s) == ("mine", 4.0)
    assert recipe.select.max_s == load_recipe().select.max_s


def test_an_empty_file_is_the_default(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("", encoding="utf-8")
    assert load_recipe(path) == load_recipe()


def test_the_mapping_that_is_given_stays_as_it_was() -> None:
    given = {"base": "dh-facevid", "cut": {"size": 256}}
    load_recipe(given)
    assert given == {"base": "dh-facevid", "cut": {"size": 256}}


def test_a_recipe_written_as_yaml_reads_back_equal(tmp_path: Path) -> None:
    recipe = load_recipe({"name": "größer", "fps": 30, "select": {"max_s": 12.5}})
    path = tmp_path / "out.yaml"
    path.write_text(recipe.to_yaml(), encoding="utf-8")
    assert load_recipe(path) == recipe


def test_a_whole_number_may_stand_for_a_fraction() -> None:
    assert load_recipe({"select": {"min_s": 3}}).select.min_s == 3.0


def test_subset_gives_the_named_fields_as_plain_values() -> None:
    recipe = load_recipe({"cut": {"size": 256}})
    part = recipe.subset(("fps", "cut.size", "crop"))
    assert part == {
        "fps": 25.0,
        "cut.size": 256,
        "crop": {"above": recipe.crop.above, "below": recipe.crop.below, "sides": recipe.crop.sides},
    }
    assert yaml.safe_load(yaml.safe_dump(part)) == part


def test_subset_does_not_change_with_a_field_outside_it() -> None:
    one, other = load_recipe(), load_recipe({"select": {"min_s": 5.0}})
    assert one.subset(("fps", "analyze")) == other.subset(("fps", "analyze"))
    assert one.subset(("select",)) != other.subset(("select",))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sise": 3}, ["sise", "unknown field", "3", "allowed here", "select"]),
        ({"cut": {"sise": 3}}, ["cut.sise", "unknown field", "3", "allowed here: size, crf"]),
        ({"cut": {"size": "large"}}, ["cut.size", "'large'", "integer"]),
        ({"cut": {"size": 511}}, ["cut.size", "511", "multiple of 2"]),
        ({"cut": {"size": 16}}, ["cut.size", "16", "64"]),
        ({"cut": {"crf": 99}}, ["cut.crf", "99", "51"]),
        ({"cut": {"preset": "fastest"}}, ["cut.preset", "'fastest'", "'ultrafast'", "'veryslow'"]),
        ({"fps": True}, ["fps", "True", "number"]),
        ({"fps": 0}, ["fps", "0", "1"]),
        ({"fps": None}, ["fps", "None", "number"]),
        ({"select": {"max_s": math.inf}}, ["select.max_s", "inf", "finite"]),
        ({"select": {"max_s": math.nan}}, ["select.max_s", "nan", "finite"]),
        ({"select": 5}, ["select", "5", "dictionary"]),
        ({"select": {"min_s": 30.0}}, ["select", "min_s 30", "max_s 20"]),
        ({"analyze": {"face_score": 1.5}}, ["analyze.face_score", "1.5", "1"]),
        ({7: 1}, ["7", "not allowed", "string"]),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_field_value_and_what_is_allowed(
    change: dict[Any, Any], said: list[str]
) -> None:
    sentence = mistakes(change)
    for words in said:
        assert words in sentence


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"reason": "ugly", "score": "faces", "max": 1}, ["rules.0.reason", "'ugly'", "no_face", "review"]),
        ({"reason": "text", "score": "beauty", "max": 1}, ["rules.0.score", "'beauty'", "text_chars"]),
        ({"reason": "text", "score": "text_chars"}, ["rules.0", "text_chars", "needs a min or a max"]),
        ({"reason": "pose", "score": "pose_extreme", "max": 200}, ["rules.0", "max 200", "0 to 180"]),
        ({"reason": "sync", "score": "sync_correlation", "min": -2}, ["rules.0", "min -2", "-1 to 1"]),
        (
            {"reason": "brightness", "score": "brightness", "min": 90, "max": 30},
            ["min 90", "max 30", "brightness"],
        ),
        ({"reason": "text", "score": "text_chars", "max": "ten"}, ["rules.0.max", "'ten'", "number"]),
        (
            {"reason": "text", "score": "text_chars", "max": 3, "most": 3},
            ["rules.0.most", "unknown field", "over_s"],
        ),
        ({"reason": "text", "score": "text_chars", "max": 3, "over_s": -1}, ["rules.0.over_s", "-1", "0"]),
    ],
)
def test_a_rule_that_decides_nothing_is_refused(rule: dict[str, Any], said: list[str]) -> None:
    sentence = mistakes({"select": {"rules": [rule]}})
    for words in said:
        assert words in sentence


def test_all_mistakes_are_named_at_once_one_a_line() -> None:
    sentence = mistakes({"cut": {"size": "a", "crf": "b"}, "typo": 1})
    assert len(sentence.splitlines()) == 4


def test_a_file_that_is_not_there_is_named_with_what_there_is(tmp_path: Path) -> None:
    sentence = mistakes(tmp_path / "none.yaml")
    assert "none.yaml" in sentence
    assert "dh-facevid" in sentence


@pytest.mark.parametrize("text", ["a: [1", "\t:", "- 1\n- 2\n", "just words"])
def test_a_file_that_is_no_mapping_is_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    assert "bad.yaml" in mistakes(path)


def test_a_base_that_is_no_recipe_is_refused() -> None:
    assert "'other'" in mistakes({"base": "other"})
    assert "[1]" in mistakes({"base": [1]})


SCORES_PAGE = Path(__file__).resolve().parent.parent / "docs" / "scores.md"


@pytest.mark.parametrize("score", SCORES)
def test_every_score_is_explained_in_the_documentation(score: str) -> None:
    assert re.search(rf"^\*\*[^*]*`{score}`", SCORES_PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def test_every_default_rule_stands_in_the_documentation_with_its_threshold() -> None:
    rows = [line for line in SCORES_PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    for rule in load_recipe().select.rules:
        cells = [line.split("|") for line in rows if line.startswith(f"| `{rule.reason}`")]
        (said,) = [cell[2].replace(" .", " 0.") for cell in cells if f"`{rule.score}`" in cell[2]]
        for bound in (rule.min, rule.max):
            assert bound is None or f"{bound:g}" in said, (said, bound)
        assert not rule.over_s or f"over {rule.over_s:g} s" in said


def test_rules_given_by_score_change_these_alone() -> None:
    default = load_recipe()
    changed = load_recipe(
        {
            "select": {
                "rules": {
                    "sharpness": {"min": 1.0},
                    "pose_extreme": None,
                    "sync_correlation": {"reason": "sync", "min": 0.2},
                }
            }
        }
    )
    before = {(r.score, r.min, r.max) for r in default.select.rules}
    after = {(r.score, r.min, r.max) for r in changed.select.rules}
    assert before - after == {("sharpness", 0.7, None), ("pose_extreme", None, 60.0)}
    assert after - before == {("sharpness", 1.0, None), ("sync_correlation", 0.2, None)}
    assert changed.name == "dh-facevid, changed"


def test_a_rule_given_by_an_unknown_score_is_named() -> None:
    with pytest.raises(RecipeError, match="sharpnes"):
        load_recipe({"select": {"rules": {"sharpnes": {"min": 1.0}}}})


def test_a_rule_that_is_not_there_cannot_be_dropped_and_a_reason_is_answered_with_its_scores() -> None:
    with pytest.raises(RecipeError, match=r"no rule on a score 'resolution' to drop; .* such as face_px\."):
        load_recipe({"select": {"rules": {"resolution": None}}})
    dropped = load_recipe({"select": {"rules": {"face_px": None}}})
    assert "resolution" not in {rule.reason for rule in dropped.select.rules}


def test_needs_on_a_cluster_are_kept_with_the_build_and_not_published() -> None:
    recipe = load_recipe({"resources": {"analyze": {"cpus": 2, "custom": {"fast_disk": 1}}}})
    assert recipe.resources.given()["analyze"] == {"cpus": 2.0, "custom": {"fast_disk": 1.0}}
    assert recipe.resources.given()["cut"] == {}
    assert load_recipe(yaml.safe_load(recipe.to_yaml())) == recipe
    assert recipe.published() == {**load_recipe().published(), "name": recipe.name}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"analyse": {}},
            "resources.analyse: unknown field .* allowed here: scan, analyze, cut, identify, measure",
        ),
        (
            {"cut": {"gpu": 1}},
            "resources.cut.gpu: unknown field .* allowed here: cpus, gpus, memory_gb, custom",
        ),
        (
            {"cut": {"cpus": 1.5}},
            "resources.cut.cpus: 1.5 is not allowed: must be a share below 1 or a whole number",
        ),
        ({"cut": {"memory_gb": 0}}, "resources.cut.memory_gb: 0 is not allowed"),
    ],
)
def test_needs_that_cannot_be_met_are_named(given: dict[str, Any], words: str) -> None:
    assert re.search(words, mistakes({"resources": given}))
