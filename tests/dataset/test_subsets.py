"""Choices on an opened dataset, and their files: read again anywhere, refused where damaged or not of the dataset."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import fsspec
import pyarrow.compute as pc
import pytest

import facevid
from facevid.dataset.choosing.balance import ThinCells
from facevid.dataset.choosing.methods import NobodyKnows, looked_at
from facevid.dataset.choosing.subset_file import read_subset, subset_hash
from facevid.dataset.published import DatasetError


def test_choices_are_datasets_in_the_order_of_the_one_they_come_from(published: Path) -> None:
    ds = facevid.open(published)
    some = ds.fraction(0.25, seed=1, by=["audio", "identity"])
    assert len(some) == 10
    assert some.ids.to_pylist() == [i for i in ds.ids.to_pylist() if i in some]
    back = ds.select(ds.ids[::-1])
    assert back.fraction(0.25, seed=1, by=["audio", "identity"]).ids.to_pylist() == some.ids.to_pylist()[::-1]
    assert set(some.ids.to_pylist()) < set(ds.fraction(0.5, seed=1, by=["audio", "identity"]).ids.to_pylist())
    narrowed = ds.where("audio").fraction(0.5, seed=1)
    assert abs(len(narrowed) - len(ds.where("audio")) / 2) <= 0.5
    assert all(clip.has_audio for clip in narrowed)
    assert "fraction 0.25 of clips, seed 1, by audio, identity" in repr(some)


def test_a_split_is_a_dict_of_datasets_with_no_person_in_two(published: Path) -> None:
    ds = facevid.open(published)
    parts = ds.split([0.5, 0.5], seed=1)
    assert list(parts) == ["train", "test"]
    assert sorted(i for part in parts.values() for i in part.ids.to_pylist()) == ds.ids.to_pylist()
    people = [set(pc.drop_null(part.rows(["identity"])["identity"]).to_pylist()) for part in parts.values()]
    assert not people[0] & people[1]


def test_a_saved_choice_is_read_again_by_name_or_path(published: Path, tmp_path: Path) -> None:
    ds = facevid.open(published)
    tenth = ds.where("frames > 0").fraction(0.1, seed=2)
    assert tenth.save("tenth") == published / "subsets" / "tenth.json"
    other = tenth.save(str(tmp_path / "mine.json"))
    for name in ("tenth", str(other)):
        assert facevid.open(published).subset(name).ids.equals(tenth.ids)
    content = json.loads((published / "subsets" / "tenth.json").read_text())
    assert content["format"] == "facevid-subset" and content["dataset"] == "small"
    assert content["made"] == {"how": ["where frames > 0", "fraction 0.1 of clips, seed 2"]}
    # What anybody can compute without facevid.
    assert content["sha256"] == subset_hash({"ids": tenth.ids.to_pylist()})
    assert ds.saved() == ["tenth"]


def test_a_saved_split_is_read_whole_or_by_part(published: Path) -> None:
    ds = facevid.open(published)
    parts = ds.split([0.5, 0.5], seed=1, by=["audio"], names=["learn", "test"])
    parts.save("people")
    again = ds.saved_split("people")
    assert list(again) == ["learn", "test"]
    assert all(again[name].ids.equals(parts[name].ids) for name in parts)
    assert ds.subset("people", "test").ids.equals(parts["test"].ids)
    with pytest.raises(DatasetError, match="people is a split: say which part; it has learn, test"):
        ds.subset("people")
    with pytest.raises(DatasetError, match="no part 'dev'"):
        ds.subset("people", "dev")
    with pytest.raises(DatasetError, match="2 parts need 2 different names; given are a, a"):
        ds.split([0.5, 0.5], names=["a", "a"])


def test_a_file_that_was_changed_damaged_or_is_not_there_is_refused(published: Path) -> None:
    ds = facevid.open(published)
    path = ds.fraction(0.2).save("fifth")
    sound = path.read_text()
    content = json.loads(sound)
    for change, said in (
        ({"ids": content["ids"][1:]}, "was changed"),
        ({"version": 2}, "version 2"),
        ({"format": "other"}, "is no subset"),
        ({"ids": None}, "is damaged"),
        ({"parts": {"a": [1]}, "ids": None}, "is damaged"),
        ({"parts": []}, "is damaged"),
    ):
        path.write_text(json.dumps({k: v for k, v in {**content, **change}.items() if v is not None}))
        with pytest.raises(DatasetError, match=said):
            ds.subset("fifth")
    path.write_text(sound[:50])
    with pytest.raises(DatasetError, match="cannot be read as JSON"):
        ds.subset("fifth")
    with pytest.raises(DatasetError, match=r"There is no subset .*other\.json; there are fifth"):
        ds.subset("other")
    with pytest.raises(DatasetError, match="cannot be called"):
        ds.subset("../etc".replace("/", " "))


def test_clips_of_a_file_that_the_dataset_lacks_are_named_or_left_out(published: Path) -> None:
    ds = facevid.open(published)
    path = ds.fraction(0.2).save("fifth")
    file = read_subset(path)
    type(file)("fifth", "elsewhere", {}, (*(file.ids or ()), "gone_1", "gone_2")).write(path, replace=True)
    with pytest.raises(
        DatasetError, match="lacks 2 of the 10 clips of fifth, which was made of elsewhere: gone_1, gone_2"
    ):
        ds.subset("fifth")
    assert ds.subset("fifth", missing="leave").ids.to_pylist() == list(file.ids or ())


def test_what_cannot_be_gone_by_is_said_with_a_hint(published: Path) -> None:
    ds = facevid.open(published)
    for by, said in (
        (["gendre"], "no attribute and no column 'gendre'"),
        (["width / heigth"], "Candidate bindings: .*height"),
        (["attributes"], "no attribute and no column"),
        ("audio", r"by is a list of names; give \['audio'\]"),
    ):
        with pytest.raises(DatasetError, match=said):
            ds.fraction(0.1, by=by)
    with pytest.raises(DatasetError, match="lies from 0 to 1"):
        ds.fraction(10)
    # A dataset that nobody annotated: the attribute is there and of every clip unknown.
    assert len(ds.fraction(0.5, by=["gender"])) == 20


def test_columns_of_the_source_can_be_gone_by(published: Path) -> None:
    ds = facevid.open(published)
    of_source = {row["source_id"]: row["container"] for row in ds.to_arrow("sources").to_pylist()}
    table = looked_at(ds.where("audio"), ["container", "language"])
    containers = [of_source[i.split("_")[0]] for i in table["clip_id"].to_pylist()]
    assert table["by_0"].to_pylist() == containers and table["by_1"].null_count == len(table)


def test_a_dataset_behind_an_address_has_its_saved_subsets_too(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEVID_CACHE", str(tmp_path / "cache"))
    here = facevid.open(published)
    here.fraction(0.2).save("fifth")
    memory = fsspec.filesystem("memory")
    for path in published.rglob("*"):
        if path.is_file():
            memory.pipe_file(f"/subsets-of/{path.relative_to(published).as_posix()}", path.read_bytes())
    ds = facevid.open("memory://subsets-of")
    assert ds.subset("fifth").ids.equals(here.subset("fifth").ids)
    with pytest.raises(DatasetError, match=r"subsets/other\.json is missing"):
        ds.subset("other")
    with pytest.raises(DatasetError, match=r"give a file: half\.json"):
        ds.fraction(0.5).save("half")
    assert len(here.subset(str(ds.fraction(0.5).save(str(tmp_path / "half.json"))))) == 20


def test_balanced_choices_warn_of_thin_cells(published: Path) -> None:
    ds = facevid.open(published)
    with pytest.warns(ThinCells, match="audio false"):
        found = ds.balanced(["audio"], each=30)
    silent = len(ds.where("not audio"))
    assert len(found) == 30 + silent
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(ds.balanced(["audio"])) == 2 * silent


def test_a_saved_name_keeps_its_clips_unless_it_is_to_be_replaced(published: Path) -> None:
    ds = facevid.open(published)
    ds.where("identity = 'p0'").save("some")
    ds.where("identity = 'p0'").save("some")
    with pytest.raises(DatasetError, match="holds other clips already; choose another name"):
        ds.where("identity = 'p1'").save("some")
    assert len(ds.subset("some")) == 20
    facevid.subset(published, "some", where="clip_id <> ''", replace=True)
    assert len(ds.subset("some")) == 40
    with pytest.raises(DatasetError, match="holds other clips already"):
        facevid.split(published, "some", parts=(0.5, 0.5))


def test_going_by_what_nobody_knows_is_said(published: Path) -> None:
    with pytest.warns(NobodyKnows, match="Of none of the 40 clips anybody knows gender"):
        facevid.open(published).fraction(0.5, by=["gender"])
