"""Statements reach a published dataset in one move, without touching its media, and survive the next pack."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import facevid
from facevid.dataset import annotating, tables
from facevid.dataset.annotating import update_annotations
from facevid.dataset.published import schema
from facevid.dataset.statements import Statement, shown, to_table
from facevid.engine import FolderBusy, folder_lock


def said(clip_id: str, value: str, by: str = "measured:hair") -> Statement:
    return Statement(clip_id, "attribute", "hair_colour", value, by, 0.9)


def shards(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {p.name: (p.stat().st_ino, p.read_bytes()) for p in (folder / "media").iterdir()}


def test_labels_appear_in_the_clips_table_and_media_stay_as_they_are(published: Path) -> None:
    before, clip = shards(published), facevid.open(published)[3].clip_id
    done = update_annotations(published, add=[said(clip, "black"), said("no-such-clip", "red")])
    assert (done.added, done.dropped, done.without_clip, done.statements) == (1, 0, 1, 1)
    ds = facevid.open(published)
    assert ds[clip]["attributes"]["hair_colour"]["value"] == "black" and ds[0]["attributes"] is None
    assert ds.sql("select clip_id from clips where attributes.hair_colour.value = 'black'").fetchall() == [
        (clip,)
    ]
    assert ds.annotations.fetchall()[0][:4] == (clip, "attribute", "hair_colour", "black")
    assert shards(published) == before and ds[clip].mesh.shape[1:] == (478, 3)


def test_a_clip_gives_what_is_known_of_it_and_nothing_where_nobody_looked(published: Path) -> None:
    bare = facevid.open(published)[3]
    assert (bare.attributes, bare.actions, bare.caption) == ({}, [], None)
    of = bare.clip_id
    nod = Statement(of, "action", "nod", "", "measured:mesh", 0.8, 0.5, 1.0)
    text = Statement(of, "caption", "medium", "A person nods.", "measured:grammar")
    update_annotations(published, add=[said(of, "black"), nod, text])
    ds = facevid.open(published)
    hair = {"value": "black", "confidence": pytest.approx(0.9), "by": "measured:hair"}
    assert ds[of].attributes == {"hair_colour": hair}  # and none of the attributes that are not known
    assert [(a["name"], a["start_s"], a["end_s"], a["by"]) for a in ds[of].actions] == [
        ("nod", 0.5, 1.0, "measured:mesh")
    ]
    assert ds[of].caption == "A person nods."
    assert (ds[0].attributes, ds[0].actions, ds[0].caption) == ({}, [], None)


def test_the_same_statements_again_change_no_byte(published: Path) -> None:
    clip = facevid.open(published)[0].clip_id
    update_annotations(published, add=[said(clip, "black")])
    first = (published / "dataset.json").read_bytes()
    update_annotations(published, add=[said(clip, "black")])
    assert (published / "dataset.json").read_bytes() == first


def test_what_is_dropped_goes_and_the_rest_stays(published: Path) -> None:
    clip = facevid.open(published)[0].clip_id
    update_annotations(published, add=[said(clip, "black"), said(clip, "red", "annotator")])
    done = update_annotations(
        published, add=[said(clip, "brown")], drop=lambda t: pc.starts_with(t["by"], "measured")
    )
    ds = facevid.open(published)
    assert done.dropped == 1 and done.statements == 2
    assert ds[clip]["attributes"]["hair_colour"]["by"] == "annotator"


def test_stretches_of_clips_show_no_seam(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [clip.clip_id for clip in facevid.open(published)]
    first = [
        said(of, value, by) for of in ids[::3] for value, by in (("red", "model:a"), ("grey", "annotator"))
    ]
    then = [said(of, "black") for of in ids[5:25]] + [said(ids[6], "unknown", "annotator")]
    whole, parts = published.with_name("whole"), published.with_name("parts")
    for folder in (whole, parts):
        shutil.copytree(published, folder)
    update_annotations(whole, add=[*first, *then])

    monkeypatch.setattr(annotating, "_STRETCH", 7)
    update_annotations(parts, add=first)
    stream = pa.RecordBatchReader.from_batches(
        schema("annotations"), to_table([*then, said("no-such-clip", "red")]).to_batches(max_chunksize=4)
    )
    done = update_annotations(parts, add=stream)
    assert (done.added, done.without_clip, done.statements) == (21, 1, len(first) + 21)
    for table in ("clips", "annotations"):
        assert facevid.open(parts).to_arrow(table).equals(facevid.open(whole).to_arrow(table))
    by_clip = {of: [s for s in (*first, *then) if s.clip_id == of] for of in ids}
    assert [
        clip["attributes"] and clip.attributes["hair_colour"]["value"] for clip in facevid.open(parts)
    ] == [(shown(by_clip[of])["attributes"] or {}).get("hair_colour", {}).get("value") for of in ids]

    monkeypatch.setattr(tables, "ROWS_A_PART", 10)
    update_annotations(parts, add=[], drop=lambda t: pc.equal(t["by"], "model:a"))
    ds = facevid.open(parts)
    assert [f.rows for f in ds.manifest.of("annotations")] == [10, 10, 10, 5]
    assert ds.to_arrow("annotations").equals(to_table([s for s in (*first, *then) if s.by != "model:a"]))


def test_a_stream_that_is_not_in_the_order_of_clips_is_refused(published: Path) -> None:
    ids = [clip.clip_id for clip in facevid.open(published)]
    batches = [to_table([said(of, "black")]).to_batches()[0] for of in (ids[9], ids[2])]
    before = (published / "dataset.json").read_bytes()
    with pytest.raises(ValueError, match="in the order of their clips"):
        update_annotations(published, add=pa.RecordBatchReader.from_batches(schema("annotations"), batches))
    assert (published / "dataset.json").read_bytes() == before


def test_packing_again_keeps_what_was_said(published: Path, clip_folder: Path) -> None:
    from packing import work

    from facevid.curate.pack import pack_dataset

    ids = [c.clip_id for c in facevid.open(published)]
    update_annotations(published, add=[said(ids[0], "black"), said(ids[30], "red")])
    pack_dataset(
        published, tables=work(clip_folder, 20), clip_folder=clip_folder, recipe={"fps": 25.0}, name="small"
    )
    ds = facevid.open(published)
    kept = {c.clip_id for c in ds}
    assert {r[0] for r in ds.annotations.fetchall()} == kept & {ids[0], ids[30]} != set()
    assert json.loads((published / "dataset.json").read_text())["tables"]["annotations"][0]["rows"] >= 1


def test_a_dataset_that_is_being_worked_on_is_left_alone(published: Path) -> None:
    with folder_lock(published / ".work"), pytest.raises(FolderBusy, match="is working in"):
        update_annotations(published, add=[])
