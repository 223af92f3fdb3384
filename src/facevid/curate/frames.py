"""The per-frame record of an analysis: written as frames are seen, read back for one stretch of one track."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from facevid.curate.faces import Seen
from facevid.curate.undamaged import undamaged

POINTS = 478
_STEP = 8.0
"""Mesh points are kept in eighths of an analysed pixel as int16: exact to 1/16 pixel up to 4,095 pixels."""
_GROUP = 256
_LONGEST_GAP = 101
"""Frames without a mesh that a track may bridge: one more than the largest `analyze.detect_every`."""

_SCHEMA = pa.schema(
    [
        ("face", pa.int32()),
        ("frame", pa.int32()),
        ("mesh", pa.binary(POINTS * 3 * 2)),
        ("yaw", pa.float32()),
        ("pitch", pa.float32()),
        ("roll", pa.float32()),
    ]
)


@dataclass(frozen=True)
class TrackFrames:
    """A stretch of one track, every frame of it.

    frame: (n,) int32 on the recipe's grid. mesh: (n, 478, 3) float32, box: (n, 4) float32, both in pixels
    of the displayed source. pose: (n, 3) float32 degrees (yaw, pitch, roll).
    """

    frame: NDArray[np.int32]
    mesh: NDArray[np.float32]
    box: NDArray[np.float32]
    pose: NDArray[np.float32]


class FrameWriter:
    """Writes meshes to `frames.parquet` in groups of 256 rows, so that memory does not grow with the video."""

    def __init__(self, path: Path) -> None:
        # Meshes hardly compress, and this file lives in the work folder only: lz4 costs next to nothing.
        self._writer = pq.ParquetWriter(path, _SCHEMA, compression="lz4", use_dictionary=False)
        self._rows: list[tuple[Any, ...]] = []

    def write(self, frame: int, seen: Seen, pose: tuple[float, float, float]) -> None:
        """One face in one frame; its mesh in analysed pixels."""
        mesh = np.clip(np.rint(seen.mesh * _STEP), -32768, 32767).astype("<i2")
        self.copy((seen.face, frame, mesh.tobytes(), *pose))

    def copy(self, row: tuple[Any, ...]) -> None:
        """One row as it stands in another such file: face, frame, mesh, yaw, pitch, roll."""
        self._rows.append(row)
        if len(self._rows) >= _GROUP:
            self._flush()

    def close(self) -> None:
        """Write what is left and finish the file."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if not self._rows:
            return
        columns = list(zip(*self._rows, strict=True))
        arrays = [pa.array(column, field.type) for column, field in zip(columns, _SCHEMA, strict=True)]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=_SCHEMA))
        self._rows.clear()


def read_track(analysis_dir: Path, *, track: int, first_frame: int, last_frame: int) -> TrackFrames:
    """Frames `first_frame` to `last_frame` inclusive of a track of an analysis.

    The few frames in which the mesh was lost for a moment are filled in linearly between their
    neighbours in the track, which may lie outside the stretch. Raises ValueError where the track does not
    reach over the frames asked for.
    """
    # Not read_table: it loads pyarrow.dataset and with it pandas, half a second in every worker.
    tracks = read_analysis(analysis_dir / "tracks.parquet").read(
        columns=["track", "face", "scale", "first_frame", "last_frame"]
    )
    row = tracks.filter(pc.equal(tracks["track"], track)).to_pylist()
    if not row:
        raise ValueError(f"{analysis_dir.name} has no track {track}.")
    begin, end = row[0]["first_frame"], row[0]["last_frame"]
    if not begin <= first_frame <= last_frame <= end:
        raise ValueError(
            f"track {track} of {analysis_dir.name} reaches from frame {begin} to {end}, "
            f"not over {first_frame} to {last_frame}."
        )
    found = _rows(
        analysis_dir / "frames.parquet",
        face=row[0]["face"],
        first=max(begin, first_frame - _LONGEST_GAP),
        last=min(end, last_frame + _LONGEST_GAP),
    )
    have = found["frame"].to_numpy()
    wanted = np.arange(first_frame, last_frame + 1, dtype=np.int32)
    if not len(have) or have[0] > first_frame or have[-1] < last_frame:
        raise ValueError(f"track {track} of {analysis_dir.name} lacks frame {first_frame} or {last_frame}.")
    raw = np.frombuffer(b"".join(found["mesh"].to_pylist()), "<i2").reshape(len(have), POINTS * 3)
    pose = np.stack([found[name].to_numpy() for name in ("yaw", "pitch", "roll")], axis=1)
    mesh = _filled(wanted, have, raw.astype(np.float32) / np.float32(_STEP * row[0]["scale"]))
    mesh = mesh.reshape(len(wanted), POINTS, 3)
    low, high = mesh[:, :468, :2].min(axis=1), mesh[:, :468, :2].max(axis=1)
    return TrackFrames(wanted, mesh, np.concatenate([low, high], axis=1), _filled(wanted, have, pose))


def read_analysis(path: Path) -> pq.ParquetFile:
    """A table of an analysis; raises StorageError where it is damaged, for which no item can be blamed."""
    with undamaged(path, delete=path.parent):
        return pq.ParquetFile(path)


def _rows(path: Path, *, face: int, first: int, last: int) -> pa.Table:
    """Rows of one face between two frames, from the row groups that hold any of these frames."""
    file = read_analysis(path)
    column = _SCHEMA.get_field_index("frame")
    near = []
    for number in range(file.num_row_groups):
        held = file.metadata.row_group(number).column(column).statistics
        if held is None or not held.has_min_max or (held.max >= first and held.min <= last):
            near.append(number)
    rows = file.read_row_groups(near)
    frame = rows["frame"].to_numpy()
    return rows.filter(pa.array((rows["face"].to_numpy() == face) & (frame >= first) & (frame <= last)))


def _filled(
    wanted: NDArray[np.int32], have: NDArray[np.int32], rows: NDArray[np.float32]
) -> NDArray[np.float32]:
    after = np.clip(np.searchsorted(have, wanted), 0, len(have) - 1)
    before = np.where(have[after] == wanted, after, np.maximum(after - 1, 0))
    gap = np.maximum(have[after] - have[before], 1)
    share = ((wanted - have[before]) / gap).astype(np.float32)[:, None]
    return np.asarray(rows[before] * (1 - share) + rows[after] * share, np.float32)
