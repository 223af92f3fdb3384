"""What Ray costs a build: the same footage built by the executors local and ray on this machine, in turn.

    python benchmarks/ray_overhead.py FOOTAGE [--minutes 30] [--pairs 1] [--workers 2] [--keep DIR]

Sources of three files of FOOTAGE and more, one after the other (packets copied, no two sources alike), are made until
the minutes are reached. Every build runs in a process of its own, in the order local, ray, ray, local, ...; a Ray of
this machine alone is started by the build itself, as `facevid build --executor ray` does.

The ratio is that of the time after start-up: for each step that runs on workers, from when the first item was begun
to the last outcome, and all of the time between these steps. What is left out is thereby the time to start Ray and, in
each step, the first worker; the second one's start counts. It may be 1.15 (median of the pairs). All published files
must be the same. Exit code 1 where one of that is not so.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from kill import published
from memory import concatenate, headers, length

RATIO_LIMIT = 1.15
AT_LEAST = 3
"""Files of a source."""


def compose(footage: Path, folder: Path, minutes: float) -> float:
    """Make sources of the footage's files until the minutes are reached; seconds made."""
    parts = sorted(footage.glob("*.mp4"))
    if not parts:
        raise SystemExit(f"There is no .mp4 file in {footage}; make some with make_footage.py.")
    folder.mkdir(parents=True)
    lengths = {part: length(part) for part in parts}
    made = 0.0
    for number, chosen in enumerate(sequences(parts)):
        left = minutes * 60 - made
        if left <= 0:
            return made
        wanted = (
            sum(lengths[part] for part in chosen) - 0.5
        )  # concatenate ends with the file in which that lies
        made += concatenate(chosen, folder / f"source_{number:03d}.mp4", min(wanted, left))
    raise AssertionError("there is always another sequence")


def sequences(parts: Sequence[Path]) -> Iterator[list[Path]]:
    """Three files and more, one after the other, whose streams fit together; no sequence comes twice."""
    groups: dict[str, list[Path]] = {}
    for part in parts:
        groups.setdefault(repr(headers(part)), []).append(part)
    for number in count():
        group = list(groups.values())[number % len(groups)]
        left, digits = number // len(groups), []
        if len(group) == 1:
            left, digits = 0, [0] * (AT_LEAST + left)
        while left or len(digits) < AT_LEAST:  # the digits of a number, to as many digits as there are files
            left, digit = divmod(left, len(group))
            digits.append(digit)
        yield [group[(digit + place) % len(group)] for place, digit in enumerate(digits)]


def build(footage: Path, output: Path, executor: str, workers: int) -> dict[str, Any]:
    """Build in this process; seconds in all, of waiting for first items, and by step."""
    import facevid
    from facevid.curate import session

    plain = session.open_executor
    starting: dict[str, float] = {}

    class Timed:
        """Notes how long after the beginning of a step its first item was begun."""

        def __init__(self, executor: Any) -> None:
            self._executor = executor

        def run(self, step: Any, *arguments: Any, **options: Any) -> Iterator[Any]:
            began, first = time.monotonic(), float("inf")
            for outcome in self._executor.run(step, *arguments, **options):
                first = min(first, time.monotonic() - outcome.seconds)
                yield outcome
            if first < float("inf"):  # a step may have no items
                starting[step.name] = max(0.0, first - began)

    @contextlib.contextmanager
    def timed(*arguments: Any, **options: Any) -> Iterator[Timed]:
        with plain(*arguments, **options) as opened:
            yield Timed(opened)

    session.open_executor = timed
    before = time.monotonic()
    summary = facevid.build(footage, output, workers=workers, executor=executor)
    total = time.monotonic() - before
    return {
        "total_s": total,
        "starting_s": starting,
        "steps_s": {step["step"]: step["seconds"] for step in summary.steps},
        "clips": summary.clips,
        "failed": summary.failed,
    }


def apart(footage: Path, output: Path, executor: str, workers: int) -> dict[str, Any]:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--child", str(footage), str(output), executor, str(workers)]
    path = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        # Not a Ray that another program may have on this machine.
        env={**os.environ, "PYTHONPATH": path, "RAY_ADDRESS": "local"},
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    found["after_s"] = found["total_s"] - sum(found["starting_s"].values())
    return found


def show(executor: str, found: dict[str, Any]) -> None:
    steps = "  ".join(f"{name} {seconds:.1f}" for name, seconds in found["steps_s"].items())
    first = "  ".join(f"{name} {seconds:.1f}" for name, seconds in found["starting_s"].items())
    print(
        f"{executor:5}  in all {found['total_s']:7.1f} s  after start-up {found['after_s']:7.1f} s  "
        f"clips {found['clips']}  failed {found['failed']}\n"
        f"       steps: {steps}\n       until the first item: {first}",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("footage", type=Path)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--pairs", type=int, default=1, help="builds by each executor")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--keep", type=Path, help="folder for sources and datasets (default: a temporary one)"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="facevid-overhead-") as scratch:
        return compare(given, given.keep or Path(scratch))


def compare(given: argparse.Namespace, place: Path) -> int:
    """All builds and the verdict; 0 where Ray costs no more than allowed and all datasets are the same."""
    seconds = compose(given.footage, place / "footage", given.minutes)
    sources = len(list((place / "footage").iterdir()))
    print(f"{seconds / 60:.1f} minutes in {sources} sources, {given.workers} workers", flush=True)
    found: dict[str, list[dict[str, Any]]] = {"local": [], "ray": []}
    datasets: list[Path] = []
    for pair in range(given.pairs):
        for executor in ("local", "ray") if pair % 2 == 0 else ("ray", "local"):
            datasets.append(place / f"{executor}_{pair}" / "dataset")
            found[executor].append(apart(place / "footage", datasets[-1], executor, given.workers))
            show(executor, found[executor][-1])
    equal = all_equal(datasets)
    ratio = ratio_of(found, "after_s")
    print(f"published files: {'all equal, byte for byte' if equal else 'DIFFERENT'}")
    print(
        f"ray / local: {ratio:.3f} after start-up (limit {RATIO_LIMIT}), {ratio_of(found, 'total_s'):.3f} in all"
    )
    return int(not equal or ratio > RATIO_LIMIT)


def ratio_of(found: dict[str, list[dict[str, Any]]], what: str) -> float:
    """Median over the pairs of ray to local."""
    return statistics.median(
        ray[what] / local[what] for local, ray in zip(found["local"], found["ray"], strict=True)
    )


def all_equal(datasets: Sequence[Path]) -> bool:
    """Whether all datasets have the same published files."""
    first = published(datasets[0])
    return all(published(other) == first for other in datasets[1:])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(build(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4], int(sys.argv[5]))))
        sys.exit(0)
    sys.exit(main())
