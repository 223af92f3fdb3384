"""Peak memory of a worker that analyses a long source, against that for a short one.

    python benchmarks/memory.py FOOTAGE [--minutes 5 60] [--build] [--keep DIR]

Sources of the given lengths are made by repeating the footage (packets copied, timestamps shifted). Each is then
analysed by one worker process, whose peak resident set (VmHWM) is read ten times a second. A worker may take
1.2 GiB, and for the longest source at most 1.10 times what it takes for the shortest. `--build` runs all steps.
Exit code 1 where a limit is passed. An hour of footage takes 45 minutes and more on one core. Linux only.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import av

import facevid
from facevid.curate.build import analyze
from facevid.curate.scan import find_footage
from facevid.engine import Ledger

sys.path.append(str(Path(__file__).parents[1] / "tests" / "curate"))

from processes import child_processes, memory_of

PEAK_LIMIT_GIB, GROWTH_LIMIT = 1.2, 1.10


@dataclass
class Peak:
    """The largest resident set seen of any child process, and the course of that of the youngest one."""

    bytes: int = 0
    at_s: float = 0.0
    course: list[tuple[float, int]] = field(default_factory=list)


def concatenate(parts: Sequence[Path], out: Path, seconds: float) -> float:
    """Repeat files one after the other until `seconds` are reached, without encoding; the length reached.

    Only files whose streams have the codec and headers of the first file's are used, since one track has one
    header.
    """
    with av.open(str(parts[0])) as first, av.open(str(out), "w") as target:
        usable = [p for p in parts if headers(p) == headers(parts[0])]
        tracks = {
            s.type: target.add_stream_from_template(s)
            for s in (*first.streams.video[:1], *first.streams.audio[:1])
        }
        offset, turn = 0.0, 0
        reached_s: dict[str, float] = {}
        while offset < seconds:
            with av.open(str(usable[turn % len(usable)])) as source:
                streams = [
                    s for s in (*source.streams.video[:1], *source.streams.audio[:1]) if s.type in tracks
                ]
                for packet in source.demux(streams):
                    if packet.dts is None or packet.time_base is None:
                        continue
                    shift = round(offset / packet.time_base)
                    packet.pts, packet.dts = (packet.pts or packet.dts) + shift, packet.dts + shift
                    kind, begin_s = packet.stream.type, float(packet.dts * packet.time_base)
                    # The sound of a file may last a little longer than its pictures.
                    if begin_s <= reached_s.get(kind, -1e9):
                        continue
                    reached_s[kind] = begin_s
                    packet.stream = tracks[kind]
                    target.mux(packet)
            offset += length(usable[turn % len(usable)])
            turn += 1
    return offset


def length(path: Path) -> float:
    """Seconds of a file in whole frames, so that one that follows begins on its frame grid."""
    with av.open(str(path)) as source:
        video = source.streams.video[0]
        return video.frames / float(video.average_rate or 25)


def headers(path: Path) -> list[tuple[str, bytes]]:
    """Codecs and headers of the first video and audio stream."""
    with av.open(str(path)) as source:
        kept = (*source.streams.video[:1], *source.streams.audio[:1])
        return [(s.codec_context.name, bytes(s.codec_context.extradata or b"")) for s in kept]


@contextmanager
def watched() -> Iterator[Peak]:
    """Measure the children of this process meanwhile."""
    peak, done, began = Peak(), threading.Event(), time.monotonic()

    def watch() -> None:
        while not done.wait(0.1):
            now = time.monotonic() - began
            sizes = [(memory_of(child, "VmHWM"), memory_of(child, "VmRSS")) for child in child_processes()]
            if not sizes:
                continue
            highest, size = max(sizes)
            if highest > peak.bytes:
                peak.bytes, peak.at_s = highest, now
            if not peak.course or now - peak.course[-1][0] >= 10:
                peak.course.append((now, size))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def measure(source: Path, dataset: Path, *, whole: bool) -> tuple[Peak, float, int]:
    """Peak, seconds and analysed frames of one source in one worker."""
    facevid.scan(source, dataset, workers=1)
    began = time.monotonic()
    with watched() as peak:
        if whole:
            facevid.build(source, dataset, workers=1)
        else:
            analyze(dataset, workers=1)
    with Ledger(dataset / ".work" / "ledger.sqlite", read_only=True) as ledger:
        frames = sum(int(o.value.get("frames", 0)) for o in ledger.outcomes("analyze", status="ok"))
    return peak, time.monotonic() - began, frames


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("footage", nargs="+")
    parser.add_argument("--minutes", type=float, nargs="+", default=[5, 60])
    parser.add_argument("--build", action="store_true", help="run all steps, not analyze alone")
    parser.add_argument(
        "--keep", type=Path, help="folder for sources and datasets (default: a temporary one)"
    )
    given = parser.parse_args()
    parts = [found.path for found in find_footage(given.footage)]
    peaks = []
    print(
        "minutes   frames  seconds  peak GiB  reached at  resident GiB at each sixth of the run", flush=True
    )
    with tempfile.TemporaryDirectory(prefix="facevid-memory-") as scratch:
        place = given.keep or Path(scratch)
        place.mkdir(parents=True, exist_ok=True)
        for minutes in sorted(given.minutes):
            source = place / f"source_{minutes:g}.mp4"
            length = concatenate(parts, source, 60 * minutes)
            peak, seconds, frames = measure(source, place / f"dataset_{minutes:g}", whole=given.build)
            steps = [peak.course[min(len(peak.course) - 1, i * len(peak.course) // 6)][1] for i in range(7)]
            course = " ".join(f"{size / 2**30:.2f}" for size in steps)
            print(
                f"{length / 60:7.1f} {frames:8} {seconds:8.0f} {peak.bytes / 2**30:9.3f} {peak.at_s:9.0f} s  {course}",
                flush=True,
            )
            peaks.append(peak.bytes)
    highest, growth = max(peaks) / 2**30, peaks[-1] / peaks[0]
    limits = f"limits {PEAK_LIMIT_GIB} and {GROWTH_LIMIT:.2f}"
    print(f"highest peak {highest:.3f} GiB, longest over shortest {growth:.3f} ({limits})")
    return 0 if highest <= PEAK_LIMIT_GIB and growth <= GROWTH_LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
