"""Puts units into an order of which every beginning is a stratified sample, so that 10 % lies inside 20 %."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from facevid.dataset.choosing.strata import (
    Cells,
    Ints,
    Of,
    Units,
    by_chance,
    cells_of,
    commonest,
    compacted,
    drawn,
    units_of,
)
from facevid.dataset.published import DatasetError

_REPAIRS = 6  # after so many passes over all units, those still out of bounds are mended one by one
_REACH = 16  # at first with so many units on both sides
_FEW = 4  # so few cells of one size are in a random order; more are stratified among themselves


def fraction_order(table: pa.Table, seed: int, by: Sequence[str] = (), of: Of = "clips") -> Ints:
    """The rows of a table in an order of which every beginning is a stratified sample of the whole.

    table: what `columns_sql` asked for. Of any number of first units, each cell has its share to within one unit: of
    n of N, more than n * N_cell / N - 1 and less than n * N_cell / N + 1 (of hours, to within the longest clip or
    two). Clips of one person follow one another where `of` is persons. It depends on the seed, the ids and the cells
    alone. No order can be better: it is the chairman assignment problem (R. Tijdeman, Discrete Mathematics 32, 1980).
    """
    units = units_of(table, of)
    order = unit_order(units, cells_of(table, by), seed)
    if of != "persons":
        return order
    place = np.empty(len(units), np.int64)
    place[order] = np.arange(len(units))
    rows = by_chance(drawn(seed, table["clip_id"]), table["clip_id"])
    return rows[np.argsort(place[units.of[rows]], kind="stable")]


def fraction_rows(table: pa.Table, p: float, seed: int, by: Sequence[str] = (), of: Of = "clips") -> Ints:
    """The rows that make up a fraction `p` (0 to 1) of the table's clips, hours or persons, as near as units allow."""
    if not 0 <= p <= 1:
        raise DatasetError(f"A fraction cannot be {p}; it lies from 0 to 1, such as 0.1 for 10 %.")
    units = units_of(table, of)
    order = unit_order(units, cells_of(table, by), seed)
    taken = np.zeros(len(units), bool)
    taken[order[: _how_many(units.weight[order], p)]] = True
    return np.flatnonzero(taken[units.of]).astype(np.int64)


def unit_order(units: Units, cells: Cells, seed: int) -> Ints:
    """The units in an order of which every beginning has of each cell its share."""
    keys = drawn(seed, units.names)
    chance = by_chance(keys, units.names)
    cell = cells.of if len(units) == len(units.of) else commonest(cells.of, units.of, len(units))
    rank = np.empty(len(units), np.int64)
    rank[chance] = np.arange(len(units))
    if (units.weight != 1).any():
        return _by_weight(cell, rank, units.weight)
    levels = [above[cell] for above in cells.above[1:]] + [cell]
    return _stratified(levels, rank)


def _how_many(weights: Ints, p: float) -> int:
    """How many of the first units come nearest to a fraction of all weight; more for a larger fraction, never fewer."""
    if not len(weights):
        return 0
    ends = np.cumsum(weights)
    return int(np.searchsorted(ends - weights / 2, p * float(ends[-1]), side="right" if p == 1 else "left"))


def _stratified(levels: Sequence[Ints], rank: Ints) -> Ints:
    """Units of equal weight in their order; levels: their cells from the coarsest to the finest; rank: by chance.

    Cells of one size are pooled: their first units, in some order, then their second ones, and so on. A pool whose
    beginnings have its share within one unit then gives each of its cells its share within one unit, and a cell with
    few units is as likely to come early as to come late. That order follows the next coarser cells, so that those keep
    their shares too where the cells are too small to.
    """
    count = len(rank)
    if not levels or count < 2:
        return np.argsort(rank).astype(np.int64)
    cell = compacted(levels[-1])[0]
    order = np.argsort(cell * (int(rank.max()) + 1) + rank)
    size = np.bincount(cell)
    starts = np.cumsum(size) - size
    turn = np.empty(count, np.int64)
    turn[order] = np.arange(count) - starts[cell[order]]
    first = order[starts]  # one unit of each cell, by which the cell's own chance is drawn
    place = np.empty(len(size), np.int64)  # of a cell among those of its size
    for many in np.unique(size):
        alike = np.flatnonzero(size == many)
        of_them = first[alike]
        coarser = [level[of_them] for level in levels[:-1]] if len(alike) > _FEW else []
        place[alike[_stratified(coarser, rank[of_them])]] = np.arange(len(alike))
    pool = size[cell]
    within = turn * np.bincount(size)[pool] + place[cell]
    return _merged(pool, within, np.bincount(pool)[pool])


