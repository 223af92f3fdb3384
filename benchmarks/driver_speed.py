"""What the driver alone does with each clip after the workers are done: identify's reading, and pack.

    python benchmarks/driver_speed.py DATASET [--clips 400] [--threads 1 2]

DATASET was built from real footage and still has its work folder. Its cut clips are taken again and again, under new
ids, until there are so many; the files are those of the build, so they come from the page cache. Printed are seconds of
the clock and of the processor a clip, and bytes a second of what is published:

- embeddings: one file a clip read, as before clustering.
- traces: a clip's keypoints read and made ready, as for every clip of a person with several (`find_duplicates`).
- pack: tables, shards and keypoints of the new dataset, with so many threads; the shares of shards and of keypoints are
  sums over the threads. The datasets of all numbers of threads must be the same: exit code 1 where they are not.

`scale_model.py` rests on these figures.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from kill import published

from facevid.curate import duplicates, pack
from facevid.curate.cut import CUT
from facevid.curate.work import Work
from facevid.engine import Ledger


@dataclass(frozen=True)
class Clips:
    """Clips of a build, repeated. folder: one link a clip to its folder. fps, size: of the recipe."""

    tables: pack.WorkTables
    folder: Path
    embeddings: tuple[Path, ...]
    size: int
    seconds: float


def repeated(dataset: Path, count: int, folder: Path) -> Clips:
    """`count` clips made of those of a dataset, in a folder of links."""
    work = Work(dataset)
    stretches = pq.ParquetFile(work.stretches).read().to_pylist()
    with Ledger(work.ledger, read_only=True) as ledger:
        cuts = {o.key: o.value for o in ledger.outcomes(CUT.name, status="ok")}
    real = [row for row in stretches if row["clip_id"] in cuts]
    if not real:
        raise SystemExit(f"{dataset} has no cut clips in its work folder.")
    folder.mkdir()
    rows, results, embeddings = [], {}, []
    for n in range(count):
        row = real[n % len(real)]
        old, new = str(row["clip_id"]), f"{n:06d}_{row['clip_id']}"
        (folder / new).symlink_to((work.clips / old).absolute())
        rows.append({**row, "clip_id": new})
        results[new] = cuts[old]
        embeddings.append(work.embedding(old))
    sources = pq.ParquetFile(work.sources).read()
    tables = pack.WorkTables(
        sources=sources,
        stretches=pa.Table.from_pylist(rows, pq.ParquetFile(work.stretches).schema_arrow),
        rejected=pq.ParquetFile(work.rejected).read().slice(0, 0),
        failed=pa.table({name: pa.array([], pa.string()) for name in ("item", "step", "kind", "message")}),
        identity={row["clip_id"]: f"person_{n % 40:04d}" for n, row in enumerate(rows)},
        cuts=results,
    )
    seconds = sum(row["end_s"] - row["start_s"] for row in rows)
    return Clips(tables, folder, tuple(embeddings), work.recipe(None).cut.size, seconds)


def read_embeddings(clips: Clips) -> None:
    """Every clip's embedding, as identify stacks them."""
    np.stack([np.load(path) for path in clips.embeddings if path.exists()])


def read_traces(clips: Clips) -> None:
    """Every clip's trace."""
    sources: Mapping[str, Any] = {s["source_id"]: s for s in clips.tables.sources.to_pylist()}
    for row in clips.tables.stretches.to_pylist():
        duplicates.read_trace(
            clips.folder / row["clip_id"], size=clips.size, stretch=row, source=sources[row["source_id"]]
        )


class Shares:
    """Seconds spent in functions of `pack`, over all threads."""

    def __init__(self, *names: str) -> None:
        self.seconds = dict.fromkeys(names, 0.0)
        self._lock = threading.Lock()

    def __enter__(self) -> Shares:
        self._plain = {name: getattr(pack, name) for name in self.seconds}
        for name, plain in self._plain.items():
            setattr(pack, name, self._timed(name, plain))
        return self

    def __exit__(self, *_: object) -> None:
        for name, plain in self._plain.items():
            setattr(pack, name, plain)

    def _timed(self, name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            began = time.monotonic()
            try:
                return plain(*arguments, **options)
            finally:
                with self._lock:
                    self.seconds[name] += time.monotonic() - began

        return run


def show(what: str, clips: int, clock: float, processor: float, rest: str = "") -> None:
    print(f"{what:14} {1000 * clock / clips:9.2f} {1000 * processor / clips:12.2f}   {rest}", flush=True)


def measured(work: Callable[[], Any]) -> tuple[float, float]:
    """Seconds of the clock and of the processor."""
    clock, processor = time.monotonic(), time.process_time()
    work()
    return time.monotonic() - clock, time.process_time() - processor


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--clips", type=int, default=400)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="facevid-driver-", dir=given.dataset.parent) as scratch:
        clips = repeated(given.dataset, given.clips, Path(scratch) / "clips")
        print(f"{given.clips} clips, {clips.seconds:.0f} s kept")
        print("                ms a clip  processor ms", flush=True)
        for what, function in (("embeddings", read_embeddings), ("traces", read_traces)):
            show(what, given.clips, *measured(lambda function=function: function(clips)))
        made = [packed(clips, Path(scratch), threads) for threads in given.threads]
    equal = all(one == made[0] for one in made[1:])
    print("all datasets the same" if equal else "DATASETS DIFFER")
    return int(not equal)


def packed(clips: Clips, scratch: Path, threads: int) -> dict[str, bytes]:
    """Publish all clips once; every published file."""
    output = scratch / f"threads_{threads}" / "dataset"
    output.parent.mkdir()

    def work() -> None:
        pack.pack_dataset(
            output,
            tables=clips.tables,
            clip_folder=clips.folder,
            recipe={},
            name="dataset",
            # Shards small enough that there are some, so that threads have what to do.
            shard_bytes=20_000_000,
            threads=threads,
        )

    with Shares("stage_shard", "_stage_keypoints", "publish") as shares:
        clock, processor = measured(work)
    files = published(output)
    count = clips.tables.stretches.num_rows
    size = sum(map(len, files.values()))
    parts = ", ".join(f"{name.strip('_')} {1000 * s / count:.2f}" for name, s in shares.seconds.items())
    show(
        f"pack x {threads}", count, clock, processor,
        f"{size / clock / 1e6:.0f} MB/s, {size / clips.seconds * 3.6e-6:.2f} GB an hour kept; {parts} ms a clip",
    )  # fmt: skip
    return files


if __name__ == "__main__":
    sys.exit(main())
