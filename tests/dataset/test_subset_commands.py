"""`facevid query`, `facevid subset` and `facevid split`: what they print, write and refuse."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import facevid
from facevid.cli.app import main
from facevid.dataset.published import DatasetError, read_manifest


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    code = main([str(a) for a in arguments])
    out = capsys.readouterr()
    return code, out.out, out.err


COUNTS = "select source_name, count(*) as n, list(frames) as frames from clips group by 1 order by 1"


def test_a_query_is_shown_or_written_in_each_format(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = facevid.query(published, COUNTS).to_pylist()
    assert sum(row["n"] for row in rows) == 40 == sum(len(row["frames"]) for row in rows)
    code, out, _ = run(capsys, "query", published, COUNTS)
    assert code == 0 and "source_name" in out and rows[0]["source_name"] in out
    assert json.loads(run(capsys, "query", published, COUNTS, "--json")[1]) == rows
    assert [
        json.loads(line) for line in run(capsys, "query", published, COUNTS, "--jsonl")[1].splitlines()
    ] == rows
    read = list(csv.DictReader(run(capsys, "query", published, COUNTS, "--csv")[1].splitlines()))
    assert [(r["source_name"], int(r["n"]), json.loads(r["frames"])) for r in read] == [
        (r["source_name"], r["n"], r["frames"]) for r in rows
    ]
    for ending in ("parquet", "csv", "json", "jsonl"):
        code, out, err = run(capsys, "query", published, COUNTS, "-o", tmp_path / f"found.{ending}")
        assert (code, out) == (0, "") and f"found.{ending}" in err
    assert pq.read_table(tmp_path / "found.parquet").to_pylist() == rows
    assert json.loads((tmp_path / "found.json").read_text()) == rows
    nothing = "select clip_id from clips where false"
    assert json.loads(run(capsys, "query", published, nothing, "--json")[1]) == []
    assert run(capsys, "query", published, nothing, "--csv")[1] == "clip_id\n"


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("select framse from clips", 'Candidate bindings: "frames"'),
        ("selct 1", "syntax error"),
        ("select 1 from clip", "no table clip; there are sources, clips,"),
        ("select attributes.gender.value from clips", "no attributes yet; `facevid annotate`"),
        ("create table a (b int)", "only reads, and this one is a CREATE"),
        ("copy clips to 'stolen.csv'", "only reads, and this one is a COPY"),
        ("select 1; select 2", "one statement; there are 2"),
        ("", "one statement; there are 0"),
        ("select 'x'::int from clips", "Conversion Error"),
    ],
)
def test_a_query_that_cannot_be_run_is_one_sentence_with_a_hint(
    published: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, sql: str, said: str
) -> None:
    monkeypatch.chdir(published)
    code, _, err = run(capsys, "query", published, sql, "--csv")
    assert code == 2 and said in err and len(err.splitlines()) == 1
    assert not Path("stolen.csv").exists()


def test_a_subset_is_saved_and_told(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(
        capsys, "subset", published, "half", "--fraction", ".5", "--by", "audio,frames > 1", "--json"
    )
    told = json.loads(out)
    ds = facevid.open(published)
    assert code == 0 and told["counts"]["chosen"]["clips"] == 20 == len(ds.subset("half"))
    silent = next(row for row in told["shares"] if row["by"] == "audio" and row["value"] == "false")
    assert silent["all"] == pytest.approx(len(ds.where("not audio")) / 40)
    assert ds.subset("half").ids.equals(ds.fraction(0.5, by=["audio", "frames > 1"]).ids)
    code, out, _ = run(capsys, "subset", published, "even", "--balanced", "--by", "audio", "--each", "30")
    assert code == 0 and "even of small" in out and "fewer than 30 clips: audio false" in out
    assert run(capsys, "subset", published, "none")[0] == 2
    assert run(capsys, "subset", published, "a b", "--fraction", ".5")[0] == 2


def test_choices_are_made_one_after_the_other(published: Path) -> None:
    chosen = facevid.subset(published, "some", where="audio", fraction=0.5, by=["source_name"], seed=4)
    ds = facevid.open(published)
    assert chosen.ids.equals(ds.where("audio").fraction(0.5, 4, by=["source_name"]).ids)
    content = json.loads((published / "subsets" / "some.json").read_text())
    assert content["made"]["how"] == ["where audio", "fraction 0.5 of clips, seed 4, by source_name"]


def test_a_split_can_be_written_into_the_clips_and_changes_nothing_else(
    published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = facevid.open(published).rows()
    others = {f.path: f.sha256 for f in read_manifest(published).files if not f.path.startswith("clips/")}
    code, out, _ = run(
        capsys, "split", published, "people", "--parts", ".5,.5", "--names", "a,b", "--write", "--json"
    )
    assert code == 0
    ds = facevid.open(published)
    rows = ds.rows()
    split = dict(zip(rows["clip_id"].to_pylist(), rows["split"].to_pylist(), strict=True))
    parts = ds.saved_split("people")
    assert split == {i: name for name in ("a", "b") for i in parts[name].ids.to_pylist()}
    assert json.loads(out)["counts"]["a"]["clips"] == len(parts["a"]) == len(ds.where("split = 'a'"))
    assert rows.drop_columns(["split"]).equals(before.drop_columns(["split"]), check_metadata=True)
    assert rows.schema.equals(before.schema, check_metadata=True)
    manifest = read_manifest(published)
    assert {f.path: f.sha256 for f in manifest.files if not f.path.startswith("clips/")} == others
    for file in manifest.of("clips"):
        assert hashlib.sha256((published / file.path).read_bytes()).hexdigest() == file.sha256
    assert (
        facevid.split(published, "people", parts=[0.5, 0.5], names=["a", "b"], write=True).made == parts.made
    )
    assert read_manifest(published) == manifest  # again is the same, byte for byte


def test_wrong_parts_are_refused(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for parts, said in (
        (".9,.2", "add up to 1.1"),
        ("a,b", "no list of shares"),
        (".5,.25,.25", "3 people at least"),
    ):
        code, _, err = run(capsys, "split", published, "x", "--parts", parts)
        assert code == 2 and said in err
    assert not (published / "subsets").exists()
    with pytest.raises(DatasetError, match="different names"):
        facevid.split(published, "x", parts=[0.5, 0.5], names=["a"])
