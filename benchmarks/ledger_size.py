"""The ledger at a million items: how fast it takes and finds them, what it weighs, and a run that reuses all of them.

    python benchmarks/ledger_size.py [--items 1000000] [--keep DIR]

Outcomes have the size of those of `cut`: two members with their hashes. Each measurement is a process of its own, so
that its peak memory (resident set) is that of this operation; the page cache is warm. `resumed` is a run of the local
executor over a million items that are all in the ledger, payloads hashed and all; no worker is started. Linux only.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from facevid.engine import Item, Ledger, LocalExecutor, Outcome, PayloadHasher, Step

NAME = "cut"
LOOK_UP = 256


def value(n: int) -> dict[str, Any]:
    """What a step of a build answers about a clip, made up."""
    member = {"bytes": 100_000 + n % 1000, "sha256": f"{n:064x}"}
    return {
        "frames": 100 + n % 300, "width": 512, "height": 512, "audio": True,
        "members": {"clip.mp4": member, "speech.flac": member},
    }  # fmt: skip


def key(n: int) -> str:
    """A clip's id, in no order, as hashes are."""
    return f"{n * 0x9E3779B97F4A7C15 % (1 << 64):016x}"


def items(count: int) -> Iterator[Item]:
    """The run's items, with payloads as those of `cut`."""
    for n in range(count):
        yield Item(
            key(n),
            {"path": f"/data/raw/{n % 4000:06d}.mp4", "first": n, "last": n + 99, "box": [0, 0, 512, 512]},
        )


def never(payload: dict[str, Any], recipe: object) -> None:
    """The step's function; every item is in the ledger, so nothing calls it."""
    raise AssertionError("an item of the ledger was run again")


def step() -> Step:
    """The step, imported by the module's name, which a script's own is not."""
    return Step(NAME, 1, __import__("ledger_size").never)


def put(path: Path, count: int) -> int:
    """Record all items, as a run does."""
    hasher = PayloadHasher(step(), None)
    with Ledger(path) as ledger:
        run = ledger.start_run(NAME, workers=2)
        for n, item in enumerate(items(count)):
            outcome = Outcome(key=item.key, step=NAME, status="ok", value=value(n), seconds=1.5)
            ledger.put(outcome, hash=hasher(item.payload), run=run)
        ledger.end_run(run, "done")
    return count


def opened(path: Path, count: int) -> int:
    """Open the file, which checks it, and close it."""
    Ledger(path).close()
    return 1


def looked_up(path: Path, count: int) -> int:
    """Find a tenth of the items, 256 at a time, in random order, as a run that goes on does."""
    dice = random.Random(1)
    with Ledger(path) as ledger:
        for _ in range(count // 10 // LOOK_UP):
            wanted = [key(dice.randrange(count)) for _ in range(LOOK_UP)]
            if len(ledger.get_many(NAME, wanted)) != len(set(wanted)):
                raise SystemExit("The ledger does not have what was put into it.")
    return count // 10 // LOOK_UP * LOOK_UP


def counted(path: Path, count: int) -> int:
    """Count the outcomes by step and status."""
    with Ledger(path, read_only=True) as ledger:
        if ledger.counts() != {NAME: {"ok": count}}:
            raise SystemExit("The ledger counts wrongly.")
    return 1


def resumed(path: Path, count: int) -> int:
    """A run in which every item is reused."""
    with Ledger(path) as ledger:
        found = sum(outcome.reused for outcome in LocalExecutor(2).run(step(), items(count), None, ledger))
    if found != count:
        raise SystemExit(f"{count - found} items were not reused.")
    return count


MEASURED: dict[str, Callable[[Path, int], int]] = {
    function.__name__: function for function in (put, opened, looked_up, counted, resumed)
}


def apart(what: str, path: Path, count: int) -> dict[str, float]:
    """One measurement in a process of its own."""
    command = [sys.executable, __file__, "--one", what, str(path), "--items", str(count)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def one(what: str, path: Path, count: int) -> dict[str, float]:
    before, idle = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
    done = MEASURED[what](path, count)
    seconds, used = time.monotonic() - before, resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": seconds,
        "processor_s": used.ru_utime + used.ru_stime - idle.ru_utime - idle.ru_stime,
        "rate": done / seconds,
        "peak_mib": used.ru_maxrss / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="folder for the ledger (default: a temporary one)")
    parser.add_argument("--one", nargs=2, metavar=("WHAT", "PATH"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one is not None:
        print(json.dumps(one(given.one[0], Path(given.one[1]), given.items)))
        return
    with tempfile.TemporaryDirectory(prefix="facevid-ledger-") as scratch:
        path = (given.keep or Path(scratch)) / "ledger.sqlite"
        print("what            seconds  processor s     a second  peak MiB", flush=True)
        for what in MEASURED:
            found = apart(what, path, given.items)
            print(
                f"{what:12} {found['seconds']:10.2f} {found['processor_s']:12.2f} {found['rate']:12,.0f} "
                f"{found['peak_mib']:9.0f}",
                flush=True,
            )
        print(f"bytes: {path.stat().st_size:,}, {path.stat().st_size / given.items:.0f} an item")


if __name__ == "__main__":
    main()
