"""Splits clips into parts so that no person is on two sides, with sizes and strata near those wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from facevid.dataset.choosing.strata import Cells, Ints, Of, by_chance, cells_of, drawn, microseconds
from facevid.dataset.published import DatasetError

Unknown = Literal["together", "apart", "leave"]
"""Where clips of nobody known go: with everybody known in their source, by themselves, or into no part."""
NAMES = ("train", "validation", "test")
_PERSON = 1 << 20  # what a person counts for, spread over the person's clips in whole numbers


@dataclass(frozen=True)
class Parts:
    """of: the part of every row of the table. shares: what each part has of everything.

    groups: how many groups of clips had to stay together. largest: the share of everything that the largest holds.
    """

    of: Ints
    shares: tuple[float, ...]
    groups: int
    largest: float


def split_rows(
    table: pa.Table,
    shares: Sequence[float],
    seed: int,
    *,
    by: Sequence[str] = (),
    of: Of = "clips",
    keep_sources: bool = False,
    unknown: Unknown = "together",
) -> Parts:
    """The part of each row, so that all clips of a person are in one.

    table: what `columns_sql` asked for, with `identity`, `source_id`, `frames` and `fps`. shares: of each part, adding
    up to 1, of the clips, hours or persons (`of`). keep_sources: people who share a source are kept together too;
    otherwise two people of one interview may part, each with the clips that show them. unknown: a clip of nobody known
    may show anybody of its source, so it stays "together" with everybody who is known there; or those of a source stay
    together "apart" from the others, or "leave" the split: their part is -1.

    Groups go one after another, the largest first, to the part that lacks most of what they bring: the parts' shares
    of everything, of each value, and of each cell of `by` come near the wanted ones, by the sum of their squared
    misses, each over its wanted amount. Each part gets a group, however small its share. Raises DatasetError where
    there are fewer groups than parts.
    """
    _check(shares)
    if unknown not in get_args(Unknown):
        raise ValueError(f"unknown cannot be {unknown!r}; allowed: {', '.join(get_args(Unknown))}.")
    # The same rows in another order are the same split: everything below sees them by their ids.
    sorted_by_id = np.asarray(pc.sort_indices(table["clip_id"]), np.int64)
    if unknown == "leave":
        sorted_by_id = sorted_by_id[np.asarray(pc.is_valid(table["identity"]))[sorted_by_id]]
    rows = table.take(pa.array(sorted_by_id))
    group, names = groups_of(rows, keep_sources=keep_sources, together=unknown == "together")
    if len(names) < len(shares):
        raise DatasetError(
            f"{len(shares)} parts need {len(shares)} people at least; there are {len(names)} that can be told apart"
            f"{' and share no source' if keep_sources else ''}. Ask for fewer parts."
        )
    weight = _weights(rows, group, of)
    whole = np.zeros(len(names), np.int64)
    np.add.at(whole, group, weight)
    part = _dealt(group, weight, whole, cells_of(rows, by), shares, by_chance(drawn(seed, names), names))
    out = np.full(len(table), -1, np.int64)
    out[sorted_by_id] = part[group]
    has = np.zeros(len(shares), np.int64)
    np.add.at(has, part, whole)
    everything = int(whole.sum())
    return Parts(out, tuple(int(h) / everything for h in has), len(names), int(whole.max()) / everything)


def groups_of(table: pa.Table, *, keep_sources: bool, together: bool) -> tuple[Ints, pa.Array]:
    """The group of every row, and the groups' names: clips that must be in one part.

    A group is a person with all clips; a source's clips of nobody known, where `together` with everybody known in that
    source; and where `keep_sources`, everybody who is linked by a source.
    """
    person = table["identity"].combine_chunks().dictionary_encode()
    source = table["source_id"].combine_chunks().dictionary_encode()
    people = len(person.dictionary)
    known = np.asarray(pc.is_valid(person))
    at_source = people + np.asarray(source.indices, np.int64)
    node = np.where(known, np.asarray(person.indices.fill_null(0), np.int64), at_source)
    linked = np.full(len(known), keep_sources)
    if together:
        linked |= np.isin(at_source, at_source[~known])
    count = people + len(source.dictionary)
    edges = coo_matrix(
        (np.ones(int(linked.sum()), np.int8), (node[linked], at_source[linked])), shape=(count, count)
    )
    _, component = connected_components(edges, directed=False)
    _, first, group = np.unique(component[node], return_index=True, return_inverse=True)
    # A group is called by the first of its clips, so that its chance does not hang on numbers given on the way.
    return np.asarray(group, np.int64).reshape(-1), table["clip_id"].combine_chunks().take(pa.array(first))


def _weights(rows: pa.Table, group: Ints, of: Of) -> Ints:
    if of == "clips":
        return np.ones(len(rows), np.int64)
    if of == "hours":
        return microseconds(rows)
    if of != "persons":
        raise ValueError(f"of cannot be {of!r}; allowed: clips, hours, persons.")
    person = rows["identity"].combine_chunks().dictionary_encode()
    at = np.asarray(person.indices.fill_null(-1), np.int64)
    alone = at < 0  # nobody known: the clips of a group that has no person count as one
    unit = np.where(alone, len(person.dictionary) + group, at)
    has_person = np.isin(group, group[~alone])
    many = np.bincount(unit)[unit]
    return np.where(alone & has_person, 0, np.maximum(1, _PERSON // many)).astype(np.int64)


def _dealt(
    group: Ints, weight: Ints, whole: Ints, cells: Cells, shares: Sequence[float], chance: Ints
) -> Ints:
    """The part of each group."""
    class_of, classes = _classes(cells)
    both, amount = _per_group(group, weight, [of_cell[cells.of] for of_cell in class_of], classes)
    at, which = np.divmod(both, classes)
    bounds = np.searchsorted(at, np.arange(len(whole) + 1))
    total = np.zeros(classes, np.int64)
    np.add.at(total, which, amount)
    # Python's own floats, added in order: the same on every machine, which sums by vector instructions are not.
    lacks = [[share * float(t) for t in total.tolist()] for share in shares]
    per = [[1.0 / max(wanted, 1.0) for wanted in of_part] for of_part in lacks]
    rank = np.empty(len(whole), np.int64)
    rank[chance] = np.arange(len(whole))
    order = np.lexsort((rank, -whole)).tolist()
    ends, classes_of, amounts = bounds.tolist(), which.tolist(), amount.astype(np.float64).tolist()
    part = np.zeros(len(whole), np.int64)
    empty = set(range(len(shares)))
    for left, one in zip(range(len(order), 0, -1), order, strict=True):
        span = range(ends[one], ends[one + 1])
        allowed = sorted(empty) if left <= len(empty) else range(len(shares))
        best, least = 0, float("inf")
        for k in allowed:
            miss, lack, scale = 0.0, lacks[k], per[k]
            for i in span:
                c, a = classes_of[i], amounts[i]
                miss += a * (a - 2.0 * lack[c]) * scale[c]
            if miss < least:
                best, least = k, miss
        part[one] = best
        empty.discard(best)
        lack = lacks[best]
        for i in span:
            lack[classes_of[i]] -= amounts[i]
    return part


def _classes(cells: Cells) -> tuple[list[Ints], int]:
    """What each cell counts in: everything, each of its values, and the cell itself where that is not one of these."""
    columns: list[Ints] = [np.zeros(len(cells), np.int64)]
    start = 1
    values = list(zip(*cells.names, strict=True)) if cells.names and cells.names[0] else []
    for column in [*values, cells.names] if len(values) > 1 else values:
        place = {value: k for k, value in enumerate(dict.fromkeys(column))}
        columns.append(np.array([start + place[value] for value in column], np.int64))
        start += len(place)
    return columns, start


def _per_group(group: Ints, weight: Ints, class_of: Sequence[Ints], classes: int) -> tuple[Ints, Ints]:
    """Each group with each class that it brings something of, as group * classes + class in order, and how much."""
    pairs = np.concatenate([group * classes + column for column in class_of])
    both, place = np.unique(pairs, return_inverse=True)
    amount = np.zeros(len(both), np.int64)
    np.add.at(amount, place.reshape(-1), np.tile(weight, len(class_of)))
    return both, amount


def _check(shares: Sequence[float]) -> None:
    if len(shares) < 2:
        raise DatasetError("A split needs two parts or more, such as .9,.1.")
    if not all(0 < share < 1 for share in shares) or abs(sum(shares) - 1) > 1e-6:
        raise DatasetError(
            f"The parts {', '.join(f'{s:g}' for s in shares)} add up to {sum(shares):g}; they are numbers above 0 that "
            "add up to 1, such as .9,.05,.05."
        )
