"""The ledger of fetched and dead links: one line an event, appended and flushed, so that a crash loses at most one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from facevid.errors import FacevidError

LEDGER = "fetched.jsonl"
State = Literal["fetched", "dead", "failed"]


@dataclass(frozen=True)
class Link:
    """The last that is known of one source.

    state: "fetched" (file and size_bytes say where it lies), "dead" (it is not to be had: not tried again unless
    asked) or "failed" (this time: tried again in the next run). reason: a sentence for dead and failed. when: UTC.
    """

    source: str
    address: str
    state: State
    when: str
    file: str | None = None
    size_bytes: int | None = None
    reason: str | None = None


class Links:
    """What is known of the sources fetched into one folder; the last line about a source counts."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / LEDGER
        self._known: dict[str, Link] = {}
        self._whole_bytes: int | None = None
        if self.path.exists():
            self._read()

    def __iter__(self) -> Iterator[Link]:
        return iter(self._known.values())

    def get(self, source: str) -> Link | None:
        """The last that is known of a source."""
        return self._known.get(source)

    def add(
        self,
        source: str,
        address: str,
        state: State,
        *,
        file: str | None = None,
        size_bytes: int | None = None,
        reason: str | None = None,
    ) -> Link:
        """Append an event and flush it to the disk."""
        when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        link = Link(source, address, state, when, file, size_bytes, reason)
        said = {k: v for k, v in asdict(link).items() if v is not None}
        line = json.dumps(said, ensure_ascii=False) + "\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as handle:
            if self._whole_bytes is not None:
                handle.truncate(self._whole_bytes)
            handle.write(line)
            handle.flush()
            os.fsync(handle.fileno())
        self._whole_bytes = None
        self._known[source] = link
        return link

    def _read(self) -> None:
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            # What follows the last end of a line is a write that a crash cut off; the next write takes its place.
            self._whole_bytes = whole
        for number, line in enumerate(data[:whole].splitlines(), start=1):
            try:
                link = Link(**json.loads(line))
            except (ValueError, TypeError):
                raise FacevidError(
                    f"{self.path}, line {number}, is not an event of a fetch; put the file aside to begin a new ledger."
                ) from None
            self._known[link.source] = link
