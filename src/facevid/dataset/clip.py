"""One clip of a published dataset: its row at once, its pictures, sound and keypoints when asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from facevid import media
from facevid.dataset.published import MEMBERS, DatasetError, PublishedFile
from facevid.dataset.storage import Storage

MESH_POINTS = 478


class Clip:
    """A clip: `clip["identity"]` or any other column of the clips table, what is said of it, and its media.

    Nothing is read from disk before it is asked for; `frames`, `audio` and `speech` read one member of the
    clip's shard by its byte offset.
    """

    def __init__(
        self,
        row: Mapping[str, Any],
        *,
        storage: Storage,
        shard: PublishedFile,
        keypoints: Callable[[str], Mapping[str, Any]],
        source: Callable[[], dict[str, Any]] | None = None,
    ) -> None:
        self.row = dict(row)
        self._storage = storage
        self._shard = shard
        self._read_keypoints = keypoints
        self._source = source
        self._points: Mapping[str, Any] | None = None

    def __getitem__(self, column: str) -> Any:
        try:
            return self.row[column]
        except KeyError:
            raise KeyError(f"clips have no column {column!r}; there are {', '.join(self.row)}.") from None

    def __contains__(self, column: object) -> bool:
        return column in self.row

    @property
    def clip_id(self) -> str:
        return str(self.row["clip_id"])

    @property
    def source(self) -> dict[str, Any]:
        """The row of its source: file name, SHA-256, url, licence, consent, what was probed of it."""
        if self._source is None:
            raise DatasetError(f"Clip {self.clip_id} was opened alone; open its dataset to see its source.")
        return self._source()

    @property
    def duration_s(self) -> float:
        return float(self.row["frames"]) / float(self.row["fps"])

    @property
    def has_audio(self) -> bool:
        return bool(self.row["audio"])

    @property
    def attributes(self) -> dict[str, dict[str, Any]]:
        """What is known of the clip: attribute -> {"value": str, "confidence": 0..1 or None, "by": str}.

        Unknown attributes are left out, so a clip of which nothing is known, or of a dataset that `facevid annotate`
        has not seen yet, gives {}.
        """
        known = self.row.get("attributes") or {}
        return {name: said for name, said in known.items() if said is not None}

    @property
    def actions(self) -> list[dict[str, Any]]:
        """Actions by their start: {"name", "start_s", "end_s" (seconds of the clip), "confidence", "by"}; may be empty.

        `clip["actions"]` tells apart a clip at which nobody looked (None).
        """
        return list(self.row.get("actions") or [])

    @property
    def caption(self) -> str | None:
        """The caption shown, or None; all of them, in three lengths, stand in `clip["captions"]`."""
        caption = self.row.get("caption")
        return None if caption is None else str(caption)

    def read(self, member: str) -> bytes:
        """The bytes of a member: "mp4", "flac" or "json".

        Raises ValueError for another name and DatasetError if the clip has no such member or its shard is
        missing, too short or damaged there.
        """
        if member not in MEMBERS:
            raise ValueError(f"A clip has no member {member!r}; its members are {', '.join(MEMBERS)}.")
        offset, size = self.row[f"{member}_offset"], self.row[f"{member}_size"]
        if offset is None:
            raise DatasetError(f"Clip {self.clip_id} has no sound: its source has none there.")
        return self.checked(member, self._storage.read(self._shard, offset, size))

    def checked(self, member: str, data: bytes) -> bytes:
        """The bytes of a member, given back if they are whole. Raises DatasetError if they are not."""
        shard = f"{self._storage.location}/{self._shard.stored_as}"
        if len(data) != self.row[f"{member}_size"]:
            raise DatasetError(f"Shard {shard} ends before clip {self.clip_id}; fetch the shard again.")
        if hashlib.sha256(data).hexdigest() != self.row[f"{member}_sha256"]:
            raise DatasetError(
                f"The {member} of clip {self.clip_id} is damaged in {shard}: its bytes do not have the "
                "SHA-256 that the clips table gives. Fetch the shard again."
            )
        return data

    def frames(self, start: int = 0, stop: int | None = None) -> npt.NDArray[np.uint8]:
        """Pictures (n, height, width, 3), RGB uint8, from frame `start` up to before `stop` (default: the
        end).
        """
        count = int(self.row["frames"])
        end = count if stop is None else stop
        if not 0 <= start <= end <= count:
            raise IndexError(f"Clip {self.clip_id} has frames 0 to {count}; asked for {start} to {stop}.")
        if start == end:
            return np.zeros((0, self.row["height"], self.row["width"], 3), np.uint8)
        return media.read_clip_frames(self.read("mp4"), range(start, end))

    def audio(self, *, rate: int | None = None) -> npt.NDArray[np.float32]:
        """The sound of the mp4 as (channels, n) float32 in [-1, 1], at `rate` Hz or its own."""
        if not self.has_audio:
            raise DatasetError(f"Clip {self.clip_id} has no sound: its source has none there.")
        return media.read_audio(self.read("mp4"), rate=rate, mono=False)

    def speech(self) -> npt.NDArray[np.float32]:
        """The speech as (n,) float32 in [-1, 1], 16 kHz mono, lossless."""
        return media.read_audio(self.read("flac"), rate=16000, mono=True)

    @property
    def mesh(self) -> npt.NDArray[np.float16]:
        """Face mesh (n, 478, 3) float16: x, y in clip pixels, z in the same scale."""
        return self._keypoints("mesh", np.float16, (MESH_POINTS, 3))

    @property
    def pose(self) -> npt.NDArray[np.float32]:
        """Head pose (n, 3) float32: yaw, pitch, roll in degrees."""
        return self._keypoints("pose", np.float32, (3,))

    @property
    def box(self) -> npt.NDArray[np.float32]:
        """Face box (n, 4) float32: x0, y0, x1, y1 in clip pixels."""
        return self._keypoints("box", np.float32, (4,))

    def _keypoints(self, name: str, dtype: type[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
        if self._points is None:
            self._points = self._read_keypoints(self.clip_id)
        values = np.asarray(self._points[name], dtype)
        return values.reshape(int(self.row["frames"]), *shape)

    def __repr__(self) -> str:
        row = self.row
        sound = "with sound" if self.has_audio else "without sound"
        return (
            f"Clip({self.clip_id}: {row['width']}x{row['height']}, {row['frames']} frames at "
            f"{row['fps']:g} fps ({self.duration_s:.2f} s) {sound}, person {row['identity'] or 'unknown'}, "
            f"from {row['source_name']} {row['start_s']:.2f}-{row['end_s']:.2f} s)"
        )
