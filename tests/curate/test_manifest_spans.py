"""Spans, boxes and labels of a manifest: what is read, what is refused by its row, and whose clips they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from facevid.curate.scan import FootageError, find_footage, sources_table
from facevid.curate.shots import Shot
from facevid.curate.speech import Sound
from facevid.curate.wanted import LAST_FRAME, spans_payload, stretches_of, wanted_frames
from facevid.curate.windows import OBSERVED, Picture, Wanted, make_tracks
from facevid.dataset.labels import clip_labels, label_tables
from facevid.dataset.spans import Span, owners, read_spans, spans_of
from facevid.recipe import load_recipe

LABEL = {"kind": "attribute", "name": "gender", "value": "female", "by": "self", "who": "corpus"}


def manifest(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "m.jsonl"
    path.write_text("\n".join(json.dumps({"path": "a.mp4", **row}) for row in rows))
    return path


def row_of(found: Any) -> dict[str, Any]:
    facts = {"source_id": "a" * 16, "sha256": "a" * 64}
    (row,) = sources_table(found, {str(one.path): facts for one in found})
    return row


def test_rows_of_one_file_are_spans_of_one_source_in_order_of_time(tmp_path: Path) -> None:
    one = {"start_s": 8, "end_s": 12.5, "box": "10 20 110 220", "person": "x", "licence": "CC0", "age": 30}
    two = {"start_s": "0", "end_s": "5", "box": [1, 2, 3, 4], "licence": "CC0", "consent": "form", "age": 40}
    (found,) = find_footage(manifest(tmp_path, one, two))
    row = row_of([found])
    assert (row["licence"], row["consent"], row["self_reported"]) == ("CC0", None, None)
    first, second = read_spans(row["spans"])
    assert (first.start_s, first.end_s, first.box, first.person) == (0.0, 5.0, (1.0, 2.0, 3.0, 4.0), None)
    assert (first.facts, first.self_reported) == ({"consent": "form"}, {"age": 40})
    assert (second.start_s, second.end_s, second.box, second.person) == (
        8.0,
        12.5,
        (10.0, 20.0, 110.0, 220.0),
        "x",
    )
    assert (second.facts, second.self_reported) == ({}, {"age": 30})


def test_what_all_rows_of_a_file_say_is_the_sources(tmp_path: Path) -> None:
    rows = [{"end_s": 5, "consent": "yes", "sex": "f"}, {"start_s": 5, "consent": "yes", "sex": "f"}]
    row = row_of(find_footage(manifest(tmp_path, *rows)))
    assert (row["consent"], row["self_reported"]) == ("yes", '{"sex": "f"}')
    assert [(s.facts, s.self_reported) for s in read_spans(row["spans"])] == [({}, {}), ({}, {})]


def test_the_same_span_twice_is_one_with_the_labels_of_both(tmp_path: Path) -> None:
    other = {**LABEL, "name": "bangs", "value": "yes"}
    rows = [{"end_s": 5, "labels": [LABEL]}, {"end_s": 5, "labels": json.dumps([LABEL, other])}]
    (span,) = read_spans(row_of(find_footage(manifest(tmp_path, *rows)))["spans"])
    assert [label["name"] for label in span.labels] == ["gender", "bangs"]


def test_a_row_without_times_and_box_stands_for_the_whole_file(tmp_path: Path) -> None:
    whole = row_of(find_footage(manifest(tmp_path, {"licence": "CC0"})))
    assert whole["spans"] is None
    both = row_of(find_footage(manifest(tmp_path, {"licence": "CC0"}, {"start_s": 1, "end_s": 2})))
    assert spans_payload(read_spans(both["spans"])) == []
    spanned = row_of(find_footage(manifest(tmp_path, {"start_s": 1, "end_s": 2})))
    assert spans_payload(read_spans(spanned["spans"])) == [[1.0, 2.0, None]]


def test_labels_and_people_do_not_decide_what_is_looked_at() -> None:
    bare, said = Span(1.0, 2.0), Span(1.0, 2.0, person="x", labels=(LABEL,), facts={"consent": "no"})
    assert spans_payload([bare]) == spans_payload([said])


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"start_s": 5, "end_s": 5}, "row 1: end_s 5 must be after start_s 5"),
        ({"start_s": "soon"}, "row 1: start_s must be seconds .* not 'soon'"),
        ({"start_s": -1}, "row 1: start_s must be seconds"),
        ({"box": "1 2 3"}, "row 1: box must be x0 y0 x1 y1"),
        ({"box": [5, 0, 5, 9]}, "row 1: box must be x0 y0 x1 y1"),
        ({"labels": "smile"}, "row 1: labels must be a JSON list"),
        ({"labels": {"kind": "action"}}, "row 1: labels must be a JSON list"),
        (
            {"labels": [{**LABEL, "kind": "mood"}]},
            "row 1: a label cannot be of kind 'mood'; allowed: attribute",
        ),
        ({"labels": [{**LABEL, "by": "me"}]}, "row 1: a label cannot be by 'me'"),
        ({"labels": [{**LABEL, "start_s": 1.0}]}, "row 1: a label cannot last from 1.0 to None"),
        ({"labels": [{**LABEL, "confidence": 2}]}, "row 1: a label's confidence lies from 0 to 1"),
    ],
)
def test_a_row_that_cannot_be_a_span_is_named(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    with pytest.raises(FootageError, match=said):
        find_footage(manifest(tmp_path, row))


def test_spans_hold_whole_frames_and_are_looked_at_with_a_margin() -> None:
    recipe = load_recipe()
    margin = 2 * recipe.shots.dissolve_frames + 1
    wanted = wanted_frames([[10.01, 12.0, None], [20.0, None, [0, 0, 9, 9]], [12.5, 13.0, None]], recipe)
    assert wanted == [
        Wanted(251, 299), Wanted(313, 324), Wanted(500, LAST_FRAME, (0, 0, 9, 9))
    ]  # fmt: skip
    assert stretches_of(wanted, recipe) == [(251 - margin, 325 + margin), (500 - margin, None)]
    assert stretches_of([], recipe) == [(0, None)]


def seen(*faces: tuple[int, range, float]) -> np.ndarray[Any, Any]:
    """Observations of faces 100 pixels wide: number, frames, x of the centre."""
    rows = []
    for face, frames, x in faces:
        for frame in frames:
            row = dict.fromkeys(OBSERVED, 1.0)
            row |= {
                "frame": frame,
                "face": face,
                "x0": x - 50,
                "x1": x + 50,
                "y0": 100,
                "y1": 200,
                "height": 100,
            }
            rows.append([row[name] for name in OBSERVED])
    return np.array(sorted(rows), np.float32)


def tracks(rows: np.ndarray[Any, Any], *wanted: Wanted) -> list[tuple[int, int, int, int]]:
    sound = Sound(np.zeros(200, np.float32), np.full(200, -60, np.float32))
    table = make_tracks(
        rows, [Shot(0, 0, 99), Shot(1, 100, 199)], sound, Picture(640, 360, 1.0, 0.1), load_recipe(), wanted
    )
    names = ("track", "face", "first_frame", "last_frame")
    return [tuple(row[n] for n in names) for row in table.to_pylist()]  # type: ignore[misc]


def test_tracks_end_at_the_bounds_of_their_span_and_the_rest_does_not_exist() -> None:
    found = tracks(seen((0, range(200), 300.0)), Wanted(10, 39), Wanted(80, 119))
    assert found == [(0, 0, 10, 39), (1, 0, 80, 99), (2, 0, 100, 119)]


def test_a_box_chooses_its_face_and_the_other_leaves_no_row() -> None:
    rows = seen((0, range(100), 150.0), (1, range(100), 450.0))
    assert tracks(rows, Wanted(0, 49, (320, 0, 640, 360))) == [(0, 1, 0, 49)]
    assert tracks(rows, Wanted(0, 49, (0, 0, 640, 360))) == [(0, 1, 0, 49)], (
        "450 is nearer to 320 than 150 is"
    )
    assert tracks(rows, Wanted(0, 49, (500, 0, 640, 360))) == [(-1, -1, 0, 49)]


def test_a_face_that_was_lost_and_found_in_the_box_stays_two_tracks() -> None:
    rows = seen((0, range(40), 310.0), (1, range(60, 100), 330.0), (2, range(100), 480.0))
    assert tracks(rows, Wanted(0, 99, (100, 0, 540, 360))) == [
        (0, 0, 0, 39),
        (-1, -1, 40, 59),
        (1, 1, 60, 99),
    ]


def test_a_clip_belongs_to_the_span_whose_box_its_face_is_in_the_middle_of() -> None:
    left, right = Span(0.0, 10.0, (0, 0, 400, 360)), Span(2.0, 10.0, (300, 0, 640, 360))
    assert spans_of([left, right], 3.0, 6.0, (330.0, 180.0)) == [left]
    assert spans_of([left, right], 3.0, 6.0, (450.0, 180.0)) == [right]
    assert spans_of([left, right], 3.0, 6.0, None) == [left, right]
    assert owners([Span(0.0, 4.0), Span(4.0, 9.0)], 3.0, 9.0, None) == [Span(4.0, 9.0)]


def clip(start: float, end: float) -> dict[str, Any]:
    return {"clip_id": "c", "source_id": "s", "start_s": start, "end_s": end, "face_x": 0.5, "face_y": 0.5}


SOURCE = {"source_id": "s", "width": 640, "height": 360, "duration_s": 60.0}


def said(span: Span, start: float, end: float) -> list[tuple[Any, ...]]:
    rows = clip_labels(clip(start, end), SOURCE, [span])
    return [(s.kind, s.name, s.value, s.start_s, s.end_s, s.by, s.who) for s in rows]


def test_times_of_labels_become_seconds_of_the_clip_and_end_with_it() -> None:
    smile = {"kind": "action", "name": "smile", "value": "", "start_s": 12.0, "end_s": 14.5, "by": "model:m"}
    span = Span(10.0, 20.0, labels=(smile, LABEL))
    assert said(span, 11.0, 14.0) == [
        ("action", "smile", "", 1.0, 3.0, "model:m", None),
        ("attribute", "gender", "female", None, None, "self", "corpus"),
    ]
    assert [row[1] for row in said(span, 15.0, 20.0)] == ["gender"]
    assert said(span, 30.0, 35.0) == []


def test_an_action_without_times_lasts_the_clip_and_says_that_its_times_are_unknown() -> None:
    span = Span(10.0, 20.0, labels=({"kind": "action", "name": "nod", "value": "", "by": "annotator"},))
    (statement,) = clip_labels(clip(10.0, 14.0), SOURCE, [span])
    assert (statement.start_s, statement.end_s) == (0.0, 4.0)
    assert statement.detail == {"from": "manifest label", "times": "unknown"}


def test_a_transcript_goes_to_the_clip_in_which_it_is_spoken_alone() -> None:
    text = {"kind": "transcript", "name": "en", "value": "good morning", "by": "annotator"}
    span = Span(10.0, 20.0, labels=(text,))
    assert [row[2] for row in said(span, 10.0, 19.96)] == ["good morning"]
    assert said(span, 10.0, 15.0) == []
    assert said(Span(labels=(text,)), 10.0, 20.0) == [], (
        "the words of a whole minute are not those of ten seconds"
    )
    assert len(said(Span(10.0, 20.0, labels=({**text, "start_s": 12.0, "end_s": 13.0},)), 10.0, 15.0)) == 1


def test_words_that_the_vocabulary_lacks_make_no_statement() -> None:
    strange = {**LABEL, "name": "mood", "value": "grim"}
    assert said(Span(0.0, 9.0, labels=(strange,)), 0.0, 9.0) == []


def test_sources_without_spans_cost_nothing_and_give_no_statement() -> None:
    sources = pa.table({"source_id": ["s"], "spans": pa.array([None], pa.string())})
    assert list(label_tables([clip(0, 9)], sources)) == []
