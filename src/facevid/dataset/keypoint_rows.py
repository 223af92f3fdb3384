"""Finds the keypoints of a clip: one row of the part that has the number of the clip's shard."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facevid.dataset.published import MEDIA, DatasetError, Manifest, PublishedFile
from facevid.dataset.storage import Storage, table_told

KEYPOINTS = "keypoints"
COLUMNS = ("mesh", "pose", "box")


class KeypointRows:
    """Reads keypoints a clip at a time; which row is whose is looked up once a part."""

    def __init__(self, storage: Storage, manifest: Manifest) -> None:
        self._storage = storage
        self._manifest = manifest
        self._ids: dict[str, pa.ChunkedArray] = {}

    def of(self, clip_id: str, shard: str) -> Mapping[str, Any]:
        """Columns mesh, pose and box of a clip, each one flat array. Raises DatasetError if they are not there."""
        part = self.part(shard)
        return keypoint_row(self._storage, part, self.number(clip_id, shard), clip_id)

    def part(self, shard: str) -> PublishedFile:
        """The part that belongs to a shard."""
        try:
            return self._part_of[shard]
        except KeyError:
            raise DatasetError(
                f"{self._storage.location} has no keypoints for {shard}; fetch keypoints/ again."
            ) from None

    def number(self, clip_id: str, shard: str) -> int:
        """The row of a clip in its part."""
        part = self.part(shard)
        if part.path not in self._ids:
            with self._storage.open(part) as file, table_told(self._storage, part):
                self._ids[part.path] = pq.ParquetFile(file).read(["clip_id"])["clip_id"]
        number = pc.index(self._ids[part.path], clip_id).as_py()
        if number < 0:
            raise DatasetError(
                f"{self._storage.location}/{part.path} has no keypoints for clip {clip_id}; fetch keypoints/ again."
            )
        return int(number)

    @cached_property
    def _part_of(self) -> dict[str, PublishedFile]:
        parts = {_number(f.path): f for f in self._manifest.of(KEYPOINTS)}
        shards = {f.path.removeprefix(f"{MEDIA}/"): _number(f.path) for f in self._manifest.of(MEDIA)}
        return {shard: parts[number] for shard, number in shards.items() if number in parts}


def keypoint_row(storage: Storage, part: PublishedFile, number: int, clip_id: str) -> Mapping[str, Any]:
    """Row `number` of a keypoints part, read with its row group only."""
    with storage.open(part) as opened, table_told(storage, part):
        file = pq.ParquetFile(opened)
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if number < rows:
                table = file.read_row_group(group).slice(number, 1)
                if table["clip_id"][0].as_py() != clip_id:
                    break
                return {c: table[c].combine_chunks().flatten().to_numpy() for c in COLUMNS}
            number -= rows
    raise DatasetError(
        f"{storage.location}/{part.path} does not belong to these clips; fetch keypoints/ again."
    )


def _number(path: str) -> str:
    """The number in the name of a part or shard: "00003"."""
    return path.rpartition("-")[2].partition(".")[0]
