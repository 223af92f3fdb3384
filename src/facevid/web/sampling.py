"""Acceptance sampling by ISO 2859-1, single plans: how many clips of a lot to look at, and how many may be faulty."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from facevid.errors import FacevidError

Severity = Literal["normal", "tightened", "reduced"]
Decision = Literal["accept", "reject", "open"]


class SamplingError(FacevidError):
    """A lot size, AQL, level or severity that the tables do not have; the message says what is allowed."""


LETTERS = "ABCDEFGHJKLMNPQRS"
"""Sample size code letters; S stands in no lot's row and is reached by an arrow of tightened inspection only."""

# Table 1: the largest lot of each row, and the row's letters at general levels I, II and III.
_LOTS = (8, 15, 25, 50, 90, 150, 280, 500, 1200, 3200, 10_000, 35_000, 150_000, 500_000)
LEVELS = {"I": "AABCCDEFGHJKLMN", "II": "ABCDEFGHJKLMNPQ", "III": "BCDEFGHJKLMNPQR"}

_SIZES = (2, 3, 5, 8, 13, 20, 32, 50, 80, 125, 200, 315, 500, 800, 1250, 2000, 3150)
_REDUCED_SIZES = (2, 2, 2, 3, 5, 8, 13, 20, 32, 50, 80, 125, 200, 315, 500, 800)
AQLS = (0.010, 0.015, 0.025, 0.040, 0.065, 0.10, 0.15, 0.25, 0.40, 0.65, 1.0, 1.5, 2.5, 4.0, 6.5, 10.0)
"""Acceptance quality limits in percent; the table's larger ones count faults, not faulty items."""

# Tables 2-A, 2-B and 2-C hold one plan a diagonal: letters and AQLs grow by the same factor (about 10^(1/5)), so what
# stands at letter i and AQL j depends on i + j. A diagonal without a plan is an arrow: up where it is listed as such
# or lies beyond the last plan, else down.
_PLANS: dict[str, dict[int, tuple[int, int]]] = {
    "normal": {
        14: (0, 1), 17: (1, 2), 18: (2, 3), 19: (3, 4), 20: (5, 6), 21: (7, 8), 22: (10, 11), 23: (14, 15),
        24: (21, 22),
    },
    "tightened": {
        15: (0, 1), 18: (1, 2), 19: (2, 3), 20: (3, 4), 21: (5, 6), 22: (8, 9), 23: (12, 13), 24: (18, 19),
    },
    "reduced": {
        14: (0, 1), 17: (0, 2), 18: (1, 3), 19: (1, 4), 20: (2, 5), 21: (3, 6), 22: (5, 8), 23: (7, 10),
        24: (10, 13),
    },
}  # fmt: skip
_UP = {"normal": 15, "tightened": None, "reduced": 15}
SEVERITIES: tuple[Severity, ...] = ("normal", "tightened", "reduced")
_LAST = 24


@dataclass(frozen=True)
class Plan:
    """A single sampling plan: look at `sample_size` clips; up to `accept` faulty ones the lot passes, from `reject` on
    it does not.

    code is the letter that the plan was found under (after arrows). Under reduced inspection a number between accept
    and reject passes the lot, and normal inspection goes on with the next.
    """

    code: str
    sample_size: int
    accept: int
    reject: int


def plan(lot_size: int, aql: float, level: str = "II", severity: str = "normal") -> Plan:
    """The single sampling plan for a lot.

    lot_size: clips in the lot, 2 or more. aql: acceptance quality limit, percent of faulty clips, one of `AQLS`.
    level: general inspection level "I", "II" or "III". severity: "normal", "tightened" or "reduced". A sample as
    large as the lot is the whole lot. Source: ISO 2859-1, tables 1, 2-A, 2-B and 2-C, whose normal and tightened
    plans are those of MIL-STD-105E (1989); reduced plans are those of MIL-STD-105E and ISO 2859-1:1989, which leave a
    gap between Ac and Re (the edition of 1999 closes it). Raises SamplingError.
    """
    if lot_size < 2:
        raise SamplingError(f"A lot has 2 clips or more, not {lot_size}.")
    if level not in LEVELS:
        raise SamplingError(f"There is no inspection level {level!r}; there are {', '.join(LEVELS)}.")
    if severity not in SEVERITIES:
        raise SamplingError(f"Inspection is {', '.join(SEVERITIES)}, not {severity!r}.")
    if aql not in AQLS:
        allowed = ", ".join(f"{a:g}" for a in AQLS)
        raise SamplingError(f"There is no plan for an AQL of {aql:g} percent; allowed: {allowed}.")
    column = AQLS.index(aql)
    row = _follow(LETTERS.index(LEVELS[level][bisect_left(_LOTS, lot_size)]), column, severity)
    size = (_REDUCED_SIZES if severity == "reduced" else _SIZES)[row]
    accept, reject = _PLANS[severity][row + column]
    return Plan(LETTERS[row], min(size, lot_size), accept, reject)


def decide(drawn: Plan, *, looked_at: int, faulty: int) -> Decision:
    """What the verdicts so far say of a lot: "open" until the whole sample was looked at or enough clips failed."""
    if faulty >= drawn.reject:
        return "reject"
    return "accept" if looked_at >= drawn.sample_size else "open"


def next_severity(severity: str, results: Sequence[bool], *, consecutive: int = 10) -> Severity:
    """How the next lot is inspected, from the lots inspected at this severity so far, oldest first (true: accepted).

    The switching rules of ISO 2859-1, clause 9.3, as far as verdicts alone decide them: normal becomes tightened when
    two of five or fewer consecutive lots fail; tightened becomes normal after five accepted in a row; reduced becomes
    normal at the first that fails. Normal becomes reduced after `consecutive` accepted lots (MIL-STD-105E, 8.3.3,
    which also asks for steady production and the responsible person's consent). To stop inspecting, as after five
    rejected lots under tightened inspection, is a person's decision.
    """
    if severity == "normal":
        if results[-5:].count(False) >= 2:
            return "tightened"
        return "reduced" if len(results) >= consecutive and all(results[-consecutive:]) else "normal"
    if severity == "tightened":
        return "normal" if len(results) >= 5 and all(results[-5:]) else "tightened"
    if severity == "reduced":
        return "normal" if False in results[-1:] else "reduced"
    raise SamplingError(f"Inspection is {', '.join(SEVERITIES)}, not {severity!r}.")


def _follow(row: int, column: int, severity: str) -> int:
    """The row whose plan is used: this one's, or the first that the arrow points to."""
    plans = _PLANS[severity]
    rows = 17 if severity == "tightened" else 16

    def has_plan(r: int) -> bool:
        return r + column in plans and (r, column) != (0, len(AQLS) - 1)  # no plan with Ac = 0 at 10 percent

    if has_plan(row):
        return row
    above = [r for r in range(row - 1, -1, -1) if has_plan(r)]
    below = [r for r in range(row + 1, rows) if has_plan(r)]
    upwards = row + column == _UP[severity] or row + column > _LAST
    ordered = above[:1] + below[:1] if upwards else below[:1] + above[:1]
    return ordered[0]
