"""Rules of people, opt-out lists and what is withheld, on hand-made tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tracking import track_row, tracks_table

from facevid.curate.manifest import Found
from facevid.curate.optout import Entry, OptOut, OptOutError, read_opt_out
from facevid.curate.optout_faces import match_faces
from facevid.curate.people import judge_people
from facevid.curate.select import select
from facevid.curate.withheld import Withheld
from facevid.dataset.ages import years
from facevid.dataset.removing.tombstones import Tombstones, second_mark, source_mark
from facevid.dataset.spans import Span, spans_text
from facevid.dataset.statements import Statement, to_table
from facevid.recipe import RecipeError, load_recipe, with_people


def stretches(*rows: dict[str, Any]) -> pa.Table:
    return select(tracks_table(*rows), load_recipe()).stretches


def source(name: str, **said: Any) -> dict[str, Any]:
    known = {"source_id": name, "sha256": name * 4, "width": 1920, "height": 1080, "duration_s": 60.0}
    return known | dict.fromkeys(("licence", "consent", "self_reported", "spans")) | said


def judged(sources: list[dict[str, Any]], **rules: Any) -> tuple[set[str], dict[str, tuple[Any, ...]]]:
    recipe = load_recipe({"people": rules})
    table = stretches(*(track_row(8, source=s["source_id"]) for s in sources))
    kept, rejected = judge_people(table, sources, recipe.people)
    why = {r["source_id"]: (r["reason"], r["value"], r["threshold"]) for r in rejected.to_pylist()}
    assert all(r["sharpness"] == 20 for r in rejected.to_pylist()), "scores are kept for everything"
    return set(kept["source_id"].to_pylist()), why


def test_without_rules_everybody_stays() -> None:
    assert judged([source("a"), source("b", consent="no")]) == ({"a", "b"}, {})


def test_a_licence_must_be_one_of_those_allowed() -> None:
    sources = [source("a", licence="cc0 "), source("b", licence="CC-BY-NC-4.0"), source("c")]
    kept, why = judged(sources, licences=["CC0", "CC-BY-4.0"])
    assert kept == {"a"}
    assert why == {"b": ("licence", None, None), "c": ("licence", None, None)}


def test_consent_must_be_stated_and_a_no_is_none() -> None:
    sources = [
        source("a", consent="form 7"),
        source("b", consent=" No"),
        source("c"),
        source("d", consent="withdrawn"),
    ]
    assert judged(sources, require_consent=True)[0] == {"a"}


def test_an_age_that_is_known_must_be_reached_and_one_that_is_not_known_rejects_nobody() -> None:
    sources = [
        source("a", self_reported='{"age": "17"}'), source("b", self_reported='{"Age": 18}'),
        source("c", self_reported='{"age": "unknown"}'), source("d", self_reported='{"age": "13-17"}'), source("e"),
    ]  # fmt: skip
    kept, why = judged(sources, minimum_age=18)
    assert kept == {"b", "c", "e"}
    assert why == {"a": ("age", 17.0, 18.0), "d": ("age", 13.0, 18.0)}


def test_a_labelled_age_counts_and_the_lowest_decides() -> None:
    label = {"kind": "attribute", "name": "age", "value": "16", "by": "annotator"}
    spans = spans_text([Span(labels=(label,), self_reported={"age": 21})])
    assert judged([source("a", spans=spans)], minimum_age=18)[1] == {"a": ("age", 16.0, 18.0)}


@pytest.mark.parametrize(
    ("text", "age"),
    [("34", 34.0), (34, 34.0), ("20-29", 20.0), ("20 – 29 years", 20.0), ("0-19", 0.0), ("60+", 60.0),
     ("adult", None), ("", None), (True, None),
     (float("nan"), None), (-3, None)],
)  # fmt: skip
def test_an_age_is_read_from_a_number_or_a_range(text: Any, age: float | None) -> None:
    assert years(text) == age


def test_a_span_is_judged_by_what_it_says_itself() -> None:
    spans = spans_text([Span(0.0, 3.2, facts={"consent": "no"}), Span(3.2, 6.4, facts={"consent": "yes"})])
    table = stretches(track_row(8, source="a"), track_row(8, source="a", number=1, first_frame=80))
    recipe = load_recipe({"people": {"require_consent": True}})
    kept, rejected = judge_people(table, [source("a", spans=spans)], recipe.people)
    assert kept["start_s"].to_pylist() == [3.2]
    assert rejected["reason"].to_pylist() == ["consent"]


def test_rules_of_people_are_checked_when_a_recipe_is_read() -> None:
    with pytest.raises(RecipeError, match=r"people\.licences: .*at least one"):
        load_recipe({"people": {"licences": []}})
    with pytest.raises(RecipeError, match=r"people\.minimum_age"):
        with_people(load_recipe(), minimum_age=-1)
    changed = with_people(load_recipe(), require_consent=True, licences=["CC0"])
    assert changed.people.model_dump() == {"require_consent": True, "licences": ("CC0",), "minimum_age": None}


def listed(folder: Path, text: str, name: str = "out.txt") -> OptOut:
    (folder / name).write_text(text, encoding="utf-8")
    return read_opt_out(folder / name)


def test_a_list_is_read_by_the_form_of_its_lines_or_by_what_they_say(tmp_path: Path) -> None:
    (tmp_path / "ana.jpg").write_bytes(b"x")
    text = (
        f"# asked on Monday\n\n{'A' * 64}\n{'b' * 16}\nhttps://example.org/1\n{'c' * 16}_10_20_3\nana.jpg\n"
        "person: id 7\nfile: talk.mp4\n"
    )
    found = listed(tmp_path, text)
    assert [(e.line, e.kind) for e in found.entries] == [
        (3, "sha256"), (4, "source"), (5, "url"), (6, "clip"), (7, "face"), (8, "person"), (9, "file")
    ]  # fmt: skip
    assert found.entries[0].value == "a" * 64
    assert found.of("face")[0].value == str(tmp_path / "ana.jpg")
    table = listed(tmp_path, "kind,value,asked\nperson,7,Monday\n,,\nfile,a.mp4,\n", "out.csv")
    assert [(e.line, e.kind, e.value) for e in table.entries] == [(2, "person", "7"), (4, "file", "a.mp4")]


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("# ok\nAna Example\n", "o.txt", "line 2: 'Ana Example' is not understood; write what it is"),
        ("person:\n", "o.txt", "line 1: person needs a value"),
        ("sha256: abc\n", "o.txt", "line 1: 'abc' is no sha256; it has 64 hex digits"),
        ("clip: 1_2_3\n", "o.txt", "line 1: '1_2_3' is no clip"),
        ("nobody.jpg\n", "o.txt", "line 1: there is no picture .*nobody.jpg"),
        ("kind,value\nperson,7\nface_id,7\n", "o.csv", "line 3: there is no kind 'face_id'; allowed: sha256"),
        ("person\n7\n", "o.csv", "line 1: an opt-out list in CSV needs columns kind and value"),
    ],
)
def test_a_line_that_is_not_understood_is_named_by_its_number(
    tmp_path: Path, text: str, name: str, said: str
) -> None:
    with pytest.raises(OptOutError, match=said):
        listed(tmp_path, text, name)


def test_a_list_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptOutError, match="cannot be read"):
        read_opt_out(tmp_path / "none.txt")


def test_addresses_of_one_video_are_the_same_however_they_are_written() -> None:
    out = OptOut(
        "o", (Entry(1, "url", "https://youtu.be/AbC_1"), Entry(2, "url", "http://www.example.org/a/#top"))
    )
    for url in ("https://www.youtube.com/watch?v=AbC_1&t=3", "https://m.youtube.com/shorts/AbC_1"):
        assert out.named("url", url)
    assert out.named("url", "https://example.org/a")
    assert not out.named("url", "https://example.org/A") and not out.named("url", "https://youtu.be/abc_1")


def held(tmp_path: Path, *entries: Entry, marks: Tombstones | None = None) -> Withheld:
    return Withheld.load(tmp_path / "withheld.json", OptOut("o", entries), marks or Tombstones())


def scanned(path: str, digit: str) -> dict[str, dict[str, Any]]:
    return {path: {"source_id": digit * 16, "sha256": digit * 64}}


def test_a_file_that_is_opted_out_goes_with_its_copies(tmp_path: Path) -> None:
    found = [
        Found(Path("/f/a.mp4")),
        Found(Path("/f/copy.mp4")),
        Found(Path("/f/b.mp4")),
        Found(Path("/f/bad.mp4")),
    ]
    known = scanned("/f/a.mp4", "a") | scanned("/f/copy.mp4", "a") | scanned("/f/b.mp4", "b")
    out = held(tmp_path, Entry(1, "file", "a.mp4"), Entry(2, "file", "bad.mp4"), Entry(3, "file", "none.mp4"))
    assert [one.path.name for one in out.footage(found, known)] == ["b.mp4"]
    assert out.left_out() == {"opted_out": 2}
    assert out.unread == {"/f/bad.mp4"}
    assert [e.line for e in out.unmatched([{"source_id": "b" * 16}])] == [3]


@pytest.mark.parametrize("entry", [Entry(1, "sha256", "a" * 64), Entry(1, "source", "a" * 16),
                                   Entry(1, "url", "https://example.org/1"), Entry(1, "person", "x")])  # fmt: skip
def test_a_source_is_known_by_its_hash_its_address_and_its_person(tmp_path: Path, entry: Entry) -> None:
    one = Found(Path("/f/a.mp4"), {"url": "http://example.org/1/"}, {}, (Span(0.0, 9.0, person="x"),))
    assert held(tmp_path, entry).footage([one], scanned("/f/a.mp4", "a")) == []


def test_of_two_people_in_a_file_the_other_stays_but_no_stretch_that_shows_the_first(tmp_path: Path) -> None:
    who = Span(0.0, 2.0, person="x"), Span(1.0, 9.0, person="y")
    out = held(tmp_path, Entry(1, "person", "x"))
    (stays,) = out.footage([Found(Path("/f/a.mp4"), {"url": None}, {}, who)], scanned("/f/a.mp4", "a"))
    assert stays.spans == (who[1],)
    table = stretches(
        track_row(8, source="a" * 16, first_frame=40), track_row(8, source="a" * 16, number=1, first_frame=60)
    )
    again = held(tmp_path, Entry(1, "person", "x"))
    kept, _ = again.tables(table, table.slice(0, 0), [source("a" * 16)], load_recipe())
    assert kept["first_frame"].to_pylist() == [60], "frames 40 to 49 are the first person's too"


def test_who_may_be_anywhere_in_a_file_takes_the_whole_of_it_along(tmp_path: Path) -> None:
    one = Found(Path("/f/a.mp4"), {}, {}, (Span(person="x"), Span(1.0, 9.0, person="y")))
    assert held(tmp_path, Entry(1, "person", "x")).footage([one], scanned("/f/a.mp4", "a")) == []


def test_a_clip_that_is_opted_out_takes_along_whatever_shows_its_seconds(tmp_path: Path) -> None:
    s = "a" * 16
    table = stretches(
        track_row(8, source=s),
        track_row(8, source=s, number=1, first_frame=80),
        track_row(8, source="b" * 16),
    )
    out = held(tmp_path, Entry(1, "clip", f"{s}_70_75_9"))
    kept, rejected = out.tables(table, table.slice(0, 1), [source(s), source("b" * 16)], load_recipe())
    assert kept["clip_id"].to_pylist() == [f"{s}_80_159_1", f"{'b' * 16}_0_79_0"]
    assert len(rejected) == 0
    assert out.left_out() == {"opted_out": 1}
    assert held(tmp_path).left_out() == {"opted_out": 1}, "the count lasts till the next scan"


def test_what_was_taken_down_stays_out_by_its_seconds_whatever_its_frames(tmp_path: Path) -> None:
    s = "a" * 16
    marks = Tombstones(frozenset({source_mark("c" * 64)}), frozenset({second_mark(source(s)["sha256"], 3)}))
    out = held(tmp_path, marks=marks)
    found = [Found(Path("/f/a.mp4")), Found(Path("/f/c.mp4"))]
    assert [f.path.name for f in out.footage(found, scanned("/f/a.mp4", "a") | scanned("/f/c.mp4", "c"))] == [
        "a.mp4"
    ]
    table = stretches(track_row(8, source=s), track_row(8, source=s, number=1, first_frame=100))
    kept, _ = out.tables(table, table, [source(s)], load_recipe())
    assert kept["first_frame"].to_pylist() == [100], "frames 0 to 79 hold the fourth second"
    assert out.left_out() == {"taken_down": 2}


def test_statements_about_what_is_left_out_go_too_even_reviews(tmp_path: Path) -> None:
    s, other = "a" * 16, "b" * 16
    ids = [f"{s}_0_79_0", f"{other}_0_79_0", f"{other}_100_179_0", f"{other}_200_279_0"]
    table = to_table(Statement(c, "review", "keep", "reject", "annotator", who="ana") for c in ids)
    out = held(tmp_path, Entry(1, "source", s), Entry(2, "clip", f"{other}_100_110_0"))
    out.footage([Found(Path("/f/a.mp4"))], scanned("/f/a.mp4", "a"))
    drop = out.statements(set(), {f"{other}_200_279_0"}, [source(other)], load_recipe())
    assert drop(table).to_pylist() == [True, False, True, True]


def test_a_face_takes_all_clips_of_its_person_along_and_says_how_near_it_was() -> None:
    vectors = np.array([[0, 0], [0.3, 0], [0.6, 0], [2, 2]], np.float32)
    ids = ["a", "b", "c", "d"]
    persons = {"a": "p1", "b": "p1", "c": "p1", "d": "p2"}
    out, (note,) = match_faces([Entry(4, "face", "/x/ana.jpg", (0.1, 0.0))], ids, vectors, persons, 0.37)
    assert out == {"a", "b", "c"}
    assert "line 4, ana.jpg: 3 clips of 1 persons" in note and "nearest face is 0.10 away" in note
    nobody, (note,) = match_faces([Entry(4, "face", "/x/bo.jpg", (9.0, 9.0))], ids, vectors, persons, 0.37)
    assert nobody == set() and "0 clips of 0 persons" in note
