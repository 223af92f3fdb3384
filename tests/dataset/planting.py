"""Plants faults in a dataset: each changes one thing, and makes good the hashes of everything above it."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Row = dict[str, Any]
Plant = Callable[[Path], None]


def manifest(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "dataset.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def renew(folder: Path, name: str) -> None:
    """dataset.json and croissant.json say of the file what it is now."""
    data = (folder / name).read_bytes()
    new = hashlib.sha256(data).hexdigest()

    def change(content: dict[str, Any]) -> None:
        for entry in [*content["shards"], *(e for t in content["tables"].values() for e in t)]:
            if entry["path"] == name:
                text = (folder / "croissant.json").read_text()
                (folder / "croissant.json").write_text(text.replace(entry["sha256"], new))
                entry["bytes"], entry["sha256"] = len(data), new

    manifest(folder, change)


def table(folder: Path, name: str, change: Callable[[pa.Table], pa.Table], part: int = 0) -> None:
    """Rewrite a part of a table."""
    path = f"{name}/part-{part:05d}.parquet"
    pq.write_table(change(pq.ParquetFile(folder / path).read()), folder / path)
    renew(folder, path)


def rows(folder: Path, name: str, change: Callable[[list[Row]], list[Row] | None], part: int = 0) -> None:
    """Rewrite a part of a table by its rows."""

    def by_rows(content: pa.Table) -> pa.Table:
        found = content.to_pylist()
        return pa.Table.from_pylist(change(found) or found, content.schema)

    table(folder, name, by_rows, part)


def first(folder: Path, **values: Any) -> None:
    """Give the first clip other values."""
    rows(folder, "clips", lambda found: found[0].update(values))


def clip(folder: Path, number: int = 0) -> Row:
    row: Row = pq.ParquetFile(folder / "clips/part-00000.parquet").read().to_pylist()[number]
    return row


def patch(folder: Path, offset: int, data: bytes, shard: str = "shard-00000.tar") -> None:
    """Overwrite bytes of a shard."""
    path = folder / "media" / shard
    with path.open("rb+") as file:
        file.seek(offset)
        file.write(data)
    renew(folder, f"media/{shard}")


def rewritten(folder: Path, kind: str, data: bytes) -> None:
    """Give the first clip another content of the same size, hashes and all."""
    row = clip(folder)
    size = row[f"{kind}_size"]
    content = data[:size].ljust(size, b"\0")
    patch(folder, row[f"{kind}_offset"], content)
    first(folder, **{f"{kind}_sha256": hashlib.sha256(content).hexdigest()})


def appended(folder: Path, name: str, data: bytes) -> None:
    """One more member at the end of the first shard."""
    path = folder / "media/shard-00000.tar"
    with tarfile.open(path, "a") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    renew(folder, "media/shard-00000.tar")


def renamed(folder: Path, name: str) -> None:
    """Call the first clip's mp4 otherwise in its header."""
    row = clip(folder)
    info = tarfile.TarInfo(name)
    info.size, info.mode = row["mp4_size"], 0o644
    patch(folder, row["mp4_offset"] - 512, info.tobuf(format=tarfile.USTAR_FORMAT))
