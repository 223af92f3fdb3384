"""Time and peak memory of a report over groups.

    python benchmarks/bench_groups.py [--n 2000] [--people 400] [--metrics 50]

15 sets of attributes: five attributes of people with 2 to 8 values, one of light that changes from video to video, and
crossings of two or three of them. A fifth of the metrics differs between women and men, so that Holm over all results
calls for more deals. Four tables, each in its own process: every video has every metric; every metric is missing in
other videos, so that nothing is shared between them (the worst case); each video shows a person of its own; and all
attributes but light are those of people, with a label wrong in 3 % of the videos, so that labels change from video to
video. Peak is what the process holds at most above what it held before (Linux). Exit code 1 where the first takes more
than a minute of processor.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa

from facevid.bench.groups import report_groups
from facevid.bench.measures.metric import Metric

SECONDS_LIMIT = 60.0
CASES = ("full", "missing", "own person", "wrong labels")
VALUES = {"gender": 2, "age": 5, "ethnicity": 6, "skin_tone": 3, "hair": 8}


def main() -> int:
    """Print one line for each table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--people", type=int, default=400)
    parser.add_argument("--metrics", type=int, default=50)
    parser.add_argument("--case", choices=CASES, help="this table only, in this process")
    given = parser.parse_args()
    if given.case:
        return int(measured(given.n, given.people, given.metrics, given.case) > SECONDS_LIMIT)
    codes = [
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--case", case]).returncode for case in CASES
    ]
    return codes[0]


def measured(n: int, people: int, metrics: int, case: str) -> float:
    """Seconds of processor of a report over one table."""
    table, asked = videos(n, people, metrics, case), attribute_sets()
    named = [Metric(f"m{i}", f"m{i}", "", "higher", ".") for i in range(metrics)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began, used = time.perf_counter(), time.process_time()
    found = report_groups(table, attributes=asked, metrics=named, real_means={})
    seconds, processor = time.perf_counter() - began, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before
    told = sum(one.p_adjusted is not None and one.p_adjusted < 0.05 for one in found)
    shown = n if case == "own person" else people
    print(
        f"{case:12} {n} videos of {shown} people, {metrics} metrics x {len(asked)} sets: {seconds:6.1f} s, "
        f"{processor:6.1f} s of processor, peak + {peak:.0f} MiB; {len(found)} results, {told} below .05",
        flush=True,
    )
    return processor


def attribute_sets() -> list[list[str]]:
    """The single attributes, and crossings up to 15 sets in all."""
    names = [*VALUES, "light"]
    crossings = [list(pair) for pair in combinations(names[:4], 2)]
    return (
        [[name] for name in names] + crossings + [[*names[:3]], ["gender", "light"], ["skin_tone", "light"]]
    )


def videos(n: int, people: int, metrics: int, case: str) -> pa.Table:
    """Values that resemble each other where they show one person."""
    rng = np.random.default_rng(0)
    person = np.sort(rng.integers(people, size=n))
    columns: dict[str, Any] = {"person": [None if case == "own person" else f"p{i}" for i in person]}
    labels = {name: rng.integers(count, size=people)[person] for name, count in VALUES.items()}
    labels["light"] = rng.integers(3, size=n)
    for name, label in labels.items():
        wrong = rng.random(n) < (0.03 if case == "wrong labels" else 0.0)
        given = np.where(wrong, rng.integers(VALUES.get(name, 3), size=n), label)
        columns[f"group_{name}"] = [f"{name} {i}" for i in given]
    for i in range(metrics):
        values = rng.normal(size=people)[person] + rng.normal(size=n)
        values += (i % 5 == 0) * labels["gender"]
        lacks = rng.random(n) < (0.1 if case == "missing" else 0.0)
        columns[f"m{i}"] = np.where(lacks, np.nan, values)
    return pa.table(columns)


if __name__ == "__main__":
    sys.exit(main())
