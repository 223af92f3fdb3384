"""What lies beside a dataset's tables and travels with its clips: saved subsets, and marks of what was taken down."""

from __future__ import annotations

import json
from collections.abc import Sequence

from facevid.dataset.choosing.subset_file import SUBSETS, subset_hash
from facevid.dataset.dataset import Dataset
from facevid.dataset.published import DatasetError
from facevid.dataset.removing.tombstones import TOMBSTONES


def kept_beside(dataset: Dataset) -> dict[str, bytes]:
    """The files beside the tables, by name, as they are right for these clips.

    Saved subsets are cut to the clips that are here, and left out where none of theirs is.
    """
    files = _subsets(dataset, set(dataset.ids.to_pylist()))
    if marks := dataset.storage.beside(TOMBSTONES):
        files[TOMBSTONES] = marks
    return files


def united_subsets(views: Sequence[Dataset], prefixes: Sequence[str], ids: set[str]) -> dict[str, bytes]:
    """The saved subsets of several datasets, cut to the clips; `PREFIX-name` where an earlier one has the name."""
    files: dict[str, bytes] = {}
    for view, prefix in zip(views, prefixes, strict=True):
        for path, data in _subsets(view, ids).items():
            folder, _, name = path.rpartition("/")
            files[path if files.get(path, data) == data else f"{folder}/{prefix}-{name}"] = data
    return files


def cut_subset(data: bytes, ids: set[str], path: str) -> bytes | None:
    """A subset file with only the given clips, its hash renewed; None where none is left."""
    try:
        subset = json.loads(data)
        parts = subset.get("parts")
        before = list(subset["ids"]) if parts is None else [i for p in parts.values() for i in p]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"{path} cannot be read as a subset ({error!r}); remove it or save it anew."
        ) from error
    if all(i in ids for i in before):
        return data
    if not any(i in ids for i in before):
        return None
    if parts is None:
        subset["ids"] = [i for i in before if i in ids]
    else:
        subset["parts"] = {name: [i for i in part if i in ids] for name, part in parts.items()}
    subset["sha256"] = subset_hash(subset)
    return (json.dumps(subset, indent=1, ensure_ascii=False) + "\n").encode()


def _subsets(dataset: Dataset, ids: set[str]) -> dict[str, bytes]:
    files = {}
    for name in dataset.storage.names(SUBSETS):
        path = f"{SUBSETS}/{name}"
        data = dataset.storage.beside(path) if name.endswith(".json") else None
        if data is not None and (cut := cut_subset(data, ids, f"{dataset.location}/{path}")):
            files[path] = cut
    return files
