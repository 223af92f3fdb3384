"""The dataset's tables in memory, with the columns that a browser filters, sorts and shows."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import duckdb
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from facevid.dataset import Dataset
from facevid.dataset import open as open_dataset
from facevid.dataset.published import schema
from facevid.dataset.vocabulary import ATTRIBUTES
from facevid.web.errors import Refused
from facevid.web.filters import LENGTH, Bound, Filter, Names, Table, conditions, order

_ORDERS = 24
"""Filters whose order is remembered, 4 bytes a clip each: scrolling on costs no sorting."""
_SHOWN = {
    "clips": "clip_id, identity, source_name, start_s, end_s, frames, fps, seconds, caption",
    "rejected": "source_name, start_s, end_s, seconds, reason, score, value, threshold, duplicate_of",
}
_OF_CLIPS = """clip_id, source_id, source_name, start_s, end_s, fps, frames, identity, shard,
    mp4_offset, mp4_size, mp4_sha256, flac_offset, flac_size, flac_sha256"""
_OF_REJECTED = "source_name, start_s, end_s, reason, score, value, threshold, duplicate_of"


@dataclass
class Tables:
    """The clips and the rejected stretches of one publication; safe to ask from several threads.

    In memory: `number` (the row's place in its table), "s.NAME" for scores (null where not a number), "a.NAME" for
    the values of attributes (null where unknown), `actions` as names, `lowered` captions, and what a list shows.
    Everything else is read from the published files when one clip is asked for.
    """

    dataset: Dataset
    names: Names
    actions: tuple[str, ...]
    clips: int
    rejected: int
    _connection: duckdb.DuckDBPyConnection
    _orders: OrderedDict[Filter, NDArray[np.int32]] = field(default_factory=OrderedDict)
    _busy: dict[Filter, threading.Lock] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def load(cls, folder: Path) -> Tables:
        """Read the dataset in a folder; some seconds for some hundred thousand clips. Raises DatasetError."""
        dataset = open_dataset(folder)
        connection = duckdb.connect()
        parts = {t: _parts(dataset, t) for t in ("clips", "rejected")}
        labelled = bool(parts["clips"]) and "attributes" in pq.read_schema(parts["clips"][0]).names
        values = _values(connection, parts["clips"]) if labelled else {}
        scores: dict[Table, tuple[str, ...]] = {
            "clips": _load_clips(connection, parts["clips"], values, labelled),
            "rejected": _load_rejected(connection, parts["rejected"]),
        }
        found = connection.execute("select distinct unnest(actions) from clips order by 1").fetchall()
        ((clips, rejected),) = connection.execute(
            "select (select count(*) from clips), (select count(*) from rejected)"
        ).fetchall()
        names = Names(scores, frozenset(values), labelled)
        return cls(dataset, names, tuple(a for (a,) in found), clips, rejected, connection)

    def ask(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query of the tables in memory."""
        with self._connection.cursor() as cursor:
            return cursor.execute(sql, list(values)).fetchall()

    def columns(self, sql: str, values: Sequence[Any] = ()) -> dict[str, NDArray[Any]]:
        """The columns of a query as arrays (masked where null)."""
        with self._connection.cursor() as cursor:
            # duckdb's types also tell of pandas categories, which come of ENUM columns only; there are none here.
            return cast("dict[str, NDArray[Any]]", cursor.execute(sql, list(values)).fetchnumpy())

    def arrow(self, sql: str) -> Any:
        """The answer of a query as an Arrow table."""
        with self._connection.cursor() as cursor:
            return cursor.sql(sql).to_arrow_table()

    def where(self, filter: Filter) -> tuple[str, list[str | float]]:
        """The filter as SQL over the tables in memory, and the values of its question marks."""
        bound = Bound()
        return conditions(filter, self.names, bound), bound.values

    def ordered(self, filter: Filter) -> NDArray[np.int32]:
        """Numbers of the rows that the filter means, in its order.

        What is asked for twice at once, as the list and the counts of a page are, is found once.
        """
        with self._lock:
            if filter in self._orders:
                self._orders.move_to_end(filter)
                return self._orders[filter]
            busy = self._busy.setdefault(filter, threading.Lock())
        with busy:
            with self._lock:
                if filter in self._orders:
                    return self._orders[filter]
            try:
                numbers = self._find(filter)
            finally:
                with self._lock:
                    self._busy.pop(filter, None)
            with self._lock:
                self._orders[filter] = numbers
                while len(self._orders) > _ORDERS:
                    self._orders.popitem(last=False)
            return numbers

    def _find(self, filter: Filter) -> NDArray[np.int32]:
        everything = Filter(filter.table, sort=filter.sort, descending=filter.descending)
        unsorted = replace(filter, sort="", descending=False)
        if filter not in (everything, unsorted):
            # One order of all rows serves every filter.
            wanted = np.zeros(self.clips if filter.table == "clips" else self.rejected, bool)
            wanted[self.ordered(unsorted)] = True
            order_of_all = self.ordered(everything)
            numbers: NDArray[np.int32] = order_of_all[wanted[order_of_all]]
            return numbers
        where, values = self.where(filter)
        sql = f"select number from {filter.table} where {where} order by {order(filter, 'number')}"
        return np.asarray(self.columns(sql, values)["number"], np.int32)

    def page(self, filter: Filter, *, offset: int, limit: int) -> dict[str, Any]:
        """`total` and up to `limit` rows of the list from `offset`."""
        numbers = self.ordered(filter)
        wanted = numbers[offset : offset + limit].tolist()
        rows: list[dict[str, Any]] = []
        if wanted:
            shown = [name.strip() for name in _SHOWN[filter.table].split(",")]
            listed = ", ".join(map(str, wanted))
            found = {
                number: dict(zip(shown, row, strict=True))
                for number, *row in self.ask(
                    f"select number, {_SHOWN[filter.table]} from {filter.table} where number in ({listed})"
                )
            }
            rows = [found[number] for number in wanted]
        return {"total": len(numbers), "rows": rows}

    def place(self, clip_id: str) -> dict[str, Any]:
        """Where a clip is: number, source, shard, offsets, sizes and hashes of its media.

        Raises Refused (404) where the dataset has no such clip.
        """
        with self._connection.cursor() as cursor:
            cursor.execute(f"select number, {_OF_CLIPS} from clips where clip_id = ?", [clip_id])
            names, row = [d[0] for d in cursor.description or ()], cursor.fetchone()
        if row is None:
            shown = clip_id if len(clip_id) <= 80 else clip_id[:80] + "…"
            raise Refused(
                404,
                f"The dataset has no clip {shown!r}; it may have been deleted since this list was made. "
                "Reload the list.",
            )
        return dict(zip(names, row, strict=True))

    def row(self, clip_id: str) -> dict[str, Any]:
        """The clip's whole row of the published table."""
        rows = self._published("clips", "clip_id", clip_id)
        return rows[0] if rows else {}

    def annotations(self, clip_id: str) -> list[dict[str, Any]]:
        """Every statement about the clip."""
        return self._published("annotations", "clip_id", clip_id)

    def source(self, source_id: str) -> dict[str, Any] | None:
        """The published row of a source: url, licence, consent and what was probed."""
        rows = self._published("sources", "source_id", source_id)
        return rows[0] if rows else None

    def keypoints(self, clip_id: str, shard: str) -> Mapping[str, NDArray[np.float32]]:
        """Mesh, pose and box of the clip as flat arrays; raises DatasetError where they are missing."""
        part = self.dataset.keypoint_part(shard)
        return self._keypoints_in(self.dataset.folder / part.stored_as, clip_id)

    def _keypoints_in(self, part: Path, clip_id: str) -> Mapping[str, NDArray[np.float32]]:
        with _published_files():
            found = self.columns(
                "select mesh, pose, box from read_parquet(?) where clip_id = ?", [str(part), clip_id]
            )
        if not len(found["mesh"]):
            raise Refused(410, f"{part.name} has no keypoints of clip {clip_id}; fetch keypoints/ again.")
        return {name: np.asarray(values[0], np.float32) for name, values in found.items()}

    def _published(self, table: str, key: str, value: str) -> list[dict[str, Any]]:
        if not (parts := _parts(self.dataset, table)):
            return []
        with self._connection.cursor() as cursor, _published_files():
            cursor.execute(f"select * from read_parquet(?) where {key} = ?", [parts, value])
            names = [d[0] for d in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@contextmanager
def _published_files() -> Iterator[None]:
    """Say what it means when a file that was there a moment ago is not: `dataset.json` may just be replaced."""
    try:
        yield
    except duckdb.IOException as error:
        raise Refused(
            410,
            "A file of the dataset is missing or damaged; if the dataset was just published anew, reload the page, "
            f"otherwise fetch it again ({str(error).splitlines()[0]}).",
        ) from error


def _parts(dataset: Dataset, table: str) -> list[str]:
    return [str(dataset.folder / f.stored_as) for f in dataset.manifest.of(table)]


def _scores(parts: Sequence[str], table: str) -> list[str]:
    """The columns beyond the published ones: float32 scores."""
    known = set(schema(table).names)
    return [n for n in pq.read_schema(parts[0]).names if n not in known] if parts else []


def _values(connection: duckdb.DuckDBPyConnection, parts: Sequence[str]) -> dict[str, list[str]]:
    """The values of each attribute that has any."""
    schema_ = pq.read_schema(parts[0]).field("attributes").type
    present = [name for name in (f.name for f in schema_) if name in ATTRIBUTES]
    asked = ", ".join(f"array_agg(distinct attributes.{name}.value)" for name in present)
    found = connection.execute(f"select {asked} from read_parquet(?)", [list(parts)]).fetchall()[0]
    values = {n: sorted(v for v in vs or () if v is not None) for n, vs in zip(present, found, strict=True)}
    return {name: vs for name, vs in values.items() if vs}


def _load_clips(
    connection: duckdb.DuckDBPyConnection,
    parts: Sequence[str],
    values: Mapping[str, Sequence[str]],
    labelled: bool,
) -> tuple[str, ...]:
    scores = _scores(parts, "clips")
    columns = [f"(end_s - start_s) as {LENGTH}", f'(end_s - start_s) as "s.{LENGTH}"']
    columns += [_finite(s) for s in scores]
    for name, known in values.items():
        path = f"attributes.{name}.value"
        if ATTRIBUTES[name].kind == "number":
            columns.append(f'try_cast({path} as double) as "a.{name}"')
        else:
            # An enum takes a byte a clip where its text takes sixteen.
            listed = ", ".join("'" + v.replace("'", "''") + "'" for v in known)
            connection.execute(f'create type "v.{name}" as enum ({listed})')
            columns.append(f'cast({path} as "v.{name}") as "a.{name}"')
    if labelled:
        columns += [
            "caption",
            "lower(caption) as lowered",
            "list_distinct([a.name for a in actions]) as actions",
        ]
    else:
        columns += ["null::varchar as caption", "null::varchar as lowered", "null::varchar[] as actions"]
    _create(connection, "clips", _OF_CLIPS, columns, parts, "clip_id")
    return (LENGTH, *scores)


def _load_rejected(connection: duckdb.DuckDBPyConnection, parts: Sequence[str]) -> tuple[str, ...]:
    scores = _scores(parts, "rejected")
    columns = [f"(end_s - start_s) as {LENGTH}", f'(end_s - start_s) as "s.{LENGTH}"']
    columns += [_finite(s) for s in scores]
    _create(connection, "rejected", _OF_REJECTED, columns, parts, "source_name, start_s, end_s, reason")
    return (LENGTH, *scores)


def _finite(score: str) -> str:
    return f'case when isfinite("{score}") then "{score}" end as "s.{score}"'


def _create(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    plain: str,
    columns: Sequence[str],
    parts: Sequence[str],
    by: str,
) -> None:
    """Make a table in memory; `number` counts its rows from 0 in the published order."""
    made = ", ".join([f"(row_number() over (order by {by}) - 1)::integer as number", plain, *columns])
    connection.execute(
        f"create table {table} as select {made} from read_parquet(?) order by number", [list(parts)]
    )
