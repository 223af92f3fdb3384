"""Finds what still names the things taken down, in text, in tables (compressed as they are) and in raw bytes."""

from __future__ import annotations

import json
import re
import sqlite3
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pyarrow.parquet as pq

from facevid.dataset.removing.removal import Removal

_ID = r"([0-9a-f]{16})_(\d+)_(\d+)_(\d+)"  # how clip_id is made
_BLOCK = 1 << 22
_LONGEST = 1 << 13  # characters of the longest name, path or address
_FEW = 64
"""Words up to which looking for one after the other is quicker than for all at once."""
BINARY = frozenset({".mp4", ".flac", ".npy", ".npz"})
"""Files of a work folder in which no text stands; their folder or their name says whose they are."""


class Traces:
    """Ids, names, hashes, addresses and paths that must stand nowhere any more.

    A clip id counts where it is taken down or overlaps a clip taken down in its track, so that what an earlier recipe
    cut from the same seconds is found too. Names of sources count where they stand for themselves: "1.mp4" is not found
    in "21.mp4" nor in "other/1.mp4". staying: names, addresses and paths of what stays, which are no traces although
    something taken down may have them too.
    """

    def __init__(self, removal: Removal, *, staying: Iterable[str] = ()) -> None:
        stays = set(staying)
        self._ids = {*removal.clips, *(s.clip_id for s in removal.stretches)}
        self._overlapped: dict[tuple[str, int | None], list[tuple[int, int]]] = {}
        for s in removal.stretches:
            if s.clip:
                self._overlapped.setdefault((s.source_id, s.track), []).append((s.first, s.last))
        self.sources = frozenset(s.source_id for s in removal.sources)
        plain = {i for i in self._ids if not re.fullmatch(_ID, i)} | self.sources
        names: set[str] = set(removal.persons)
        for source in removal.sources:
            names.add(source.source_name)
            plain.update(t for t in (source.sha256, source.url, *source.paths) if t)
        # A file called "smile" is no reason to take every smile out of the annotations.
        common = ((plain | names) & stays) | {n for n in names - set(removal.persons) if "." not in n}
        self.common = sorted(common)
        """Names and addresses that are not searched for, since other things have them too."""
        plain, names = plain - common, names - common
        plain |= {json.dumps(t)[1:-1] for t in plain}
        names |= {json.dumps(n)[1:-1] for n in names}
        # A name ends where no letter follows: "talk.mp4." at the end of a sentence is that name.
        whole = [rf"(?<![\w./\\-]){re.escape(n)}(?![\w-]|\.\w)" for n in sorted(names)]
        ends = [rf"{re.escape(t)}(?![\w-]|\.\w)" if "/" in t else re.escape(t) for t in sorted(plain)]
        self._pattern = "|".join([_ID, *ends, *whole])
        self._text = re.compile(self._pattern, re.ASCII)
        self._bytes = re.compile(self._pattern.encode())
        near = {i.split("_")[0] for i in self._ids if re.fullmatch(_ID, i)} | self.sources
        self._near = sorted(near | plain | names)
        self._near_words = [t.encode() for t in self._near]
        self._near_pattern = re.compile(b"|".join(map(re.escape, self._near_words)))
        # RE2, which pyarrow uses, knows no look-behind: it finds candidates, which are then looked at closely.
        self._candidates = "|".join("".join(map(_re2, t)) for t in self._near)

    def in_text(self, text: str) -> bool:
        """Whether a text names anything taken down."""
        return any(self._counts(found) for found in self._text.finditer(text))

    def in_column(self, column: pa.ChunkedArray | pa.Array) -> pa.Array:
        """Which values of a column of strings name anything taken down; false for null."""
        strings = column.cast(pa.string())
        if isinstance(strings, pa.ChunkedArray):
            strings = strings.combine_chunks()
        near = pc.fill_null(pc.match_substring_regex(strings, self._candidates), False)
        if not pc.any(near).as_py():
            return near
        values = pc.unique(strings.filter(near))
        traced = [v for v in values.to_pylist() if self.in_text(v)]
        return pc.is_in(strings, value_set=pa.array(traced, pa.string()))

    def in_rows(self, table: pa.Table) -> pa.Array:
        """Which rows of a table have a value that names anything taken down."""
        found = pa.array([False] * len(table), pa.bool_())
        for name in table.column_names:
            if _is_text(table.schema.field(name).type):
                found = pc.or_(found, self.in_column(table[name]))
        return found

    def in_file(self, path: Path) -> bool:
        """Whether anything in a file names what is taken down: its rows, its members' names, its text, its bytes."""
        kind = kind_of(path)
        if kind == "parquet":
            return self._in_parquet(path)
        if kind == "arrow":
            with pa.memory_map(str(path)) as file:
                reader = pa.ipc.open_file(file)
                batches = (reader.get_batch(k) for k in range(reader.num_record_batches))
                return any(self._in_leaves(batch) for batch in batches)
        if kind == "sqlite":
            return self._in_sqlite(path)
        if kind == "tar":
            return self._in_tar(path)
        return self.in_bytes(path)

    def in_bytes(self, path: Path) -> bool:
        """Whether the raw bytes of a file name what is taken down."""
        if not self.near_bytes(path):
            return False
        with path.open("rb") as file:
            text, following = file.read(_BLOCK), file.read(_BLOCK)
            while text:
                for found in self._bytes.finditer(text):
                    groups = [g.decode() for g in found.groups() if g is not None]
                    # What touches the end may go on in the next block, where it is seen again.
                    whole = found.end() < len(text) or not following
                    if whole and (not groups or self._of_clip(groups)):
                        return True
                if not following:
                    break
                text, following = text[-_LONGEST:] + following, file.read(_BLOCK)
        return False

    def near_bytes(self, path: Path) -> bool:
        """Whether the raw bytes of a file hold a word that a trace begins with; quick, and never false for a trace."""
        with path.open("rb") as file:
            before = b""
            while block := file.read(_BLOCK):
                if self._near_in(before + block):
                    return True
                before = block[-_LONGEST:]
        return False

    def _near_in(self, data: bytes) -> bool:
        if len(self._near_words) <= _FEW:
            return any(word in data for word in self._near_words)
        return self._near_pattern.search(data) is not None

    def _counts(self, found: re.Match[str]) -> bool:
        groups = [g for g in found.groups() if g is not None]
        return not groups or self._of_clip(groups)

    def _of_clip(self, parts: list[str]) -> bool:
        """Whether a clip id is taken down; parts: source, first frame, last frame, track."""
        if parts[0] in self.sources or "_".join(parts) in self._ids:
            return True
        first, last, track = (int(p) for p in parts[1:])
        spans = self._overlapped.get((parts[0], track), ())
        return any(first <= end and begin <= last for begin, end in spans)

    def _in_parquet(self, path: Path) -> bool:
        file = pq.ParquetFile(path)
        columns = [f.name for f in file.schema_arrow if _has_text(f.type)]
        if any(self._in_leaves(batch) for batch in file.iter_batches(columns=columns)):
            return True
        return self.in_bytes(path)  # names in the file's own metadata

    def _in_leaves(self, batch: pa.RecordBatch) -> bool:
        return any(
            pc.any(self.in_column(leaf)).as_py()
            for column in batch.columns
            for leaf in _leaves(column)
            if len(leaf)
        )

    def _in_sqlite(self, path: Path) -> bool:
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
                return any(self.rows_in_sqlite(db, table) for table in sqlite_tables(db))
        except sqlite3.DatabaseError:
            return self.in_bytes(path)

    def rows_in_sqlite(self, db: sqlite3.Connection, table: str) -> int:
        """How many rows of a table name what is taken down; defines the SQL function `traced(value)`."""
        db.create_function("traced", 1, self._in_value, deterministic=True)
        condition = sqlite_condition(db, table)
        return int(db.execute(f'select count(*) from "{table}" where {condition}').fetchone()[0])

    def _in_value(self, value: object) -> bool:
        return isinstance(value, str) and self.in_text(value)

    def _in_tar(self, path: Path) -> bool:
        """Names of the members of a shard, and the text of its JSON members; films hold no text."""
        try:
            with tarfile.open(path, "r:") as tar:
                for member in tar:
                    if self.in_text(member.name):
                        return True
                    if not member.name.endswith((".json", ".txt")):
                        continue
                    text = tar.extractfile(member)
                    if text is not None and self.in_text(text.read().decode("utf-8", "replace")):
                        return True
        except tarfile.TarError:
            return self.in_bytes(path)
        return False


