"""Balanced choices: equal numbers of each cell, thin cells named, unknown values as asked."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from facevid.dataset.choosing.balance import balanced_rows
from facevid.dataset.published import DatasetError

BY = ("gender", "emotion")
COUNTS = {
    ("female", "happy"): 40,
    ("female", "sad"): 12,
    ("male", "happy"): 25,
    ("male", None): 9,
    (None, "sad"): 4,
}


def table() -> pa.Table:
    values = [v for v, many in COUNTS.items() for _ in range(many)]
    count = len(values)
    return pa.table(
        {
            "clip_id": [f"c{k:03d}" for k in range(count)],
            "identity": [f"p{k // 3:03d}" for k in range(count)],
            "source_id": [f"s{k // 2:03d}" for k in range(count)],
            "frames": np.tile([50, 100, 150], count)[:count].astype(np.int32),
            "fps": np.full(count, 25.0),
            "by_0": pa.array([v[0] for v in values], pa.string()),
            "by_1": pa.array([v[1] for v in values], pa.string()),
        }
    )


def counted(rows: np.ndarray) -> Counter[tuple[str | None, str | None]]:
    taken = table().take(pa.array(rows))
    return Counter(zip(taken["by_0"].to_pylist(), taken["by_1"].to_pylist(), strict=True))


def test_each_cell_gives_as_many_as_the_thinnest_has() -> None:
    found = balanced_rows(table(), BY)
    assert counted(found.rows) == {("female", "happy"): 12, ("female", "sad"): 12, ("male", "happy"): 12}
    assert (found.each, found.thin, found.empty, found.left) == (12, (), (("male", "sad"),), 13)


def test_thin_cells_are_named_and_kept_left_or_refused() -> None:
    kept = balanced_rows(table(), BY, each=20)
    assert counted(kept.rows) == {("female", "happy"): 20, ("female", "sad"): 12, ("male", "happy"): 20}
    assert kept.thin == ((("female", "sad"), 12.0),)
    assert kept.sentence(BY, "clips", "keep") == (
        "2 cells have fewer than 20 clips: gender female, emotion sad (12); gender male, emotion sad (none); "
        "what they have was taken."
    )
    assert counted(balanced_rows(table(), BY, each=20, thin="leave").rows) == {
        ("female", "happy"): 20, ("male", "happy"): 20,
    }  # fmt: skip
    with pytest.raises(DatasetError, match=r"gender female, emotion sad \(12\).*Ask for fewer of each"):
        balanced_rows(table(), BY, each=20, thin="error")


def test_unknown_values_are_cells_of_their_own_where_asked() -> None:
    found = balanced_rows(table(), BY, unknown="keep")
    assert set(counted(found.rows).values()) == {4} and len(counted(found.rows)) == 5
    assert found.left == 0


def test_a_smaller_number_lies_within_a_larger_one_whatever_the_order_of_the_table() -> None:
    rows = table()
    small, large = (set(balanced_rows(rows, BY, each=each, seed=3).rows.tolist()) for each in (5, 11))
    assert small < large
    order = np.random.default_rng(0).permutation(len(rows))
    shuffled = balanced_rows(rows.take(pa.array(order)), BY, each=5, seed=3).rows
    assert {int(order[k]) for k in shuffled} == small


def test_hours_and_persons_are_balanced_too() -> None:
    rows = table()
    hours = balanced_rows(rows, BY, of="hours", each=60 / 3600).rows
    seconds = np.asarray(rows["frames"]) / 25
    for cell, many in counted(hours).items():
        of_cell = [k for k in hours if (rows["by_0"][int(k)].as_py(), rows["by_1"][int(k)].as_py()) == cell]
        assert many < COUNTS[cell] or cell == ("female", "sad")
        assert seconds[of_cell].sum() == pytest.approx(48 if cell == ("female", "sad") else 60, abs=3)
    people = balanced_rows(rows, ("gender",), of="persons", each=5).rows
    chosen = {rows["identity"][int(k)].as_py() for k in people}
    assert len(chosen) == 10 and len(people) == 30


def test_what_cannot_be_balanced_is_said() -> None:
    with pytest.raises(DatasetError, match="Say what to balance by"):
        balanced_rows(table(), ())
    nobody = table().set_column(5, "by_0", pa.nulls(len(table()), pa.string()))
    with pytest.raises(DatasetError, match="all are unknown"):
        balanced_rows(nobody, BY)
    with pytest.raises(DatasetError, match="a number above 0"):
        balanced_rows(table(), BY, each=0)
