"""The folder of a part: what a worker saw of it, until the source's analysis takes it over."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from facevid.curate.parts import Piece
from facevid.curate.shots import Signs
from facevid.curate.watch import Watched

NOTE, SEEN, SIGNS, FRAMES = "part.json", "seen.npy", "signs.npz", "frames.parquet"


@dataclass(frozen=True)
class PartFile:
    """What is known of a part: its pieces, or why it could not be looked at alone (`not_alone`)."""

    folder: Path
    pieces: tuple[Watched, ...]
    not_alone: str | None = None

    def seen(self) -> NDArray[np.float32]:
        """Observations as `facevid.curate.windows.Observations` gives them, with the part's own face ids."""
        return np.asarray(np.load(self.folder / SEEN), np.float32)

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Rows of the part's `frames.parquet`, with the part's own face ids, in order and a group at a time."""
        file = pq.ParquetFile(self.folder / FRAMES)
        for number in range(file.num_row_groups):
            columns = file.read_row_group(number).to_pydict().values()
            yield from zip(*columns, strict=True)


def write_part(
    folder: Path, digest: str, pieces: Sequence[Watched], seen: NDArray[np.float32], not_alone: str | None
) -> None:
    """Write all but the frames. digest: of what decides the part's content, so that no other one is taken for it."""
    np.save(folder / SEEN, seen)
    arrays: dict[str, NDArray[Any]] = {}
    for k, w in enumerate(pieces):
        arrays[f"content{k}"] = np.asarray(w.signs.content, np.float64)
        arrays[f"luma{k}"] = np.asarray(w.signs.luma, np.float64)
        arrays[f"dissolves{k}"] = np.asarray(w.signs.dissolves, np.int64).reshape(-1, 3)
        arrays[f"marks{k}"] = np.asarray(sorted(w.marks.items()), np.int64).reshape(-1, 2)
    np.savez(folder / SIGNS, **arrays)
    plain = [
        {name: value for name, value in asdict(w).items() if name not in ("signs", "marks")} for w in pieces
    ]
    note = {"digest": digest, "not_alone": not_alone, "pieces": plain}
    (folder / NOTE).write_text(json.dumps(note, indent=1, sort_keys=True), encoding="utf-8")


def is_part(folder: Path, digest: str) -> bool:
    """Whether the folder holds a part whose content this decides."""
    note = folder / NOTE
    return note.exists() and json.loads(note.read_text(encoding="utf-8"))["digest"] == digest


def read_part(folder: Path) -> PartFile:
    """The part in a folder."""
    note = json.loads((folder / NOTE).read_text(encoding="utf-8"))
    with np.load(folder / SIGNS) as arrays:
        pieces = tuple(_piece(plain, arrays, k) for k, plain in enumerate(note["pieces"]))
    return PartFile(folder, pieces, note["not_alone"])


def _piece(plain: dict[str, Any], arrays: Mapping[str, NDArray[Any]], k: int) -> Watched:
    signs = Signs(
        array("d", arrays[f"content{k}"].tobytes()),
        array("d", arrays[f"luma{k}"].tobytes()),
        [(int(n), int(a), int(b)) for n, a, b in arrays[f"dissolves{k}"]],
    )
    marks = {int(frame): int(mark) for frame, mark in arrays[f"marks{k}"]}
    return Watched(**{**plain, "piece": Piece(**plain["piece"])}, signs=signs, marks=marks)
