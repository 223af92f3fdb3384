"""What annotators said of clips, in one SQLite file that only ever grows: an undo is a row too."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from facevid.errors import FacevidError
from facevid.web.review_standing import Standing, Verdict
from facevid.web.review_values import check_said

TASKS = ("attributes", "captions", "keep")
VERDICTS = ("accept", "reject", "skip")
ROLES = ("annotate", "adjudicate")
LEASE_S = 600.0
"""How long a clip is kept for the annotator it was shown to; an answer ends it sooner."""

_FILE = Path("review") / "verdicts.sqlite"
_BUSY_MS = 30_000
_NAME_LENGTH = 80
_TABLES = """
create table if not exists about (id text not null);
create table if not exists verdicts (
    id integer primary key autoincrement,
    task text not null,
    clip_id text not null,
    annotator text not null,
    role text not null,
    verdict text not null,
    said text not null,
    seconds real,
    said_at text not null,
    client_id text not null unique,
    revokes integer unique references verdicts (id)
);
create index if not exists verdicts_of_clip on verdicts (task, clip_id);
create trigger if not exists verdicts_are_never_changed before update on verdicts
    begin select raise(abort, 'verdicts are never changed'); end;
create trigger if not exists verdicts_are_never_removed before delete on verdicts
    begin select raise(abort, 'verdicts are never removed'); end;
