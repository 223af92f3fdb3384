"""A program that runs a step over many items, here or on a Ray cluster, for the tests to interrupt and kill."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import steps

from facevid.engine import Item, Ledger, Step, folder_lock, open_executor

# A test run that a shell started in the background has Ctrl-C ignored, and what it starts inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def main(folder: Path, what: str, count: int, address: str | None = None) -> int:
    def payload(n: int) -> dict[str, object]:
        paths = {"_out": str(folder / f"{n}.txt"), "_log": str(folder / "log"), "_pids": str(folder / "pids")}
        return {"n": n, **paths}

    step = Step(what, 1, getattr(steps, what), timeout_s=600.0)
    items = (Item(f"{n:04d}", payload(n)) for n in range(count))
    where = "local" if address is None else "ray"
    with (
        folder_lock(folder) as lock,
        Ledger(folder / "ledger.sqlite") as ledger,
        open_executor(where, workers=2, address=address, lock=lock, log=folder / "worker.log") as executor,
    ):
        try:
            for outcome in executor.run(step, items, None, ledger):
                print(outcome.key, flush=True)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), *sys.argv[4:]))
