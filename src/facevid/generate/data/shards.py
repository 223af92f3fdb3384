"""A folder of tensors in shards, each row under a name, that grows shard by shard and survives being killed.

A shard is one safetensors file (an eight byte length, a JSON header, raw tensors): it is read in place by memory
mapping, and the names of its rows stand in its header as text, so that a takedown, which removes every file of a work
folder that names what goes, removes the tensors with their names.
"""

from __future__ import annotations

import bisect
import itertools
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from facevid.dataset.loading.order import Ints
from facevid.engine import atomic_path, clear_stale, file_sha256, require_space, write_json_atomic
from facevid.generate.errors import GenerateError

INDEX = "index.json"
FORMAT, VERSION = "facevid-tensors", 1
SHARD_BYTES = 256_000_000
# safetensors' names of types; a type that NumPy lacks is read as numbers of its size.
_TYPES: Mapping[str, tuple[Any, torch.dtype]] = {
    "F16": (np.float16, torch.float16),
    "BF16": (np.uint16, torch.bfloat16),
    "F32": (np.float32, torch.float32),
    "I64": (np.int64, torch.int64),
    "I32": (np.int32, torch.int32),
    "BOOL": (np.bool_, torch.bool),
}


@dataclass(frozen=True)
class _Shard:
    """An open shard: the names of its rows, and its tensors (rows, ...), mapped from the file."""

    names: pa.Array
    tensors: Mapping[str, npt.NDArray[Any]]
    types: Mapping[str, torch.dtype]


