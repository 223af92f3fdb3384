"""The ledger: what is kept, damaged files, and looking while a build writes."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from steps import Recipe, nothing

from facevid.engine import Item, Ledger, LedgerError, LocalExecutor, Outcome, Step, StorageError, step_hash


def an_outcome(key: str, status: str = "ok") -> Outcome:
    return Outcome(key=key, step="cut", status=status, value={"n": 1.5}, seconds=0.25)


def test_outcomes_come_back_as_they_were_put_under_the_same_hash_only(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.put(an_outcome("a"), hash="h1")
    with Ledger(path) as ledger:
        assert ledger.get("cut", "a", "h1") == Outcome("a", "cut", "ok", None, None, {"n": 1.5}, 0.25, True)
        assert ledger.get("cut", "a", "h2") is None
        assert ledger.get("pack", "a", "h1") is None


def test_look_ups_take_more_items_than_one_query_can_name(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        for n in range(1200):
            ledger.put(an_outcome(f"{n:04d}"), hash="h")
        assert len(ledger.get_many("cut", [f"{n:04d}" for n in range(1300)])) == 1200


@pytest.mark.parametrize("damage", ["text", "middle"])
def test_a_damaged_ledger_is_set_aside_with_a_sentence(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        for n in range(500):
            ledger.put(an_outcome(str(n)), hash="h")
    data = path.read_bytes()
    path.write_bytes(
        b"not a database" * 100 if damage == "text" else data[:4096] + b"\x55" * (len(data) - 4096)
    )
    with Ledger(path) as ledger:
        assert ledger.counts() == {}
        assert "was damaged and is now" in (ledger.notice or "")
    assert len(list(tmp_path.glob("ledger.sqlite.broken-*"))) >= 1
    with Ledger(path) as ledger:
        assert ledger.notice is None


def test_an_empty_file_is_a_fresh_ledger(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").touch()
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert (ledger.counts(), ledger.notice) == ({}, None)


def test_a_ledger_with_rows_that_no_run_writes_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    for column, garbage in {"value": "'{\"a'", "seconds": "'soon'", "status": "'fine'"}.items():
        with Ledger(path) as ledger:
            ledger.put(an_outcome("a"), hash="h")
        with sqlite3.connect(path) as db:
            db.execute(f"UPDATE outcomes SET {column} = {garbage}")
        db.close()
        with Ledger(path) as ledger:
            assert "was damaged and is now" in (ledger.notice or "")
            assert ledger.counts() == {}
        for aside in tmp_path.glob("*.broken-*"):
            aside.unlink()


def test_damage_that_only_reading_shows_is_told_and_the_next_run_sets_the_ledger_aside(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.put(an_outcome("a"), hash="h")
    with sqlite3.connect(path) as db:
        db.execute("UPDATE outcomes SET value = '{\"a: 1}'")
    db.close()
    with Ledger(path) as ledger, pytest.raises(LedgerError, match=r"damaged .*item a.*it will be set aside"):
        ledger.get("cut", "a", "h")
    with Ledger(path) as ledger:
        assert "was damaged and is now" in (ledger.notice or "")
    with Ledger(path) as ledger:
        assert ledger.notice is None


def test_a_ledger_of_another_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    Ledger(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(LedgerError, match="version 99 and this facevid reads version 1"):
        Ledger(path)
    assert [file.name for file in tmp_path.iterdir() if "broken" in file.name] == []


def test_a_ledger_can_be_read_while_a_run_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as writer:
        writer.put(an_outcome("a"), hash="h")
        writer.flush()
        with Ledger(path, read_only=True) as reader:
            assert reader.counts() == {"cut": {"ok": 1}}
            writer.put(an_outcome("b"), hash="h")
            writer.flush()
            assert reader.counts() == {"cut": {"ok": 2}}


def test_looking_where_nothing_was_built_says_so(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="nothing has been built here"):
        Ledger(tmp_path / "ledger.sqlite", read_only=True)


def test_a_ledger_that_cannot_be_made_names_its_place(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot make the folder"):
        Ledger(tmp_path / "file" / "ledger.sqlite")


def test_a_run_can_be_read_from_another_thread(tmp_path: Path) -> None:
    found: list[Outcome] = []
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        step = Step("nothing", 1, nothing)
        run = LocalExecutor(1).run(step, [Item("a", {})], None, ledger)
        thread = threading.Thread(target=lambda: found.extend(run))
        thread.start()
        thread.join(20)
    assert [outcome.status for outcome in found] == ["ok"]


def test_the_hash_is_that_of_canonical_json() -> None:
    # printf '["cut",2,{"size":512}]{"a":[1,2],"b":"x"}' | sha256sum
    step = Step("cut", 2, nothing, reads=("size",))
    known = "5bce92a68fb847286120cfca9fc0350a62b92f4976c2984255e2b967e434affd"
    recipe = Recipe(size=512, fps=25)
    assert step_hash(step, recipe, {"b": "x", "a": (1, 2), "_path": "/x"}) == known


def test_a_payload_that_is_not_json_is_refused_with_a_sentence() -> None:
    with pytest.raises(TypeError, match="payload of an item of step 'cut' must be JSON-able"):
        step_hash(Step("cut", 1, nothing), None, {"image": object()})
