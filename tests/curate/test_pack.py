"""What a published dataset holds, that other tools read it, and that equal input gives equal bytes."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import webdataset
from packing import FRAMES, SIDE, clip_name, work

import facevid.dataset
from facevid.curate.pack import pack_dataset
from facevid.dataset.published import DatasetError

COUNT = 7


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    work(folder, COUNT, silent=(2,))
    return folder


def pack(output: Path, clip_folder: Path, count: int = COUNT, **change: Any) -> None:
    tables = replace(work(clip_folder, count), **change.pop("tables", {}))
    options = {"recipe": {"fps": 25.0}, "name": "small", "licence": "CC", "shard_bytes": 40_000} | change
    pack_dataset(output, tables=tables, clip_folder=clip_folder, **options)


def contents(output: Path) -> dict[str, str]:
    return {
        str(p.relative_to(output)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(output.rglob("*"))
        if p.is_file() and ".work" not in p.parts
    }


def test_every_member_lies_where_the_clips_table_says(tmp_path: Path, clip_folder: Path) -> None:
    pack(tmp_path, clip_folder)
    rows = pq.read_table(tmp_path / "clips").to_pylist()
    assert [r["clip_id"] for r in rows] == sorted(clip_name(k) for k in range(COUNT))
    assert len({r["shard"] for r in rows}) > 1
    for row in rows:
        shard = (tmp_path / "media" / row["shard"]).read_bytes()
        for kind, file in (("mp4", "clip.mp4"), ("flac", "speech.flac")):
            if row[f"{kind}_offset"] is None:
                assert kind == "flac" and not row["audio"]
                continue
            data = shard[row[f"{kind}_offset"] :][: row[f"{kind}_size"]]
            assert data == (clip_folder / row["clip_id"] / file).read_bytes()
            assert row[f"{kind}_sha256"] == hashlib.sha256(data).hexdigest()
        told = json.loads(shard[row["json_offset"] :][: row["json_size"]])
        assert told["clip_id"] == row["clip_id"] and told["identity"] == row["identity"]
        assert told["yaw"] is None and row["yaw"] is None
        assert told["sharpness"] == pytest.approx(row["sharpness"])


def test_webdataset_reads_the_shards_in_order_of_clip_id(tmp_path: Path, clip_folder: Path) -> None:
    pack(tmp_path, clip_folder)
    shards = sorted(str(p) for p in (tmp_path / "media").glob("shard-*.tar"))
    samples = list(webdataset.WebDataset(shards, shardshuffle=False))
    assert [s["__key__"] for s in samples] == sorted(clip_name(k) for k in range(COUNT))
    for sample in samples:
        sound = set() if sample["__key__"] == clip_name(2) else {"flac"}
        assert {k for k in sample if not k.startswith("__")} == {"mp4", "json"} | sound
        assert json.load(io.BytesIO(sample["json"]))["clip_id"] == sample["__key__"]


def test_duckdb_and_pandas_read_every_table(tmp_path: Path, clip_folder: Path) -> None:
    pack(tmp_path, clip_folder)
    rows = {"sources": 3, "clips": COUNT, "rejected": 1, "failed": 1, "keypoints": COUNT}
    for table, count in rows.items():
        found = duckdb.sql(f"select count(*) from read_parquet('{tmp_path}/{table}/*.parquet')").fetchall()
        assert found == [(count,)]
        assert len(pd.read_parquet(tmp_path / table)) == count
    first = duckdb.sql(f"select mesh[1:3] from read_parquet('{tmp_path}/keypoints/*.parquet')").fetchall()
    assert all(len(m) == 3 for (m,) in first)


def test_the_source_path_of_this_machine_is_not_published(tmp_path: Path, clip_folder: Path) -> None:
    pack(tmp_path, clip_folder)
    assert "path" not in pq.read_schema(tmp_path / "sources" / "part-00000.parquet").names


def test_every_column_carries_its_description(tmp_path: Path, clip_folder: Path) -> None:
    pack(tmp_path, clip_folder)
    for table in ("sources", "clips", "rejected", "failed", "keypoints"):
        for field in pq.read_schema(next((tmp_path / table).glob("*.parquet"))):
            assert field.metadata[b"description"]


def test_equal_input_gives_equal_bytes(tmp_path: Path, clip_folder: Path) -> None:
    pack(tmp_path / "a", clip_folder)
    tables = work(clip_folder, COUNT)
    turned = {"stretches": tables.stretches.take(list(reversed(range(COUNT))))}
    pack(tmp_path / "b", clip_folder, tables=turned)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_packing_again_writes_no_shard(tmp_path: Path, clip_folder: Path) -> None:
    pack(tmp_path, clip_folder)
    before = {p: p.stat().st_ino for p in (tmp_path / "media").iterdir()}
    pack(tmp_path, clip_folder)
    assert {p: p.stat().st_ino for p in (tmp_path / "media").iterdir()} == before


def test_a_shard_that_lost_its_end_is_written_again(tmp_path: Path, clip_folder: Path) -> None:
    pack(tmp_path, clip_folder)
    before = contents(tmp_path)
    shard = tmp_path / "media" / "shard-00001.tar"
    shard.write_bytes(shard.read_bytes()[:-512])
    pack(tmp_path, clip_folder)
    assert contents(tmp_path) == before


def test_a_changed_dataset_equals_one_packed_afresh(tmp_path: Path, clip_folder: Path) -> None:
    pack(tmp_path / "fresh", clip_folder, count=5)
    for count in (COUNT, 3, 5):
        pack(tmp_path / "changed", clip_folder, count=count)
    assert contents(tmp_path / "changed") == contents(tmp_path / "fresh")
    assert not list((tmp_path / "changed" / ".work").iterdir())


def test_nothing_kept_still_gives_every_table_with_its_schema(tmp_path: Path, clip_folder: Path) -> None:
    pack(tmp_path / "none", clip_folder, tables={"cuts": {}})
    pack(tmp_path / "some", clip_folder)
    for table in ("sources", "clips", "rejected", "failed", "keypoints"):
        empty, full = (pq.read_schema(tmp_path / d / table / "part-00000.parquet") for d in ("none", "some"))
        assert empty.equals(full, check_metadata=True)
    dataset = facevid.dataset.open(tmp_path / "none")
    assert len(dataset) == 0 and dataset.to_arrow("keypoints").num_rows == 0


def test_a_folder_with_other_things_in_it_is_refused(tmp_path: Path, clip_folder: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(DatasetError, match=r"not empty and not a facevid dataset \(it holds holiday.jpg\)"):
        pack(tmp_path, clip_folder)
    assert contents(tmp_path).keys() == {"holiday.jpg"}


def test_another_format_version_is_refused(tmp_path: Path, clip_folder: Path) -> None:
    (tmp_path / "dataset.json").write_text('{"format": "facevid", "format_version": 99}')
    with pytest.raises(DatasetError, match="format version 99"):
        pack(tmp_path, clip_folder)


def test_a_clip_that_changed_after_it_was_cut_is_named(tmp_path: Path) -> None:
    work(tmp_path / "clips", 2)
    damaged = tmp_path / "clips" / clip_name(1) / "clip.mp4"
    tables = work(tmp_path / "clips", 2)
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"!")
    with pytest.raises(DatasetError, match=f"{clip_name(1)}/clip.mp4 has changed since it was cut"):
        pack_dataset(tmp_path / "out", tables=tables, clip_folder=tmp_path / "clips", recipe={}, name="x")
    assert not (tmp_path / "out" / "dataset.json").exists()


def test_clips_come_back_from_the_shards(tmp_path: Path, clip_folder: Path) -> None:
    pack(tmp_path, clip_folder)
    clip = facevid.dataset.open(tmp_path)[clip_name(1)]
    assert clip.frames().shape == (FRAMES, SIDE, SIDE, 3)
    with np.load(clip_folder / clip_name(1) / "keypoints.npz") as stored:
        assert (clip.mesh == stored["mesh"]).all() and (clip.pose == stored["pose"]).all()
