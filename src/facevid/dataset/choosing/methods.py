"""What a Dataset offers for choosing clips: fractions, balanced choices, splits, and choices saved before."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facevid.dataset.choosing.balance import ThinCells, balanced_rows
from facevid.dataset.choosing.fractions import fraction_rows
from facevid.dataset.choosing.strata import Ints, Of, columns_sql, needed
from facevid.dataset.choosing.subset_file import (
    SUBSETS,
    SubsetFile,
    check_name,
    is_path,
    parse_subset,
    read_subset,
)
from facevid.dataset.published import DatasetError, PublishedFile

if TYPE_CHECKING:
    from facevid.dataset.dataset import Dataset

Missing = Literal["error", "leave"]
_FAR = 0.2  # a part so far from its wanted size, as a share of that, is worth a warning


class Split(dict[str, "Dataset"]):
    """The parts of a split by their names, such as `split["train"]`; each is a Dataset, and no person is in two."""

    def __init__(self, parts: Mapping[str, Dataset], dataset: Dataset, made: Mapping[str, Any]) -> None:
        super().__init__(parts)
        self._dataset = dataset
        self.made = dict(made)

    def save(self, name: str, *, replace: bool = False) -> Path:
        """Save the ids of the parts under a name, or as the file of a path; gives the path of the file.

        Raises DatasetError where other clips are saved there, unless they are to be replaced.
        """
        parts = {part: tuple(of.ids.to_pylist()) for part, of in self.items()}
        return _save(self._dataset, name, parts=parts, ids=None, made=self.made, replace=replace)


class NobodyKnows(UserWarning):
    """Clips are to be gone by something that nobody knows of any of them; the text names it."""


class UnevenSplit(UserWarning):
    """A part of a split is far from the size that was wanted; the text says why."""


class Choosing:
    """Choices of a dataset's clips. `by` names attributes, columns of `clips` or `sources`, or SQL expressions.

    Numbers are gone by in bands: age in tens of years, others in four with as many clips each; give an expression,
    such as "floor(sharpness)", for others. A value that nobody knows is a stratum of its own. All chance comes from
    the SHA-256 of seed and clip id, so a choice is the same on every machine and in every order of the clips.
    """

    def fraction(self, p: float, seed: int = 0, *, by: Sequence[str] = (), of: Of = "clips") -> Dataset:
        """A share `p` (0 to 1) of the clips; a smaller share of the same seed, `by` and `of` lies inside a larger one.

        by: what to stratify by: each combination of values has its share to within one unit. of: what is counted,
        "clips", "hours" or "persons"; a person is taken with all clips, and clips of nobody known with those of their
        source. For example `ds.fraction(0.1, seed=1, by=["gender", "emotion"])`.
        """
        ds = self._dataset
        table = looked_at(ds, by, needed(of))
        rows = fraction_rows(table, p, seed, by, of)
        return _chosen(ds, table, rows, f"fraction {p:g} of {of}, seed {seed}{_by(by)}")

    def balanced(
        self,
        by: Sequence[str],
        *,
        each: float | None = None,
        seed: int = 0,
        of: Of = "clips",
        thin: Literal["keep", "leave", "error"] = "keep",
        unknown: Literal["leave", "keep"] = "leave",
    ) -> Dataset:
        """Equal numbers of clips, hours or persons of every combination of values.

        each: how many of each, None for as many as the thinnest has. thin: combinations with fewer "keep" what they
        have, are "left" out (`"leave"`), or are an "error"; a warning (`ThinCells`) names them, and combinations that
        no clip has. unknown: clips of which a value is unknown are left out ("leave") or are combinations of their own
        ("keep"). A smaller `each` lies inside a larger one.
        """
        ds = self._dataset
        table = looked_at(ds, by, needed(of))
        found = balanced_rows(table, by, each=each, seed=seed, of=of, thin=thin, unknown=unknown)
        if said := found.sentence(by, of, thin):
            warnings.warn(said, ThinCells, stacklevel=2)
        told = f"balanced, {found.each:.4g} {of} of each{_by(by)}, seed {seed}"
        return _chosen(ds, table, found.rows, f"{told}, thin: {thin}, unknown: {unknown}")

    def split(
        self,
        parts: Sequence[float],
        seed: int = 0,
        *,
        by: Sequence[str] = (),
        names: Sequence[str] | None = None,
        of: Of = "clips",
        keep_sources: bool = False,
        unknown: Literal["together", "apart", "leave"] = "together",
    ) -> Split:
        """Parts with no person on two sides: a dict of datasets by `names`, with `.save(name)`.

        parts: shares that add up to 1, of the clips, hours or persons (`of`). names: train, validation and test, or
        train and test for two. by: values whose shares should be the same in all parts, as far as whole persons allow.
        keep_sources: also people who share a source stay together; otherwise two people of one interview may part.
        unknown: clips of nobody known stay "together" with everybody who is known in their source, since they may show
        them; or are a group of their own for each source ("apart"), or "leave": they are in no part.
        Raises DatasetError with fewer people than parts; warns (`UnevenSplit`) where sizes cannot be met with whole
        people.
        """
        # Imported here, since scipy takes longer to import than most choices.
        from facevid.dataset.choosing.splits import NAMES, split_rows

        ds = self._dataset
        called = (
            tuple(names)
            if names is not None
            else NAMES[: len(parts)]
            if len(parts) != 2
            else (NAMES[0], NAMES[2])
        )
        if len(called) != len(parts) or len(set(called)) < len(called):
            raise DatasetError(
                f"{len(parts)} parts need {len(parts)} different names; given are {', '.join(called) or 'none'}."
            )
        for name in called:
            check_name(name)
        table = looked_at(ds, by, ("identity", "source_id", *needed("hours")))
        found = split_rows(table, parts, seed, by=by, of=of, keep_sources=keep_sources, unknown=unknown)
        if max(abs(got - share) / share for got, share in zip(found.shares, parts, strict=True)) > _FAR:
            sizes = ", ".join(f"{name} {got:.1%}" for name, got in zip(called, found.shares, strict=True))
            warnings.warn(
                f"The parts have, of all {of}, {sizes}: there are {found.groups} groups of clips that must stay "
                f"together, and the largest holds {found.largest:.1%}. More people or larger parts come nearer; where "
                "clips of nobody known or kept sources tie many people together, unknown='leave' or "
                "keep_sources=False.",
                UnevenSplit,
                stacklevel=2,
            )
        told = f"seed {seed}{_by(by)}, sizes in {of}, unknown: {unknown}"
        told += ", people of one source together" if keep_sources else ""
        rows = [np.flatnonzero(found.of == k).astype(np.int64) for k in range(len(parts))]
        chosen = {
            name: _chosen(ds, table, of_part, f"{name}, {share:g} of a split, {told}")
            for name, share, of_part in zip(called, parts, rows, strict=True)
        }
        shares = dict(zip(called, map(float, parts), strict=True))
        how = [*ds.why, f"split by person, {told}"]
        return Split(chosen, ds, {"how": how, "shares": shares, "seed": seed})

    def save(self, name: str, *, replace: bool = False) -> Path:
        """Save the ids of these clips, in their order, in the dataset's folder `subsets`, or as a file (`x.json`).

        Raises DatasetError where other clips are saved there, unless they are to be replaced.
        """
        ds = self._dataset
        ids = tuple(ds.ids.to_pylist())
        return _save(ds, name, ids=ids, parts=None, made={"how": list(ds.why)}, replace=replace)

    def subset(self, name: str, part: str | None = None, *, missing: Missing = "error") -> Dataset:
        """The clips of a saved subset, by its name or the path of its file; of a split, those of one part.

        missing: clips that are not here are an "error" that names them, or are left out ("leave"). Raises DatasetError
        too for a file that is damaged or was changed.
        """
        ds = self._dataset
        found = _read(ds, name)
        if found.parts is None:
            if part is not None:
                raise DatasetError(f"The subset {found.name} has no parts; leave part={part!r} out.")
            return _of_file(ds, found, found.ids or (), f"subset {found.name}", missing)
        if part is None or part not in found.parts:
            asked = "say which part" if part is None else f"there is no part {part!r}"
            raise DatasetError(f"{found.name} is a split: {asked}; it has {', '.join(found.parts)}.")
        return _of_file(ds, found, found.parts[part], f"part {part} of {found.name}", missing)

    def saved_split(self, name: str, *, missing: Missing = "error") -> Split:
        """All parts of a saved split, as `split` gave them."""
        ds = self._dataset
        found = _read(ds, name)
        if found.parts is None:
            raise DatasetError(f"{found.name} is a subset without parts; read it with ds.subset({name!r}).")
        parts = {
            part: _of_file(ds, found, ids, f"part {part} of {found.name}", missing)
            for part, ids in found.parts.items()
        }
        return Split(parts, ds, found.made)

    def saved(self) -> list[str]:
        """The names of the subsets and splits saved in the dataset's folder."""
        return sorted(path.stem for path in (self._dataset.folder / SUBSETS).glob("*.json"))

    @property
    def _dataset(self) -> Dataset:
        return cast("Dataset", self)


