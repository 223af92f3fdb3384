"""How telling persons apart grows with clips: generated embeddings, one process a size.

    python benchmarks/cluster_speed.py [--clips 12500 25000 50000 100000] [--threads 1]

As a build does, near pairs are found once and clustered twice, into persons and into the groups that are searched for
repeats.
Persons have 13.5 clips on average, as in a large collection; their embeddings lie as those of dlib's model do: clips of
one person .17 apart (median), persons mostly more than .5. Printed are seconds of the processor and the clock, peak
memory, and the growth from size to size (2: with the square). `scale_model.py` rests on these figures. Linux only.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import time

import numpy as np

from facevid.curate.identify import cluster, near_pairs

CLIPS_A_PERSON = 13.5
WITHIN, LENGTH = 0.17, 1.36
"""Distance of two clips of one person; length of dlib's embeddings, which are not normalised."""


def embeddings(clips: int, seed: int = 1) -> np.ndarray:
    """(clips, 128) made-up embeddings."""
    dice = np.random.default_rng(seed)
    people = max(1, round(clips / CLIPS_A_PERSON))
    # Faces share most of their direction: unrelated persons come to lie .6 to .9 apart.
    centres = dice.normal(size=(people, 128)) * (0.55 / math.sqrt(128))
    common = dice.normal(size=128)
    centres += common * (math.sqrt(LENGTH**2 - 0.55**2) / np.linalg.norm(common))
    of = dice.integers(people, size=clips)
    own = dice.normal(size=(clips, 128)) * (WITHIN / math.sqrt(2 * 128))
    return (centres[of] + own).astype(np.float32)


def one(clips: int, threads: int) -> dict[str, float]:
    """Pairs, persons and groups once, at the distances of the default recipe."""
    points = embeddings(clips)
    clock, processor = time.monotonic(), time.process_time()
    pairs = near_pairs(points, threshold=0.5, threads=threads)
    paired = time.process_time() - processor
    labels = cluster(points, threshold=0.4, pairs=pairs)
    cluster(points, threshold=0.5, pairs=pairs)
    return {
        "pairs_s": paired,
        "clusters": int(labels.max()) + 1,
        "processor_s": time.process_time() - processor,
        "clock_s": time.monotonic() - clock,
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, nargs="+", default=[12_500, 25_000, 50_000, 100_000])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one is not None:
        print(json.dumps(one(given.one, given.threads)))
        return
    print("   clips  persons  clusters  processor s  of it pairs  clock s  peak GiB  growth", flush=True)
    before: tuple[int, float] | None = None
    for clips in given.clips:
        command = [sys.executable, __file__, "--one", str(clips), "--threads", str(given.threads)]
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        done = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, **threads}
        )
        found = json.loads(done.stdout)
        spent = found["processor_s"]
        growth = "-" if before is None else f"{math.log(spent / before[1]) / math.log(clips / before[0]):.2f}"
        before = clips, spent
        print(
            f"{clips:8} {round(clips / CLIPS_A_PERSON):8} {found['clusters']:9} {spent:12.1f} {found['pairs_s']:12.1f} "
            f"{found['clock_s']:8.1f} {found['peak_gib']:9.2f}  {growth:>6}",
            flush=True,
        )


if __name__ == "__main__":
    main()
