"""Publishes what was made here to an address; a shard is sent as soon as it is written, and is then gone here."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from facevid.dataset.dataset import open
from facevid.dataset.describing.card import documents
from facevid.dataset.published import MEDIA, TABLES, DatasetError, Manifest, PublishedFile
from facevid.dataset.shards import ShardPlan, write_shard
from facevid.dataset.sharing.outbox import Outbox
from facevid.storage import Place
from facevid.storage.objects import write

NOTE = ".work/sent.json"


class AddressOutlet:
    """The dataset at `place`; `folder` is where its work folder is on this machine.

    check: called before a file is sent; it raises where the dataset is no longer held. before_switch: called before
    readers are to see the new dataset; it raises where that must not be. Raises DatasetError where the place holds
    anything but a dataset, PlaceError where it refuses.
    """

    def __init__(
        self, place: Place, folder: Path, *, check: Callable[[], None], before_switch: Callable[[], None]
    ) -> None:
        self.folder, self.location = folder, place.location
        self._place, self._check, self._before_switch = place, check, before_switch
        self._outbox = Outbox(place, note=NOTE, beside=(".work",))
        self.old = self._outbox.old
        self._placed: dict[str, PublishedFile] = {}

    def shard(self, staged: Path, plan: ShardPlan) -> PublishedFile:
        path = f"{MEDIA}/{plan.name}"
        there = self._outbox.same_shard(path, plan.key, plan.bytes)
        if there is not None:
            file = PublishedFile(path, plan.bytes, there.sha256, len(plan.clips), path, plan.key)
            self._placed[path] = there
            return file
        digest = write_shard(plan, staged / path)
        return self.take(staged, PublishedFile(path, plan.bytes, digest, len(plan.clips), path, plan.key))

    def take(self, staged: Path, file: PublishedFile) -> PublishedFile:
        made, there = staged / file.path, self._outbox.there(file)
        if there is None:
            if not made.exists():
                raise DatasetError(
                    f"{self.location} lacks {file.stored_as}, or not all of its {file.bytes} bytes are there; build "
                    "again."
                )
            self._check()
            there = self._outbox.send(made, file)
        self._placed[file.path] = there
        made.unlink(missing_ok=True)
        return file

    def publish(self, staged: Path, files: Sequence[PublishedFile], about: Mapping[str, Any]) -> Manifest:
        for file in files:
            if file.path not in self._placed:
                self.take(staged, file)
        self._before_switch()
        placed = tuple(self._placed[file.path] for file in files)
        manifest = self._outbox.switch(Manifest(dict(about), placed), folders=(*TABLES, MEDIA))
        for name, text in documents(open(self.location, storage_options=self._place.options)).items():
            write(self._place, name, text.encode())
        self._outbox.close()
        shutil.rmtree(staged, ignore_errors=True)
        return manifest