class Shards:
    """`find` says where rows lie, `read` gives them, `write` adds a shard.

    made_of: what decides the tensors; it is kept in the folder's index.json beside the shards' sizes and SHA-256.
    `damaged`: shards that were found damaged or missing at opening and were removed, so that their rows are made anew.
    """

    def __init__(self, folder: Path, made_of: Mapping[str, Any]) -> None:
        self.folder, self.made_of = folder, dict(made_of)
        self.damaged: list[str] = []
        self._listed: list[dict[str, Any]] = []
        self._open: list[_Shard] = []

    def load(self, *, mend: bool) -> None:
        """Open what is there. mend: remove damaged shards and rests of killed runs; the caller holds the folder alone.

        Raises GenerateError for a folder that holds something else.
        """
        path = self.folder / INDEX
        listed = _read_index(path, self.made_of) if path.exists() else []
        self.damaged, self._listed, self._open = [], [], []
        for entry in listed:
            reason = _fault(self.folder / entry["file"], entry)
            if reason is None:
                self._listed.append(entry)
                self._open.append(_map(self.folder / entry["file"]))
            else:
                self.damaged.append(f"{entry['file']} {reason}")
        if mend and self.folder.is_dir():
            clear_stale(self.folder, recursive=False)
            if self.damaged:
                self._write_index()
            kept = {entry["file"] for entry in self._listed}
            for stray in self.folder.glob("*.safetensors"):
                if stray.name not in kept:
                    stray.unlink()

    @property
    def bytes(self) -> int:
        return sum(int(entry["bytes"]) for entry in self._listed)

    @property
    def shards(self) -> int:
        return len(self._listed)

    def find(self, names: pa.Array) -> tuple[Ints, Ints]:
        """The shard of each name, -1 where it is not here, and its row there."""
        stored = [shard.names for shard in self._open]
        if not stored:
            return np.full(len(names), -1, np.int64), np.zeros(len(names), np.int64)
        found = pc.fill_null(pc.index_in(names, value_set=pa.concat_arrays(stored)), -1)
        place = np.asarray(found, np.int64)
        begins = np.cumsum([0, *map(len, stored)])
        shard = np.searchsorted(begins, place, side="right") - 1
        return np.where(place < 0, -1, shard).astype(np.int64), place - begins[np.maximum(shard, 0)]

    def read(self, shard: Ints, row: Ints) -> dict[str, Tensor]:
        """The tensors of rows, which may lie in several shards but are of one shape: (rows, ...) by name."""
        pieces = []
        for number in np.unique(shard).tolist():
            where = np.flatnonzero(shard == number)
            opened = self._open[number]
            pieces.append((where, {k: array[row[where]] for k, array in opened.tensors.items()}))
        types = self._open[int(shard[0])].types
        if len(pieces) == 1:
            return {k: torch.from_numpy(array).view(types[k]) for k, array in pieces[0][1].items()}
        found: dict[str, Tensor] = {}
        for name, kind in types.items():
            first = pieces[0][1][name]
            out = np.empty((len(row), *first.shape[1:]), first.dtype)
            for where, arrays in pieces:
                out[where] = arrays[name]
            found[name] = torch.from_numpy(out).view(kind)
        return found

    def write(self, names: Sequence[str], tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        """Add a shard of rows: after this they stay, whatever happens. about: kept of it in the index."""
        number = 1 + max((_number(e["file"]) for e in self._listed), default=-1)
        self.add(write_shard(self.place(number), names, tensors, about))

    def place(self, number: int) -> Path:
        """The file of the shard of this number."""
        return self.folder / f"{number:05d}.safetensors"

    def unused(self, count: int) -> list[int]:
        """The lowest numbers that no shard has."""
        used = {_number(e["file"]) for e in self._listed}
        free = (n for n in range(len(used) + count) if n not in used)
        return list(itertools.islice(free, count))

    def add(self, entry: Mapping[str, Any]) -> None:
        """Take in a shard that `write_shard` wrote here and told of; the index keeps their numbers' order."""
        at = bisect.bisect([e["file"] for e in self._listed], entry["file"])
        self._open.insert(at, _map(self.folder / entry["file"]))
        self._listed.insert(at, dict(entry))
        self._write_index()

    def remove(self) -> None:
        """Remove the whole folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._listed, self._open = [], []

    def _write_index(self) -> None:
        index = {"format": FORMAT, "version": VERSION, "made_of": self.made_of, "shards": self._listed}
        write_json_atomic(index, self.folder / INDEX)


def write_shard(
    path: Path, names: Sequence[str], tensors: Mapping[str, Tensor], about: Mapping[str, Any]
) -> dict[str, Any]:
    """Write rows as a shard, whole or not at all; what the index is to say of it. about: goes along with that.

    The file's bytes follow from the rows alone. Raises StorageError for a full disk.
    """
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    require_space(path.parent, sum(t.numel() * t.element_size() for t in tensors.values()) + (1 << 20))
    with atomic_path(path) as partial:
        save_file({k: t.contiguous().cpu() for k, t in tensors.items()}, partial, {"rows": "\n".join(names)})
    opened = _map(path)
    return {
        "file": path.name,
        "bytes": path.stat().st_size,
        "sha256": file_sha256(path),
        "rows": len(names),
        "tensors": {
            k: [str(opened.types[k]).removeprefix("torch."), *a.shape[1:]] for k, a in opened.tensors.items()
        },
        **about,
    }


def _number(file: str) -> int:
    return int(file.removesuffix(".safetensors"))


def _read_index(path: Path, made_of: Mapping[str, Any]) -> list[dict[str, Any]]:
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        if index["format"] == FORMAT and index["version"] == VERSION and index["made_of"] == made_of:
            return list(index["shards"])
    except (ValueError, KeyError, TypeError):
        pass
    raise GenerateError(
        f"{path.parent} holds something else than latents of this model and these windows, or its {path.name} is "
        "damaged; remove that folder, or name another."
    )


def _fault(path: Path, entry: Mapping[str, Any]) -> str | None:
    """What is wrong with a shard, or None."""
    if not path.is_file():
        return "is missing"
    if path.stat().st_size != entry["bytes"]:
        return f"has {path.stat().st_size} bytes and should have {entry['bytes']}"
    return None if file_sha256(path) == entry["sha256"] else "does not have its SHA-256"


def _map(path: Path) -> _Shard:
    """Open a shard whose bytes are whole."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    names = header.pop("__metadata__")["rows"]
    whole = np.memmap(path, np.uint8, mode="r")
    arrays, types = {}, {}
    for name, told in header.items():
        numpy_type, types[name] = _TYPES[told["dtype"]]
        begin, end = (8 + length + offset for offset in told["data_offsets"])
        arrays[name] = whole[begin:end].view(numpy_type).reshape(told["shape"])
    return _Shard(pa.array(names.split("\n"), pa.string()), arrays, types)


def default_place(location: str, folder: Path | None) -> Path:
    """Where latents of a dataset lie: in its work folder, or the user's cache if that cannot be written."""
    if folder is not None and os.access(folder, os.W_OK):
        return folder / ".work" / "latents"
    import hashlib

    named = os.environ.get("FACEVID_CACHE")
    cache = (
        Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "facevid"
    )
    return cache / "latents" / hashlib.sha256(location.encode()).hexdigest()[:16]
