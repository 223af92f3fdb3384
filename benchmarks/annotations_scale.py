"""Seconds and peak memory of publishing statements: 30 of each of 270,043 clips, and labels made of them.

    python benchmarks/annotations_scale.py [--clips 270043] [--keep FOLDER]

The statements are made up: what is measured, what models and people say, captions, with details as long as measured
ones. `labels` is `with_labels` over whole tables in memory, `first` is `update_annotations` with a stream of all
statements, as `annotate` gives them, `more` adds those of 2,000 clips by one more model. Each runs in a process of its
own, whose peak resident set is given. Exit code 1 where one takes more than 5 minutes of processor time (the clock
counts others' work too) or 4 GiB. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import facevid.dataset
from facevid.dataset.annotating import update_annotations
from facevid.dataset.published import MEDIA, TABLES, Manifest, schema
from facevid.dataset.statements import CAPTION_LENGTHS, with_labels
from facevid.dataset.tables import described, write_table
from facevid.dataset.vocabulary import ACTIONS, ATTRIBUTES
from facevid.recipe import SCORES

CLIPS = 270_043
LIMIT_S, LIMIT_GIB = 300.0, 4.0
SEED = 7
MORE = 2_000
_CHUNK = 20_000
_ACTIONS = 6
_STEPS = ("labels", "first", "more")
_SENTENCE = (
    "A person with dark hair looks at the camera and talks in front of a plain wall, then smiles and nods. "
)


def main() -> int:
    """Make the dataset unless it is there, run each step in a process, print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=CLIPS)
    parser.add_argument("--keep", type=Path, help="Where the made-up tables are or will be.")
    parser.add_argument("--step", choices=_STEPS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        print(json.dumps(run(args.step, args.keep)))
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.keep or Path(scratch)
        if not (folder / "statements.parquet").exists():
            make(folder, args.clips)
        shutil.rmtree(folder / "dataset", ignore_errors=True)
        shutil.copytree(folder / "bare", folder / "dataset")
        figures = []
        for step in _STEPS:
            command = [sys.executable, __file__, "--step", step, "--keep", str(folder)]
            figures.append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
            print(figures[-1], flush=True)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    return int(any(f["cpu_s"] > LIMIT_S or f["peak_gib"] > LIMIT_GIB for f in figures))


def run(step: str, folder: Path) -> dict[str, Any]:
    """One step: its seconds, reading its input included, and the peak resident set of this process."""
    began, cpu = time.perf_counter(), time.process_time()
    dataset = folder / "dataset"
    if step == "labels":
        ds = facevid.dataset.open(dataset)
        rows = with_labels(ds.to_arrow("clips"), pq.read_table(folder / "statements.parquet")).num_rows
    elif step == "first":
        file = pq.ParquetFile(folder / "statements.parquet")
        stream = pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches())
        rows = update_annotations(dataset, add=stream).statements
    else:
        rows = update_annotations(dataset, add=_more(dataset)).statements
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {
        "step": step,
        "rows": rows,
        "seconds": round(time.perf_counter() - began, 1),
        "cpu_s": round(time.process_time() - cpu, 1),
        "peak_gib": round(peak, 2),
    }


def make(folder: Path, clips: int) -> None:
    """A dataset without media and its statements, in the order in which `annotate` gives them."""
    rng = np.random.default_rng(SEED)
    bare = folder / "bare"
    for name in (*TABLES, MEDIA):
        (bare / name).mkdir(parents=True)
    shard = bare / MEDIA / "shard-00000.tar"
    shard.write_bytes(bytes(10_240))
    ids = np.array([f"{k // 10:016x}_{k % 10 * 400:06d}_{k % 10 * 400 + 240:06d}_0" for k in range(clips)])
    files = [described(bare, f"{MEDIA}/{shard.name}", clips)]
    for table in TABLES:
        content = _clips(rng, ids) if table == "clips" else schema(table).empty_table()
        scores = sorted(SCORES) if table in ("clips", "rejected") else ()
        files += write_table(bare, table, content, scores)
    manifest = Manifest({"name": "made up", "licence": None, "recipe": {}, "counts": {}}, tuple(files))
    (bare / "dataset.json").write_text(manifest.dumps())
    with pq.ParquetWriter(folder / "statements.parquet", schema("annotations"), compression="zstd") as out:
        for start in range(0, clips, _CHUNK):
            chunk = pa.concat_tables(_statements(rng, ids[start : start + _CHUNK]))
            out.write_table(chunk.sort_by([(name, "ascending") for name in chunk.column_names]))