def looked_at(ds: Dataset, by: Sequence[str], of: Sequence[str] = ()) -> pa.Table:
    """The table that a choice looks at: `clip_id`, the columns `of`, and by_0, by_1, ... for each of `by`.

    Raises DatasetError, with DuckDB's hint, for what cannot be gone by.
    """
    if isinstance(by, str):
        raise DatasetError(f"by is a list of names; give [{by!r}].")
    try:
        table = ds.sql(columns_sql(ds.columns, by, of)).to_arrow_table()
    except duckdb.Error as error:
        raise DatasetError(
            f"Clips cannot be told apart by {', '.join(by)}: {' '.join(str(error).split())}"
        ) from error
    unknown = [name for k, name in enumerate(by) if len(table) and table[f"by_{k}"].null_count == len(table)]
    if unknown:
        warnings.warn(
            f"Of none of the {len(table)} clips anybody knows {', '.join(unknown)}, so going by it changes nothing; "
            "facevid annotate, people themselves or models can say it.",
            NobodyKnows,
            stacklevel=3,
        )
    return table


def _chosen(ds: Dataset, table: pa.Table, rows: Ints, why: str) -> Dataset:
    """The clips of these rows, in the order that the dataset has."""
    ids = table["clip_id"].combine_chunks()
    if not ids.equals(ds.ids):
        rows = np.asarray(pc.index_in(ids.take(pa.array(rows)), value_set=ds.ids), np.int64)
    return ds.take(np.sort(rows), why)


