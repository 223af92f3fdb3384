"""Fractions: nested, stratified to within one unit, and the same whatever the order of the table or the machine."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from facevid.dataset.choosing import fractions, strata
from facevid.dataset.choosing.fractions import fraction_order, fraction_rows
from facevid.dataset.choosing.strata import cells_of, columns_sql, drawn

BY = ("gender", "emotion", "age")
SHARES = (0.01, 0.05, 0.1, 0.2, 0.25, 1 / 3, 0.4, 0.5, 0.62, 0.9, 0.99, 1.0)


def table(clips: int = 3000, seed: int = 0, rare: int = 0) -> pa.Table:
    """What `columns_sql` asks for, made up; `rare`: so many clips, each with an emotion that no other has."""
    rng = np.random.default_rng(seed)
    emotion = rng.choice(["happy", "sad", "angry", None], clips, p=[0.6, 0.25, 0.1, 0.05]).tolist()
    emotion[:rare] = [f"rare {k}" for k in range(rare)]
    people = rng.integers(0, clips // 20, clips)
    return pa.table(
        {
            "clip_id": [f"{k // 10:016x}_{k % 10 * 400:06d}_{k % 10 * 400 + 99:06d}_0" for k in range(clips)],
            "identity": [None if p == 0 else f"p{p:05d}" for p in people.tolist()],
            "source_id": [f"{k // 10:016x}" for k in range(clips)],
            "frames": rng.integers(75, 500, clips).astype(np.int32),
            "fps": np.full(clips, 25.0),
            "by_0": rng.choice(["female", "male"], clips, p=[0.7, 0.3]).tolist(),
            "by_1": pa.array(emotion, pa.string()),
            "by_2": np.where(rng.random(clips) < 0.2, np.nan, rng.uniform(15, 60, clips)),
        }
    )


def chosen(rows: pa.Table, p: float, seed: int = 7, of: str = "clips") -> set[str]:
    return set(rows["clip_id"].take(pa.array(fraction_rows(rows, p, seed, BY, of))).to_pylist())  # type: ignore[arg-type]


@pytest.mark.parametrize("of", ["clips", "hours", "persons"])
def test_each_fraction_lies_inside_the_next_larger_one(of: str) -> None:
    rows = table()
    sets = [chosen(rows, p, of=of) for p in SHARES]
    assert all(a < b for a, b in pairwise(sets))
    assert sets[-1] == set(rows["clip_id"].to_pylist())


@pytest.mark.parametrize("of", ["clips", "persons"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_each_beginning_has_of_every_stratum_its_share_within_one_unit(of: str, seed: int) -> None:
    rows = table(1000, seed, rare=40)
    if of == "persons":  # a person's stratum is then beyond doubt
        rows = rows.filter(pc.is_valid(rows["identity"]))
        first = [rows["identity"].to_pylist().index(p) for p in rows["identity"].to_pylist()]
        for k in range(3):
            rows = rows.set_column(
                rows.column_names.index(f"by_{k}"), f"by_{k}", rows[f"by_{k}"].take(pa.array(first))
            )
    order = fraction_order(rows, seed, BY, of)  # type: ignore[arg-type]
    names = [f"{a}/{b}/{'?' if c != c else c // 10}" for a, b, c in zip(
        rows["by_0"].to_pylist(), rows["by_1"].to_pylist(), rows["by_2"].to_pylist(), strict=True)]  # fmt: skip
    units = rows["clip_id" if of == "clips" else "identity"].to_pylist()
    seen: list[tuple[str, str]] = list(dict.fromkeys((units[k], names[k]) for k in order.tolist()))
    total = {name: sum(n == name for _, n in seen) for name in {n for _, n in seen}}
    count = dict.fromkeys(total, 0)
    for taken, (_, name) in enumerate(seen, start=1):
        count[name] += 1
        for each, many in total.items():
            assert abs(count[each] - Fraction(taken * many, len(seen))) < 1, (each, taken)


def test_hours_of_every_stratum_keep_their_share_within_two_clips() -> None:
    rows = table()
    order = fraction_order(rows, 3, BY[:2], "hours")
    seconds = np.asarray(rows["frames"]) / 25
    names = np.array(
        [f"{a}/{b}" for a, b in zip(rows["by_0"].to_pylist(), rows["by_1"].to_pylist(), strict=True)]
    )
    so_far = np.cumsum(seconds[order])
    for name in set(names):
        of_it = names[order] == name
        part = np.cumsum(np.where(of_it, seconds[order], 0))
        assert np.abs(part - so_far * part[-1] / so_far[-1]).max() < 2 * seconds.max()
    taken = fraction_rows(rows, 0.1, 3, BY[:2], "hours")
    assert abs(seconds[taken].sum() - 0.1 * seconds.sum()) <= seconds.max() / 2


def test_a_person_is_chosen_whole_and_clips_of_nobody_known_with_their_source() -> None:
    rows = table()
    ids, people, sources = (rows[n].to_pylist() for n in ("clip_id", "identity", "source_id"))
    taken = chosen(rows, 0.3, of="persons")
    of_unit: dict[str, set[bool]] = {}
    for clip_id, person, source in zip(ids, people, sources, strict=True):
        of_unit.setdefault(person or source, set()).add(clip_id in taken)
    assert all(len(found) == 1 for found in of_unit.values())
    assert sum(True in found for found in of_unit.values()) == pytest.approx(0.3 * len(of_unit), abs=1)


@pytest.mark.parametrize("of", ["clips", "hours", "persons"])
def test_the_order_of_the_table_does_not_matter(of: str) -> None:
    rows = table()
    shuffled = rows.take(pa.array(np.random.default_rng(1).permutation(len(rows))))
    assert chosen(rows, 0.2, of=of) == chosen(shuffled, 0.2, of=of)
    order, other = (t["clip_id"].take(pa.array(fraction_order(t, 7, BY, of))) for t in (rows, shuffled))  # type: ignore[arg-type]
    assert order.equals(other)


def test_another_seed_gives_another_choice() -> None:
    rows = table()
    common = chosen(rows, 0.1, seed=1) & chosen(rows, 0.1, seed=2)
    assert len(common) < 0.2 * len(chosen(rows, 0.1, seed=1))


def test_rare_strata_come_as_often_as_others() -> None:
    # By largest remainders no stratum of one clip would ever be in 10 %; here a tenth of them is.
    rows = table(2000, rare=200)
    rare = set(rows["clip_id"].to_pylist()[:200])
    counts = [len(rare & chosen(rows, 0.1, seed=seed)) for seed in range(20)]
    assert np.mean(counts) == pytest.approx(20, abs=3)
    assert min(counts) > 5


def test_coarser_strata_keep_their_shares_where_fine_ones_are_too_small_to() -> None:
    clips = 1200  # every clip a stratum of its own within its gender
    rows = pa.table(
        {
            "clip_id": [f"c{k:04d}" for k in range(clips)],
            "by_0": ["female" if k % 3 else "male" for k in range(clips)],
            "by_1": [f"only {k}" for k in range(clips)],
        }
    )
    for p in (0.05, 0.1, 0.35):
        taken = rows.take(pa.array(fraction_rows(rows, p, 5, ("gender", "name"))))
        assert pc.sum(pc.equal(taken["by_0"], "male")).as_py() == pytest.approx(p * clips / 3, abs=1)


def test_where_the_order_of_middles_cannot_be_mended_the_exact_schedule_keeps_to_the_shares(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = table(2400, rare=60)
    usual = fraction_order(rows, 1, BY[:2])
    monkeypatch.setattr(fractions, "_REPAIRS", 0)
    exact = fraction_order(rows, 1, BY[:2])
    assert sorted(exact) == sorted(usual)
    cells = cells_of(rows, BY[:2]).of
    for cell in range(int(cells.max()) + 1):
        at = cells[exact] == cell
        assert np.abs(np.cumsum(at) - np.arange(1, len(at) + 1) * at.mean()).max() < 1 + 1e-9


@pytest.mark.parametrize("many", [10**6, 0])
def test_chance_is_the_sha256_of_seed_and_name(many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strata, "_MANY", many)
    wanted = [
        int(hashlib.sha256(f"12 {name}".encode()).hexdigest()[:16], 16) for name in ("a", "clip_7", "ä")
    ]
    assert drawn(12, pa.array(["a", "clip_7", "ä"])).tolist() == wanted


def test_another_process_with_another_hash_seed_chooses_the_same() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_fractions import chosen, table\n"
        "import hashlib\n"
        "print(hashlib.sha256(' '.join(sorted(chosen(table(500), 0.2))).encode()).hexdigest())"
    )
    folder = str(Path(__file__).parent)
    told = subprocess.run(
        [sys.executable, "-c", code, folder], env={**os.environ, "PYTHONHASHSEED": "1"}, capture_output=True,
        text=True, check=True,
    ).stdout  # fmt: skip
    assert told == hashlib.sha256(" ".join(sorted(chosen(table(500), 0.2))).encode()).hexdigest() + "\n"


def test_cells_are_named_by_value_band_or_unknown() -> None:
    rows = pa.table(
        {
            "clip_id": list("abcdef"),
            "by_0": pa.array(["x", None, "x", "y", "x", "y"]),
            "by_1": [19.0, 20.0, 29.9, float("nan"), 19.5, 20.0],
        }
    )
    cells = cells_of(rows, ("gender", "age"))
    assert [cells.names[k] for k in cells.of] == [
        ("x", "10 to 19"), ("unknown", "20 to 29"), ("x", "20 to 29"), ("y", "unknown"), ("x", "10 to 19"),
        ("y", "20 to 29"),
    ]  # fmt: skip


def test_a_number_is_cut_into_four_equal_bands_and_whole_numbers_stay_apart() -> None:
    rows = pa.table({"by_0": np.arange(400) / 10, "by_1": np.arange(400) % 11})
    cells = cells_of(rows, ("sharpness", "track"))
    bands, counts = np.unique([cells.names[k][0] for k in cells.of], return_counts=True)
    assert dict(zip(bands.tolist(), counts.tolist(), strict=True)) == {
        "under 10": 100, "10 to 20": 100, "20 to 30": 100, "from 30": 100,
    }  # fmt: skip
    assert {name[1] for name in cells.names} == {str(k) for k in range(11)}


def test_attributes_columns_and_expressions_can_be_gone_by() -> None:
    query = columns_sql(
        ["clip_id", "sharpness", "attributes"], ["gender", "age", "sharpness", "frames > 100"], ["fps"]
    )
    assert query == (
        "select clip_id, fps, (attributes.gender.value)::varchar as by_0, (attributes.age.value)::double as by_1, "
        '"sharpness" as by_2, (frames > 100) as by_3 from clips'
    )
    assert "(null)::varchar as by_0" in columns_sql(["clip_id"], ["gender"])
