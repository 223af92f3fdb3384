"""Small datasets and other processes for the tests of the review."""

from __future__ import annotations

import argparse
import uuid
from pathlib import Path

from facevid.web.review_store import ReviewStore


def clip_ids(count: int) -> list[str]:
    """Ids of made-up clips, sorted."""
    return sorted(f"{k * 2654435761 % 2**64:016x}_0_99_0" for k in range(1, count + 1))


def say(store: ReviewStore, clip_id: str, annotator: str, verdict: str = "accept", **more: object) -> int:
    """Record a verdict; task "keep" unless told otherwise. Gives the row's id."""
    fields: dict[str, object] = {"task": "keep", "client_id": str(uuid.uuid4())} | more
    return store.record(clip_id=clip_id, annotator=annotator, verdict=verdict, **fields).id  # type: ignore[arg-type]


def _write(dataset: Path, annotator: str, count: int) -> None:
    """Record verdicts and print each id once it is committed; the parent may kill this process at any moment."""
    store = ReviewStore(dataset)
    for clip_id in clip_ids(count):
        say(store, clip_id, annotator)
        print(clip_id, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset", type=Path)
    parser.add_argument("annotator")
    parser.add_argument("count", type=int)
    given = parser.parse_args()
    _write(given.dataset, given.annotator, given.count)
