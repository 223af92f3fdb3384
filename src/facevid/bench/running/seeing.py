"""Looks at all videos of a benchmark in worker processes; what was seen before is not looked at again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facevid.bench.looking.seen import Seen, load_seen
from facevid.bench.looking.step import LOOK
from facevid.engine import (
    Item,
    Ledger,
    Progress,
    clear_stale,
    folder_lock,
    open_executor,
    track,
)
from facevid.recipe import Recipe, read_needs


@dataclass
class Looked:
    """places: key of a video -> the file of what was seen in it. failed: key -> why there is none. reused: how many
    were looked at before."""

    places: dict[str, Path] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    reused: int = 0

    def seen(self, key: str) -> Seen | None:
        """What was seen in a video, None where it could not be looked at."""
        place = self.places.get(key)
        return None if place is None else load_seen(place)


@dataclass(frozen=True)
class SeenFolder:
    """Where what was seen is kept: face embeddings and meshes, which are not for publishing."""

    path: Path

    def place(self, key: str) -> Path:
        """The file for a video of this key."""
        return self.path / "seen" / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.npz"


def look_at_all(
    items: Mapping[str, Callable[[Path], Item]],
    folder: SeenFolder,
    recipe: Recipe,
    *,
    workers: int | None = None,
    executor: str = "local",
    address: str | None = None,
    resources: Mapping[str, Any] | Sequence[str] = (),
    on_progress: Callable[[Progress], None] | None = None,
) -> Looked:
    """Look at every video; one that cannot be read ends in `failed`.

    items: key -> what makes its item, given the file that it is to write. executor, address: where the workers are, as
    `facevid.engine.open_executor` takes them; resources: what each takes up of a cluster's machines, as `read_needs`
    takes it. Raises RecipeError for these, FolderBusy where another benchmark uses the folder, SetupError where a
    reader cannot be loaded, StorageError where nothing can be written.
    """
    found = Looked()
    with (
        folder_lock(folder.path) as lock,
        Ledger(folder.path / "bench.sqlite") as ledger,
        open_executor(
            executor,
            workers=workers,
            address=address,
            lock=lock,
            log=folder.path / "worker.log",
            resources={LOOK.name: read_needs(resources)},
        ) as opened,
    ):
        clear_stale(folder.path)
        running = opened.run(LOOK, _made(items, folder), recipe, ledger, retry_failed=True)
        for outcome in track(running, step="look", total=len(items), on_progress=on_progress):
            found.reused += outcome.reused
            if outcome.status == "ok":
                found.places[outcome.key] = folder.place(outcome.key)
            else:
                found.failed[outcome.key] = outcome.message or outcome.kind or "it could not be looked at"
    return found


def _made(items: Mapping[str, Callable[[Path], Item]], folder: SeenFolder) -> Iterable[Item]:
    return (make(folder.place(key)) for key, make in items.items())
