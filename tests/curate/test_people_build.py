"""Builds of footage with spans, faces in boxes, labels, rules of people, opt-outs and tombstones."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hostile import SIZE, film

import facevid
from facevid.curate.build import pack, select
from facevid.curate.optout import OptOutError
from facevid.curate.work import WorkError
from facevid.dataset.annotating import update_annotations
from facevid.dataset.removing import tombstones
from facevid.dataset.statements import Statement
from facevid.engine import Ledger
from facevid.media import VideoReader, read_audio
from facevid.synth import synthesize

pytestmark = pytest.mark.slow
RECIPE: dict[str, Any] = {
    "select": {"min_s": 0.6, "rules": []},
    "cut": {"size": 128, "preset": "ultrafast"},
    "identify": {"faces_per_clip": 1},
}


@dataclass
class Built:
    """A dataset of two spans of one file: first one person, then the right one of two."""

    manifest: Path
    video: Path
    dataset: Path
    rows: list[dict[str, Any]]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("people")
    pictures, sounds = [], []
    for kind in ("clean", "two_faces"):
        (path,) = synthesize(
            folder / kind, people=2, videos=1, seed=3, seconds=1.4, kinds=(kind,), size=SIZE, workers=1
        )
        with VideoReader(path, fps=25) as video:
            shown = [frame.image.copy() for frame in video]
        pictures += shown
        sounds.append(read_audio(path, rate=48000, end_s=len(shown) / 25))
    video = film(folder / "talk.mp4", pictures, sounds=[np.concatenate(sounds)])
    middle = len(shown)
    join = (len(pictures) - middle) / 25
    smile = {
        "kind": "action",
        "name": "smile",
        "value": "",
        "start_s": 0.6,
        "end_s": 0.9,
        "by": "annotator",
        "who": "x",
    }
    age = {"kind": "attribute", "name": "gender", "value": "female", "by": "self", "who": "x"}
    rows = [
        {"start_s": 0.2, "end_s": 1.2, "person": "ana", "licence": "CC0", "consent": "form 1", "age": "30",
         "labels": [smile, age]},
        {"start_s": join + 0.2, "end_s": join + 1.3, "box": f"{SIZE[0] // 2} 0 {SIZE[0]} {SIZE[1]}", "person": "bo",
         "licence": "CC-BY-4.0", "url": "https://example.org/talk", "age": "16"},
    ]  # fmt: skip
    manifest = folder / "footage.jsonl"
    manifest.write_text("\n".join(json.dumps({"path": "talk.mp4", **row}) for row in rows))
    facevid.build(manifest, folder / "dataset", recipe=RECIPE, workers=1)
    return Built(manifest, video, folder / "dataset", rows)


@pytest.fixture
def built(original: Built, tmp_path: Path) -> Built:
    copy = Path(shutil.copytree(original.dataset, tmp_path / "dataset"))
    return Built(original.manifest, original.video, copy, original.rows)


def ran(dataset: Path) -> dict[str, int]:
    """What the last run of each step had to do."""
    with Ledger(dataset / ".work" / "ledger.sqlite", read_only=True) as ledger:
        return {run.step: run.ran for run in ledger.runs()}


def by_time(dataset: Path) -> list[Any]:
    """The clips in the order of their start."""
    return sorted(facevid.open(dataset), key=lambda clip: float(clip["start_s"]))


def everything(dataset: Path) -> bytes:
    """Every byte of what is published, tables read out so that no compression hides a word."""
    ds = facevid.open(dataset)
    tables = ("sources", "clips", "rejected", "failed", "annotations")
    said = str([ds.to_arrow(t).to_pylist() for t in tables]).encode()
    return said + b"".join(p.read_bytes() for p in sorted(dataset.glob("media/*")))


def test_each_span_gives_its_own_face_and_nothing_else_exists(original: Built) -> None:
    ds = facevid.open(original.dataset)
    first, second = by_time(original.dataset)
    one, two = original.rows
    for clip, row in ((first, one), (second, two)):
        assert row["start_s"] <= clip["start_s"] and clip["end_s"] <= row["end_s"]
    assert second["face_x"] > 0.5, "the right one of two"
    assert ds.sql("select count(*) from rejected").fetchall() == [(0,)]
    (kept,) = ds.sql("select spans from sources").fetchall()
    assert [span["person"] for span in json.loads(kept[0])] == ["ana", "bo"]


def test_provenance_travels_with_each_clip_by_its_own_span(original: Built) -> None:
    ds = facevid.open(original.dataset)
    said = ds.sql("select licence, consent, url from clips order by start_s").fetchall()
    assert said == [("CC0", "form 1", None), ("CC-BY-4.0", None, "https://example.org/talk")]
    for clip in ds:
        place = clip["json_offset"], clip["json_size"]
        member = (original.dataset / "media" / clip["shard"]).read_bytes()[place[0] :][: place[1]]
        told = json.loads(member)
        assert (told["licence"], told["consent"], told["url"]) == (
            clip["licence"],
            clip["consent"],
            clip["url"],
        )


def test_labels_are_statements_in_the_seconds_of_their_clip(original: Built) -> None:
    ds = facevid.open(original.dataset)
    begin = ds.sql("select min(start_s) from clips").fetchall()[0][0]
    said = ds.sql('select name, start_s, end_s, "by", who from annotations order by name').fetchall()
    assert said == [
        ("gender", None, None, "self", "x"),
        ("smile", pytest.approx(0.6 - begin), pytest.approx(0.9 - begin), "annotator", "x"),
    ]
    assert by_time(original.dataset)[0].attributes["gender"]["value"] == "female"


def test_rules_of_people_reject_with_scores_and_touch_no_video_again(built: Built) -> None:
    build = {"workers": 1}
    strict = facevid.build(built.manifest, built.dataset, require_consent=True, **build)
    assert (strict.clips, [r["reason"] for r in strict.rejected]) == (1, ["consent"])
    assert all(count == 0 for count in ran(built.dataset).values())
    ds = facevid.open(built.dataset)
    assert ds.sql("select reason, face_px > 10, value from rejected").fetchall() == [("consent", True, None)]
    assert (
        ds.manifest.about["licence"] == "CC-BY-4.0, CC0" or ds.manifest.about["licence"] == "CC0, CC-BY-4.0"
    )

    select(built.dataset, workers=1)
    pack_again = facevid.build(built.manifest, built.dataset, **build)
    assert pack_again.clips == 1, "a rule stays until another recipe or option is named"
    licensed = facevid.build(
        built.manifest, built.dataset, require_consent=False, licence="cc-by-4.0", minimum_age=None, **build
    )
    assert (licensed.clips, [r["reason"] for r in licensed.rejected]) == (1, ["licence"])
    aged = facevid.build(built.manifest, built.dataset, recipe=RECIPE, minimum_age=18, **build)
    assert (aged.clips, [r["reason"] for r in aged.rejected]) == (1, ["age"])
    assert facevid.open(built.dataset).sql("select value, threshold from rejected").fetchall() == [
        (16.0, 18.0)
    ]
    back = facevid.build(built.manifest, built.dataset, recipe=RECIPE, **build)
    assert back.clips == 2
    assert all(count == 0 for count in ran(built.dataset).values())


def test_a_person_who_opts_out_leaves_no_trace(built: Built, tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    out.write_text("person: bo\n")
    gone = by_time(built.dataset)[1]
    update_annotations(
        built.dataset, add=[Statement(gone.clip_id, "review", "keep", "reject", "annotator", who="ann")]
    )
    summary = facevid.build(built.manifest, built.dataset, opt_out=out, workers=1)
    assert (summary.clips, summary.opted_out) == (1, 1)
    assert b'"ana"' in everything(built.dataset)
    left = everything(built.dataset)
    assert b'"bo"' not in left and gone.clip_id.encode() not in left and b"example.org" not in left


@pytest.mark.parametrize("kind", ["file: talk.mp4", "sha", "source", "url"])
def test_a_source_that_is_opted_out_leaves_no_trace_but_a_count(
    built: Built, tmp_path: Path, kind: str
) -> None:
    (source,) = facevid.open(built.dataset).to_arrow("sources").to_pylist()
    lines = {"sha": source["sha256"], "source": source["source_id"], "url": "https://www.example.org/talk/"}
    rows = [{**row, "url": "https://example.org/talk"} for row in built.rows]
    manifest = tmp_path / "m.jsonl"
    manifest.write_text("\n".join(json.dumps({"path": str(built.video), **row}) for row in rows))
    out = tmp_path / "out.txt"
    out.write_text(lines.get(kind, kind))
    summary = facevid.build(manifest, built.dataset, opt_out=out, workers=1)
    assert (summary.clips, summary.sources, summary.opted_out) == (0, 0, 1)
    left = everything(built.dataset)
    assert source["source_id"].encode() not in left and b"talk.mp4" not in left
    assert json.loads((built.dataset / "dataset.json").read_text())["counts"]["opted_out"] == 1
    assert not list((built.dataset / ".work").glob(f"*/{source['source_id']}*")), "nor in the work folder"


def test_a_face_that_is_opted_out_takes_its_clips_along_and_stays_out(built: Built, tmp_path: Path) -> None:
    face, other = by_time(built.dataset)
    picture = face.frames(2, 3)[0]
    cv2.imwrite(str(tmp_path / "ana.png"), cv2.resize(picture, (512, 512))[:, :, ::-1])
    (tmp_path / "out.txt").write_text("ana.png\n")
    summary = facevid.build(built.manifest, built.dataset, opt_out=tmp_path / "out.txt", workers=1)
    assert (summary.clips, summary.persons, summary.opted_out) == (1, 1, 1)
    assert any("line 1, ana.png: 1 clips of 1 persons left out" in note for note in summary.notes)
    assert face.clip_id.encode() not in everything(built.dataset)
    assert facevid.open(built.dataset)[0].clip_id == other.clip_id
    assert b'"ana"' not in everything(built.dataset), "nor what the manifest says of the span"

    again = facevid.build(built.manifest, built.dataset, workers=1)
    assert (again.clips, again.opted_out) == (1, 1), "the list holds until another is named"
    pack(built.dataset)
    assert len(facevid.open(built.dataset)) == 1
    facevid.clean(built.dataset)
    with pytest.raises(WorkError, match="was built with an opt-out list"):
        facevid.build(built.manifest, built.dataset, recipe=RECIPE, workers=1)


def test_a_picture_without_a_face_stops_the_build_before_it_starts(built: Built, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((300, 300, 3), 120, np.uint8))
    (tmp_path / "out.txt").write_text("# x\nwall.png\n")
    before = everything(built.dataset)
    with pytest.raises(OptOutError, match=r"line 2: the picture .*wall\.png shows no face"):
        facevid.build(built.manifest, built.dataset, opt_out=tmp_path / "out.txt", workers=1)
    assert everything(built.dataset) == before


def test_the_work_folder_does_not_learn_again_of_a_source_that_was_taken_down(built: Built) -> None:
    (source,) = facevid.open(built.dataset).to_arrow("sources").to_pylist()
    facevid.takedown(built.dataset, source="talk.mp4")
    for _ in range(2):
        summary = facevid.build(built.manifest, built.dataset, workers=1)
        assert (summary.clips, summary.sources, summary.taken_down) == (0, 0, 1)
        work = b"".join(p.read_bytes() for p in (built.dataset / ".work").rglob("*") if p.is_file())
        for word in (source["source_id"], source["sha256"], "talk.mp4"):
            assert word.encode() not in work
    assert facevid.pack(built.dataset).failed == 0 and len(facevid.open(built.dataset)) == 0


def test_a_tombstone_keeps_a_clip_out_though_its_frames_differ(built: Built) -> None:
    ds = facevid.open(built.dataset)
    (source,) = ds.to_arrow("sources").to_pylist()
    clip = by_time(built.dataset)[0]
    seconds = tombstones.seconds_touched(clip["start_s"], clip["end_s"])
    tombstones.add(built.dataset, seconds=[tombstones.second_mark(source["sha256"], s) for s in seconds])
    shorter = {**RECIPE, "select": {"min_s": 0.3, "max_s": 0.5, "rules": []}}
    summary = facevid.build(built.manifest, built.dataset, recipe=shorter, workers=1)
    left = facevid.open(built.dataset)
    assert summary.taken_down >= 2, "the clip of a second is cut in at least two now"
    assert summary.clips == len(left) > 0
    last = seconds[-1] + 1
    assert b'"ana"' not in everything(built.dataset) and b'"bo"' in everything(built.dataset)
    assert left.sql(f"select count(*) from clips where start_s < {last}").fetchall() == [(0,)]
    assert left.sql(f"select count(*) from rejected where start_s < {last}").fetchall() == [(0,)]
    tombstones.add(built.dataset, sources=[tombstones.source_mark(source["sha256"])])
    summary = facevid.build(built.manifest, built.dataset, recipe=shorter, workers=1)
    assert (summary.sources, summary.clips, summary.taken_down) == (0, 0, 1)