def kind_of(path: Path) -> str:
    """What a file is, by its first bytes: parquet, arrow, sqlite, tar, text or other."""
    with path.open("rb") as file:
        head = file.read(512)
    if head[:4] == b"PAR1":
        return "parquet"
    if head[:6] == b"ARROW1":
        return "arrow"
    if head[:16] == b"SQLite format 3\0":
        return "sqlite"
    if head[257:262] == b"ustar":
        return "tar"
    return "other" if b"\0" in head else "text"


def sqlite_tables(db: sqlite3.Connection) -> list[str]:
    """The tables of a database that may be changed."""
    rows = db.execute("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'")
    return [name for (name,) in rows.fetchall()]


def sqlite_condition(db: sqlite3.Connection, table: str) -> str:
    """SQL that is true for rows with a value for which `traced` is true."""
    columns = [row[1] for row in db.execute(f'pragma table_info("{table}")')]
    return " or ".join(f'traced("{c}")' for c in columns)


def _leaves(array: pa.Array) -> Iterator[pa.Array]:
    """The arrays of strings in an array, however deep."""
    kind = array.type
    if _is_text(kind):
        yield array
    elif pa.types.is_struct(kind):
        for k in range(kind.num_fields):
            yield from _leaves(array.field(k))
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        yield from _leaves(array.flatten())


def _has_text(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(_has_text(kind.field(k).type) for k in range(kind.num_fields))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _has_text(kind.value_type)
    return _is_text(kind)


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _re2(character: str) -> str:
    return (
        character
        if character.isascii() and (character.isalnum() or character == "_")
        else rf"\x{{{ord(character):x}}}"
    )
