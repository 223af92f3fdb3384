"""What the engine itself costs: items a second of a step that only returns, and the driver's memory over many items.

    python benchmarks/engine_speed.py --executors local ray --items 2000 --counts 1000 10000 100000

Speed: a step that returns at once, so that what is measured is queues, processes and the ledger. Memory: the largest
resident set of the driver, each count in a process of its own, with a step that sleeps a millisecond. The driver's
milliseconds an item are those of the processor, all its threads together: what one core could hand out a second at
most. Without `--address`, ray starts on this machine alone. Linux only.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from facevid.engine import Item, Ledger, Step, folder_lock, open_executor


def returns(payload: dict[str, Any], recipe: object) -> dict[str, Any]:
    """Does nothing."""
    return {"n": payload["n"]}


def sleeps(payload: dict[str, Any], recipe: object) -> dict[str, Any]:
    """Sleeps a millisecond."""
    time.sleep(0.001)
    return {"n": payload["n"]}


def run(executor: str, what: str, count: int, workers: int, address: str | None) -> dict[str, Any]:
    """One run in this process; items a second without the first (the start of the workers), and the peak memory."""
    # Workers import the step by its module's name, which a script's own is not.
    step = Step(what, 1, getattr(__import__("engine_speed"), what))
    items: Iterator[Item] = (Item(f"{n:07d}", {"n": n}) for n in range(count))
    with tempfile.TemporaryDirectory(prefix="facevid-engine-") as scratch:
        folder = Path(scratch)
        with (
            folder_lock(folder) as lock,
            Ledger(folder / "ledger.sqlite") as ledger,
            open_executor(
                executor, workers=workers, address=address, lock=lock, log=folder / "log"
            ) as opened,
        ):
            began, first, used = time.monotonic(), 0.0, 0.0
            for outcome in opened.run(step, items, None, ledger):
                if outcome.status != "ok":
                    raise SystemExit(f"Item {outcome.key} ended as {outcome.status}: {outcome.message}")
                if not first:
                    first, used = time.monotonic(), time.process_time()
            ended, processor = time.monotonic(), time.process_time() - used
    return {
        "rate": (count - 1) / (ended - first),
        "start_s": first - began,
        "driver_ms": 1000 * processor / (count - 1),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def apart(executor: str, what: str, count: int, given: argparse.Namespace) -> dict[str, Any]:
    """The same in a process of its own, whose peak is then that of this run alone."""
    command = [sys.executable, __file__, "--one", executor, what, str(count), "--workers", str(given.workers)]
    if given.address is not None:
        command += ["--address", given.address]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--executors", nargs="+", default=["local", "ray"], choices=["local", "ray"])
    parser.add_argument("--items", type=int, default=2000, help="items of the speed measurement")
    parser.add_argument(
        "--counts", type=int, nargs="*", default=[1000, 10_000, 100_000], help="items for memory"
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--address", help="of a Ray cluster that runs")
    parser.add_argument("--one", nargs=3, metavar=("EXECUTOR", "STEP", "COUNT"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one is not None:
        executor, what, count = given.one
        print(json.dumps(run(executor, what, int(count), given.workers, given.address)))
        return
    print("executor  step       items  items/s  start s  driver ms an item  driver peak MiB", flush=True)
    for executor in given.executors:
        for what, count in [("returns", given.items), *(("sleeps", count) for count in given.counts)]:
            found = apart(executor, what, count, given)
            print(
                f"{executor:8}  {what:8} {count:8}  {found['rate']:7.0f}  {found['start_s']:7.1f}  "
                f"{found['driver_ms']:17.3f}  {found['peak_mib']:15.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
