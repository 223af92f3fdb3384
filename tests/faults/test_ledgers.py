"""Ledgers that are damaged between two builds: it is said, the file is kept beside, and the dataset is the same."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from building import Place, check


def bits_flipped(path: Path) -> None:
    data, rng = bytearray(path.read_bytes()), random.Random(7)
    for _ in range(200):
        data[rng.randrange(100, len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def garbage_in_rows(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("UPDATE outcomes SET value = '{\"a', seconds = 'soon' WHERE step = 'cut'")
    db.close()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "bits flipped": bits_flipped,
    "truncated": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "no database": lambda path: path.write_text("This is no database.\n" * 400),
    "zeroed": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "garbage in rows": garbage_in_rows,
}


def whole(path: Path) -> None:
    """Bring what lies in the write-ahead log into the file, so that damage to the file is damage to all."""
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_ledger_is_set_aside_and_the_build_makes_the_same_dataset(
    built: Place, small: Any, damage: str
) -> None:
    ledger = built.dataset / ".work" / "ledger.sqlite"
    whole(ledger)
    DAMAGES[damage](ledger)
    ended = built.build()
    assert ended.code == 1, ended
    [kept] = (
        path
        for path in ledger.parent.glob("ledger.sqlite.broken-*")
        if not path.name.endswith(("-wal", "-shm"))
    )
    assert f"was damaged and is now {kept}; finished work will be done again" in ended.notes
    check(built, small.dataset)


def test_a_ledger_whose_log_is_gone_or_garbage_costs_at_most_work(built: Place, small: Any) -> None:
    ledger = built.dataset / ".work" / "ledger.sqlite"
    for text in (b"", b"garbage" * 1000):
        Path(f"{ledger}-wal").write_bytes(text)
        ended = built.build()
        assert ended.code == 1, ended
    check(built, small.dataset)


def test_a_ledger_of_another_version_is_refused_and_left_as_it_is(built: Place, small: Any) -> None:
    ledger = built.dataset / ".work" / "ledger.sqlite"
    with sqlite3.connect(ledger) as db:
        [(version,)] = db.execute("PRAGMA user_version").fetchall()
        db.execute("PRAGMA user_version = 99")
    ended = built.build()
    assert (ended.code, "is a ledger of version 99" in ended.sentence) == (2, True), ended
    db.execute(f"PRAGMA user_version = {version}")
    db.close()
    assert built.build().code == 1
    check(built, small.dataset)
