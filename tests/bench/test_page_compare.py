"""Results side by side: what may be compared, who is better, and what is left open."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from page_results import distance, full, metric, parsed, result

from facevid.bench.errors import BenchError
from facevid.bench.page import Comparison, compare, differences, write_comparison
from facevid.bench.page.compare import Row


def row(found: Comparison, name: str) -> Row:
    return next(one for one in (*found.distances, *found.metrics) if one.name == name)


def verdicts(found: Comparison, name: str) -> list[str | None]:
    return [one.verdict for one in row(found, name).values]


def test_results_measured_alike_are_said_to_be_and_judged_by_their_intervals() -> None:
    a = result("a", distances=[distance(value=12.0)])
    b = result("b", distances=[distance(value=9.0)])
    c = result("c", distances=[distance(value=11.0)])
    found = compare([a, b, c])
    assert found.alike and found.distances_comparable
    assert found.labels == ["A", "B", "C"]
    assert verdicts(found, "appearance_frechet") == [None, "better", "not clear"]
    values = row(found, "appearance_frechet").values
    assert [one.difference for one in values] == [None, -3.0, -1.0]
    assert [one.apart for one in values] == [None, True, False]
    judged = row(found, "appearance_frechet")
    assert (judged.best, judged.clear) == (1, False)  # 9 +- 1 and 11 +- 1 touch
    assert compare([a, b]).distances[0].clear


def test_better_is_by_the_metric() -> None:
    a = result("a", metrics=[metric("face_found", 0.5), metric("flicker", 0.5), metric("motion", 0.5, 0.3)])
    b = result("b", metrics=[metric("face_found", 0.7), metric("flicker", 0.7), metric("motion", 0.25, 0.3)])
    found = compare([a, b])
    assert verdicts(found, "face_found") == [None, "better"]
    assert verdicts(found, "flicker") == [None, "worse"]
    assert verdicts(found, "motion") == [None, "better"]
    assert [row(found, name).best for name in ("face_found", "flicker", "motion")] == [1, 0, 1]


def test_means_on_both_sides_of_the_real_one_are_apart_but_neither_is_better() -> None:
    a = result("a", metrics=[metric("motion", 0.2, 0.3)])
    b = result("b", metrics=[metric("motion", 0.4, 0.3)])
    found = compare([a, b])
    assert row(found, "motion").values[1].apart
    assert verdicts(found, "motion") == [None, "not clear"]
    assert not row(found, "motion").clear


def test_without_intervals_or_a_real_mean_there_is_no_verdict() -> None:
    bare = metric("flicker", 0.5)
    bare = replace(bare, made=replace(bare.made, interval=None))
    a = result("a", metrics=[bare, metric("motion", 0.2)])
    b = result("b", metrics=[metric("flicker", 0.7), metric("motion", 0.9)])
    found = compare([a, b])
    assert verdicts(found, "flicker") == [None, None]
    assert row(found, "flicker").best == 0 and not row(found, "flicker").clear
    assert verdicts(found, "motion") == [None, None]
    assert row(found, "motion").best is None
    assert row(found, "motion").values[1].difference == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("part", "key", "value", "said", "parted"),
    [
        ("data", "dataset_sha256", "cd" * 32, "The hash of the dataset differs", True),
        ("data", "clips", 50, "The number of its clips differs: 60 in A and 50 in B.", True),
        ("data", "chosen_by", ["split = train"], "split = test in A and split = train in B", True),
        ("shape", "fps", 25.0, "The frame rate differs: 8 in A and 25 in B.", True),
        ("shape", "width", 128, "The width differs: 64 in A and 128 in B.", True),
        ("settings", "resamples", 100, "The setting resamples differs: 200 in A and 100 in B.", False),
        ("settings", "new", 1, "The setting new differs: not there in A and 1 in B.", False),
        ("readers", "face_mesh.mediapipe", "0.10.9", "0.10.21 in A and 0.10.9 in B.", False),
    ],
)
def test_each_difference_is_named(part: str, key: str, value: Any, said: str, parted: bool) -> None:
    a = result("a", distances=[distance()], metrics=[metric("flicker", 0.5)])
    b = result("b", distances=[distance(value=3.0)], metrics=[metric("flicker", 0.9)])
    setattr(b, part, {**getattr(b, part), key: value})
    found = compare([a, b])
    assert not found.alike
    assert found.distances_comparable is not parted
    assert any(said in sentence for sentence in found.sentences())
    assert row(found, "appearance_frechet").comparable is not parted
    assert verdicts(found, "appearance_frechet") == [None, None if parted else "better"]
    assert verdicts(found, "flicker") == [None, "worse"]
    assert ("cannot be held against each other" in found.text()) is parted


def test_command_and_call_are_no_difference() -> None:
    a, b = result("a"), result("b")
    a.settings = {**a.settings, "command": ["facevid", "bench", "a"]}
    b.settings = {**b.settings, "call": "bench('b')"}
    assert differences([a, b]) == []


def test_another_facevid_is_a_difference_that_parts_nothing() -> None:
    found = compare([result("a"), result("b", facevid="0.2.0")])
    assert [(one.of, one.parts_distances) for one in found.differences] == [("facevid", False)]


def test_a_frechet_distance_of_other_numbers_of_videos_is_not_compared_and_an_unbiased_one_is() -> None:
    a, b = distance(n=60), distance(n=90, value=3.0)
    found = compare([result("a", distances=[a]), result("b", distances=[b])])
    assert not found.distances[0].comparable
    assert "60 real and 60 made" in str(found.distances[0].why)
    assert "60 real and 60 made" in found.text()
    unbiased = [replace(one, found={**(one.found or {}), "kind": "mmd2", "unbiased": True}) for one in (a, b)]
    found = compare([result("a", distances=unbiased[:1]), result("b", distances=unbiased[1:])])
    assert found.distances[0].comparable and verdicts(found, a.name) == [None, "better"]


def test_a_distance_of_other_features_or_kind_is_not_compared() -> None:
    a, b = distance(), replace(distance(), about="Other features.")
    assert "features" in str(
        compare([result("a", distances=[a]), result("b", distances=[b])]).distances[0].why
    )
    c = replace(distance(), found={**(distance().found or {}), "ddof": 0})
    assert "ddof" in str(compare([result("a", distances=[a]), result("b", distances=[c])]).distances[0].why)


def test_what_one_lacks_is_said() -> None:
    few = replace(distance("motion_frechet"), found=None, why="7 videos have the features.")
    a = result("a", distances=[distance(), few], metrics=[metric("flicker", 0.5)])
    found = compare([a, result("b")])
    assert row(found, "flicker").values[1].note == "not measured"
    assert row(found, "motion_frechet").values[0].note == "7 videos have the features."
    text = found.text()
    assert "not measured" in text and "7 videos have the features." in text


def test_one_result_is_refused() -> None:
    with pytest.raises(BenchError, match="two or more"):
        compare([result()])


def test_the_text_is_a_plain_table_with_every_value(tmp_path: Path) -> None:
    a, b = (full(tmp_path, seed=k, name=f"run {k}")[0] for k in range(2))
    text = compare([a, b]).text()
    lines = text.splitlines()
    assert lines[:2] == ["A  run 0", "B  run 1"]
    assert all(line == line.rstrip() for line in lines) and text.endswith("\n")
    head = next(line for line in lines if "value" in line)
    first = next(line for line in lines if line.startswith("  appearance, frechet"))
    assert first.index("0.41") == head.index("value")
    assert first.split()[2:5] == ["lower", "A", "0.41"]


def test_the_comparison_is_plain_values_and_without_rows_says_none() -> None:
    found = compare([result("a"), result("b")])
    assert json.loads(json.dumps(found.to_dict()))["alike"] is True
    assert found.text().count("  none\n") == 2


def test_the_page_shows_all_values_and_sentences_and_is_well_formed(tmp_path: Path) -> None:
    a, b = (full(tmp_path, seed=k, name=f"<b>run {k}")[0] for k in range(2))
    b.shape = {**b.shape, "width": 128}
    found = compare([a, b])
    path = write_comparison(found, [a, b], tmp_path / "compare.html")
    page = parsed(path)
    assert page.links == []
    assert "<b>run 1" in page.text
    assert all(sentence in page.text for sentence in found.sentences())
    assert "not compared" in page.text
    assert page.text.count("to A:") == len(found.metrics)
    assert page.count("svg") == len(found.metrics) + len(found.distances) - 1
    assert write_comparison(found, [a, b], tmp_path / "again.html").read_bytes() == path.read_bytes()
    with pytest.raises(BenchError, match="same order"):
        write_comparison(found, [b, a], path)


def test_the_page_of_empty_results_says_so(tmp_path: Path) -> None:
    a, b = result("a"), result("b")
    page = parsed(write_comparison(compare([a, b]), [a, b], tmp_path / "compare.html"))
    assert "No distance was computed." in page.text and "No metric was measured." in page.text
