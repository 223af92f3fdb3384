"""Kills builds with SIGKILL at random moments, finishes each, and compares all bytes with an undisturbed build.

    python benchmarks/kill.py FOOTAGE [--runs 20] [--seed 1] [--workers 2] [--keep DIR]

Every second run is killed at a moment drawn uniformly from the length of an undisturbed build; the others are
aimed at the steps in turn, since select and pack last too short to be met by chance. After the kill no process
of the build may be left, after the second start no temporary file, and every published file (tables, shards,
dataset.json) must have the bytes of the undisturbed dataset. Exit code 1 where one of that is not so.
Keep the footage small: 10 to 15 seconds in all.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facevid.curate.building import STEPS, Building
from facevid.engine import Ledger

MARK = "FACEVID_KILL_RUN"
AIMED = ("pack", "cut", "identify", "select", "analyze")
LEFTOVERS = ("*.tmp-*", "*.part", "*.partial", "publish-*", "*.broken-*")


@dataclass
class Build:
    """One build in a process of its own, which says on stdout when a step begins and ends."""

    footage: Path
    output: Path
    workers: int
    mark: str
    aim: tuple[str, float] | None = None
    """A step, and the seconds after its begin at which the process kills itself."""

    def __post_init__(self) -> None:
        command = [
            sys.executable,
            __file__,
            "--child",
            str(self.footage),
            str(self.output),
            str(self.workers),
        ]
        if self.aim is not None:
            command += [self.aim[0], str(self.aim[1])]
        path = os.pathsep.join(p for p in sys.path if p)
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, MARK: self.mark, "PYTHONPATH": path},
        )

    def says(self) -> Iterator[tuple[float, str, str]]:
        """(seconds since the start, "begin" or "end", step), as they come."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            what, step = line.split()
            yield time.monotonic() - self.began, what, step

    def finish(self) -> dict[str, tuple[float, float]]:
        """See the build to its end; each step's begin and end in seconds."""
        spans: dict[str, tuple[float, float]] = {}
        for at, what, step in self.says():
            spans[step] = (at, at) if what == "begin" else (spans[step][0], at)
        if self.process.wait() != 0:
            raise SystemExit(f"The build of {self.output} ended with exit code {self.process.returncode}.")
        spans["all"] = (0.0, time.monotonic() - self.began)
        return spans

    def kill(self, *, after_s: float) -> str | None:
        """SIGKILL so many seconds after the start, or by its own aim; where it hit, None if it came too late."""
        if self.aim is None:
            time.sleep(max(0.0, self.began + after_s - time.monotonic()))
            self.process.kill()
        last = None
        for _, what, name in self.says():
            last = name if what == "begin" else f"after {name}"
        return (last or "start") if self.process.wait() else None


def child(footage: str, output: str, workers: int, aim: str = "", after_s: float = 0.0) -> None:
    """Build, and announce each step; `after_s` seconds into the step `aim`, be killed."""
    import facevid

    def announced(step: str) -> Any:
        plain = getattr(Building, step)

        def run(self: Building, *arguments: Any) -> Any:
            print("begin", step, flush=True)
            if step == aim:
                timer = threading.Timer(after_s, os.kill, (os.getpid(), signal.SIGKILL))
                timer.daemon = True
                timer.start()
            result = plain(self, *arguments)
            print("end", step, flush=True)
            return result

        return run

    for step in STEPS:
        setattr(Building, step, announced(step))
    facevid.build(footage, output, workers=workers)


def processes(mark: str) -> list[int]:
    """Living processes of a build, known by a variable in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def left_alive(mark: str, *, patience_s: float = 3.0) -> int:
    """How many processes of a build still live after some seconds."""
    until = time.monotonic() + patience_s
    while processes(mark) and time.monotonic() < until:
        time.sleep(0.05)
    return len(processes(mark))


def published(dataset: Path) -> dict[str, bytes]:
    """Every published file and its bytes."""
    files = (
        p for p in sorted(dataset.rglob("*")) if p.is_file() and ".work" not in p.relative_to(dataset).parts
    )
    return {str(p.relative_to(dataset)): p.read_bytes() for p in files}


def finished_before(dataset: Path) -> tuple[int, int]:
    """Items that the last runs of the steps took from before the kill, and items in all."""
    ledger_path = dataset / ".work" / "ledger.sqlite"
    with Ledger(ledger_path, read_only=True) as ledger:
        last = {run.step: run for run in ledger.runs()}
    return sum(r.reused for r in last.values()), sum(r.ran + r.reused for r in last.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("footage", type=Path)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="folder for the datasets (default: a temporary one)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="facevid-kill-") as scratch:
        return compare(given, given.keep or Path(scratch))


def compare(given: argparse.Namespace, place: Path) -> int:
    """All runs, one line each; 0 where every one ended in the undisturbed dataset."""
    spans = Build(given.footage, place / "undisturbed" / "dataset", given.workers, uuid.uuid4().hex).finish()
    wanted = published(place / "undisturbed" / "dataset")
    counts = json.loads(wanted["dataset.json"])["counts"]
    print(f"undisturbed: {spans['all'][1]:.1f} s, {len(wanted)} files, {counts}", flush=True)
    print("run  killed at  during          left alive  reused    finished in  leftovers  dataset")
    dice, faults = random.Random(given.seed), 0
    for run in range(given.runs):
        step = AIMED[run // 2 % len(AIMED)] if run % 2 else None
        begin, end = spans[step or "all"]
        after_s, where = dice.uniform(0, end - begin), None
        while where is None:  # the machine may be quicker now than it was when undisturbed
            dataset, mark = place / f"run_{run:02d}_{after_s:.3f}" / "dataset", uuid.uuid4().hex
            first = Build(given.footage, dataset, given.workers, mark, (step, after_s) if step else None)
            where = first.kill(after_s=after_s)
            after_s *= 0.7
        at, alive = time.monotonic() - first.began, left_alive(mark)
        second = Build(given.footage, dataset, given.workers, mark).finish()
        got = published(dataset)
        differing = sorted(n for n in wanted.keys() | got.keys() if wanted.get(n) != got.get(n))
        stale = [p for pattern in LEFTOVERS for p in dataset.rglob(pattern)]
        alive += left_alive(mark)
        reused, total = finished_before(dataset)
        verdict = "equal" if not differing else f"DIFFERS: {', '.join(differing[:3])}"
        print(
            f"{run + 1:3}  {at:7.2f} s  {where:<15} {alive:10}  {reused:3}/{total:<3}  {second['all'][1]:9.1f} s  "
            f"{len(stale):9}  {verdict}",
            flush=True,
        )
        faults += bool(differing or stale or alive)
    print(
        f"{given.runs - faults} of {given.runs} killed builds ended in the undisturbed dataset, byte for byte."
    )
    return 1 if faults else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        aim, after = sys.argv[5:7] or ("", "0")
        child(sys.argv[2], sys.argv[3], int(sys.argv[4]), aim, float(after))
        sys.exit(0)
    sys.exit(main())
