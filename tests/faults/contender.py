"""Tries to hold a dataset's folder at agreed instants, again and again; for test_kills."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from facevid.curate.work import Work
from facevid.engine import FolderBusy

ROUND_S = 0.8


def main(dataset: Path, begin: float, rounds: int) -> None:
    """begin: of the first round, by the monotonic clock, which all processes of a machine share."""
    for number in range(rounds):
        start = begin + number * ROUND_S
        while time.monotonic() < start:
            pass
        try:
            with Work(dataset).held():
                print("won", flush=True)
                time.sleep(max(0.0, start + ROUND_S / 2 - time.monotonic()))
        except FolderBusy:
            print("busy", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
