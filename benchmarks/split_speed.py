"""One long source, looked at by one and by several workers, in parts and in one go.

    python benchmarks/split_speed.py FOOTAGE [--minutes 30] [--part-s 300] [--workers 2] [--keep DIR]

The source is made by repeating the first file of the footage (packets copied, timestamps shifted). Printed are, for
each way, seconds by the clock, seconds of processor of all workers, and the largest resident set of a worker. Exit
code 1 where the number of workers changes a byte. No other limit: what several workers gain depends on the machine.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import sys
import tempfile
import time
from pathlib import Path

import facevid
from facevid.curate.build import analyze
from facevid.curate.scan import find_footage

sys.path.insert(0, str(Path(__file__).parent))
from memory import Peak, concatenate, watched


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("footage", type=Path)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--part-s", type=float, default=300)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="split-speed-"))
    (folder / "footage").mkdir(parents=True, exist_ok=True)
    source = folder / "footage" / "long.mp4"
    if not source.exists():
        parts = [Path(found.path) for found in find_footage(options.footage)][:1]
        concatenate(parts, source, options.minutes * 60)
    print(f"{'workers':>7} {'part_s':>7} {'clock s':>8} {'processor s':>11} {'peak GiB':>8}  files")
    digests: dict[object, set[str]] = {}
    for part_s in (None, options.part_s):
        for workers in (1, options.workers):
            dataset = folder / f"{part_s}_{workers}"
            facevid.scan(source.parent, dataset, recipe={"analyze": {"part_s": part_s}})
            began, spent = time.monotonic(), _processor_s()
            with watched() as peak:
                analyze(dataset, workers=workers)
            digest = _digest(dataset)
            digests.setdefault(part_s, set()).add(digest)
            print(
                f"{workers:7d} {part_s or 'null':>7} {time.monotonic() - began:8.1f} {_processor_s() - spent:11.1f} "
                f"{_gib(peak):8.3f}  {digest[:12]}",
                flush=True,
            )
    return 0 if all(len(found) == 1 for found in digests.values()) else 1


def _processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _gib(peak: Peak) -> float:
    return peak.bytes / 2**30


def _digest(dataset: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted((dataset / ".work" / "analyses").glob("*/*.parquet")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
