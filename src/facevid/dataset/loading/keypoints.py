"""Reads the keypoints of one clip after another, in any order, without decoding what is not asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from facevid.dataset.dataset import Dataset
from facevid.dataset.published import DatasetError

_TYPES = {"mesh": np.float16, "pose": np.float32}


class KeypointReader:
    """Remembers where the rows of each part lie, and keeps no file open."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._heads: dict[str, tuple[pq.FileMetaData, npt.NDArray[np.int64]]] = {}

    def read(self, row: Mapping[str, Any], column: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
        """A column of a clip's keypoints as (frames, *shape). Raises DatasetError where it is not there."""
        try:
            array = np.asarray(self._values(row["clip_id"], row["shard"], column), _TYPES[column])
        except pa.ArrowException as error:
            raise DatasetError(
                f"The keypoints of clip {row['clip_id']} cannot be read ({error}); fetch keypoints/ again."
            ) from error
        if array.size != row["frames"] * int(np.prod(shape)):
            raise DatasetError(
                f"The {column} of clip {row['clip_id']} has {array.size} values, which are not those of "
                f"{row['frames']} frames; fetch keypoints/ again."
            )
        return array.reshape(int(row["frames"]), *shape)

    def _values(self, clip_id: str, shard: str, column: str) -> npt.NDArray[Any]:
        part = self._dataset.keypoint_part(shard)
        number = self._dataset.keypoint_number(clip_id, shard)
        with self._dataset.storage.open(part) as opened:
            if part.path not in self._heads:
                head = pq.read_metadata(opened)
                sizes = [head.row_group(k).num_rows for k in range(head.num_row_groups)]
                self._heads[part.path] = head, np.cumsum([0, *sizes])
            head, starts = self._heads[part.path]
            group = int(np.searchsorted(starts, number, side="right")) - 1
            table = pq.ParquetFile(opened, metadata=head).read_row_group(
                group, columns=[column], use_threads=False
            )
        values = table[column].slice(number - int(starts[group]), 1).combine_chunks().flatten()
        return np.asarray(values.to_numpy(zero_copy_only=False))
