"""Splits: no person on two sides, sizes and strata near the wanted ones, and the same split everywhere."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from facevid.dataset.choosing.splits import split_rows
from facevid.dataset.published import DatasetError

SHARES = (0.9, 0.05, 0.05)


def table(people: int = 300, seed: int = 0, unknown: float = 0.0) -> pa.Table:
    """People with one to forty clips, each in one to three sources, of which some show two people."""
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(people):
        for _ in range(int(rng.integers(1, 4))):
            source = int(rng.integers(0, people * 2))
            for _ in range(int(rng.integers(1, 14))):
                known = rng.random() >= unknown
                rows.append(
                    (f"s{source:05d}_{len(rows):06d}", f"p{person:05d}" if known else None, f"s{source:05d}")
                )
    gender = ["female" if int(p[1:]) % 3 else "male" for p in (r[1] or "p0" for r in rows)]
    return pa.table(
        {
            "clip_id": [r[0] for r in rows], "identity": pa.array([r[1] for r in rows], pa.string()),
            "source_id": [r[2] for r in rows], "frames": rng.integers(75, 400, len(rows)).astype(np.int32),
            "fps": np.full(len(rows), 25.0), "by_0": gender,
            "by_1": rng.choice(["happy", "sad", None], len(rows), p=[0.7, 0.2, 0.1]).tolist(),
        }
    )  # fmt: skip


def sides(rows: pa.Table, part: np.ndarray, column: str) -> dict[str, set[int]]:
    out: dict[str, set[int]] = {}
    for value, side in zip(rows[column].to_pylist(), part.tolist(), strict=True):
        if value is not None:
            out.setdefault(value, set()).add(side)
    return out


@pytest.mark.parametrize("of", ["clips", "hours", "persons"])
@pytest.mark.parametrize("unknown", [0.0, 0.02])
def test_no_person_is_on_two_sides_and_sizes_are_near_the_wanted_ones(of: str, unknown: float) -> None:
    rows = table(unknown=unknown)
    parts = split_rows(rows, SHARES, 3, by=("gender", "emotion"), of=of)  # type: ignore[arg-type]
    assert all(len(found) == 1 for found in sides(rows, parts.of, "identity").values())
    weight = {"clips": np.ones(len(rows)), "hours": np.asarray(rows["frames"], float)}.get(of)
    if weight is None:
        people = rows["identity"].to_pylist()
        weight = np.array([0 if p is None else 1 / people.count(p) for p in people])
    got = np.bincount(parts.of, weights=weight) / weight.sum()
    assert got == pytest.approx(SHARES, abs=0.01 if not unknown else 0.02)


def test_shares_of_values_are_near_the_wanted_ones_in_each_part() -> None:
    rows = table()
    parts = split_rows(rows, (0.8, 0.1, 0.1), 3, by=("gender", "emotion"))
    for column, value in (("by_0", "male"), ("by_1", "sad"), ("by_1", "happy")):
        has = np.array([v == value for v in rows[column].to_pylist()])
        for side in range(3):
            assert has[parts.of == side].mean() == pytest.approx(has.mean(), abs=0.03)


def test_clips_of_nobody_known_are_with_everybody_of_their_source() -> None:
    rows = table(unknown=0.05)
    parts = split_rows(rows, (0.5, 0.5), 1)
    nobody = {
        s for s, p in zip(rows["source_id"].to_pylist(), rows["identity"].to_pylist(), strict=True) if not p
    }
    assert nobody
    of_source = sides(rows, parts.of, "source_id")
    assert all(len(of_source[source]) == 1 for source in nobody)
    assert any(len(found) == 2 for source, found in of_source.items() if source not in nobody)


def test_clips_of_nobody_known_may_be_groups_of_their_own_or_left_out() -> None:
    rows = table(unknown=0.05)
    nobody = np.array([p is None for p in rows["identity"].to_pylist()])
    apart = split_rows(rows, (0.5, 0.5), 1, unknown="apart")
    of_source: dict[str, set[int]] = {}
    for source, side, unknown in zip(rows["source_id"].to_pylist(), apart.of.tolist(), nobody, strict=True):
        if unknown:
            of_source.setdefault(source, set()).add(side)
    assert all(len(found) == 1 for found in of_source.values())
    assert apart.groups == 300 + len(of_source) > split_rows(rows, (0.5, 0.5), 1).groups
    left = split_rows(rows, (0.5, 0.5), 1, unknown="leave")
    assert left.groups == 300 and ((left.of == -1) == nobody).all()


def test_people_who_share_a_source_stay_together_where_that_is_asked() -> None:
    rows = table(people=100)
    apart = split_rows(rows, (0.5, 0.5), 1)
    together = split_rows(rows, (0.5, 0.5), 1, keep_sources=True)
    assert any(len(found) == 2 for found in sides(rows, apart.of, "source_id").values())
    assert all(len(found) == 1 for found in sides(rows, together.of, "source_id").values())
    assert all(len(found) == 1 for found in sides(rows, together.of, "identity").values())
    assert together.groups < apart.groups == 100


def test_the_order_of_the_table_does_not_matter_and_the_seed_does() -> None:
    rows = table(unknown=0.02)
    order = np.random.default_rng(2).permutation(len(rows))
    part = split_rows(rows, SHARES, 3, by=("gender", "emotion")).of
    assert (
        split_rows(rows.take(pa.array(order)), SHARES, 3, by=("gender", "emotion")).of == part[order]
    ).all()
    assert (split_rows(rows, SHARES, 4, by=("gender", "emotion")).of != part).any()


def test_each_part_gets_somebody_however_few_there_are() -> None:
    for people in (3, 5, 8):
        for seed in range(5):
            rows = table(people=people, seed=seed)
            assert set(split_rows(rows, SHARES, seed).of.tolist()) == {0, 1, 2}


def test_large_and_small_people_go_to_every_part() -> None:
    rows = table(people=600)
    part = split_rows(rows, (0.6, 0.2, 0.2), 3).of
    people = rows["identity"].to_pylist()
    many = {p: people.count(p) for p in set(people)}
    side = dict(zip(people, part.tolist(), strict=True))
    means = [np.mean([many[p] for p in many if side[p] == k]) for k in range(3)]
    assert max(means) < 1.25 * min(means)


def test_what_cannot_be_split_is_said() -> None:
    rows = table(people=2)
    with pytest.raises(DatasetError, match="3 parts need 3 people at least; there are 2"):
        split_rows(rows, SHARES, 0)
    for shares, said in (
        ((0.9, 0.2), "add up to 1.1"),
        ((1.0,), "two parts or more"),
        ((1.1, -0.1), "above 0"),
    ):
        with pytest.raises(DatasetError, match=said):
            split_rows(rows, shares, 0)


def test_a_split_of_four_people_is_the_one_worked_out_by_hand() -> None:
    # 4, 3, 2 and 1 clips into halves: the largest goes first, then each to the part that lacks more of it.
    people = ["a"] * 4 + ["b"] * 3 + ["c"] * 2 + ["d"]
    rows = pa.table(
        {
            "clip_id": [f"{p}{k}" for k, p in enumerate(people)], "identity": people,
            "source_id": [f"s{p}" for p in people], "frames": [100] * 10, "fps": [25.0] * 10,
        }
    )  # fmt: skip
    part = split_rows(rows, (0.5, 0.5), 0).of.tolist()
    assert part == [0] * 4 + [1] * 3 + [1] * 2 + [0]