def _clips(rng: np.random.Generator, ids: np.ndarray[Any, Any]) -> pa.Table:
    count = len(ids)
    columns: dict[str, Any] = {"clip_id": ids, "source_id": [i[:16] for i in ids.tolist()]}
    columns |= {
        "fps": np.full(count, 25.0),
        "frames": np.full(count, 240, np.int32),
        "audio": np.ones(count, bool),
    }
    columns |= {name: rng.random(count, np.float32) for name in SCORES}
    columns |= {f"{m}_sha256": [f"{k:064x}" for k in range(count)] for m in ("mp4", "flac", "json")}
    return pa.table(columns)


def _statements(rng: np.random.Generator, ids: np.ndarray[Any, Any]) -> Iterator[pa.Table]:
    """30 of each clip: 17 measured attributes, 6 actions, 3 captions, what two models and one person say."""
    for name in list(ATTRIBUTES)[:17]:
        yield _column(rng, ids, "attribute", name, _values(rng, name, len(ids)), "measured:mesh")
    for k in range(_ACTIONS):
        acts = rng.choice(np.array(list(ACTIONS)), len(ids))
        yield _column(rng, ids, "action", acts, "", "measured:mesh", start=rng.uniform(k, k + 0.5, len(ids)))
    for k, length in enumerate(CAPTION_LENGTHS):
        yield _column(rng, ids, "caption", length, _SENTENCE * (k + 1), "measured:grammar")
    yield _column(rng, ids, "transcript", "en", _SENTENCE, "model:faster-whisper")
    for by in ("model:uniface/made-up", "annotator"):
        yield _column(rng, ids, "attribute", "gender", _values(rng, "gender", len(ids)), by)
    yield _column(rng, ids, "review", "keep", "keep", "annotator")


def _more(folder: Path) -> pa.Table:
    ids = np.array(facevid.dataset.open(folder).to_arrow("clips")["clip_id"].slice(0, MORE).to_pylist())
    rng = np.random.default_rng(SEED)
    return _column(rng, ids, "attribute", "age", _values(rng, "age", len(ids)), "model:another")


def _column(
    rng: np.random.Generator,
    ids: np.ndarray[Any, Any],
    kind: str,
    name: Any,
    value: Any,
    by: str,
    *,
    start: np.ndarray[Any, Any] | None = None,
) -> pa.Table:
    """One statement of each clip; its detail is as long as that of a measure."""
    count = len(ids)
    detail = [
        f'{{"frames": {a}, "mean": {b / 1e4}, "share": {c / 1e4}, "threshold": 0.35}}'
        for a, b, c in rng.integers(1, 10_000, (count, 3)).tolist()
    ]
    columns = {
        "clip_id": ids,
        "kind": np.full(count, kind),
        "name": name if isinstance(name, np.ndarray) else np.full(count, name),
        "value": value if isinstance(value, np.ndarray) else np.full(count, value),
        "start_s": start if start is not None else pa.nulls(count, pa.float64()),
        "end_s": start + 0.4 if start is not None else pa.nulls(count, pa.float64()),
        "confidence": rng.random(count, np.float32),
        "by": np.full(count, by),
        "who": np.full(count, "ana") if by == "annotator" else pa.nulls(count, pa.string()),
        "detail": detail,
    }
    return (
        pa.table(columns)
        .cast(pa.schema([f.remove_metadata() for f in schema("annotations")]))
        .cast(schema("annotations"))
    )


def _values(rng: np.random.Generator, name: str, count: int) -> np.ndarray[Any, Any]:
    attribute = ATTRIBUTES[name]
    if attribute.kind == "number":
        low, high = int(attribute.low or 0), int(attribute.high or 100)
        return rng.integers(low, high + 1, count).astype(str)
    return rng.choice(np.array(attribute.choices), count)


if __name__ == "__main__":
    sys.exit(main())
