"""What is finished: one SQLite file, written by the driver alone, from which a killed run goes on."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from facevid.engine.step import EngineError, Outcome, StorageError, to_json

SCHEMA_VERSION = 1
_BATCH_ROWS = 64
_BATCH_S = 0.05
_LEAST_FREE = 1 << 16
_SCHEMA = """
CREATE TABLE outcomes (
    step TEXT NOT NULL, item TEXT NOT NULL, hash TEXT NOT NULL, status TEXT NOT NULL, kind TEXT, message TEXT,
    value TEXT NOT NULL, seconds REAL NOT NULL, traceback TEXT, run INTEGER, finished REAL NOT NULL,
    PRIMARY KEY (step, item)) WITHOUT ROWID;
CREATE TABLE runs (
    id INTEGER PRIMARY KEY, step TEXT NOT NULL, workers INTEGER NOT NULL, started REAL NOT NULL, ended REAL,
    ending TEXT, ran INTEGER NOT NULL DEFAULT 0, reused INTEGER NOT NULL DEFAULT 0,
    ok INTEGER NOT NULL DEFAULT 0,    rejected INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0);
"""


class LedgerError(EngineError):
    """The ledger cannot be used; str() is the user's sentence."""


@dataclass(frozen=True)
class Run:
    """One pass of an executor over a step's items.

    started, ended: Unix seconds; ended and ending are None while it runs and after a kill.
    ending: "done", "interrupted" or the sentence that stopped it.
    ran + reused == ok + rejected + failed.
    """

    id: int
    step: str
    workers: int
    started: float
    ended: float | None
    ending: str | None
    ran: int
    reused: int
    ok: int
    rejected: int
    failed: int