def _merged(pool: Ints, within: Ints, many: Ints) -> Ints:
    """Pools, each in an order, merged so that at every place each has its share within one unit.

    pool, within, many: of each unit the pool, its place there, and how many the pool has. Each unit has a first and a
    last place at which it may stand (Tijdeman). The order of the middles of those stretches nearly keeps to them, more
    so after units out of bounds moved towards theirs; what is still out of bounds is mended where it stands.
    """
    total = len(pool)
    low = within * total // many
    high = -(-(within + 1) * total // many) - 1
    wish = (2 * within + 1) * total // many
    pressed = np.argsort(
        high * (int(pool.max()) + 1) + pool
    )  # of two units of one pool none has the other's `high`
    order = pressed
    place = np.empty(total, np.int64)
    for _ in range(_REPAIRS):
        order = pressed[np.argsort(wish[pressed], kind="stable")]
        place[order] = np.arange(total)
        off = np.clip(place, low, high) - place
        if not off.any():
            break
        wish += 2 * off
    reach = _REACH
    while len(wrong := _out_of_bounds(order, low, high)):
        for first, last in _around(wrong, reach, total):
            order[first:last] = _scheduled(order[first:last], first, low, high, pool)
        reach *= 4
    return np.asarray(order, np.int64)


def _out_of_bounds(order: Ints, low: Ints, high: Ints) -> Ints:
    place = np.arange(len(order))
    return np.flatnonzero((place < low[order]) | (place > high[order])).astype(np.int64)


def _around(wrong: Ints, reach: int, total: int) -> list[tuple[int, int]]:
    """Stretches that go so far to both sides of each place, joined where they meet."""
    begins = np.flatnonzero(np.diff(wrong, prepend=wrong[0] - 2 * reach - 1) > 2 * reach)
    ends = np.append(begins[1:], len(wrong)) - 1
    return [
        (max(0, first - reach), min(total, last + reach + 1))
        for first, last in zip(wrong[begins].tolist(), wrong[ends].tolist(), strict=True)
    ]


def _scheduled(units: Ints, first: int, low: Ints, high: Ints, pool: Ints) -> Ints:
    """Units that stand at `first` and after it, anew: at each place, of those that may stand there the most pressed.

    Earliest deadline first finds an order whenever there is one, as there is for all units; where units of a stretch
    have none among themselves, they stay as they were.
    """
    comes = units[np.lexsort((pool[units], high[units], low[units]))]
    out: list[int] = []
    waiting: list[tuple[int, int, int]] = []
    queue = zip(low[comes].tolist(), high[comes].tolist(), pool[comes].tolist(), comes.tolist(), strict=True)
    following = next(queue, None)
    for place in range(first, first + len(units)):
        while following is not None and following[0] <= place:
            heapq.heappush(waiting, following[1:])
            following = next(queue, None)
        if not waiting or waiting[0][0] < place:
            return units
        out.append(heapq.heappop(waiting)[2])
    return np.array(out, np.int64)


def _by_weight(cell: Ints, rank: Ints, weight: Ints) -> Ints:
    """Units of different weights: each where the weight of its cell so far has its share of the whole.

    Where in its own stretch a unit stands is drawn by chance, once for each cell.
    """
    count = len(cell)
    if not count:
        return np.zeros(0, np.int64)
    cell = compacted(cell)[0]
    order = np.argsort(cell * count + rank)
    size = np.bincount(cell)
    starts = np.cumsum(size) - size
    sorted_weight = weight[order]
    ends = np.cumsum(sorted_weight)
    before_cell = (ends - sorted_weight)[starts]
    weight_of = np.append(before_cell[1:], ends[-1]) - before_cell
    begun = np.empty(count, np.int64)
    begun[order] = ends - sorted_weight - before_cell[cell[order]]
    chance = (rank[order[starts]] + 0.5) / count
    scale = float(ends[-1]) / weight_of[cell]
    low, high = begun * scale - weight, (begun + weight) * scale
    wish = (begun + chance[cell] * weight) * scale
    for _ in range(_REPAIRS):
        order = np.lexsort((rank, wish))
        begins = np.empty(count, np.float64)
        begins[order] = np.cumsum(weight[order]) - weight[order]
        off = np.clip(begins, low, high) - begins
        if not off.any():
            break
        wish = wish + off
    return np.asarray(np.lexsort((rank, wish)), np.int64)
