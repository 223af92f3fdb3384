"""Verdicts become the dataset's statements: every annotator's, with the share that agrees, the adjudicator's first."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from reviewing import say
from talking import CLIPS, HAIR, unreviewed

import facevid
from facevid.cli import main
from facevid.web.review_apply import apply
from facevid.web.review_findings import status
from facevid.web.review_store import ReviewStore


@pytest.fixture
def store(published: Path) -> ReviewStore:
    """A review of its own: what the last test's review applied is taken back first."""
    store = ReviewStore(published)
    for verdict in store.history():
        store.undo(
            task=verdict.task, annotator=verdict.annotator, client_id=f"{verdict.client_id}-undone"[-64:]
        )
    apply(published)
    return store


Said = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def said(published: Path) -> Said:
    """The statements of annotators about a clip, by kind and name."""
    return lambda clip_id: (
        facevid.open(published)
        .annotations.filter(f"clip_id = '{clip_id}' and \"by\" = 'annotator'")
        .order("kind, name, who, start_s")
        .to_arrow_table()
        .to_pylist()
    )


def _ids(published: Path) -> list[str]:
    return [clip["clip_id"] for clip in facevid.open(published)]


def test_a_value_given_by_an_annotator_is_shown_before_the_measured_one(
    published: Path, store: ReviewStore, said: Said
) -> None:
    clip_id = _ids(published)[0]
    given = {"attributes": {"hair_colour": "brown", "hair_length": None}, "changed": ["hair_colour"]}
    say(store, clip_id, "ann", task="attributes", said=given)
    done = apply(published)
    assert (done.statements, done.clips, done.disputed, done.without_clip) == (2, 1, 0, 0)
    statement, cannot_be_told = sorted(said(clip_id), key=lambda s: str(s["name"]))
    assert (cannot_be_told["name"], cannot_be_told["value"]) == ("hair_length", "unknown")
    assert facevid.open(published)[clip_id]["attributes"]["hair_length"] is None
    assert (statement["value"], statement["who"], statement["confidence"]) == ("brown", "ann", 1.0)
    assert json.loads(statement["detail"])["review"] == store.id
    shown = facevid.open(published)[clip_id]["attributes"]["hair_colour"]
    assert (shown["value"], shown["by"]) == ("brown", "annotator")
    measured = facevid.open(published).annotations.filter("name = 'hair_colour' and \"by\" like 'measured%'")
    assert len(measured) == len(HAIR)  # what was said before is all there


def test_apply_is_idempotent_and_follows_an_undo(published: Path, store: ReviewStore, said: Said) -> None:
    clip_id = _ids(published)[1]
    say(store, clip_id, "ann", "reject")
    apply(published)
    once = said(clip_id)
    before = (published / "dataset.json").read_bytes()
    apply(published)
    assert said(clip_id) == once and [s["value"] for s in once] == ["reject"]
    assert (published / "dataset.json").read_bytes() == before
    assert facevid.open(published)[clip_id]["review"] == "reject"
    store.undo(task="keep", annotator="ann", client_id="undo-of-apply-test")
    apply(published)
    assert said(clip_id) == []
    assert facevid.open(published)[clip_id]["review"] is None


def test_annotators_who_differ_are_both_kept_with_their_share(
    published: Path, store: ReviewStore, said: Said
) -> None:
    clip_id = _ids(published)[2]
    for annotator, colour in (("ann", "black"), ("bob", "brown")):
        say(store, clip_id, annotator, task="attributes", said={"attributes": {"hair_colour": colour}})
    assert apply(published).disputed == 1
    assert [(s["who"], s["value"], s["confidence"]) for s in said(clip_id)] == [
        ("ann", "black", 0.5),
        ("bob", "brown", 0.5),
    ]


