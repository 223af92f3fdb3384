"""Time of a Fréchet distance with interval and floor, and peak memory as the number of samples grows.

    python benchmarks/bench_distances.py [--n 2048] [--dimensions 400] [--resamples 200]

The first line times `compare_frechet` on n against n samples: value, bootstrap interval and floor of a pool of 2 n;
it may take 10 s on two cores. Then features of 256 to 8,192 samples a side are written to disk in batches and compared
by running moments, bootstrap and floor and by the kernel distance, each in its own process, whose anonymous resident
memory (RssAnon, without the pages of the files) is read every 2 ms; the largest may be 1.25 times the smallest.
Exit code 1 where a limit is passed. Linux only.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facevid.bench.distances import (
    RunningMoments,
    Settings,
    Sides,
    compare_frechet,
    compare_mmd2,
    frechet_distance,
)

SECONDS_LIMIT, GROWTH_LIMIT = 10.0, 1.25
SIZES = (256, 512, 1024, 2048, 4096, 8192)
BATCH = 64
MEMORY_RESAMPLES = 20
"""Resamples where memory is measured; more take longer, not more memory but 2 bytes a sample for the kernel."""


def main() -> int:
    """Print one line for the time and one for each number of samples."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=2048)
    parser.add_argument("--dimensions", type=int, default=400)
    parser.add_argument("--resamples", type=int, default=200)
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peak:
        print(peak_mib(given.peak, given.dimensions))
        return 0
    seconds = timed(given.n, given.dimensions, given.resamples)
    peaks = []
    for n in SIZES:
        command = [sys.executable, __file__, "--peak", str(n), "--dimensions", str(given.dimensions)]
        peaks.append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        print(f"n = {n:5d} a side, {given.dimensions} features: peak {peaks[-1]:6.1f} MiB", flush=True)
    growth = max(peaks) / min(peaks)
    print(f"largest peak / smallest {growth:.2f} (limit {GROWTH_LIMIT})")
    return int(seconds > SECONDS_LIMIT or growth > GROWTH_LIMIT)


def timed(n: int, dimensions: int, resamples: int) -> float:
    """Seconds of a comparison of features in memory."""
    rng = np.random.default_rng(0)
    pool = rng.standard_normal((2 * n, dimensions))
    made = 1.1 * rng.standard_normal((n, dimensions))
    sides = Sides(pool[:n], made, pool=pool)
    began, used = time.perf_counter(), time.process_time()
    found = compare_frechet(sides, settings=Settings(resamples=resamples))
    seconds, processor = time.perf_counter() - began, time.process_time() - used
    assert found.floor is not None
    print(
        f"n = {n} a side, {dimensions} features, {resamples} resamples: {seconds:.2f} s, "
        f"{processor:.2f} s of processor (limit {SECONDS_LIMIT:.0f} s); "
        f"{found.value:.2f} [{found.interval[0]:.2f}, {found.interval[1]:.2f}], "
        f"floor {found.floor.value:.2f}",
        flush=True,
    )
    return seconds


def peak_mib(n: int, dimensions: int) -> float:
    """The largest anonymous resident memory of this process while it writes and compares features on disk, MiB."""
    peak = [0.0]
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            lines = Path("/proc/self/status").read_text().splitlines()
            peak[0] = max(peak[0], next(int(x.split()[1]) for x in lines if x.startswith("RssAnon:")) / 1024)
            done.wait(0.002)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            real, made = (written(Path(folder, f"{k}.bin"), n, dimensions, k) for k in (0, 1))
            moments = [RunningMoments(dimensions) for _ in range(2)]
            for start in range(0, n, BATCH):
                for running, features in zip(moments, (real, made), strict=True):
                    running.add(features[start : start + BATCH])
            frechet_distance(*moments)
            settings = Settings(resamples=MEMORY_RESAMPLES, floor_draws=2)
            compare_frechet(Sides(real, made), settings=settings)
            compare_mmd2(Sides(real, made), settings=settings)
    finally:
        done.set()
        watcher.join()
    return peak[0]


def written(path: Path, n: int, dimensions: int, seed: int) -> NDArray[Any]:
    """Normal features as an extractor would leave them: float32, batch after batch, mapped from disk."""
    rng = np.random.default_rng(seed)
    mapped = np.memmap(path, np.float32, "w+", shape=(n, dimensions))
    for start in range(0, n, BATCH):
        mapped[start : start + BATCH] = rng.standard_normal((BATCH, dimensions))
    mapped.flush()
    return np.memmap(path, np.float32, "r", shape=(n, dimensions))


if __name__ == "__main__":
    raise SystemExit(main())
