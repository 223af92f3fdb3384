"""`annotate` measures each clip once, keeps what others said, and publishes labels and captions."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

import facevid
from facevid.annotate import annotate
from facevid.annotate.stated import stated_statements
from facevid.dataset import DatasetError
from facevid.dataset.annotating import ANNOTATE_LOCK, update_annotations
from facevid.dataset.statements import Statement, source_of
from facevid.engine import FolderBusy, folder_lock

sys.path.insert(0, str(Path(__file__).parents[1] / "curate"))


@pytest.fixture(scope="module")
def annotated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Four clips, the first of a person who states an age, annotated after an annotator had spoken; ids in order."""
    from packing import work

    from facevid.curate.pack import pack_dataset

    folder = tmp_path_factory.mktemp("annotate")
    tables = work(folder / "clips", 4, silent=(2,))
    stated = [json.dumps({"Age": 34, "race": "Caucasian", "mood": "fine"}), None, None]
    tables = replace(tables, sources=tables.sources.append_column("self_reported", pa.array(stated)))
    output = folder / "dataset"
    pack_dataset(output, tables=tables, clip_folder=folder / "clips", recipe={"fps": 25.0}, name="small")
    ids = [clip.clip_id for clip in facevid.open(output)]
    update_annotations(
        output, add=[Statement(ids[0], "attribute", "hair_colour", "red", "annotator", 1.0, who="ana")]
    )
    summary = annotate(output, workers=1)
    assert (summary.ok, summary.failed, summary.reused) == (4, 0, 0)
    assert any("mood=fine" in note for note in summary.notes)
    return output, ids


def test_what_people_state_is_shown_before_what_is_measured(annotated: tuple[Path, list[str]]) -> None:
    folder, ids = annotated
    said = facevid.open(folder)[ids[0]]["attributes"]
    assert said["age"] == {"value": "34", "confidence": None, "by": "self"}
    assert said["ethnicity"]["value"] == "white"


def test_an_annotator_is_not_overruled(annotated: tuple[Path, list[str]]) -> None:
    folder, ids = annotated
    assert facevid.open(folder)[ids[0]]["attributes"]["hair_colour"]["value"] == "red"
    assert "red" in facevid.open(folder)[ids[0]]["caption"]


def test_every_clip_has_three_captions_and_measures(annotated: tuple[Path, list[str]]) -> None:
    folder, _ = annotated
    ds = facevid.open(folder)
    for clip in ds:
        assert {c["length"] for c in clip["captions"]} == {"short", "medium", "long"}
    kinds = {source_of(by) for (by,) in ds.sql('select distinct "by" from annotations').fetchall()}
    assert kinds == {"self", "annotator", "measured"}


def test_a_second_run_measures_nothing_and_changes_nothing(annotated: tuple[Path, list[str]]) -> None:
    folder, _ = annotated
    before = (folder / "dataset.json").read_bytes()
    assert annotate(folder, dry_run=True).to_run == 0
    summary = annotate(folder, workers=1)
    assert (summary.ok, summary.reused) == (4, 4)
    assert (folder / "dataset.json").read_bytes() == before


def test_a_broken_clip_is_named_and_the_others_are_annotated(
    annotated: tuple[Path, list[str]], tmp_path: Path
) -> None:
    import shutil

    folder, ids = annotated
    copy = tmp_path / "dataset"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".work"))
    clip = facevid.open(copy)[ids[1]]
    with (copy / "media" / clip["shard"]).open("r+b") as file:
        file.seek(clip["mp4_offset"])
        file.write(bytes(clip["mp4_size"]))
    summary = annotate(copy, workers=1)
    assert (summary.ok, summary.failed) == (3, 1)
    assert summary.failures[0]["item"] == ids[1] and summary.failures[0]["kind"] == "unreadable"


def test_nobody_measures_while_a_build_or_another_run_may_replace_what_is_measured(
    annotated: tuple[Path, list[str]],
) -> None:
    from facevid.curate.work import Work

    folder, _ = annotated
    with Work(folder).held(), pytest.raises(FolderBusy, match="is working in"):
        annotate(folder, workers=1)
    with folder_lock(folder / ".work", name=ANNOTATE_LOCK):
        with pytest.raises(FolderBusy, match="is working in"), Work(folder).held():
            pass
        with pytest.raises(FolderBusy, match="is working in"):
            annotate(folder, workers=1)
        update_annotations(folder, add=[])  # but what people say is published meanwhile


def test_what_a_person_withdrew_counts_as_no_answer(annotated: tuple[Path, list[str]]) -> None:
    folder, ids = annotated
    before = annotate(folder, workers=1).answered
    assert before["age"] == 2 and before["ethnicity"] == 2, "stated of the first source, measured of none"
    update_annotations(folder, add=[Statement(ids[2], "attribute", "age", "unknown", "annotator", who="ana")])
    assert annotate(folder, workers=1).answered == before


def test_a_folder_that_is_no_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="not a facevid dataset"):
        annotate(tmp_path)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"sex": "F"}, [("gender", "female")]),
        ({"Race": "African American"}, [("ethnicity", "black")]),
        ({"hair color": "Blond"}, [("hair_colour", "blonde")]),
        ({"eyeglasses": True}, [("eyeglasses", "yes")]),
        ({"age": "41"}, [("age", "41")]),
        ({"age": "unknown", "gender": None}, []),
    ],
)
def test_manifest_words_become_words_of_the_vocabulary(
    stated: dict[str, object], expected: list[tuple[str, str]]
) -> None:
    said, strange = stated_statements([("c", "s")], {"s": json.dumps(stated)})
    assert [(s.name, s.value) for s in said] == expected and strange == []
