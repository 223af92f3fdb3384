"""Where a build publishes: into a folder of this machine, or to an address, a shard at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from facevid.dataset.publish import publish
from facevid.dataset.published import MEDIA, Manifest, PublishedFile, check_output
from facevid.dataset.shards import ShardPlan, stage_shard


class Outlet(Protocol):
    """Takes the files of a dataset that is being packed."""

    old: Manifest | None
    """The dataset that is there."""
    location: str
    """Its folder or address."""
    folder: Path
    """In whose work folder new files are made."""

    def shard(self, staged: Path, plan: ShardPlan) -> PublishedFile:
        """Write a shard, unless it is there already."""

    def take(self, staged: Path, file: PublishedFile) -> PublishedFile:
        """A large table that is finished in `staged`; it need not stay there."""

    def publish(self, staged: Path, files: Sequence[PublishedFile], about: Mapping[str, Any]) -> Manifest:
        """Make these files the dataset."""


class FolderOutlet:
    """A folder of this machine. Raises DatasetError where it is not ours to write."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.location = folder, str(folder)
        self.old = check_output(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self._present = {f.path: f for f in self.old.files if f.key} if self.old else {}

    def shard(self, staged: Path, plan: ShardPlan) -> PublishedFile:
        return stage_shard(self.folder, staged, plan, self._present.get(f"{MEDIA}/{plan.name}"))

    def take(self, staged: Path, file: PublishedFile) -> PublishedFile:
        return file

    def publish(self, staged: Path, files: Sequence[PublishedFile], about: Mapping[str, Any]) -> Manifest:
        return publish(self.folder, staged=staged, files=files, about=about, card=None)
