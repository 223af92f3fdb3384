"""Holds a build's wall time against the limit set by decoding and encoding alone, in one run.

    python benchmarks/build_speed.py FOOTAGE [--workers N] [--keep DIR]

The limit: every source decoded once, and the kept seconds decoded and encoded once, by as many processes
as the build has workers. A build must take at most 3 times that, and run at 3 times real time or better.
Exit code 1 where it does not. Machines are noisy: the limit is measured right before and right after.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import av

import facevid
from facevid import media
from facevid.engine import available_cores
from facevid.recipe import load_recipe

RATIO_LIMIT, REALTIME_LIMIT = 3.0, 3.0


def decode(path: str) -> int:
    """Decode every frame of a source with one thread and throw it away."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        return sum(1 for _ in container.decode(stream))


def recode(job: tuple[str, str, int, int, tuple[int, int, int, int]]) -> None:
    """Decode the kept seconds of one clip and encode them as the build does."""
    path, out, first, last, box = job
    recipe = load_recipe()
    options = media.EncodeOptions(
        crf=recipe.cut.crf, preset=recipe.cut.preset, audio_bit_rate=recipe.cut.audio_bit_rate
    )
    media.cut_clip(
        path,
        out,
        fps=recipe.fps,
        first_frame=first,
        last_frame=last,
        box=box,
        size=recipe.cut.size,
        options=options,
    )


def measure_limit(
    dataset: facevid.dataset.Dataset, paths: dict[str, str], workers: int
) -> tuple[float, float]:
    """Seconds to decode all sources, and to decode and encode what was kept."""
    clips = dataset.to_arrow("clips").to_pylist()
    with (
        tempfile.TemporaryDirectory() as out,
        ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool,
    ):
        list(pool.map(int, range(workers * 4)))
        jobs = [
            (
                paths[c["source_id"]], f"{out}/{c['clip_id']}.mp4",
                round(c["start_s"] * c["fps"]), round(c["end_s"] * c["fps"]) - 1,
                (c["crop_x0"], c["crop_y0"], c["crop_x1"], c["crop_y1"]),
            )
            for c in clips
        ]  # fmt: skip
        list(pool.map(decode, [next(iter(paths.values()))] * workers))
        began = time.perf_counter()
        list(pool.map(decode, sorted(paths.values(), key=lambda p: -Path(p).stat().st_size)))
        decoded = time.perf_counter() - began
        began = time.perf_counter()
        list(pool.map(recode, sorted(jobs, key=lambda j: j[2] - j[3])))
        return decoded, time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("footage", nargs="+")
    parser.add_argument("--workers", type=int, default=available_cores())
    parser.add_argument("--keep", type=Path, help="build here and leave it (default: a temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        output = options.keep or Path(scratch) / "dataset"
        began = time.perf_counter()
        summary = facevid.build(options.footage, output, workers=options.workers)
        built = time.perf_counter() - began
        import pyarrow.parquet as pq

        sources = pq.read_table(
            output / ".work" / "sources.parquet", columns=["source_id", "path"]
        ).to_pylist()
        paths = {s["source_id"]: s["path"] for s in sources}
        decoded, recoded = measure_limit(facevid.open(output), paths, options.workers)
    limit = decoded + recoded
    realtime = summary.footage_s / built
    print(
        f"footage {summary.footage_s:.0f} s, kept {summary.kept_s:.0f} s in {summary.clips} clips, "
        f"{options.workers} workers"
    )
    for step in summary.steps:
        print(f"  {step['step']:<9} {step['seconds']:7.2f} s  {100 * step['seconds'] / built:5.1f} %")
    print(
        f"build {built:.1f} s; limit {limit:.1f} s = decode {decoded:.1f} + decode and encode {recoded:.1f}"
    )
    print(
        f"ratio {built / limit:.2f} (limit {RATIO_LIMIT}), real-time factor {realtime:.2f} (at least {REALTIME_LIMIT})"
    )
    return int(built / limit > RATIO_LIMIT or realtime < REALTIME_LIMIT)


if __name__ == "__main__":
    sys.exit(main())
