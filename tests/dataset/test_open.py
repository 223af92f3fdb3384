"""Opening a dataset: clips by number and id, media from the shards, tables as SQL, sentences for mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from packing import FRAMES, SIDE, clip_name

import facevid
from facevid.dataset import DatasetError, schema
from facevid.dataset.statements import LABEL_COLUMNS


def test_clips_are_found_by_number_and_by_id(published: Path) -> None:
    dataset = facevid.open(published)
    assert len(dataset) == 40
    assert dataset[0].clip_id == min(clip_name(k) for k in range(40))
    assert dataset[-1].clip_id == dataset[39].clip_id == max(clip_name(k) for k in range(40))
    assert dataset[clip_name(7)]["source_name"] == "talk_1.mp4"
    assert clip_name(7) in dataset and "nobody" not in dataset
    assert [c.clip_id for c in dataset] == sorted(clip_name(k) for k in range(40))


def test_a_clip_that_is_not_there_is_named(published: Path) -> None:
    dataset = facevid.open(published)
    with pytest.raises(IndexError, match="has 40 clips; there is no clip 40"):
        dataset[40]
    with pytest.raises(KeyError, match="no clip 'nobody'"):
        dataset["nobody"]
    with pytest.raises(KeyError, match="clips have no column 'age'"):
        dataset[0]["age"]


def test_frames_sound_and_keypoints_are_those_that_were_cut(published: Path, clip_folder: Path) -> None:
    dataset = facevid.open(published)
    for k in (0, 17, 39):
        clip = dataset[clip_name(k)]
        assert clip.read("mp4") == (clip_folder / clip.clip_id / "clip.mp4").read_bytes()
        frames = clip.frames()
        assert frames.shape == (FRAMES, SIDE, SIDE, 3) and frames.dtype == np.uint8
        assert (clip.frames(2, 5) == frames[2:5]).all()
        assert clip.frames(3, 3).shape == (0, SIDE, SIDE, 3)
        assert clip.speech().shape == (int(FRAMES / 25 * 16000),)
        assert clip.audio().ndim == 2
        with np.load(clip_folder / clip.clip_id / "keypoints.npz") as stored:
            assert (clip.mesh == stored["mesh"]).all() and clip.mesh.dtype == np.float16
            assert (clip.pose == stored["pose"]).all() and (clip.box == stored["box"]).all()


def test_a_clip_without_sound_says_so(published: Path) -> None:
    clip = facevid.open(published)[clip_name(2)]
    assert not clip.has_audio and "without sound" in repr(clip)
    for read in (clip.speech, clip.audio):
        with pytest.raises(DatasetError, match="has no sound"):
            read()


def test_a_damaged_clip_is_named_and_its_neighbour_is_read(published: Path) -> None:
    clip, neighbour = facevid.open(published)[0], facevid.open(published)[1]
    assert "mp4_offset" in clip and "no_such_column" not in clip
    shard = published / "media" / clip["shard"].removeprefix("media/")
    with shard.open("r+b") as file:
        file.seek(clip["mp4_offset"] + clip["mp4_size"] // 2)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))
    with pytest.raises(DatasetError, match=rf"The mp4 of clip {clip.clip_id} is damaged"):
        clip.read("mp4")
    assert len(neighbour.read("mp4")) == neighbour["mp4_size"]


def test_frames_outside_the_clip_are_refused(published: Path) -> None:
    with pytest.raises(IndexError, match="has frames 0 to 8; asked for 3 to 9"):
        facevid.open(published)[0].frames(3, 9)


def test_tables_answer_sql_and_arrow(published: Path) -> None:
    dataset = facevid.open(published)
    assert dataset.sql("select count(*) from clips where identity = 'p0'").fetchall() == [(20,)]
    assert dataset.rejected.fetchall()[0][5] == "sharpness"
    for table in ("clips", "rejected", "failed", "sources", "keypoints"):
        relation = getattr(dataset, table)
        arrow = dataset.to_arrow(table)
        assert list(relation.columns) == arrow.column_names
        assert set(schema(table).names) - LABEL_COLUMNS <= set(arrow.column_names)
    with pytest.raises(ValueError, match="no table 'faces'; there are sources, clips"):
        dataset.to_arrow("faces")


def test_repr_tells_what_is_inside(published: Path) -> None:
    text = repr(facevid.open(published))
    assert "small: 40 clips" in text and "2 people" in text and "3 sources" in text


def test_nothing_depends_on_the_work_folder(published: Path) -> None:
    assert not list((published / ".work").iterdir())
    (published / ".work").rmdir()
    assert facevid.open(published)[3].frames().shape[0] == FRAMES


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda p: None, "There is no folder"),
        (lambda p: p.write_text("x"), "is a file; name the folder"),
        (lambda p: p.mkdir(), "is not a facevid dataset: it has no dataset.json"),
        (lambda p: (p / ".work").mkdir(parents=True), "unfinished build and no dataset yet"),
    ],
)
def test_what_is_no_dataset_is_refused(tmp_path: Path, make: object, sentence: str) -> None:
    make(tmp_path / "d")  # type: ignore[operator]
    with pytest.raises(DatasetError, match=sentence):
        facevid.open(tmp_path / "d")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "cannot be read as JSON"),
        ('{"format": "other"}', "was not written by facevid"),
        ('{"format": "facevid", "format_version": 9}', "format version 9; this facevid reads version 1"),
        ('{"format": "facevid", "format_version": 1, "tables": {}, "shards": []}', "is damaged"),
    ],
)
def test_a_manifest_of_something_else_is_refused(published: Path, content: str, sentence: str) -> None:
    (published / "dataset.json").write_text(content)
    with pytest.raises(DatasetError, match=sentence):
        facevid.open(published)


def test_a_missing_or_short_shard_is_named(published: Path) -> None:
    shard = published / json.loads((published / "dataset.json").read_text())["shards"][1]["path"]
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-512])
    with pytest.raises(DatasetError, match=r"shard-00001.tar has \d+ bytes and should have"):
        facevid.open(published)
    shard.unlink()
    with pytest.raises(DatasetError, match=r"lacks media/shard-00001.tar"):
        facevid.open(published)


@pytest.mark.parametrize("key", ["path", "stored_as"])
@pytest.mark.parametrize(
    "name", ["../secret/part-00000.parquet", "/etc/passwd", "media/../../secret", "secret"]
)
def test_a_manifest_that_names_files_outside_its_folder_is_refused(
    published: Path, key: str, name: str
) -> None:
    content = json.loads((published / "dataset.json").read_text())
    content["shards"][0][key] = name
    (published / "dataset.json").write_text(json.dumps(content))
    with pytest.raises(DatasetError, match="is no file of a dataset"):
        facevid.open(published)
