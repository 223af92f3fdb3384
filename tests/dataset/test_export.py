"""Exports: the receiver's own library opens each form, and finds the same pictures, sound, labels and rights."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import av
import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import webdataset

import facevid.dataset
from facevid.dataset.annotating import update_annotations
from facevid.dataset.published import DatasetError
from facevid.dataset.rights import rights_of, with_rights
from facevid.dataset.sharing.choose import Choice
from facevid.dataset.sharing.exporting import export
from facevid.dataset.sharing.folder import export_files
from facevid.dataset.sharing.parquet import export_huggingface
from facevid.dataset.statements import Statement


@pytest.fixture
def source(published: Path) -> facevid.dataset.Dataset:
    """Forty clips of three sources; two sources state a licence, one of them consent too; some clips have labels."""
    path = published / "sources" / "part-00000.parquet"
    table = pq.read_table(path)
    for name, values in {
        "licence": ["CC BY 4.0", "CC-BY-NC-4.0", None],
        "consent": ["signed form", "No", None],
        "url": ["https://example.org/0", None, None],
    }.items():
        k = table.column_names.index(name)
        table = table.set_column(k, table.schema.field(k), pa.array(values, pa.string()))
    _replace(published, "sources", table)
    ids = facevid.dataset.open(published).ids.to_pylist()
    said = [Statement(i, "attribute", "gender", "female", "annotator", 0.5, who="ann") for i in ids[:5]]
    said += [Statement(ids[0], "attribute", "age", "34.5", "self")]
    said += [Statement(ids[0], "caption", "medium", "A woman, speaking.", "model:m")]
    said += [Statement(ids[0], "action", "talk", "", "measured:mesh", 0.75, 0.0, 0.25)]
    update_annotations(published, add=said)
    return facevid.dataset.open(published)


def _replace(folder: Path, table: str, content: pa.Table) -> None:
    """Change a published table as a later build of the same dataset would."""
    from facevid.dataset.publish import publish
    from facevid.dataset.published import read_manifest
    from facevid.dataset.tables import staging_folder, write_table

    manifest = read_manifest(folder)
    staged = staging_folder(folder, table.encode())
    scores = [n for n in content.column_names if n not in facevid.dataset.published.schema(table).names]
    files = [f for f in manifest.files if f.path.split("/")[0] != table]
    files += write_table(staged, table, content, scores)
    publish(folder, staged=staged, files=files, about=manifest.about, card=None)


def decode(data: bytes) -> np.ndarray[Any, Any]:
    """Pictures of an mp4, by PyAV alone."""
    with av.open(io.BytesIO(data)) as container:
        return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])


def test_webdataset_gives_the_same_clip(source: facevid.dataset.Dataset, tmp_path: Path) -> None:
    told = export(source, tmp_path / "out", format="webdataset", shard_bytes=100_000)
    shards = sorted(str(p) for p in (tmp_path / "out").glob("clips-*.tar"))
    assert len(shards) > 1 and told["clips"] == 40
    samples = list(webdataset.WebDataset(shards, shardshuffle=False).decode())
    assert [s["__key__"] for s in samples] == source.ids.to_pylist()
    raw = next(iter(webdataset.WebDataset(shards[0], shardshuffle=False)))
    assert np.array_equal(decode(raw["mp4"]), source[0].frames())
    first = samples[0]["json"]
    assert samples[0]["txt"] == "A woman, speaking." and first["caption"] == "A woman, speaking."
    assert (first["gender"], first["gender_confidence"], first["gender_by"]) == ("female", 0.5, "annotator")
    assert first["age"] == 34.5, "an attribute that is a number is one"
    assert first["actions"] == [
        {"name": "talk", "start_s": 0.0, "end_s": 0.25, "confidence": 0.75, "by": "measured:mesh"}
    ]
    assert (first["licence"], first["consent"], first["url"]) == (
        "CC BY 4.0",
        "signed form",
        "https://example.org/0",
    )
    assert {k for s in samples for k in s if not k.startswith("__")} == {"mp4", "flac", "json", "txt"}


def test_the_datasets_library_gives_video_and_audio_features_and_splits(
    source: facevid.dataset.Dataset, published: Path, tmp_path: Path
) -> None:
    rows = source.rows()
    names = ["train" if k % 4 else "test" for k in range(40)]
    rows = rows.set_column(
        rows.column_names.index("split"), rows.schema.field("split"), pa.array(names, pa.string())
    )
    _replace(published, "clips", rows)
    source = facevid.dataset.open(published)
    export_huggingface(Choice(source), tmp_path / "out", file_bytes=100_000)
    assert len(list((tmp_path / "out" / "data").glob("train-*-of-*.parquet"))) > 1
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {name: part.num_rows for name, part in loaded.items()} == {"train": 30, "test": 10}
    part = loaded["test"]
    assert isinstance(part.features["video"], datasets.Video)
    assert isinstance(part.features["speech"], datasets.Audio)
    part = part.cast_column("video", datasets.Video(decode=False)).cast_column(
        "speech", datasets.Audio(decode=False)
    )
    row = part[0]
    clip = source[row["clip_id"]]
    assert np.array_equal(decode(row["video"]["bytes"]), clip.frames())
    assert row["speech"]["bytes"] == clip.read("flac")
    assert row["gender"] == "female" and row["actions"][0]["name"] == "talk"
    silent = (
        loaded["train"]
        .cast_column("speech", datasets.Audio(decode=False))
        .filter(lambda audio: not audio, input_columns=["audio"])
    )
    assert silent["speech"][:] == [None]


def test_a_folder_has_loose_files_in_folders_of_bounded_size(
    source: facevid.dataset.Dataset, tmp_path: Path
) -> None:
    export_files(Choice(source), tmp_path / "out", clips_a_folder=15)
    out = tmp_path / "out"
    assert sorted(p.name for p in (out / "clips").iterdir()) == ["00000", "00001", "00002"]
    assert max(len(list(p.iterdir())) for p in (out / "clips").iterdir()) <= 15 * 4
    rows = [json.loads(line) for line in (out / "clips.jsonl").read_text().splitlines()]
    assert [r["clip_id"] for r in rows] == source.ids.to_pylist()
    stem = out / rows[0]["folder"] / rows[0]["clip_id"]
    assert np.array_equal(decode(stem.with_suffix(".mp4").read_bytes()), source[0].frames())
    with av.open(str(stem.with_suffix(".flac"))) as sound:
        heard = np.concatenate([f.to_ndarray()[0] for f in sound.decode(audio=0)])
    assert np.allclose(heard / 32768, source[0].speech(), atol=1e-4)
    assert stem.with_suffix(".txt").read_text() == "A woman, speaking.\n"
    assert json.loads(stem.with_suffix(".json").read_text()) == {
        k: v for k, v in rows[0].items() if k != "folder"
    }


def test_csv_and_jsonl_say_the_same_of_every_clip(source: facevid.dataset.Dataset, tmp_path: Path) -> None:
    export(source, tmp_path / "clips.csv", format="csv")
    export(source, tmp_path / "clips.jsonl", format="jsonl")
    with (tmp_path / "clips.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    lines = [json.loads(line) for line in (tmp_path / "clips.jsonl").read_text().splitlines()]
    assert len(table) == len(lines) == 40
    for cells, row in zip(table, lines, strict=True):
        assert list(cells) == list(row)
        assert cells["clip_id"] == row["clip_id"]
        assert float(cells["sharpness"]) == row["sharpness"] and cells["yaw"] == "" and row["yaw"] is None
        assert cells["gender"] == (row["gender"] or "")
    assert json.loads(table[0]["actions"]) == lines[0]["actions"]


def test_what_a_clip_states_itself_goes_before_what_its_source_states(
    published: Path, source: facevid.dataset.Dataset, tmp_path: Path
) -> None:
    clips = source.to_arrow("clips")
    for name, said in {"licence": {0: "CC0", 1: "MIT"}, "consent": {0: "yes", 1: "withdrawn"}}.items():
        k = clips.column_names.index(name)
        values = pa.array([said.get(n) for n in range(len(clips))], pa.string())
        clips = clips.set_column(k, clips.schema.field(k), values)
    _replace(published, "clips", clips)
    changed = facevid.dataset.open(published)
    own, others = changed.ids.to_pylist()[:2], rights_of(source)["consent"].to_pylist()[2:]
    assert rights_of(changed)["licence"].to_pylist()[:2] == ["CC0", "MIT"]
    assert rights_of(changed)["consent"].to_pylist() == ["yes", "withdrawn", *others]
    assert with_rights(changed, licences=["CC0", "MIT"]).ids.to_pylist() == own
    assert with_rights(changed, require_consent=True, licences=["CC0", "MIT"]).ids.to_pylist() == own[:1]
    told = export(changed, tmp_path / "own.jsonl", format="jsonl", licence=["CC0"])
    assert (told["clips"], told["licences_of_sources"]) == (1, {"CC0": 1})


def test_rights_travel_and_filters_leave_out_what_does_not_state_them(
    source: facevid.dataset.Dataset, tmp_path: Path
) -> None:
    told = export(source, tmp_path / "a.jsonl", format="jsonl", require_consent=True)
    assert (told["clips"], told["left_out"]) == (14, 26)
    assert told["consent_of_sources"] == {"signed form": 14}
    told = export(source, tmp_path / "b", format="folder", licence=["cc-by-4.0", "CC_BY-NC*"])
    assert told["licences_of_sources"] == {"CC BY 4.0": 14, "CC-BY-NC-4.0": 13}
    kept = json.loads((tmp_path / "b" / "export.json").read_text())
    card = (tmp_path / "b" / "README.md").read_text()
    assert card.startswith("---\nlicense:") and "clips.jsonl" in card and "facevid.open" not in card
    assert kept["licences_of_sources"] == told["licences_of_sources"]
    with (tmp_path / "b" / "sources.csv").open(newline="") as file:
        assert [(r["source_name"], r["consent"]) for r in csv.DictReader(file)] == [
            ("talk_0.mp4", "signed form"),
            ("talk_1.mp4", "No"),
        ]
    export(source, tmp_path / "c", licence=["CC-BY-4.0"])
    own = facevid.dataset.open(tmp_path / "c")
    assert set(own.rows(["licence", "consent"])["consent"].to_pylist()) == {"signed form"}
    with pytest.raises(
        DatasetError, match=r"No clip of the 40 .* is left \(licence MIT\); nothing was written"
    ):
        export(source, tmp_path / "d", licence=["MIT"])
    assert not (tmp_path / "d").exists()


def test_no_form_carries_face_embeddings(
    source: facevid.dataset.Dataset, published: Path, tmp_path: Path
) -> None:
    rows = source.rows()
    secret = pa.array([[0.123456789] * 128] * 40, pa.list_(pa.float64()))
    table = rows.append_column("embedding", secret)
    pq.write_table(table, published / "clips" / "part-00000.parquet")
    manifest = json.loads((published / "dataset.json").read_text())
    entry = manifest["tables"]["clips"][0]
    entry["bytes"] = (published / "clips" / "part-00000.parquet").stat().st_size
    (published / "dataset.json").write_text(json.dumps(manifest))
    source = facevid.dataset.open(published)
    assert "embedding" in source.columns
    for form in ("facevid", "folder", "webdataset", "huggingface"):
        export(source, tmp_path / form, format=form)
    export(source, tmp_path / "t.csv", format="csv")
    export(source, tmp_path / "t.jsonl", format="jsonl")
    for path in tmp_path.rglob("*"):
        if path.is_file() and published not in path.parents:
            assert b"embedding" not in path.read_bytes(), path


@pytest.mark.parametrize("form", ["folder", "webdataset", "huggingface"])
def test_an_export_that_stopped_goes_on_where_it_was(
    source: facevid.dataset.Dataset, tmp_path: Path, form: Any
) -> None:
    class StopError(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done > total // 2:
            raise StopError

    out, fresh = tmp_path / "out", tmp_path / "fresh"
    with pytest.raises(StopError):
        export(source, out, format=form, shard_bytes=100_000, on_progress=stop)
    assert not (out / "export.json").exists()
    there = {p: p.stat().st_ino for p in out.rglob("*") if p.is_file() and ".export" not in p.parts}
    assert there
    with pytest.raises(DatasetError, match="holds another export"):
        export(source, out, format=form, where="audio")
    export(source, out, format=form, shard_bytes=100_000)
    assert all(p.stat().st_ino == inode for p, inode in there.items())
    export(source, fresh, format=form, shard_bytes=100_000)
    names = {p.relative_to(fresh): p.read_bytes() for p in fresh.rglob("*") if p.is_file()}
    assert {p.relative_to(out): p.read_bytes() for p in out.rglob("*") if p.is_file()} == names


def test_subsets_and_splits_choose_and_travel_cut_to_the_clips(
    source: facevid.dataset.Dataset, published: Path, tmp_path: Path
) -> None:
    from facevid.dataset.choosing.subset_file import SubsetFile, read_subset

    ids = source.ids.to_pylist()
    parts = {"train": tuple(ids[:6]), "test": tuple(ids[6:9])}
    SubsetFile("mine", "small", parts=parts).write(published / "subsets" / "mine.json")
    SubsetFile("others", "small", ids=tuple(ids[20:])).write(published / "subsets" / "others.json")
    assert export(source, tmp_path / "a", subset="mine", split="test")["clips"] == 3
    export(
        source,
        tmp_path / "b",
        subset=str(published / "subsets" / "mine.json"),
        where=f"clip_id <= '{ids[6]}'",
    )
    own = facevid.dataset.open(tmp_path / "b")
    assert own.rows(["split"])["split"].to_pylist() == ["train"] * 6 + ["test"]
    export(source, tmp_path / "hub", subset="mine", format="huggingface")
    loaded = datasets.load_dataset(str(tmp_path / "hub"), cache_dir=str(tmp_path / "cache"))
    assert {name: part.num_rows for name, part in loaded.items()} == {"train": 6, "test": 3}
    kept = read_subset(tmp_path / "a" / "subsets" / "mine.json")
    assert kept.parts == {"train": (), "test": parts["test"]}
    assert not (tmp_path / "a" / "subsets" / "others.json").exists()
    with pytest.raises(DatasetError, match="has no part 'dev'; there are train, test"):
        export(source, tmp_path / "c", subset="mine", split="dev")
    with pytest.raises(DatasetError, match="has no clips of the split 'train'"):
        export(source, tmp_path / "c", split="train")
