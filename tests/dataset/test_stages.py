"""A staged release: what is out after each stage is a stratified sample, and later stages only add shards."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

import facevid.dataset
from facevid.dataset.annotating import update_annotations
from facevid.dataset.publish import publish
from facevid.dataset.published import DatasetError
from facevid.dataset.removing import tombstones
from facevid.dataset.sharing.choose import Choice
from facevid.dataset.sharing.stages import release, write_staged
from facevid.dataset.statements import Statement
from facevid.dataset.tables import staging_folder, write_table


@pytest.fixture
def source(published: Path) -> facevid.dataset.Dataset:
    """Forty clips: ten women, thirty men."""
    ids = facevid.dataset.open(published).ids.to_pylist()
    said = [
        Statement(i, "attribute", "gender", "male" if k % 4 else "female", "annotator", who="ann")
        for k, i in enumerate(ids)
    ]
    update_annotations(published, add=said)
    return facevid.dataset.open(published)


def genders(ds: facevid.dataset.Dataset) -> Counter[str]:
    return Counter(clip.attributes["gender"]["value"] for clip in ds)


def test_what_is_out_after_a_stage_is_the_stratified_fraction_of_that_size(
    source: facevid.dataset.Dataset, tmp_path: Path
) -> None:
    write_staged(
        Choice(source), tmp_path / "all", stages=[10, 40, 50], by=["gender"], seed=3, shard_bytes=60_000
    )
    prepared = facevid.dataset.open(tmp_path / "all")
    plan = prepared.manifest.about["stages"]
    assert [(s["percent"], s["clips"]) for s in plan["stages"]] == [(10, 4), (40, 16), (50, 20), (100, 40)]
    names = [name for s in plan["stages"] for name in s["shards"]]
    assert names == [p.name for p in prepared.shards()] and len(names) > 4
    before: set[str] = set()
    for number, (share, women) in enumerate([(0.1, 1), (0.4, 4), (0.5, 5), (1.0, 10)], 1):
        release(prepared, tmp_path / "out", number)
        out = facevid.dataset.open(tmp_path / "out")
        ids = set(out.ids.to_pylist())
        assert ids == set(source.fraction(share, 3, by=["gender"]).ids.to_pylist())
        assert before < ids
        assert genders(out) == {"female": women, "male": 3 * women}
        before = ids


def test_a_release_holds_only_its_shards_and_leaves_earlier_ones_as_they_are(
    source: facevid.dataset.Dataset, tmp_path: Path
) -> None:
    write_staged(Choice(source), tmp_path / "all", stages=[25, 75], by=["gender"], shard_bytes=60_000)
    prepared = facevid.dataset.open(tmp_path / "all")
    stages = prepared.manifest.about["stages"]["stages"]
    release(prepared, tmp_path / "out", 1)
    out = facevid.dataset.open(tmp_path / "out")
    assert [p.name for p in out.shards()] == stages[0]["shards"]
    assert out.manifest.about["released"] == {
        "stage": 1, "of": 3, "percent": 25.0, "by": ["gender"], "seed": 0,
    }  # fmt: skip
    held_back = set(prepared.ids.to_pylist()) - set(out.ids.to_pylist())
    everything = b"".join(p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file())
    assert not [i for i in held_back if i.encode() in everything]
    first = {p.name: (p.stat().st_ino, p.read_bytes()) for p in out.shards()}
    release(prepared, tmp_path / "out", 2)
    later = {p.name: p for p in facevid.dataset.open(tmp_path / "out").shards()}
    assert {n: (later[n].stat().st_ino, later[n].read_bytes()) for n in first} == first
    assert facevid.dataset.open(tmp_path / "out").manifest.about["counts"]["clips"] == 30
    with pytest.raises(
        DatasetError, match="holds stage 2 already, and a release cannot be taken back to stage 1"
    ):
        release(prepared, tmp_path / "out", 1)
    assert len(facevid.dataset.open(tmp_path / "out")) == 30


def test_stages_that_do_not_rise_or_add_nothing_are_refused(
    source: facevid.dataset.Dataset, tmp_path: Path
) -> None:
    for stages in ([], [40, 10], [0, 10], [10, 120]):
        with pytest.raises(DatasetError, match="Stages cannot end at"):
            write_staged(Choice(source), tmp_path / "out", stages=stages)
    with pytest.raises(DatasetError, match=r"stage that ends at 11 % would add no clip: there are 40"):
        write_staged(Choice(source), tmp_path / "out", stages=[10, 11])
    with pytest.raises(DatasetError, match="has no stages"):
        release(source, tmp_path / "out", 1)
    write_staged(Choice(source), tmp_path / "all", stages=[50])
    with pytest.raises(DatasetError, match="has stages 1 to 2, and no stage 3"):
        release(facevid.dataset.open(tmp_path / "all"), tmp_path / "out", 3)


def test_what_was_taken_down_from_a_release_stays_out_of_the_next_stage(
    source: facevid.dataset.Dataset, tmp_path: Path
) -> None:
    write_staged(Choice(source), tmp_path / "all", stages=[25, 75], shard_bytes=60_000)
    prepared = facevid.dataset.open(tmp_path / "all")
    release(prepared, tmp_path / "out", 1)
    sources = prepared.to_arrow("sources")
    sources = sources.set_column(
        sources.column_names.index("sha256"), "sha256", pa.array([c * 64 for c in "abc"], pa.string())
    )
    staged = staging_folder(tmp_path / "all", b"sources")
    files = [f for f in prepared.manifest.files if not f.path.startswith("sources/")]
    files += write_table(staged, "sources", sources)
    publish(tmp_path / "all", staged=staged, files=files, about=prepared.manifest.about, card=None)
    tombstones.add(tmp_path / "out", sources=[tombstones.source_mark("a" * 64)])
    release(tmp_path / "all", tmp_path / "out", 2)
    out = facevid.dataset.open(tmp_path / "out")
    gone = sources["source_id"][0].as_py()
    assert gone not in out.rows(["source_id"])["source_id"].to_pylist() and 10 < len(out) < 30
    assert tombstones.read(tmp_path / "out").has_source("a" * 64)
