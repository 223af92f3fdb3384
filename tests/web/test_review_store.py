"""Verdicts: nothing said is lost or overwritten, whoever writes at once, dies, repeats himself or changes his mind."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from reviewing import clip_ids, say

from facevid.errors import FacevidError
from facevid.web.review_findings import agreement_report, lots, sampled
from facevid.web.review_queue import (
    Settings,
    change_settings,
    missing,
    next_dispute,
    next_for,
    progress,
    settings_of,
    twice,
)
from facevid.web.review_store import LEASE_S, ReviewError, ReviewStore

WRITER = Path(__file__).with_name("reviewing.py")


@pytest.fixture
def store(tmp_path: Path) -> ReviewStore:
    return ReviewStore(tmp_path)


def test_two_processes_and_four_threads_write_at_once_and_no_verdict_is_lost(
    store: ReviewStore, tmp_path: Path
) -> None:
    ids = clip_ids(40)
    writers = [
        subprocess.Popen([sys.executable, str(WRITER), str(tmp_path), name, "40"], stdout=subprocess.DEVNULL)
        for name in ("process 1", "process 2")
    ]
    threads = [
        threading.Thread(target=lambda name=name: [say(store, clip_id, name) for clip_id in ids])
        for name in ("thread 1", "thread 2", "thread 3", "thread 4")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [writer.wait(60) for writer in writers] == [0, 0]
    said = [v.annotator for verdicts in store.standing("keep").values() for v in verdicts]
    assert {name: said.count(name) for name in set(said)} == dict.fromkeys(
        ["process 1", "process 2", "thread 1", "thread 2", "thread 3", "thread 4"], 40
    )
    assert len(store.history()) == 240


def test_a_killed_writer_loses_nothing_that_it_was_told_is_saved(store: ReviewStore, tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, str(WRITER), str(tmp_path), "ann", "100000"], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    saved = [writer.stdout.readline().strip() for _ in range(25)]
    writer.send_signal(signal.SIGKILL)
    saved += [line.strip() for line in writer.stdout if line.endswith("\n")]
    writer.wait()
    assert set(saved) <= set(store.standing("keep"))
    say(store, "after", "ann")  # the file takes verdicts as before
    assert len(ReviewStore(tmp_path).history()) in (len(saved) + 1, len(saved) + 2)


def test_a_repeated_message_is_stored_once(store: ReviewStore) -> None:
    first = say(store, "clip", "ann", client_id="made-by-browser")
    assert say(store, "clip", "ann", client_id="made-by-browser") == first
    assert len(store.history()) == 1
    with pytest.raises(ReviewError, match="another verdict"):
        say(store, "other clip", "ann", client_id="made-by-browser")


def test_undo_takes_back_the_last_verdict_and_keeps_what_was_said(store: ReviewStore) -> None:
    say(store, "a", "ann", "accept")
    say(store, "b", "ann", "reject")
    say(store, "b", "bob", "accept")
    revoked = store.undo(task="keep", annotator="ann", client_id="undo-1-of-ann")
    assert revoked is not None and revoked.clip_id == "b"
    assert store.undo(task="keep", annotator="ann", client_id="undo-1-of-ann") == revoked
    assert [v.annotator for v in store.standing("keep")["b"]] == ["bob"]
    assert [v.annotator for v in store.standing("keep")["a"]] == ["ann"]
    assert [(v.clip_id, v.verdict) for v in store.history() if v.annotator == "ann"] == [
        ("a", "accept"),
        ("b", "reject"),
        ("b", "revoke"),
    ]
    assert store.undo(task="captions", annotator="ann", client_id="undo-2-of-ann") is None


def test_a_later_verdict_replaces_and_its_undo_brings_the_earlier_back(store: ReviewStore) -> None:
    say(store, "a", "ann", "accept")
    say(store, "a", "ann", "reject")
    assert [v.verdict for v in store.standing("keep")["a"]] == ["reject"]
    store.undo(task="keep", annotator="ann", client_id="undo-it-now")
    assert [v.verdict for v in store.standing("keep")["a"]] == ["accept"]


def test_another_store_over_the_same_file_sees_new_rows(store: ReviewStore, tmp_path: Path) -> None:
    other = ReviewStore(tmp_path)
    assert not other.standing("keep").get("a")
    say(store, "a", "ann")
    assert [v.annotator for v in other.standing("keep")["a"]] == ["ann"]
    assert other.id == store.id


@pytest.mark.parametrize("change", ["update verdicts set verdict = 'accept'", "delete from verdicts"])
def test_the_file_itself_refuses_to_change_or_remove_a_verdict(store: ReviewStore, change: str) -> None:
    say(store, "a", "ann", "reject")
    with sqlite3.connect(store.path) as db, pytest.raises(sqlite3.IntegrityError, match="never"):
        db.execute(change)
    assert len(store.history()) == 1


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"task": "colour"}, "attributes, captions, keep"),
        ({"verdict": "maybe"}, "accept, reject, skip"),
        ({"annotator": "  "}, "1 to 80 printable"),
        ({"client_id": "x"}, "8 to 64"),
        ({"seconds": -1.0}, "0 or more"),
        ({"said": {"text": "hello"}}, "no 'text'"),
        ({"task": "attributes", "said": {"attributes": {"hair_colour": "plaid"}}}, "hair_colour cannot be"),
        ({"task": "attributes", "said": {"attributes": {"shoe_size": None}}}, "no attribute 'shoe_size'"),
        (
            {"task": "attributes", "said": {"actions": [{"name": "nod", "start_s": 2, "end_s": 1}]}},
            "in this order",
        ),
        ({"task": "captions", "said": {"text": " "}}, "1 to 4000"),
    ],
)
def test_what_cannot_be_said_is_refused_with_what_can(
    store: ReviewStore, fields: dict[str, object], says: str
) -> None:
    given: dict[str, object] = {"clip_id": "a", "annotator": "ann", "verdict": "accept"} | fields
    with pytest.raises(FacevidError, match=says):
        say(store, **given)  # type: ignore[arg-type]
    assert store.history() == []


def test_two_annotators_at_once_never_get_the_same_clip(store: ReviewStore) -> None:
    ids = clip_ids(6)
    given: dict[str, list[str]] = {"ann": [], "bob": []}
    for _ in range(3):
        for annotator in given:
            clip_id = next_for(store, "keep", annotator, ids, share=0.0)
            assert clip_id is not None
            given[annotator].append(clip_id)
        for annotator in given:
            say(store, given[annotator][-1], annotator)
    assert sorted(given["ann"] + given["bob"]) == ids
    assert next_for(store, "keep", "ann", ids, share=0.0) is None


def test_a_clip_comes_back_when_who_had_it_went_away(store: ReviewStore) -> None:
    ids = clip_ids(1)
    assert next_for(store, "keep", "ann", ids, share=0.0, now=1000.0) == ids[0]
    assert next_for(store, "keep", "bob", ids, share=0.0, now=1000.0 + LEASE_S - 1) is None
    assert next_for(store, "keep", "bob", ids, share=0.0, now=1000.0 + LEASE_S + 1) == ids[0]


def test_the_queue_goes_on_behind_a_clip_and_round(store: ReviewStore) -> None:
    ids = clip_ids(3)
    assert next_for(store, "keep", "ann", ids, share=0.0, after=ids[1]) == ids[2]
    assert next_for(store, "keep", "ann", ids, share=0.0, after=ids[2]) == ids[0]


def test_a_skipped_clip_goes_to_another_and_not_back(store: ReviewStore) -> None:
    ids = clip_ids(1)
    say(store, ids[0], "ann", "skip")
    assert next_for(store, "keep", "ann", ids, share=0.0) is None
    assert next_for(store, "keep", "bob", ids, share=0.0) == ids[0]


def test_the_chosen_share_gets_two_annotators_and_always_the_same_clips(store: ReviewStore) -> None:
    ids = clip_ids(5000)
    chosen = [clip_id for clip_id in ids if twice(clip_id, 0.1)]
    assert 0.085 < len(chosen) / len(ids) < 0.115
    assert set(chosen) <= {clip_id for clip_id in ids if twice(clip_id, 0.2)}
    once = next(clip_id for clip_id in ids if clip_id not in chosen)
    for clip_id in (chosen[0], once):
        say(store, clip_id, "ann")
    standing = store.standing("keep")
    assert missing(chosen[0], standing[chosen[0]], 0.1) == 1
    assert missing(once, standing[once], 0.1) == 0
    assert next_for(store, "keep", "bob", sorted([chosen[0], once]), share=0.1) == chosen[0]


def test_a_disagreement_goes_to_a_third_who_sees_both_and_settles_it(store: ReviewStore) -> None:
    ids = clip_ids(2)
    black, brown = {"attributes": {"hair_colour": "black"}}, {"attributes": {"hair_colour": "brown"}}
    say(store, ids[0], "ann", task="attributes", said=black)
    say(store, ids[0], "bob", task="attributes", said=brown)
    say(store, ids[1], "ann", task="attributes", said=black)
    say(store, ids[1], "bob", task="attributes", said=black)
    assert next_dispute(store, "attributes", "ann", ids) is None  # not for one of the two
    found = next_dispute(store, "attributes", "cy", ids)
    assert found is not None
    clip_id, verdicts, about = found
    assert (clip_id, [v.annotator for v in verdicts], about) == (ids[0], ["ann", "bob"], ["hair_colour"])
    assert progress(store, "attributes", ids, share=1.0)["disputed"] == 1
    say(store, clip_id, "cy", task="attributes", said=brown, role="adjudicate")
    assert next_dispute(store, "attributes", "dee", ids) is None
    told = progress(store, "attributes", ids, share=1.0)
    assert (told["done"], told["disputed"], told["adjudicated"]) == (2, 0, 1)


def test_settings_keep_their_history(store: ReviewStore) -> None:
    assert settings_of(store) == Settings()
    change_settings(store, {"share": 0.5, "aql": 1.0}, who="ann")
    change_settings(store, {"share": 0.2}, who="bob")
    assert settings_of(store) == Settings(share=0.2, aql=1.0)
    assert [(r["name"], r["value"], r["who"]) for r in store.setting_rows()] == [
        ("share", 0.5, "ann"),
        ("aql", 1.0, "ann"),
        ("share", 0.2, "bob"),
    ]
    with pytest.raises(ReviewError, match="a number from 0 to 1"):
        change_settings(store, {"share": 1.5}, who="ann")
    with pytest.raises(ReviewError, match="no setting 'colour'"):
        change_settings(store, {"colour": 1}, who="ann")


def test_lots_are_accepted_rejected_or_open_by_their_samples(store: ReviewStore) -> None:
    ids = clip_ids(1500)  # three lots of 500: letter H, sample 50, Ac 1, Re 2 at an AQL of 1 percent
    settings = Settings(lot_size=500, aql=1.0)
    first, second, third = lots(ids, {}, settings)
    assert (first.plan.sample_size, first.plan.accept, len(set(first.sample))) == (50, 1, 50)
    for k, clip_id in enumerate(first.sample):
        say(store, clip_id, "ann", "reject" if k == 0 else "accept")
    for clip_id in second.sample[:2]:
        say(store, clip_id, "ann", "reject")
    say(store, third.sample[0], "ann")
    found = lots(ids, store.standing("keep"), settings)
    assert [(lot.decision, lot.looked_at, lot.faulty) for lot in found] == [
        ("accept", 50, 1),
        ("reject", 2, 2),
        ("open", 1, 0),
    ]
    assert len(sampled(ids, settings)) == 150


def test_agreement_is_reported_per_attribute_with_its_number_of_clips(store: ReviewStore) -> None:
    values = [("black", "black"), ("black", "black"), ("brown", "brown"), ("brown", "black")]
    for clip_id, pair in zip(clip_ids(4), values, strict=True):
        for annotator, value in zip(("ann", "bob"), pair, strict=True):
            say(store, clip_id, annotator, task="attributes", said={"attributes": {"hair_colour": value}})
    found = {a["name"]: a for a in agreement_report("attributes", store.standing("attributes"))["agreement"]}
    # by hand: p_o = 3/4, p_e = (2*3 + 2*1)/16 = 1/2, kappa = 1/2; alpha: n = 8, sum n_c^2 = 25 + 9, o_cc = 6
    assert found["hair_colour"]["kappa"] == [
        {"annotators": ["ann", "bob"], "value": 0.5, "n": 4, "reason": None}
    ]
    assert found["hair_colour"]["alpha"]["value"] == pytest.approx(1 - 2 * 7 / 30, abs=1e-4)
    assert found["verdict"]["alpha"]["value"] is None and "one value" in found["verdict"]["alpha"]["reason"]
