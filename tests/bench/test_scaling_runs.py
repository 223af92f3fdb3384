"""The table of runs: read from files and rows by named columns, and refused in sentences that name rows."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facevid.bench.scaling import Runs, ScalingError, read_runs, size_name
from facevid.bench.scaling.runs import size_names

ROWS: list[dict[str, Any]] = [
    {"n": 1e6, "hours": 1.0, "fvd": 200.0, "flop": 1e15, "seed": 0},
    {"n": 1e6, "hours": 2.0, "fvd": 150.0, "flop": 2e15, "seed": 0},
    {"n": 2e6, "hours": 1.0, "fvd": 180.0, "flop": 2e15, "seed": 0},
]


def read(rows: Any, **options: Any) -> Runs:
    return read_runs(rows, size="n", data="hours", loss="fvd", unit="hours", metric="FVD", **options)


def test_csv_parquet_and_rows_give_the_same_runs(tmp_path: Path) -> None:
    with (tmp_path / "runs.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(ROWS[0]))
        writer.writeheader()
        writer.writerows(ROWS)
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "runs.parquet")
    for source in (tmp_path / "runs.csv", str(tmp_path / "runs.parquet"), ROWS):
        runs = read(source, compute="flop", seed="seed")
        assert runs.size.tolist() == [1e6, 1e6, 2e6]
        assert runs.data.tolist() == [1.0, 2.0, 1.0]
        assert runs.loss.tolist() == [200.0, 150.0, 180.0]
        assert runs.compute is not None and runs.compute.tolist() == [1e15, 2e15, 2e15]
        assert runs.seed is not None and runs.seed.tolist() == [0, 0, 0]
        assert (runs.unit, runs.metric) == ("hours", "FVD")


def test_data_follows_from_compute_where_it_is_not_a_column() -> None:
    runs = read_runs(ROWS, size="n", data=None, compute="flop", loss="fvd")
    np.testing.assert_allclose(runs.data, [1e15 / 6e6, 2e15 / 6e6, 2e15 / 12e6])


def test_the_factor_of_compute_is_the_runs_own_where_they_have_one() -> None:
    assert read(ROWS, compute="flop").factor() == pytest.approx(1e9)
    with pytest.raises(ScalingError, match="no column of compute"):
        read(ROWS).factor()
    wild = [dict(r, flop=r["flop"] * (1 + i)) for i, r in enumerate(ROWS)]
    with pytest.raises(ScalingError, match="not k N D with one k"):
        read(wild, compute="flop").factor()


def test_the_highest_losses_can_be_left_out() -> None:
    assert read(ROWS).without_highest(1).loss.tolist() == [150.0, 180.0]
    with pytest.raises(ScalingError, match="Cannot leave out 3 of 3"):
        read(ROWS).without_highest(3)


@pytest.mark.parametrize("value", [0, -3.0, float("nan"), float("inf"), "", None, "many"])
def test_what_is_no_number_above_zero_is_refused_by_its_row(value: object) -> None:
    with pytest.raises(ScalingError, match=r"Column 'fvd' of the given rows .* row 2 has"):
        read([ROWS[0], dict(ROWS[1], fvd=value), ROWS[2]])


def test_runs_alike_are_refused_unless_seeds_tell_them_apart() -> None:
    twice = [*ROWS, dict(ROWS[0], seed=1)]
    with pytest.raises(
        ScalingError, match="rows 1 and 4 have the same size and data; name a column of seeds"
    ):
        read(twice)
    assert len(read(twice, seed="seed")) == 4
    with pytest.raises(ScalingError, match="rows 1 and 4 have the same size, data and seed"):
        read([*ROWS, ROWS[0]], seed="seed")


def test_a_seed_is_a_whole_number() -> None:
    with pytest.raises(ScalingError, match=r"whole numbers, but row 2 has 0\.5"):
        read([ROWS[0], dict(ROWS[1], seed=0.5)], seed="seed")


def test_a_missing_column_is_named_beside_those_there_are() -> None:
    with pytest.raises(ScalingError, match="no column 'loss' in the given rows; it has 'n', 'hours'"):
        read_runs(ROWS, size="n", data="hours")
    with pytest.raises(ScalingError, match="Neither a column of data nor one of compute"):
        read_runs(ROWS, size="n", data=None, loss="fvd")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScalingError, match=r"none\.csv cannot be read"):
        read(tmp_path / "none.csv")
    (tmp_path / "bad.parquet").write_bytes(b"no parquet")
    with pytest.raises(ScalingError, match=r"bad\.parquet cannot be read"):
        read(tmp_path / "bad.parquet")
    with pytest.raises(ScalingError, match=r"neither a \.csv nor a \.parquet"):
        read(tmp_path / "runs.json")
    (tmp_path / "empty.csv").write_text("n,hours,fvd\n")
    with pytest.raises(ScalingError, match="There are no runs in"):
        read(tmp_path / "empty.csv")


def test_sizes_are_said_as_people_say_them() -> None:
    assert [size_name(s) for s in (2e9, 1.3e6, 350e6, 45_000, 900, 1.2e12)] == [
        "2B", "1.3M", "350M", "45K", "900", "1.2T",
    ]  # fmt: skip
    assert size_name(999_999.999) == "1M"
    assert size_names(np.array([1e6])) == "1M"
    assert size_names(np.array([1e6, 2e6])) == "1M and 2M"
    assert size_names(np.array([1e6, 2e6, 3e6])) == "1M, 2M and 3M"
    assert size_names(np.array([89.76e6, 89.81e6])) == "89.76M and 89.81M"
    assert size_names(np.arange(1.0, 10.0)) == "1, 2, 3, 4, 5 and 4 more"
