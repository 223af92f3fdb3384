"""Tries to hold a dataset's folder at agreed instants, again and again; for test_kills."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from facevid.curate.work import Work
from facevid.engine import FolderBusy


def main(folder: Path, name: str, rounds: int) -> None:
    """Print "won" or "busy" for each round; a round begins and ends when both contenders have come there."""
    for number in range(rounds):
        meet(folder, f"begin-{number}", name)
        try:
            with Work(folder / "dataset").held():
                print("won", flush=True)
                meet(folder, f"end-{number}", name)
        except FolderBusy:
            print("busy", flush=True)
            meet(folder, f"end-{number}", name)


def meet(folder: Path, what: str, name: str) -> None:
    """Wait until the other is here too; whoever comes last lets the other see it within microseconds."""
    (folder / f"{what}-{name}").touch()
    while len(list(folder.glob(f"{what}-*"))) < 2:
        time.sleep(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