class Ledger:
    """Outcomes by (item, step, hash), and a record of every run.

    Only the newest hash of an (item, step) is kept: its outputs have overwritten the older ones, so an answer
    under an older hash would describe files that are no longer there.

    path: the SQLite file; made with its folder when missing. A corrupt file is renamed to
    `<name>.broken-<time>` and `notice` says so; a ledger of another version of facevid raises LedgerError.
    read_only: look without writing anything (for `status`); the file must exist.
    """

    def __init__(self, path: str | os.PathLike[str], *, read_only: bool = False) -> None:
        self.path = Path(path)
        self.notice: str | None = None
        self._rows: list[tuple[object, ...]] = []
        self._counts: dict[int, dict[str, int]] = {}
        self._changed = False
        self._flushed = time.monotonic()
        try:
            self._db = self._open(read_only)
        except sqlite3.Error as error:
            if not is_corrupt(error) or read_only:
                raise self._wrapped(error) from error
            self._set_aside()
            with self._sentences():
                self._db = self._open(read_only)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write what is buffered and close the file."""
        try:
            self.flush()
        finally:
            self._db.close()

    def get(self, step: str, item: str, hash: str) -> Outcome | None:
        """The finished outcome (reused=True), or None when it must run."""
        known = self.get_many(step, [item]).get(item)
        return known[1] if known is not None and known[0] == hash else None

    def get_many(self, step: str, items: Sequence[str]) -> dict[str, tuple[str, Outcome]]:
        """{item: (hash, outcome with reused=True)} for the items that have any, in one look-up per 500."""
        self.flush()
        found: dict[str, tuple[str, Outcome]] = {}
        with self._sentences():
            for start in range(0, len(items), 500):
                part = items[start : start + 500]
                marks = ",".join("?" * len(part))
                rows = self._db.execute(
                    f"SELECT item, hash, {_OUTCOME} FROM outcomes WHERE step = ? AND item IN ({marks})",
                    [step, *part],
                )
                for item, hash, *rest in rows:
                    found[item] = (hash, self._outcome(step, item, rest))
        return found

    def put(
        self, outcome: Outcome, *, hash: str, run: int | None = None, traceback: str | None = None
    ) -> None:
        """Record an outcome; written at the latest with the 64th row or at the next `flush`."""
        row = (outcome.step, outcome.key, hash, outcome.status, outcome.kind, outcome.message)
        self._rows.append((*row, to_json(outcome.value), outcome.seconds, traceback, run, time.time()))
        self.count(run, outcome)
        if len(self._rows) >= _BATCH_ROWS or time.monotonic() - self._flushed >= _BATCH_S:
            self.flush()

    def count(self, run: int | None, outcome: Outcome) -> None:
        """Count an outcome, run or reused, in its run."""
        if run is not None:
            counts = self._counts.setdefault(run, dict.fromkeys(_COUNTS, 0))
            for column in ("reused" if outcome.reused else "ran", outcome.status):
                counts[column] += 1
            self._changed = True

    def flush(self) -> None:
        """Commit everything buffered; StorageError when the disk does not take it."""
        self._flushed = time.monotonic()
        if not self._rows and not self._changed:
            return
        # Rows stay buffered until they are committed, and counts are absolute: so a Ctrl-C in the middle of
        # this loses nothing, and writing it all once more changes nothing.
        with self._sentences(), self._db:
            self._db.executemany("INSERT OR REPLACE INTO outcomes VALUES (?,?,?,?,?,?,?,?,?,?,?)", self._rows)
            for run, counts in self._counts.items():
                columns = ", ".join(f"{column} = ?" for column in counts)
                self._db.execute(f"UPDATE runs SET {columns} WHERE id = ?", [*counts.values(), run])
        self._rows = []
        self._changed = False

    def forget(self, step: str, item: str) -> None:
        """Drop what is known of an item, at once: its outputs are about to be overwritten."""
        self.flush()
        with self._sentences(), self._db:
            self._db.execute("DELETE FROM outcomes WHERE step = ? AND item = ?", (step, item))

    def erase(self, step: str, items: Sequence[str]) -> None:
        """Drop what is known of items so that no byte of the file tells of them: of what was taken down.

        The file is written anew, so of no items nothing is done.
        """
        self.flush()
        if not items:
            return
        with self._sentences():
            with self._db:
                self._db.executemany(
                    "DELETE FROM outcomes WHERE step = ? AND item = ?", [(step, item) for item in items]
                )
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def start_run(self, step: str, *, workers: int) -> int:
        """Note that a run begins; returns its id."""
        with self._sentences(), self._db:
            sql = "INSERT INTO runs (step, workers, started) VALUES (?, ?, ?)"
            return int(self._db.execute(sql, (step, workers, time.time())).lastrowid or 0)

    def end_run(self, run: int, ending: str) -> None:
        """Note how a run ended ("done", "interrupted" or a sentence)."""
        self.flush()
        with self._sentences(), self._db:
            self._db.execute("UPDATE runs SET ended = ?, ending = ? WHERE id = ?", (time.time(), ending, run))
        self._counts.pop(run, None)

    def runs(self, step: str | None = None) -> list[Run]:
        """All runs, oldest first, of one step or of all."""
        self.flush()
        names = ", ".join(Run.__dataclass_fields__)
        where, values = ("WHERE step = ?", (step,)) if step is not None else ("", ())
        with self._sentences():
            return [
                Run(*row) for row in self._db.execute(f"SELECT {names} FROM runs {where} ORDER BY id", values)
            ]

    def outcomes(self, step: str, *, status: str | None = None) -> Iterator[Outcome]:
        """Finished outcomes of a step in the order of their keys, of one status or of all."""
        self.flush()
        where, values = ("AND status = ?", [step, status]) if status is not None else ("", [step])
        with self._sentences():
            sql = f"SELECT item, {_OUTCOME} FROM outcomes WHERE step = ? {where} ORDER BY item"
            for item, *rest in self._db.execute(sql, values):
                yield self._outcome(step, item, rest)

    def counts(self) -> dict[str, dict[str, int]]:
        """{step: {status: items}} of everything finished."""
        self.flush()
        found: dict[str, dict[str, int]] = {}
        with self._sentences():
            for step, status, number in self._db.execute(
                "SELECT step, status, count(*) FROM outcomes GROUP BY step, status ORDER BY step, status"
            ):
                found.setdefault(step, {})[status] = number
        return found

    def hashes(self, step: str) -> dict[str, str]:
        """{item: hash} of everything finished of a step."""
        self.flush()
        with self._sentences():
            return dict(self._db.execute("SELECT item, hash FROM outcomes WHERE step = ?", (step,)))

    def traceback(self, step: str, item: str) -> str | None:
        """The Python traceback of an item that failed by a bug."""
        self.flush()
        with self._sentences():
            sql = "SELECT traceback FROM outcomes WHERE step = ? AND item = ?"
            row = self._db.execute(sql, (step, item)).fetchone()
        return None if row is None else row[0]

    def _open(self, read_only: bool) -> sqlite3.Connection:
        if read_only and not self.path.exists():
            raise LedgerError(f"there is no ledger at {self.path}: nothing has been built here yet")
        if not read_only:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StorageError(f"cannot make the folder {self.path.parent}: {error.strerror}") from error
        uri = f"{self.path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        db = sqlite3.connect(uri, uri=True, timeout=10.0, check_same_thread=False)
        try:
            if not read_only:
                db.execute("PRAGMA journal_mode = WAL")
            # Safe at a kill; a power cut may lose the last commits, whose items then run again.
            db.execute("PRAGMA synchronous = NORMAL")
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0 and not read_only:
                db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
            elif version != SCHEMA_VERSION:
                raise LedgerError(
                    f"{self.path} is a ledger of version {version} and this facevid reads version "
                    f"{SCHEMA_VERSION}: use the facevid that wrote it, or another output folder"
                )
            damage = db.execute("PRAGMA quick_check(1)").fetchone()[0]
            if damage == "ok" and db.execute(_GARBAGE).fetchone() is not None:
                damage = "rows that no run writes"
            if damage == "ok" and self._found_damaged.exists():
                damage = "a run could not read it"
            if damage != "ok":
                raise sqlite3.DatabaseError(f"database disk image is malformed: {damage}")
        except BaseException:
            db.close()
            raise
        return db

    @property
    def _found_damaged(self) -> Path:
        """A file that tells the next run of damage that only reading a row shows."""
        return self.path.with_name(f"{self.path.name}.damaged")

    def _damaged(self, why: str) -> LedgerError:
        with contextlib.suppress(OSError):
            self._found_damaged.touch()
        return LedgerError(f"the ledger {self.path} is damaged ({why}): run again, and it will be set aside")

    def _outcome(self, step: str, item: str, row: Sequence[object]) -> Outcome:
        try:
            return _outcome(step, item, row)
        except ValueError as error:
            raise self._damaged(f"step {step}, item {item}: {error}") from error

    def _set_aside(self) -> None:
        aside = f"{self.path}.broken-{time.strftime('%Y%m%d-%H%M%S')}"
        try:
            self.path.replace(aside)
            for tail in ("-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    Path(f"{self.path}{tail}").replace(f"{aside}{tail}")
            self._found_damaged.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"cannot rename the damaged ledger {self.path}: {error.strerror}") from error
        self.notice = (
            f"the ledger {self.path} was damaged and is now {aside}; finished work will be done again"
        )

    @contextlib.contextmanager
    def _sentences(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._wrapped(error) from error

    def _wrapped(self, error: sqlite3.Error) -> EngineError:
        text = str(error)
        if is_corrupt(error):
            return self._damaged(text)
        if any(part in text for part in ("full", "readonly", "unable to open", "disk I/O")):
            # SQLite calls a full disk an I/O error where it cannot map its shared memory.
            with contextlib.suppress(OSError):
                if shutil.disk_usage(self.path.parent).free < _LEAST_FREE:
                    text = "the disk is full"
            return StorageError(f"cannot write the ledger {self.path}: {text}; repair this and run again")
        return LedgerError(f"cannot use the ledger {self.path}: {text}")


_COUNTS = ("ran", "reused", "ok", "rejected", "failed")
_OUTCOME = "status, kind, message, value, seconds"
# Not json_valid: Python writes NaN, which it does not take.
_GARBAGE = """
SELECT 1 FROM outcomes WHERE typeof(value) != 'text' OR value NOT LIKE '{%}' OR typeof(seconds) != 'real'
    OR status NOT IN ('ok', 'rejected', 'failed') LIMIT 1
"""


def _outcome(step: str, item: str, row: Sequence[object]) -> Outcome:
    status, kind, message, value, seconds = row
    return Outcome(
        key=item,
        step=step,
        status=str(status),
        kind=None if kind is None else str(kind),
        message=None if message is None else str(message),
        value=json.loads(str(value)),
        seconds=float(str(seconds)),
        reused=True,
    )


def is_corrupt(error: sqlite3.Error) -> bool:
    return any(
        part in str(error)
        for part in (
            "malformed",
            "not a database",
            "no such table",
            "no such column",
            "unsupported file format",
            "decode to UTF-8",
        )
    )
