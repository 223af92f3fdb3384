"""Searches every byte of a folder for what was taken down, without any of facevid's own means."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

WINDOW = 4096


def windows(members: Iterable[bytes]) -> list[bytes]:
    """Pieces of 4 KiB of media, one from each 4 KiB, but for padding; small members give themselves."""
    pieces = [
        data[k : k + WINDOW] for data in members for k in range(0, max(1, len(data) - WINDOW + 1), WINDOW)
    ]
    return [piece for piece in pieces if len(set(piece)) > 32]


def found_in(folder: Path, words: Iterable[str], media: Iterable[bytes] = ()) -> list[str]:
    """ "FILE: WORD" for each file of a folder that holds a word, in its name, its raw bytes or its decoded values."""
    wanted = [(w, w.encode()) for w in words]
    pieces = list(media)
    hits = []
    for path in sorted(folder.rglob("*")):
        inside = str(path.relative_to(folder))
        hits += [f"{inside}: {word} in its name" for word, _ in wanted if word in path.name]
        if not path.is_file() or path.is_symlink():
            continue
        data = path.read_bytes()
        hits += [f"{inside}: {word}" for word, raw in wanted if raw in data]
        hits += [f"{inside}: media" for piece in pieces if piece in data]
        values = set(decoded(path, data))
        hits += [f"{inside}: {word} in a value" for word, _ in wanted if any(word in v for v in values)]
    return hits


def decoded(path: Path, data: bytes) -> Iterator[str]:
    """Every text that stands compressed or coded in a table or database."""
    if data[:4] == b"PAR1":
        for batch in pq.ParquetFile(path).iter_batches():
            names = [f.name for f in batch.schema if not str(f.type).startswith("list<item: half")]
            for row in batch.select(names).to_pylist():
                yield from texts(row)
        yield str(pq.ParquetFile(path).schema_arrow.metadata)
    elif data[:6] == b"ARROW1":
        with pa.memory_map(str(path)) as file:
            for row in pa.ipc.open_file(file).read_all().to_pylist():
                yield from texts(row)
    elif data[:15] == b"SQLite format 3":
        with closing(sqlite3.connect(path)) as db:
            for (table,) in db.execute("select name from sqlite_master where type = 'table'").fetchall():
                for row in db.execute(f'select * from "{table}"').fetchall():
                    yield from texts(list(row))


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
