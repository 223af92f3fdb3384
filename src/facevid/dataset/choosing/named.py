"""Makes a subset or a split of a dataset and saves it under a name: what `facevid subset` and `facevid split` do."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow.compute as pc

from facevid.dataset.choosing.methods import Split, looked_at
from facevid.dataset.choosing.split_column import write_split
from facevid.dataset.choosing.strata import Of, cells_of
from facevid.dataset.choosing.subset_file import is_path
from facevid.dataset.dataset import Dataset, open
from facevid.dataset.published import DatasetError


def subset(
    dataset: str | os.PathLike[str] | Dataset,
    name: str,
    *,
    where: str | None = None,
    fraction: float | None = None,
    balanced: bool = False,
    by: Sequence[str] = (),
    of: Of = "clips",
    each: float | None = None,
    thin: Literal["keep", "leave", "error"] = "keep",
    unknown: Literal["leave", "keep"] = "leave",
    seed: int = 0,
    replace: bool = False,
) -> Dataset:
    """Choose clips and save their ids as DATASET/subsets/NAME.json, or as the file of a path; gives the choice.

    The choices are made in this order: clips for which the SQL condition `where` is true, of those equal numbers of
    each combination of `by` (`balanced`, with `each`, `thin` and `unknown`), of those a stratified `fraction`. What
    the options mean: `Dataset.where`, `Dataset.balanced`, `Dataset.fraction`. Raises DatasetError where no choice is
    asked for or none can be made, and where other clips are saved under that name, unless `replace`.
    """
    ds = dataset if isinstance(dataset, Dataset) else open(dataset)
    if where is None and fraction is None and not balanced:
        raise DatasetError("Say which clips: by a condition (where), a fraction, or balanced.")
    if where is not None:
        ds = ds.where(where)
    if balanced:
        ds = ds.balanced(by, each=each, seed=seed, of=of, thin=thin, unknown=unknown)
    if fraction is not None:
        ds = ds.fraction(fraction, seed, by=by, of=of)
    ds.save(name, replace=replace)
    return ds


def split(
    dataset: str | os.PathLike[str] | Dataset,
    name: str,
    *,
    parts: Sequence[float] = (0.9, 0.05, 0.05),
    names: Sequence[str] | None = None,
    by: Sequence[str] = (),
    of: Of = "clips",
    keep_sources: bool = False,
    unknown: Literal["together", "apart", "leave"] = "together",
    seed: int = 0,
    write: bool = False,
    replace: bool = False,
) -> Split:
    """Split a dataset by person, save the split as DATASET/subsets/NAME.json or as the file of a path, and give it.

    write: also publish the clips table anew with the parts' names in its column `split`, for readers that know of no
    subsets; a later build publishes it without them. replace: what is saved under that name may be of other clips. What
    the other options mean: `Dataset.split`.
    """
    ds = dataset if isinstance(dataset, Dataset) else open(dataset)
    if write or not is_path(name):
        _ = ds.folder  # told before the work, not after it
    found = ds.split(parts, seed, by=by, names=names, of=of, keep_sources=keep_sources, unknown=unknown)
    found.save(name, replace=replace)
    if write:
        write_split(ds.folder, {part: of_part.ids for part, of_part in found.items()})
    return found


def figures(ds: Dataset) -> dict[str, Any]:
    """How much a choice holds: clips, hours, people, sources."""
    rows = ds.rows(["frames", "fps", "identity", "source_id"])
    seconds = np.asarray(rows["frames"], np.float64) / np.asarray(rows["fps"], np.float64)
    return {
        "clips": len(ds),
        "hours": round(float(np.cumsum(seconds)[-1]) / 3600, 4) if len(ds) else 0.0,
        "people": pc.count_distinct(rows["identity"]).as_py(),
        "sources": pc.count_distinct(rows["source_id"]).as_py(),
    }


def shares(whole: Dataset, parts: Mapping[str, Dataset], by: Sequence[str]) -> list[dict[str, Any]]:
    """The share of clips of each value of each `by`, in the whole ("all") and in each part, 0 to 1.

    Numbers are in the bands that the whole gives them.
    """
    table = looked_at(whole, by)
    inside = {"all": np.ones(len(table), bool)} | {
        name: np.asarray(pc.is_in(table["clip_id"], value_set=part.ids)) for name, part in parts.items()
    }
    told = []
    for k, name in enumerate(by):
        cells = cells_of(table.select(["clip_id", f"by_{k}"]).rename_columns(["clip_id", "by_0"]), [name])
        counts = {part: np.bincount(cells.of[mask], minlength=len(cells)) for part, mask in inside.items()}
        told += [
            {"by": name, "value": cells.names[c][0]}
            | {part: round(float(count[c] / max(1, count.sum())), 4) for part, count in counts.items()}
            for c in range(len(cells))
        ]
    return told
