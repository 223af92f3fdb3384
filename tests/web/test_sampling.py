"""Sampling plans against the published tables of ISO 2859-1 and MIL-STD-105E and examples worked by others."""

from __future__ import annotations

import pytest

from facevid.web.sampling import (
    AQLS,
    LEVELS,
    SEVERITIES,
    Plan,
    SamplingError,
    decide,
    next_severity,
    plan,
)

LOT_OF_LETTER = dict(
    zip("ABCDEFGHJKLMNPQ", (8, 15, 25, 50, 90, 150, 280, 500, 1200, 3200, 10_000, 35_000, 150_000, 500_000, 500_001),
        strict=True)
)  # fmt: skip


@pytest.mark.parametrize(
    ("lot", "aql", "level", "severity", "expected"),
    [
        (3200, 1.0, "II", "normal", Plan("K", 125, 3, 4)),
        (500, 1.0, "II", "normal", Plan("H", 50, 1, 2)),
        (1201, 2.5, "II", "normal", Plan("K", 125, 7, 8)),
        (2000, 1.5, "II", "normal", Plan("K", 125, 5, 6)),
        (2000, 1.5, "II", "tightened", Plan("K", 125, 3, 4)),
        (50, 1.0, "II", "normal", Plan("E", 13, 0, 1)),  # D has an arrow down: sample 13, not 8
        (150, 1.5, "II", "normal", Plan("G", 32, 1, 2)),
        (11_000, 10.0, "II", "normal", Plan("K", 125, 21, 22)),  # M has an arrow up
        (600_000, 0.025, "II", "tightened", Plan("S", 3150, 1, 2)),
        (600_000, 0.015, "III", "normal", Plan("P", 800, 0, 1)),
        (3200, 1.0, "I", "normal", Plan("H", 50, 1, 2)),
        (3200, 1.0, "III", "normal", Plan("L", 200, 5, 6)),
        (3200, 1.0, "II", "reduced", Plan("K", 50, 1, 4)),
        (1200, 1.0, "II", "reduced", Plan("J", 32, 1, 3)),
        (500_000, 1.0, "II", "reduced", Plan("P", 315, 7, 10)),
    ],
)
def test_plans_that_the_tables_print(lot: int, aql: float, level: str, severity: str, expected: Plan) -> None:
    assert plan(lot, aql, level, severity) == expected


def test_the_row_of_aql_1_0_for_every_letter_of_normal_inspection() -> None:
    sizes = (
        8,
        13,
        13,
        13,
        13,
        13,
        50,
        50,
        80,
        125,
        200,
        315,
        500,
        800,
        1250,
    )  # the lot of 8 is looked at whole
    accepts = (0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 5, 7, 10, 14, 21)
    drawn = [plan(lot, 1.0) for lot in LOT_OF_LETTER.values()]
    assert tuple(p.sample_size for p in drawn) == sizes
    assert tuple(p.accept for p in drawn) == accepts
    assert all(p.reject == p.accept + 1 for p in drawn)


def test_the_rows_of_tightened_inspection_at_level_iii() -> None:
    """Rejection numbers of a published inspection guide made from MIL-STD-105E (AQL 0.65 to 10, letters G, J, K)."""
    guide = {"J": (80, [2, 3, 4, 6, 9, 13]), "K": (125, [3, 4, 6, 9, 13, 19])}
    for letter, (size, rejects) in guide.items():
        lot = LOT_OF_LETTER[letter]
        drawn = [plan(lot, aql, "II", "tightened") for aql in AQLS[10:]]
        assert [p.reject for p in drawn] == rejects
        assert {p.sample_size for p in drawn} == {size}


def test_the_columns_of_reduced_inspection_at_aql_1_0() -> None:
    drawn = [plan(LOT_OF_LETTER[letter], 1.0, "II", "reduced") for letter in "EHJKLMNPQ"]
    assert [(p.sample_size, p.accept, p.reject) for p in drawn] == [
        (5, 0, 1), (20, 0, 2), (32, 1, 3), (50, 1, 4), (80, 2, 5), (125, 3, 6), (200, 5, 8), (315, 7, 10), (500, 10, 13)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("lot", "severity", "expected"),
    [
        (8, "normal", Plan("C", 5, 1, 2)),
        (8, "tightened", Plan("D", 8, 1, 2)),
        (8, "reduced", Plan("C", 2, 0, 2)),
    ],
)
def test_the_smallest_letters_at_aql_10_have_no_plan_with_ac_0(
    lot: int, severity: str, expected: Plan
) -> None:
    assert plan(lot, 10.0, "II", severity) == expected


def test_a_sample_larger_than_the_lot_is_the_whole_lot() -> None:
    assert plan(20, 0.1) == Plan("K", 20, 0, 1)


def test_a_stricter_aql_never_allows_more_and_every_cell_leads_to_a_plan() -> None:
    for level in LEVELS:
        for severity in SEVERITIES:
            for lot in LOT_OF_LETTER.values():
                shares = [(p := plan(lot, aql, level, severity)).accept / p.sample_size for aql in AQLS]
                assert shares == sorted(shares)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((1, 1.0), "2 clips or more"),
        ((500, 1.1), "allowed: 0.01"),
        ((500, 1.0, "IV"), "I, II, III"),
        ((500, 1.0, "II", "lax"), "normal, tightened, reduced"),
    ],
)
def test_what_the_tables_do_not_have_is_named(arguments: tuple[object, ...], says: str) -> None:
    with pytest.raises(SamplingError, match=says):
        plan(*arguments)  # type: ignore[arg-type]


def test_a_lot_is_open_until_its_sample_is_seen_or_too_many_fail() -> None:
    drawn = plan(500, 1.0)
    assert decide(drawn, looked_at=49, faulty=1) == "open"
    assert decide(drawn, looked_at=50, faulty=1) == "accept"
    assert decide(drawn, looked_at=3, faulty=2) == "reject"
    assert decide(Plan("K", 50, 1, 4), looked_at=50, faulty=3) == "accept"  # the gap of reduced inspection


def test_switching_rules() -> None:
    ok, bad = True, False
    assert next_severity("normal", [ok, bad, ok, ok, bad]) == "tightened"
    assert next_severity("normal", [bad, ok, ok, ok, ok, bad]) == "normal"
    assert next_severity("normal", [ok] * 10) == "reduced"
    assert next_severity("tightened", [bad, ok, ok, ok, ok]) == "tightened"
    assert next_severity("tightened", [ok] * 5) == "normal"
    assert next_severity("reduced", [ok, bad]) == "normal"
