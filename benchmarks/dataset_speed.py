"""Measures a dataset of 270,043 clips as users meet it: open, a filter, a stratified tenth, a split by person, memory.

The tables are made up: scores, attributes of which a third is unknown, 8,000 people with one to some hundred clips.
Every figure is the median of runs that each have a process of their own, against the limit that it must stay under.

    python benchmarks/dataset_speed.py --clips 270043 --output dataset-speed.json
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from explore_speed import _described, make_dataset

from facevid.dataset.published import Manifest, read_manifest

LIMITS_S = {"open": 0.3, "where": 0.2, "fraction": 1.0, "split": 3.0}
LIMIT_MIB = 1024
WORK = {
    "open": "ds = facevid.open(folder); len(ds); repr(ds)",
    "where": "len(ds.where(\"sharpness > 2 and speech_share > 0.8 and attributes.gender.value = 'female'\"))",
    "fraction": "len(ds.fraction(0.1, seed=1, by=['gender', 'emotion', 'age']))",
    "fraction of hours": "len(ds.fraction(0.1, seed=1, by=['gender', 'emotion', 'age'], of='hours'))",
    "fraction of persons": "len(ds.fraction(0.1, seed=1, by=['gender', 'emotion', 'age'], of='persons'))",
    "balanced": "len(ds.balanced(['gender', 'emotion'], each=500))",
    "split": "[len(p) for p in ds.split([.9, .05, .05], seed=1, by=['gender', 'emotion']).values()]",
}
# Libraries are loaded before the clock starts: Arrow looks for pandas when given an array, SciPy comes with splits.
CHILD = """
import json, re, sys, time, warnings
import facevid.dataset.choosing.splits, facevid.dataset.choosing.named
import numpy, pyarrow
pyarrow.array(numpy.zeros(1))
folder = sys.argv[1]
warnings.simplefilter("ignore")
if sys.argv[2] != "open":
    ds = facevid.open(folder)
wall, cpu = time.perf_counter(), time.process_time()
WORK
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
with open("/proc/self/status") as status:  # not getrusage, whose peak a child inherits
    peak = int(re.search(r"VmHWM:\\s+(\\d+)", status.read())[1]) / 1024
print(json.dumps([wall, cpu, peak]))
"""


def main() -> int:
    """Make the dataset unless it is there, measure, print the figures; exit code 1 where a limit is passed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=270_043)
    parser.add_argument("--runs", type=int, default=5, help="Processes for each figure.")
    parser.add_argument("--dataset", type=Path, help="Where the made-up dataset is or will be.")
    parser.add_argument("--output", type=Path, help="JSON file for the figures.")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.dataset or Path(scratch) / "dataset"
        if not (folder / "dataset.json").is_file():
            make_dataset(folder, args.clips)
            give_people(folder)
        figures = {name: measured(folder, name, args.runs) for name in WORK}
    peak = max(figure["peak_mib"] for figure in figures.values())
    told = {
        "clips": sum(f.rows for f in read_manifest(args.dataset).of("clips")) if args.dataset else args.clips,
        "figures": figures,
        "peak_mib": peak,
        "peak_of_limit": round(peak / LIMIT_MIB, 3),
        "machine": {"cores": os.cpu_count(), "load_1min": round(os.getloadavg()[0], 1)},
    }
    print(json.dumps(told, indent=1))
    if args.output:
        args.output.write_text(json.dumps(told, indent=1) + "\n")
    over = [name for name in LIMITS_S if figures[name]["of_limit"] > 1] + ["peak"] * (peak > LIMIT_MIB)
    if over:
        print(f"Over the limit: {', '.join(over)}.", file=sys.stderr)
    return 1 if over else 0


def measured(folder: Path, name: str, runs: int) -> dict[str, Any]:
    """Medians of fresh processes: seconds as the user waits, seconds of processor, and the peak of memory."""
    code = CHILD.replace("WORK", WORK[name])
    found = [
        json.loads(
            subprocess.run(
                [sys.executable, "-c", code, str(folder), name], check=True, capture_output=True, text=True
            ).stdout
        )
        for _ in range(runs)
    ]
    wall, cpu, peak = (statistics.median(column) for column in zip(*found, strict=True))
    figure = {"wall_s": round(wall, 3), "cpu_s": round(cpu, 3), "peak_mib": round(peak)}
    if name in LIMITS_S:
        figure |= {"limit_s": LIMITS_S[name], "of_limit": round(wall / LIMITS_S[name], 3)}
    return figure


def give_people(folder: Path, people: int = 8000, seed: int = 6) -> None:
    """Sources of one person mostly, some with a guest, some people in many sources, and 1 % of nobody known."""
    rng = np.random.default_rng(seed)
    manifest = read_manifest(folder)
    files = [f for f in manifest.files if not f.path.startswith("clips/")]
    for file in manifest.of("clips"):
        path = folder / file.path
        table = pq.ParquetFile(path).read()
        source = np.asarray(table["source_id"].combine_chunks().dictionary_encode().indices)
        host = (rng.pareto(1.2, source.max() + 1) * people / 20).astype(np.int64) % people
        guest = rng.integers(0, people, source.max() + 1)
        who = np.where((rng.random(len(table)) < 0.3) & (guest % 5 == 0)[source], guest[source], host[source])
        known = rng.random(len(table)) >= 0.01
        names = [f"p{k:06d}" if sure else None for k, sure in zip(who.tolist(), known.tolist(), strict=True)]
        column = pa.array(names, pa.string())
        at = table.column_names.index("identity")
        pq.write_table(table.set_column(at, table.schema.field(at), column), path, compression="zstd")
        files.append(_described(folder, path, file.rows))
    (folder / "dataset.json").write_text(Manifest(manifest.about, tuple(files)).dumps())


if __name__ == "__main__":
    sys.exit(main())