def _save(
    ds: Dataset, name: str, *, ids: tuple[str, ...] | None, parts: Mapping[str, tuple[str, ...]] | None,
    made: Mapping[str, Any], replace: bool,
) -> Path:  # fmt: skip
    if not is_path(name) and "://" in ds.location:
        raise DatasetError(
            f"{ds.location} is not on this machine, so that {name!r} has no place there; give a file: {name}.json."
        )
    path = Path(name) if is_path(name) else ds.folder / SUBSETS / f"{check_name(name)}.json"
    SubsetFile(path.stem if is_path(name) else name, ds.name, made, ids, parts).write(path, replace=replace)
    return path


def _read(ds: Dataset, name: str) -> SubsetFile:
    if is_path(name):
        return read_subset(Path(name))
    inside = f"{SUBSETS}/{check_name(name)}.json"
    if "://" not in ds.location:
        return read_subset(ds.folder / inside)
    with ds.storage.open(PublishedFile(inside, 0, "", 0, inside)) as file:
        return parse_subset(file.read(), f"{ds.location}/{inside}")


def _of_file(ds: Dataset, file: SubsetFile, ids: Sequence[str], why: str, missing: Missing) -> Dataset:
    wanted = pa.array(ids, pa.string())
    there = pc.is_in(wanted, value_set=ds.ids)
    lacking = wanted.filter(pc.invert(there)).to_pylist()
    if lacking and missing == "error":
        of = f", which was made of {file.dataset}" if file.dataset != ds.name else ""
        raise DatasetError(
            f"{ds.location} lacks {len(lacking)} of the {len(wanted)} clips of {file.name}{of}: "
            f"{', '.join(lacking[:3])}{', ...' if len(lacking) > 3 else ''}. "
            "Make it again, or read it with missing='leave'."
        )
    return ds.select(wanted.filter(there), why)


def _by(by: Sequence[str]) -> str:
    return f", by {', '.join(by)}" if by else ""