create table if not exists settings (
    id integer primary key autoincrement, name text not null, value text not null, who text not null,
    said_at text not null
);
create table if not exists leases (
    task text not null, clip_id text not null, annotator text not null, until real not null,
    primary key (task, clip_id, annotator)
);
"""


class ReviewError(FacevidError):
    """Something that cannot be stored as a verdict or a setting; the message says what is allowed."""


def reviewed(dataset: str | os.PathLike[str]) -> bool:
    """Whether a review of the dataset was ever opened, so that what only reads makes no file for one."""
    return (Path(dataset) / _FILE).is_file()


class ReviewStore:
    """The verdicts about one dataset, in `DATASET/review/verdicts.sqlite` (write-ahead log, synchronous).

    Safe for any number of threads and processes of one machine: each call opens its own connection, waits up to
    30 s for others, and has committed to disk when it returns.
    """

    def __init__(self, dataset: str | os.PathLike[str]) -> None:
        self.path = Path(dataset) / _FILE
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._standing = Standing()
        with self._open() as db:
            db.execute("pragma journal_mode = wal")
            if not db.execute("select 1 from sqlite_master where name = 'leases'").fetchone():
                db.executescript(f"begin immediate;{_TABLES}commit;")
            with _writing(db):
                if not db.execute("select 1 from about").fetchone():
                    db.execute("insert into about values (?)", (str(uuid.uuid4()),))
            self.id: str = db.execute("select id from about").fetchone()["id"]

    def record(
        self,
        *,
        task: str,
        clip_id: str,
        annotator: str,
        verdict: str,
        said: Mapping[str, Any] | None = None,
        seconds: float | None = None,
        client_id: str,
        role: str = "annotate",
    ) -> Verdict:
        """Store a verdict and give its row; the same client_id again gives the row that is there.

        Raises ReviewError for an unknown task, verdict, role, annotator's name or value.
        """
        _one_of("task", task, TASKS)
        _one_of("verdict", verdict, VERDICTS)
        _one_of("role", role, ROLES)
        annotator = _name(annotator)
        if seconds is not None and not 0 <= seconds < 86_400 * 7:
            raise ReviewError(f"seconds cannot be {seconds}; it is the time spent on the clip, 0 or more.")
        checked = check_said(task, said or {})
        row = (
            task,
            clip_id,
            annotator,
            role,
            verdict,
            _json(checked),
            seconds,
            _now(),
            _client(client_id),
            None,
        )
        with self._open() as db, _writing(db):
            stored = _insert(db, row)
            db.execute(
                "delete from leases where task = ? and clip_id = ? and annotator = ?",
                (task, clip_id, annotator),
            )
        if (stored.task, stored.clip_id, stored.annotator) != (task, clip_id, annotator):
            raise ReviewError(f"The client id {client_id!r} belongs to another verdict; make a new one.")
        return stored

    def undo(self, *, task: str, annotator: str, client_id: str, undoes: str | None = None) -> Verdict | None:
        """Take back an annotator's verdict: the one stored under the client id `undoes`, or the last that stands.

        Gives the revoking row, or None where there is nothing to take back. What was said stays in the file.
        """
        _one_of("task", task, TASKS)
        annotator = _name(annotator)
        with self._open() as db, _writing(db):
            again = db.execute("select * from verdicts where client_id = ?", (_client(client_id),)).fetchone()
            if again:
                return _verdict(again)
            found = db.execute(
                "select v.* from verdicts v where task = ? and annotator = ? and verdict != 'revoke' "
                "and (? is null or client_id = ?) and not exists (select 1 from verdicts r where r.revokes = v.id) "
                "order by id desc limit 1",
                (task, annotator, undoes, undoes),
            ).fetchone()
            if found is None:
                return None
            row = (task, found["clip_id"], annotator, found["role"], "revoke", "{}", None, _now(), client_id)
            return _insert(db, (*row, found["id"]))

    def standing(self, task: str) -> Mapping[str, list[Verdict]]:
        """Clip -> verdicts of the task that hold, oldest first: neither taken back nor replaced by a later one.

        Rows are never changed, so only those that came since the last call are read.
        """
        _one_of("task", task, TASKS)
        with self._lock, self._open() as db:
            rows = db.execute("select * from verdicts where id > ? order by id", (self._standing.last,))
            self._standing.take(_verdict(row) for row in rows)
            return self._standing.of_task(task)

    def history(self) -> list[Verdict]:
        """Every row ever stored, oldest first."""
        with self._open() as db:
            return [_verdict(row) for row in db.execute("select * from verdicts order by id")]

    def lease(
        self, task: str, clip_id: str, annotator: str, *, at_most: int, now: float | None = None
    ) -> bool:
        """Keep a clip for an annotator for `LEASE_S` seconds, unless `at_most` others have it; true if kept."""
        moment = time.time() if now is None else now
        annotator = _name(annotator)
        with self._open() as db, _writing(db):
            db.execute("delete from leases where until < ?", (moment,))
            others = db.execute(
                "select count(*) from leases where task = ? and clip_id = ? and annotator != ?",
                (task, clip_id, annotator),
            ).fetchone()[0]
            if others >= at_most:
                return False
            db.execute(
                "insert or replace into leases values (?, ?, ?, ?)",
                (task, clip_id, annotator, moment + LEASE_S),
            )
            return True

    def leased(self, task: str, *, now: float | None = None) -> dict[str, set[str]]:
        """Clip -> annotators who look at it now."""
        moment = time.time() if now is None else now
        kept: dict[str, set[str]] = {}
        with self._open() as db:
            rows = db.execute("select * from leases where task = ? and until >= ?", (task, moment)).fetchall()
        for row in rows:
            kept.setdefault(row["clip_id"], set()).add(row["annotator"])
        return kept

    def setting_rows(self) -> list[dict[str, Any]]:
        """Every change of a setting, oldest first: name, value, who, said_at."""
        with self._open() as db:
            rows = db.execute("select name, value, who, said_at from settings order by id").fetchall()
        return [dict(row) | {"value": json.loads(row["value"])} for row in rows]

    def add_settings(self, values: Mapping[str, Any], *, who: str) -> None:
        """Append settings, already checked, in one piece."""
        rows = [(name, _json(value), _name(who), _now()) for name, value in values.items()]
        with self._open() as db, _writing(db):
            db.executemany("insert into settings (name, value, who, said_at) values (?, ?, ?, ?)", rows)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self.path, timeout=_BUSY_MS / 1000, isolation_level=None)
        try:
            db.row_factory = sqlite3.Row
            db.execute(f"pragma busy_timeout = {_BUSY_MS}")
            db.execute("pragma synchronous = full")
            db.execute("pragma foreign_keys = on")
            yield db
        finally:
            db.close()


@contextmanager
def _writing(db: sqlite3.Connection) -> Iterator[None]:
    """A transaction that takes the write lock at once, so that what is read in it cannot change under it."""
    db.execute("begin immediate")
    try:
        yield
    except BaseException:
        db.execute("rollback")
        raise
    db.execute("commit")


def _insert(db: sqlite3.Connection, row: tuple[Any, ...]) -> Verdict:
    db.execute(
        "insert into verdicts (task, clip_id, annotator, role, verdict, said, seconds, said_at, client_id, revokes) "
        "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (client_id) do nothing",
        row,
    )
    return _verdict(db.execute("select * from verdicts where client_id = ?", (row[8],)).fetchone())


def _verdict(row: sqlite3.Row) -> Verdict:
    return Verdict(**(dict(row) | {"said": json.loads(row["said"])}))


def _one_of(what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ReviewError(f"There is no {what} {value!r}; allowed: {', '.join(allowed)}.")


def _name(annotator: str) -> str:
    name = annotator.strip()
    if not name or len(name) > _NAME_LENGTH or not name.isprintable():
        raise ReviewError(
            f"An annotator's name has 1 to {_NAME_LENGTH} printable characters, not {annotator!r}."
        )
    return name


def _client(client_id: str) -> str:
    if not 8 <= len(client_id) <= 64:
        raise ReviewError(
            "A client id has 8 to 64 characters, such as a UUID; make a new one for each verdict."
        )
    return client_id


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
