"""Merging: every clip once, everybody's statements, people apart, and nothing that was taken down anywhere."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import facevid.dataset
from facevid.dataset.annotating import update_annotations
from facevid.dataset.choosing.subset_file import SubsetFile
from facevid.dataset.published import DatasetError
from facevid.dataset.removing import tombstones
from facevid.dataset.sharing.merging import merge
from facevid.dataset.statements import Statement

OTHER = "b" * 16  # the only source of the other dataset


@pytest.fixture
def other(tmp_path: Path, clip_folder: Path) -> Path:
    """Nine clips of one source that the first dataset does not have; its file and its people are called the same."""
    from packing import clip_name, work

    from facevid.curate.pack import pack_dataset

    folder = tmp_path / "other_clips"
    tables = work(clip_folder, 9)
    cuts = {}
    names = {clip_name(k): OTHER + clip_name(k)[16:] for k in range(9)}
    for old, new in names.items():
        shutil.copytree(clip_folder / old, folder / new)
        cuts[new] = {**tables.cuts[old], "clip_id": new}
    stretches = tables.stretches
    for column, values in {
        "clip_id": list(names.values()), "source_id": [OTHER] * 9, "source_name": ["talk_0.mp4"] * 9
    }.items():  # fmt: skip
        stretches = stretches.set_column(
            stretches.column_names.index(column), column, pa.array(values, pa.string())
        )
    sources = pa.table(
        {"source_id": [OTHER], "source_name": ["talk_0.mp4"], "sha256": ["b" * 64], "licence": ["MIT"]}
    )
    rejected = tables.rejected.set_column(0, "source_id", pa.array([OTHER]))
    pack_dataset(
        tmp_path / "other",
        tables=replace(
            tables,
            stretches=stretches,
            sources=sources,
            rejected=rejected,
            identity={names[k]: v for k, v in tables.identity.items() if k in names},
            cuts=cuts,
        ),
        clip_folder=folder,
        recipe={"fps": 25.0, "other": True},
        name="New York",
        shard_bytes=60_000,
    )
    return tmp_path / "other"


def part_of(folder: Path, clip_folder: Path, count: int, **options: Any) -> Path:
    """A dataset of the first clips of the first one, built by somebody else."""
    from packing import work

    from facevid.curate.pack import pack_dataset

    options = {"recipe": {"fps": 25.0}, "name": "part", "shard_bytes": 50_000} | options
    tables = replace(work(clip_folder, count), **options.pop("tables", {}))
    pack_dataset(folder, tables=tables, clip_folder=clip_folder, **options)
    return folder


def test_the_union_has_every_clip_as_it_was_and_links_whole_shards(
    published: Path, other: Path, tmp_path: Path
) -> None:
    first, second = facevid.dataset.open(published), facevid.dataset.open(other)
    told = merge([published, other], tmp_path / "out")
    assert (told.clips, told.shared, told.conflicts, told.taken_down) == (49, 0, [], 0)
    got = facevid.dataset.open(tmp_path / "out")
    assert got.ids.to_pylist() == sorted(first.ids.to_pylist() + second.ids.to_pylist())
    for source in (first, second):
        for clip in source:
            here = got[clip.clip_id]
            assert here.read("mp4") == clip.read("mp4") and (here.mesh == clip.mesh).all()
    linked = {p.stat().st_ino for p in got.shards()}
    assert {p.stat().st_ino for p in first.shards()} <= linked
    assert np.array_equal(got[second[0].clip_id].frames(), second[0].frames())
    counts = got.manifest.about["counts"]
    assert (counts["sources"], counts["clips"], counts["rejected"], counts["failed"]) == (4, 49, 2, 1)
    assert [m["recipe"] for m in got.manifest.about["made_from"]] == [
        {"fps": 25.0},
        {"fps": 25.0, "other": True},
    ]
    assert got.manifest.about["recipe"] == {"fps": 25.0}


def test_people_and_sources_called_alike_stay_apart_also_in_the_json_members(
    published: Path, other: Path, tmp_path: Path
) -> None:
    told = merge([published, other], tmp_path / "out")
    assert (told.people_renamed, told.sources_renamed) == (2, 1)
    got = facevid.dataset.open(tmp_path / "out")
    people = pc.unique(got.rows(["identity"])["identity"]).to_pylist()
    assert sorted(people) == ["New-York-p0", "New-York-p1", "p0", "p1"]
    assert got.source(OTHER)["source_name"] == "New-York-talk_0.mp4"
    for clip in got:
        said = json.loads(clip.read("json"))
        assert (said["identity"], said["source_name"]) == (clip["identity"], clip["source_name"])
    names = got.to_arrow("rejected")["source_name"].to_pylist()
    assert sorted(names) == ["New-York-talk_0.mp4", "talk_0.mp4"]


def test_a_clip_in_both_is_there_once_and_shows_who_is_who(
    published: Path, clip_folder: Path, tmp_path: Path
) -> None:
    from packing import clip_name, work

    # The other builder called them q7 and p0: q7 is whom the first one calls p0, and p0 is p1.
    people = {k: {"p0": "q7", "p1": "p0"}[str(v)] for k, v in work(clip_folder, 10).identity.items()}
    part = part_of(tmp_path / "part", clip_folder, 10, tables={"identity": people})
    update_annotations(part, add=[Statement(clip_name(3), "attribute", "gender", "female", "self")])
    update_annotations(
        published, add=[Statement(clip_name(3), "attribute", "age", "30", "annotator", who="x")]
    )
    few = facevid.dataset.open(published)
    few = few.select([i for i in few.ids.to_pylist() if i != clip_name(9)])
    told = merge([few, part], tmp_path / "out")
    assert (told.clips, told.shared, told.conflicts, told.people_renamed) == (40, 9, [], 0)
    got = facevid.dataset.open(tmp_path / "out")
    assert {k: v["value"] for k, v in got[clip_name(3)].attributes.items()} == {
        "gender": "female",
        "age": "30",
    }
    assert got[clip_name(9)]["identity"] == "p1" == work(clip_folder, 10).identity[clip_name(9)]
    assert pc.count_distinct(got.rows(["identity"])["identity"]).as_py() == 2


def test_a_clip_with_other_media_is_named_and_the_first_one_stays(
    published: Path, clip_folder: Path, tmp_path: Path
) -> None:
    from packing import clip_name, cut_clip

    folder = tmp_path / "clips"
    shutil.copytree(clip_folder, folder)
    shutil.rmtree(folder / clip_name(4))
    cut_clip(folder, clip_name(4), seed=999)
    part = part_of(tmp_path / "part", folder, 10)
    told = merge([published, part], tmp_path / "out")
    assert len(told.conflicts) == 1
    assert told.conflicts[0].startswith(f"Clip {clip_name(4)} has other media in {part} than in {published}")
    first = facevid.dataset.open(published)[clip_name(4)].read("mp4")
    assert facevid.dataset.open(tmp_path / "out")[clip_name(4)].read("mp4") == first


def test_what_was_taken_down_from_one_does_not_come_in_through_another(
    published: Path, other: Path, clip_folder: Path, tmp_path: Path
) -> None:
    from packing import clip_name

    rows = pq.read_table(published / "sources" / "part-00000.parquet")
    assert rows["sha256"].null_count == 3  # made-up sources have no file; the other dataset's has
    tombstones.add(
        published, sources=[tombstones.source_mark("c" * 64)], seconds=[tombstones.second_mark("b" * 64, 4)]
    )
    gone = OTHER + clip_name(1)[16:]  # from 4.00 s on
    update_annotations(other, add=[Statement(gone, "review", "keep", "keep", "annotator", who="x")])
    told = merge([published, other], tmp_path / "out")
    assert (told.clips, told.taken_down) == (48, 1)
    everything = b"".join(p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file())
    assert gone.encode() not in everything
    kept = tombstones.read(tmp_path / "out")
    assert kept == tombstones.read(published)
    # Something taken down from the merged dataset stays out when it is merged again.
    tombstones.add(tmp_path / "out", sources=[tombstones.source_mark("b" * 64)])
    told = merge([published, other], tmp_path / "out")
    assert (told.clips, told.taken_down) == (40, 9)
    assert OTHER.encode() not in b"".join(
        p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()
    )


def test_subsets_go_along_under_names_that_tell_them_apart(
    published: Path, other: Path, tmp_path: Path
) -> None:
    for folder in (published, other):
        ids = facevid.dataset.open(folder).ids.to_pylist()
        SubsetFile("mine", folder.name, ids=tuple(ids[:3])).write(folder / "subsets" / "mine.json")
    merge([published, other], tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out" / "subsets").iterdir()) == [
        "New-York-mine.json",
        "mine.json",
    ]


def test_merging_again_gives_the_same_bytes_and_one_dataset_is_no_merge(
    published: Path, other: Path, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        merge([published, other], tmp_path / name)
    merge([published, other], tmp_path / "a")
    files = {
        p.relative_to(tmp_path / "a"): p.read_bytes() for p in (tmp_path / "a").rglob("*") if p.is_file()
    }
    assert {
        p.relative_to(tmp_path / "b"): p.read_bytes() for p in (tmp_path / "b").rglob("*") if p.is_file()
    } == files
    with pytest.raises(DatasetError, match="at least two datasets"):
        merge([published], tmp_path / "c")
    with pytest.raises(DatasetError, match="is the dataset that is read"):
        merge([published, other], other)
