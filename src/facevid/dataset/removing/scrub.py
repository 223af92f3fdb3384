"""Takes every trace of what is taken down out of the files beside the published ones, whatever their format."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facevid.dataset.choosing.subset_file import FORMAT, SUBSETS, subset_hash
from facevid.dataset.removing.traces import BINARY, Traces, kind_of, sqlite_condition, sqlite_tables
from facevid.engine import atomic_path

WORK = ".work"
REVIEW = "review"
RECEIPTS = "receipts"
_LOCKS = frozenset({"lock", "annotate.lock"})
_BESIDE = ("-wal", "-shm", "-journal")


def scrub(folder: Path, traces: Traces) -> None:
    """Take the traces out of a dataset's work folder, its review and its subsets.

    Rows of tables and databases that name what is taken down go, as do lines of logs and ids in lists; files and
    folders named after it go whole, and so does a file of the work folder in a format that cannot be mended, since it
    can be made again. Databases are rebuilt, so that no freed page keeps what it held. The caller holds the locks.
    """
    for top in (WORK, REVIEW, SUBSETS, RECEIPTS):
        if (folder / top).is_dir():
            _scrub_folder(folder / top, traces, may_remove=top == WORK)


def _scrub_folder(top: Path, traces: Traces, *, may_remove: bool) -> None:
    for path in files(top, traces):
        if traces.in_text(path.name):
            remove(path)
        elif path.suffix not in BINARY and path.name not in _LOCKS and path.exists():
            _scrub_file(path, traces, may_remove=may_remove)


def files(top: Path, traces: Traces) -> Iterator[Path]:
    """Every file below a folder, and instead of its files each folder that is named after what is taken down."""
    for parent, folders, names in os.walk(top):
        folders.sort()
        traced = [name for name in folders if traces.in_text(name)]
        folders[:] = [name for name in folders if name not in traced]
        yield from (Path(parent, name) for name in [*traced, *sorted(names)])


def remove(path: Path) -> None:
    """Remove a file, or a folder with all it holds."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _scrub_file(path: Path, traces: Traces, *, may_remove: bool) -> None:
    kind = kind_of(path)
    if kind == "parquet" and traces.in_file(path):
        _scrub_parquet(path, traces)
    elif kind == "sqlite":
        scrub_sqlite(path, traces)
    elif kind == "text" and not path.name.endswith(_BESIDE) and traces.in_bytes(path):
        _scrub_text(path, traces)
    elif kind in ("arrow", "tar", "other") and may_remove and not path.name.endswith(_BESIDE):
        _remove_traced(path, traces)


def _remove_traced(path: Path, traces: Traces) -> None:
    if traces.in_file(path):
        path.unlink()


def _scrub_parquet(path: Path, traces: Traces) -> None:
    table = pq.ParquetFile(path).read()
    kept = table.filter(pc.invert(traces.in_rows(table)))
    # A column of a dictionary keeps words that no row has any more, unless it is made anew.
    for k, field in enumerate(kept.schema):
        if pa.types.is_dictionary(field.type):
            kept = kept.set_column(
                k, field, kept[field.name].cast(field.type.value_type).dictionary_encode().cast(field.type)
            )
    with _same_age(path), atomic_path(path) as partial:
        pq.write_table(kept, partial, compression="zstd")


def scrub_sqlite(path: Path, traces: Traces) -> None:
    """Delete every row that names what is taken down and rebuild the file, its log emptied.

    Triggers that forbid deleting are put back in the same transaction. A database that cannot be read is removed where
    its bytes hold a trace.
    """
    beside = [path, *(Path(f"{path}{tail}") for tail in _BESIDE)]
    if not any(traces.near_bytes(p) for p in beside if p.exists()):
        return
    try:
        with rebuilt(path) as db:
            for table in sqlite_tables(db):
                _delete_rows(db, table, traces)
    except sqlite3.DatabaseError:
        if not _is_damaged(path):
            raise
        for each in beside:
            each.unlink(missing_ok=True)


@contextlib.contextmanager
def rebuilt(path: Path) -> Iterator[sqlite3.Connection]:
    """A transaction on a database; after it the file is written anew and its log emptied."""
    with closing(sqlite3.connect(path, timeout=30.0, isolation_level=None)) as db:
        db.execute("pragma secure_delete = on")
        db.execute("begin immediate")
        try:
            yield db
        except BaseException:
            db.execute("rollback")
            raise
        db.execute("commit")
        db.execute("vacuum")
        db.execute("pragma wal_checkpoint(truncate)")


def _delete_rows(db: sqlite3.Connection, table: str, traces: Traces) -> None:
    if not traces.rows_in_sqlite(db, table):
        return
    triggers = db.execute(
        "select name, sql from sqlite_master where type = 'trigger' and tbl_name = ?", (table,)
    ).fetchall()
    for name, _ in triggers:
        db.execute(f'drop trigger "{name}"')
    db.execute(f'delete from "{table}" where {sqlite_condition(db, table)}')
    for _, sql in triggers:
        db.execute(sql)


def _is_damaged(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(path)) as db:
            return bool(db.execute("pragma quick_check(1)").fetchone()[0] != "ok")
    except sqlite3.OperationalError:
        return False  # locked, or no room: nothing that removing the file would mend
    except sqlite3.DatabaseError:
        return True


def _scrub_text(path: Path, traces: Traces) -> None:
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    try:
        content = json.loads(text) if path.suffix == ".json" else None
    except ValueError:
        content = None
    if content is not None:
        mended = without(content, traces)
        if isinstance(mended, dict) and mended.get("format") == FORMAT:
            mended["sha256"] = subset_hash(mended)
        text = json.dumps(mended, indent=_indent(text), ensure_ascii=False) + "\n"
    else:
        text = "".join(line for line in text.splitlines(keepends=True) if not traces.in_text(line))
    with _same_age(path), atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="surrogateescape")


def without(content: Any, traces: Traces) -> Any:
    """JSON less what names things taken down: entries of lists and keys go, other texts become null.

    An entry that is a record, an object or a list of several kinds of values, goes whole where one of its values does.
    """
    if isinstance(content, dict):
        return {
            k: None if _traced(v, traces) else without(v, traces)
            for k, v in content.items()
            if not traces.in_text(k)
        }
    if isinstance(content, list):
        return [without(v, traces) for v in content if not _traced(v, traces) and not _record(v, traces)]
    return content


def _record(entry: Any, traces: Traces) -> bool:
    """Whether an entry of a list is a record of something taken down."""
    if isinstance(entry, list) and all(isinstance(v, str) for v in entry):
        return False
    values = entry.values() if isinstance(entry, dict) else entry if isinstance(entry, list) else ()
    return any(_traced(v, traces) for v in values)


def _indent(text: str) -> int | None:
    """How deep the lines of a JSON text are set in; None where it is one line."""
    lines = text.splitlines()
    return len(lines[1]) - len(lines[1].lstrip()) if len(lines) > 1 else None


def _traced(value: Any, traces: Traces) -> bool:
    return isinstance(value, str) and traces.in_text(value)


@contextlib.contextmanager
def _same_age(path: Path) -> Iterator[None]:
    """Leave a file's time as it was: `facevid status` tells by it whether a selection was published."""
    age = path.stat().st_mtime_ns
    yield
    os.utime(path, ns=(age, age))
