"""Which clips of a dataset are passed on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from facevid.dataset.choosing.subset_file import (
    SUBSETS,
    SubsetFile,
    check_name,
    is_path,
    parse_subset,
    read_subset,
)
from facevid.dataset.dataset import Dataset
from facevid.dataset.published import DatasetError
from facevid.dataset.rights import with_rights


@dataclass(frozen=True)
class Choice:
    """Clips to be passed on; parts: of each the part of the split that it is in, if a saved split was chosen."""

    dataset: Dataset
    parts: Mapping[str, str] | None = None

    def splits(self) -> pa.Array:
        """The split of each clip, or null: the part it was chosen in, else what the clips table says."""
        if self.parts is None:
            return self.dataset.rows(["split"])["split"].combine_chunks()
        return pa.array([self.parts.get(i) for i in self.dataset.ids.to_pylist()], pa.string())


def choose(
    dataset: Dataset,
    *,
    where: str | None = None,
    subset: str | None = None,
    split: str | None = None,
    require_consent: bool = False,
    licences: Iterable[str] | None = None,
) -> Choice:
    """The clips for which all that is given holds, in the dataset's order.

    subset: name of a saved subset or split, or the path of its file; of a split all parts, each of which becomes the
    split of its clips. split: one part of that; without a subset, the value of the column `split`. Clips of a subset
    that the dataset no longer has, such as those taken down, are left out. Raises DatasetError where nothing is left.
    """
    chosen, parts = dataset, None
    if subset is not None:
        saved = _read(dataset, subset)
        wanted, parts = _of_subset(saved, split)
        told = f"subset {saved.name}" + (f", part {split}" if split else "")
        here = pc.is_in(dataset.ids, value_set=pa.array(wanted, pa.string()))
        chosen = dataset.select(dataset.ids.filter(here), told)
    elif split is not None:
        chosen = _of_column(dataset, split)
    if where is not None:
        chosen = chosen.where(where)
    chosen = with_rights(chosen, require_consent=require_consent, licences=licences)
    if not len(chosen) and len(dataset):
        raise DatasetError(
            f"No clip of the {len(dataset):,} in {dataset.location} is left ({'; '.join(chosen.why)}); "
            "nothing was written."
        )
    return Choice(chosen, parts)


def _read(dataset: Dataset, subset: str) -> SubsetFile:
    if is_path(subset):
        return read_subset(Path(subset))
    path = f"{SUBSETS}/{check_name(subset)}.json"
    data = dataset.storage.beside(path)
    if data is None:
        there = [n.removesuffix(".json") for n in dataset.storage.names(SUBSETS) if n.endswith(".json")]
        known = f"there are {', '.join(there)}" if there else "none is saved there"
        raise DatasetError(f"{dataset.location} has no subset {subset!r}; {known}.")
    return parse_subset(data, f"{dataset.location}/{path}")


def _of_subset(saved: SubsetFile, split: str | None) -> tuple[list[str], dict[str, str] | None]:
    if saved.parts is None:
        if split is not None:
            raise DatasetError(f"The subset {saved.name} has no parts; leave out the split {split!r}.")
        return list(saved.ids or ()), None
    if split is not None and split not in saved.parts:
        raise DatasetError(
            f"The split {saved.name} has no part {split!r}; there are {', '.join(saved.parts)}."
        )
    parts = {i: name for name, ids in saved.parts.items() if split in (None, name) for i in ids}
    return list(parts), parts


def _of_column(dataset: Dataset, split: str) -> Dataset:
    column = dataset.rows(["split"])["split"]
    ids = dataset.ids.filter(pc.fill_null(pc.equal(column, split), False).combine_chunks())
    if not len(ids):
        there = sorted(p for p in pc.unique(column).to_pylist() if p is not None)
        known = (
            f"there are {', '.join(there)}" if there else "no clip has one; name a saved split as the subset"
        )
        raise DatasetError(f"{dataset.location} has no clips of the split {split!r}; {known}.")
    return dataset.select(ids, f"split {split}")
