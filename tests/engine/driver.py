"""A program that runs a step over many items, for the tests to interrupt and kill."""

from __future__ import annotations

import sys
from pathlib import Path

import steps

from facevid.engine import Item, Ledger, LocalExecutor, Step


def main(folder: Path, what: str, count: int) -> int:
    def payload(n: int) -> dict[str, object]:
        paths = {"_out": str(folder / f"{n}.txt"), "_log": str(folder / "log"), "_pids": str(folder / "pids")}
        return {"n": n, **paths}

    step = Step(what, 1, getattr(steps, what), timeout_s=60.0)
    items = (Item(f"{n:04d}", payload(n)) for n in range(count))
    with Ledger(folder / "ledger.sqlite") as ledger:
        try:
            for outcome in LocalExecutor(2).run(step, items, None, ledger):
                print(outcome.key, flush=True)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
