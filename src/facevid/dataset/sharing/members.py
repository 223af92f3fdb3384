"""Reads members of clips where they lie, checked against their hash."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from facevid.dataset.dataset import Dataset
from facevid.dataset.published import DatasetError


def read_member(dataset: Dataset, row: Mapping[str, Any], kind: str) -> bytes:
    """The bytes of a member of the clip with this row of the clips table.

    Raises DatasetError where they are not those that the row gives.
    """
    shard = dataset.shard(row["shard"])
    data = dataset.storage.read(shard, row[f"{kind}_offset"], row[f"{kind}_size"])
    if hashlib.sha256(data).hexdigest() != row[f"{kind}_sha256"]:
        raise DatasetError(
            f"The {kind} of clip {row['clip_id']} is damaged in {dataset.location}/{shard.stored_as}; "
            f"facevid verify {dataset.location} tells what to fetch again."
        )
    return data
