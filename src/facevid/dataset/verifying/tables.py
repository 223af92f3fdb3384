"""Checks the tables of a dataset: their columns, and whether clips, sources, people and labels fit one another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from facevid.dataset.published import MANIFEST, MEDIA, Manifest, PublishedFile, schema
from facevid.dataset.removing import tombstones
from facevid.dataset.removing.tombstones import TOMBSTONES
from facevid.dataset.statements import LABEL_COLUMNS, Statement
from facevid.dataset.verifying.faults import Fault
from facevid.dataset.verifying.place import Checked
from facevid.dataset.vocabulary import VocabularyError

TABLES = ("sources", "clips", "rejected", "failed", "annotations")
_LATER = {"clips": frozenset({"url", "licence", "consent"}) | LABEL_COLUMNS, "sources": frozenset({"spans"})}
"""Columns that a dataset may lack: of an older facevid, or not annotated."""
_END_S = 0.5
"""Seconds by which a clip may end after its source does: containers round their durations."""


def read_tables(files: Checked, manifest: Manifest) -> tuple[dict[str, pa.Table], list[Fault]]:
    """The tables with what the checks need, and what is wrong with their files; a part that is unreadable is empty."""
    tables: dict[str, pa.Table] = {}
    faults: list[Fault] = []
    for name in TABLES:
        wanted = [f for f in schema(name) if f.name not in LABEL_COLUMNS]
        parts = [schema(name).empty_table().select([f.name for f in wanted])]
        for file in manifest.of(name):
            part, found = _part(files, file, name, wanted)
            faults += found
            parts.append(part)
        tables[name] = pa.concat_tables(parts, promote_options="default")
    return tables, faults


def _part(
    files: Checked, file: PublishedFile, table: str, wanted: Sequence[pa.Field]
) -> tuple[pa.Table, list[Fault]]:
    empty = pa.schema(wanted).empty_table()
    try:
        with files.open(file) as source:
            opened = pq.ParquetFile(source)
            there = opened.schema_arrow
            content = opened.read([f.name for f in wanted if f.name in there.names])
    except FileNotFoundError:
        return empty, []  # told as a missing file
    except (OSError, pa.ArrowException) as error:
        return empty, [
            Fault("table_unreadable", file.path, f"It cannot be read: {' '.join(str(error).split())}")
        ]
    found = []
    if content.num_rows != file.rows:
        what = f"It has {content.num_rows:,} rows, and {MANIFEST} says {file.rows:,}."
        found.append(Fault("table_rows", file.path, what))
    columns = []
    labels = [f for f in schema(table) if f.name in LABEL_COLUMNS] if table == "clips" else []
    for field in [*wanted, *labels]:
        if field.name not in there.names:
            if field.name not in _LATER.get(table, ()):
                found.append(Fault("table_columns", file.path, f"It has no column {field.name}."))
        elif there.field(field.name).type != field.type:
            what = f"Its column {field.name} is {there.field(field.name).type}, and should be {field.type}."
            found.append(Fault("table_type", file.path, what))
    for field in wanted:
        column = content[field.name] if field.name in content.column_names else None
        sound = column is not None and column.type == field.type
        columns.append(column if sound else pa.nulls(content.num_rows, field.type))
    return pa.Table.from_arrays(columns, schema=pa.schema(wanted)), found


def table_faults(files: Checked, manifest: Manifest, tables: dict[str, pa.Table]) -> Iterator[Fault]:
    """What does not fit within the tables and between them."""
    connection = duckdb.connect()
    for name, table in tables.items():
        connection.register(name, table)
    shards = [f.path.removeprefix(f"{MEDIA}/") for f in manifest.of(MEDIA)]
    connection.register("shards", pa.table({"shard": pa.array(shards, pa.string())}))
    for kind, table, query in _QUERIES:
        for where, what in connection.sql(query).fetchall():
            yield Fault(kind, f"{table} {where}", what)
    yield from _order(tables["clips"]["clip_id"])
    yield from _counts(manifest, connection)
    yield from _taken_down(files, connection)
    yield from _statements(connection)


# (kind, table, query of where in it and what is wrong). Null means that it could not be told, which is no fault.
_QUERIES: tuple[tuple[str, str, str], ...] = (
    ("source_twice", "sources",
     "select source_id, 'The id stands ' || count(*) || ' times.' from sources group by 1 having count(*) > 1 "
     "order by 1"),
    ("clip_twice", "clips",
     "select clip_id, 'The id stands ' || count(*) || ' times.' from clips group by 1 having count(*) > 1 order by 1"),
    ("clip_source", "clips",
     "select clip_id, 'Its source ' || coalesce(source_id, 'null') || ' is not in the table of sources.' from clips "
     "where source_id is null or source_id not in (select source_id from sources) order by 1"),
    ("rejected_source", "rejected",
     "select distinct source_id, 'The source is not in the table of sources.' from rejected "
     "where source_id not in (select source_id from sources) order by 1"),
    ("clip_shard", "clips",
     "select clip_id, 'Its shard ' || coalesce(shard, 'null') || ' is not one that dataset.json lists.' from clips "
     "where shard is null or shard not in (select shard from shards) order by 1"),
    ("clip_name", "clips",
     "select clip_id, 'The id does not fit its source, track and frames.' from clips "
     "where not regexp_full_match(clip_id, source_id || '_[0-9]+_[0-9]+_' || track) "
     "or split_part(clip_id, '_', 3)::bigint - split_part(clip_id, '_', 2)::bigint + 1 <> frames order by 1"),
    ("clip_time", "clips",
     "select c.clip_id, 'It is said to last from ' || start_s || ' to ' || end_s || ' s, with ' || frames || "
     "' frames at ' || c.fps || ' a second, of a source of ' || coalesce(duration_s || ' s.', 'unknown length.') "
     "from clips c left join sources s using (source_id) where start_s < 0 or end_s <= start_s or frames <= 0 "
     f"or abs((end_s - start_s) * c.fps - frames) > .5 or end_s > duration_s + {_END_S} order by 1"),
    ("clip_box", "clips",
     "select c.clip_id, 'Its crop ' || crop_x0 || ' ' || crop_y0 || ' ' || crop_x1 || ' ' || crop_y1 || "
     "' is not inside a picture of ' || coalesce(s.width || ' x ' || s.height, 'unknown size') || '.' from clips c "
     "left join sources s using (source_id) where crop_x0 < 0 or crop_y0 < 0 or crop_x1 <= crop_x0 "
     "or crop_y1 <= crop_y0 or crop_x1 > s.width or crop_y1 > s.height order by 1"),
    ("clip_sound", "clips",
     "select clip_id, 'It is said to have ' || case when audio then '' else 'no ' end || 'sound, and its row names ' "
     "|| case when flac_offset is null then 'no ' else '' end || 'flac.' from clips "
     "where audio is null or audio <> (flac_offset is not null and flac_size is not null and flac_sha256 is not null) "
     "or mp4_offset is null or mp4_size is null or json_offset is null or json_size is null order by 1"),
    ("clip_person", "clips",
     "select clip_id, 'Its person has an empty name; nobody known is null.' from clips where trim(identity) = '' "
     "order by 1"),
    ("split_person", "clips",
     "select identity, 'The person is in ' || string_agg(distinct split, ' and ' order by split) || '.' from clips "
     "where identity is not null and split is not null group by 1 having count(distinct split) > 1 order by 1"),
    ("label_stranger", "annotations",
     "select clip_id, count(*) || ' statements about a clip that is not in the table of clips.' from annotations "
     "where kind <> 'review' and clip_id not in (select clip_id from clips) group by 1 order by 1"),
    ("label_time", "annotations",
     "select a.clip_id, kind || ' ' || name || ' from ' || a.start_s || ' to ' || a.end_s || ' s of a clip of ' || "
     "round(frames / fps, 2) || ' s.' from annotations a join clips c using (clip_id) where a.start_s < 0 "
     "or a.end_s < a.start_s or a.end_s > frames / fps + 1 / fps order by 1, 2"),
)  # fmt: skip


def _order(ids: pa.ChunkedArray) -> Iterator[Fault]:
    before = None
    for clip_id in ids.to_pylist():
        if before is not None and clip_id < before:
            yield Fault(
                "clip_order",
                f"clips {clip_id}",
                f"Clips stand in the order of their ids; it comes after {before}.",
            )
            return
        before = clip_id


def _counts(manifest: Manifest, connection: duckdb.DuckDBPyConnection) -> Iterator[Fault]:
    row = connection.sql(
        "select (select count(*) from sources), count(*), coalesce(sum(end_s - start_s), 0), count(distinct identity), "
        "(select count(*) from rejected), (select count(*) from failed) from clips"
    ).fetchall()[0]
    said = manifest.about.get("counts") or {}
    for name, count in zip(
        ("sources", "clips", "seconds", "identities", "rejected", "failed"), row, strict=True
    ):
        wrong = abs(said.get(name, count) - count) > (0.01 * max(1.0, count) if name == "seconds" else 0)
        if wrong:
            yield Fault(
                "manifest_counts", MANIFEST, f"It counts {said[name]} {name}, and the tables {count:g}."
            )


def _taken_down(files: Checked, connection: duckdb.DuckDBPyConnection) -> Iterator[Fault]:
    """What was taken down and is there again, by its marks."""
    data = files.beside(TOMBSTONES)
    if data is None:
        return
    marks = tombstones.parse(data, f"{files.location}/{TOMBSTONES}")
    for source_id, sha256 in connection.sql("select source_id, sha256 from sources order by 1").fetchall():
        if sha256 and marks.has_source(sha256):
            yield Fault(
                "taken_down", f"sources {source_id}", "The source was taken down, and is there again."
            )
    for table, where in (("clips", "clip_id"), ("rejected", "t.source_id")):
        query = (
            f"select {where}, sha256, start_s, end_s from {table} t "
            "join sources s on t.source_id = s.source_id order by all"
        )
        for name, sha256, start_s, end_s in connection.sql(query).fetchall():
            if sha256 and marks.covers(sha256, start_s, end_s):
                yield Fault(
                    "taken_down",
                    f"{table} {name}",
                    f"{start_s} to {end_s} s were taken down, and are there again.",
                )


def _statements(connection: duckdb.DuckDBPyConnection) -> Iterator[Fault]:
    """Statements that no facevid would have written; equal ones are looked at once."""
    value = "case when kind in ('caption', 'transcript') then '' else value end as value"
    columns = f'kind, name, {value}, "by", confidence'
    rows = connection.sql(
        f"select {columns}, start_s is null as whole, any_value(clip_id), count(*) from annotations group by all "
        "order by all"
    ).fetchall()
    for kind, name, value, by, confidence, whole, clip_id, count in rows:
        given: dict[str, Any] = {
            "kind": kind,
            "name": name,
            "value": value,
            "by": by,
            "confidence": confidence,
        }
        if kind == "action" and not whole:
            given |= {"start_s": 0.0, "end_s": 0.0}
        try:
            Statement(clip_id=clip_id, **given)
        except (VocabularyError, AttributeError, TypeError) as error:
            yield Fault("label_invalid", f"annotations {clip_id}", f"{error} ({count:,} such)")
