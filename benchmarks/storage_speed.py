"""Measures footage behind an address against the same footage in a folder: clock, processor and bytes moved.

An S3 of this machine (moto, which needs the dev extra) holds the files; a server in front of it counts. Both ways run
in this process, one after the other, models loaded before: an analysis of one synthetic clip, then a span of 10 s from
the middle of a long file.

    python benchmarks/storage_speed.py --seconds 20 --long-minutes 20 --output storage-speed.json
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from facevid import media
from facevid.curate.analyze import analyze_step, models
from facevid.curate.scan import scan_step
from facevid.recipe import load_recipe
from facevid.synth import synthesize

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "tests" / "storage")]
BUCKET = "raw"
MIB = 1 << 20


def main() -> int:
    """Measure, print, and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="of the clip that is analysed")
    parser.add_argument("--long-minutes", type=float, default=20.0, help="of the file of which 10 s are read")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="facevid-storage-") as folder:
        figures = measure(Path(folder), given.seconds, given.long_minutes, given.runs)
    print(json.dumps(figures, indent=1))
    if given.output:
        given.output.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


def measure(folder: Path, seconds: float, minutes: float, runs: int) -> dict[str, Any]:
    """Figures by name; of several runs the median."""
    from faulty import FaultyServer
    from moto.server import ThreadedMotoServer

    (clip,) = synthesize(
        folder / "clip", people=2, videos=1, seed=5, seconds=seconds, kinds=("clean",), workers=1
    )
    long = write_long(folder / "long.mp4", minutes)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        with FaultyServer(upstream=int(server.get_host_and_port()[1])) as front:
            os.environ |= {
                "AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "something", "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_ENDPOINT_URL": front.url(), "AWS_EC2_METADATA_DISABLED": "true",
            }  # fmt: skip
            away = [store(path) for path in (clip, long)]
            recipe = load_recipe()
            models(recipe)
            return {
                "clip": {"seconds": seconds, "bytes": clip.stat().st_size},
                "scan": compared(lambda p: scan_step({"_path": p}, None), clip, away[0], front, runs),
                "analyze": compared(
                    lambda p: analyzed(p, folder / "out", seconds), clip, away[0], front, runs
                ),
                "long": {"minutes": minutes, "bytes": long.stat().st_size},
                "span of 10 s": compared(lambda p: span(p, minutes), long, away[1], front, runs),
            }
    finally:
        server.stop()


def compared(run: Callable[[str], object], near: Path, away: str, front: Any, runs: int) -> dict[str, Any]:
    """Clock and processor seconds near and away, in turns; what one run away moves."""
    from facevid.storage import range_file

    times: dict[str, list[tuple[float, float]]] = {"near": [], "away": []}
    for _ in range(runs):
        for name, path in (("near", str(near)), ("away", away)):
            range_file._blocks.__init__()  # type: ignore[misc]
            front.reset()
            clock, processor = time.perf_counter(), time.process_time()
            run(path)
            times[name].append((time.perf_counter() - clock, time.process_time() - processor))
    found: dict[str, Any] = {}
    for name, each in times.items():
        found[f"{name}_s"], found[f"{name}_processor_s"] = (
            float(v) for v in np.round(np.median(each, axis=0), 3)
        )
    # The store runs in this process too, so the clock is what compares.
    found["ratio"] = round(found["away_s"] / found["near_s"], 3)
    found["moved_mib"], found["requests"] = round(front.sent / MIB, 2), len(front.requests)
    return found


def analyzed(path: str, out: Path, seconds: float) -> None:
    shutil.rmtree(out, ignore_errors=True)
    probe = media.probe(path)
    payload = {
        "_path": path, "_out": str(out), "_timeout_s": 1e6, "source_id": "x", "width": probe.width,
        "height": probe.height, "fps": probe.fps, "video_bit_rate": probe.video_bit_rate,
    }  # fmt: skip
    analyze_step(payload, load_recipe())


def span(path: str, minutes: float) -> None:
    first = int(minutes * 60 * 25 / 2)
    with media.VideoReader(path, fps=25, start_frame=first, end_frame=first + 250) as video:
        assert sum(1 for _ in video) == 250
    media.read_audio(path, start_s=first / 25, end_s=first / 25 + 10)


def write_long(path: Path, minutes: float) -> Path:
    """A file of some MB a minute: noise does not shrink."""
    drawn = np.random.default_rng(1)
    some = [drawn.integers(0, 255, (180, 320, 3), np.uint8) for _ in range(7)]
    options = media.EncodeOptions(crf=23, preset="ultrafast")
    with media.VideoWriter(path, width=320, height=180, fps=25, audio_rate=16000, options=options) as out:
        for second in range(int(minutes * 60)):
            for k in range(25):
                out.write(some[(second + k) % 7])
            out.write_audio(drawn.uniform(-0.2, 0.2, 16000).astype(np.float32))
    return path


def store(path: Path) -> str:
    """Put a file into the bucket; its address."""
    import fsspec

    fs = fsspec.filesystem("s3")
    if not fs.exists(BUCKET):
        fs.mkdir(BUCKET)
    fs.put_file(str(path), f"{BUCKET}/{path.name}")
    return f"s3://{BUCKET}/{path.name}"


if __name__ == "__main__":
    sys.exit(main())
