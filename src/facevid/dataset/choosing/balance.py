"""Chooses equal numbers of clips, hours or persons of every cell of some attributes, and names thin cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from facevid.dataset.choosing.strata import (
    UNKNOWN,
    Ints,
    Of,
    by_chance,
    cells_of,
    commonest,
    drawn,
    shown_cell,
    units_of,
)
from facevid.dataset.published import DatasetError

Thin = Literal["keep", "leave", "error"]
Unknown = Literal["leave", "keep"]
_SHOWN = 5
_MOST_EMPTY = 200  # of more combinations than this, those that no clip has are counted and not named
_US_AN_HOUR = 3_600_000_000


class ThinCells(UserWarning):
    """Some cells have fewer than was asked of each; the text names them."""


@dataclass(frozen=True)
class Balanced:
    """rows: those chosen, in the order of the table. each: how many clips, hours or persons each cell was to give.

    thin: the cells with fewer, as (values, how many they have), the thinnest first; empty: combinations of values that
    do occur, which no clip has. left: how many clips were left out because a value is unknown.
    """

    rows: Ints
    each: float
    thin: tuple[tuple[tuple[str, ...], float], ...]
    empty: tuple[tuple[str, ...], ...]
    left: int

    def sentence(self, by: Sequence[str], of: Of, thin: Thin) -> str | None:
        """What should be known of the cells that gave fewer, or None where all gave as many."""
        if not self.thin and not self.empty:
            return None
        many = len(self.thin) + len(self.empty)
        named = [f"{shown_cell(by, values)} ({amount:.3g})" for values, amount in self.thin[:_SHOWN]]
        named += [f"{shown_cell(by, values)} (none)" for values in self.empty[: _SHOWN - len(named)]]
        more = f"; and {many - len(named)} more" if many > len(named) else ""
        cells = "1 cell has" if many == 1 else f"{many} cells have"
        done = "they are left out" if thin == "leave" else "what they have was taken"
        return f"{cells} fewer than {self.each:.4g} {of}: {'; '.join(named)}{more}; {done}."


def balanced_rows(
    table: pa.Table,
    by: Sequence[str],
    *,
    each: float | None = None,
    seed: int = 0,
    of: Of = "clips",
    thin: Thin = "keep",
    unknown: Unknown = "leave",
) -> Balanced:
    """Rows with equal numbers of every cell, those of a smaller number within those of a larger.

    table: what `columns_sql` asked for. each: clips, hours or persons of each cell; None: as many as the thinnest cell
    has. thin: what becomes of cells with fewer: "keep" what they have, "leave" them out, or "error". unknown: clips of
    which a value is unknown are left out ("leave") or have cells of their own ("keep"). A person counts in the cell
    that most of the person's clips are in. Raises DatasetError where nothing can be balanced.
    """
    _check(by, each, thin, unknown)
    units, cells = units_of(table, of), cells_of(table, by)
    cell = cells.of if len(units) == len(units.of) else commonest(cells.of, units.of, len(units))
    known = np.array([UNKNOWN not in values for values in cells.names], bool)
    taking = known[cell] if unknown == "leave" else np.ones(len(cell), bool)
    if not taking.any():
        raise DatasetError(
            f"There is nothing to balance by {', '.join(by)}: {'no clips' if not len(cell) else 'all are unknown'}. "
            "Annotate the dataset, or keep unknown values as cells of their own."
        )
    scale = _US_AN_HOUR if of == "hours" else 1
    has = (
        np.bincount(cell[taking], weights=units.weight[taking].astype(np.float64), minlength=len(cells))
        / scale
    )
    there = np.flatnonzero(has)
    wanted = float(has[there].min()) if each is None else each
    lacking = there[has[there] < wanted]
    found = Balanced(
        rows=_taken(units.names, units.weight, units.of, cell, taking, wanted * scale, lacking, thin, seed),
        each=wanted,
        thin=tuple((cells.names[k], float(has[k])) for k in lacking[np.argsort(has[lacking], kind="stable")]),
        empty=_empty([cells.names[k] for k in there]),
        left=int((~taking[units.of]).sum()),
    )
    if thin == "error" and (said := found.sentence(by, of, thin)):
        raise DatasetError(f"{said.rpartition(';')[0]}. Ask for fewer of each, or keep or leave thin cells.")
    return found


def _taken(
    names: pa.Array, weight: Ints, unit: Ints, cell: Ints, taking: npt.NDArray[np.bool_], each: float, lacking: Ints,
    thin: Thin, seed: int,
) -> Ints:  # fmt: skip
    """Of each cell, the first units of a random order whose weights come nearest to `each`."""
    order = by_chance(drawn(seed, names), names)
    order = order[taking[order]]
    order = order[np.argsort(cell[order], kind="stable")]
    ends = np.cumsum(weight[order])
    size = np.bincount(cell[order])
    starts = (np.cumsum(size) - size)[cell[order]]
    before = ends - weight[order]
    middle = before - before[starts] + weight[order] / 2
    chosen = order[middle < each]
    if thin == "leave":
        chosen = chosen[~np.isin(cell[chosen], lacking)]
    of_unit = np.zeros(len(names), bool)
    of_unit[chosen] = True
    return np.flatnonzero(of_unit[unit]).astype(np.int64)


def _empty(names: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """Combinations of values that occur, which do not occur together."""
    values = [list(dict.fromkeys(column)) for column in zip(*names, strict=True)]
    if int(np.prod([len(v) for v in values])) > _MOST_EMPTY:
        return ()
    there = set(names)
    return tuple(combination for combination in product(*values) if combination not in there)


def _check(by: Sequence[str], each: float | None, thin: str, unknown: str) -> None:
    if not by:
        raise DatasetError("Say what to balance by, for example by=['gender', 'emotion'].")
    if each is not None and not each > 0:
        raise DatasetError(f"Each cell cannot give {each:g}; it is a number above 0.")
    if thin not in get_args(Thin):
        raise ValueError(f"thin cannot be {thin!r}; allowed: {', '.join(get_args(Thin))}.")
    if unknown not in get_args(Unknown):
        raise ValueError(f"unknown cannot be {unknown!r}; allowed: {', '.join(get_args(Unknown))}.")