def test_an_adjudicators_value_wins_even_over_two_who_agree(
    published: Path, store: ReviewStore, said: Said
) -> None:
    clip_id = _ids(published)[3]
    for annotator, gender in (("ann", "female"), ("bob", "male")):
        answer = {"attributes": {"hair_colour": "grey", "gender": gender}}
        say(store, clip_id, annotator, task="attributes", said=answer)
    ruling = {"attributes": {"hair_colour": "red", "gender": "male"}}
    say(store, clip_id, "cy", task="attributes", said=ruling, role="adjudicate")
    assert apply(published).disputed == 0
    found = {(s["name"], s["who"]): (s["value"], round(s["confidence"], 3)) for s in said(clip_id)}
    assert found["hair_colour", "cy"] == ("red", 1.0)
    assert found["hair_colour", "ann"] == ("grey", 0.667)
    assert found["gender", "bob"] == ("male", 0.667) and found["gender", "ann"] == ("female", 0.333)
    assert facevid.open(published)[clip_id]["attributes"]["hair_colour"]["value"] == "red"


def test_captions_edited_or_rejected_and_actions_corrected_are_statements(
    published: Path, store: ReviewStore, said: Said
) -> None:
    clip_id, other = _ids(published)[4:6]
    text = {"length": "medium", "text": "A person talks and nods.", "changed": ["caption"]}
    say(store, clip_id, "ann", task="captions", said=text)
    actions = [{"name": "nod", "start_s": 0.5, "end_s": 1.0}]
    say(store, clip_id, "ann", task="attributes", said={"actions": actions, "changed": ["actions"]})
    say(store, other, "ann", "reject", task="captions", said={"length": "medium", "text": "Wrong."})
    apply(published)
    assert [(s["kind"], s["name"], s["value"], s["start_s"]) for s in said(clip_id)] == [
        ("action", "nod", "", 0.5),
        ("caption", "medium", "A person talks and nods.", None),
    ]
    clip = facevid.open(published)[clip_id]
    assert clip["caption"] == "A person talks and nods."
    assert [a["name"] for a in clip["actions"]] == ["nod"]
    # rejected and not rewritten: what the grammar wrote is hidden, and kept among the statements
    assert [(s["kind"], s["name"], s["value"], s["who"]) for s in said(other)] == [
        ("caption", "medium", "unknown", "ann")
    ]
    assert (facevid.open(published)[other].caption, facevid.open(published)[other]["captions"]) == (
        None,
        None,
    )
    grammar = facevid.open(published).annotations.filter(f"clip_id = '{other}' and kind = 'caption'")
    assert len(grammar) == 2


def test_skips_say_nothing_and_lost_clips_are_counted(
    published: Path, store: ReviewStore, said: Said
) -> None:
    clip_id = _ids(published)[6]
    say(store, clip_id, "ann", "skip")
    say(store, "a_clip_taken_down", "ann", task="attributes", said={"attributes": {"gender": "male"}})
    done = apply(published)
    assert (done.statements, done.without_clip) == (0, 1)
    assert said(clip_id) == []


def test_the_commands_apply_report_and_plan(
    published: Path, store: ReviewStore, capsys: pytest.CaptureFixture[str]
) -> None:
    say(store, _ids(published)[7], "ann", "accept")
    assert main(["review", "apply", str(published), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["statements"] == 1
    assert main(["review", "status", str(published)]) == 0
    assert "(ann 1)" in capsys.readouterr().out
    assert main(["review", "plan", "--lot", "3000", "--aql", "1.0", "--level", "II"]) == 0
    assert "look at 125 of 3000 clips" in capsys.readouterr().out
    assert main(["review", "plan", "--lot", "3000", "--aql", "3"]) == 2
    assert "allowed: 0.01" in capsys.readouterr().err


def test_asking_about_a_dataset_that_nobody_reviewed_writes_nothing_into_it(
    published: Path, tmp_path: Path
) -> None:
    dataset = unreviewed(published, tmp_path / "dataset")
    before = {path: path.stat().st_mtime_ns for path in dataset.rglob("*")}
    progress = status(dataset)["tasks"]["keep"]["progress"]
    assert (progress["clips"], progress["done"]) == (CLIPS, 0)
    assert apply(dataset).statements == 0
    assert {path: path.stat().st_mtime_ns for path in dataset.rglob("*")} == before
