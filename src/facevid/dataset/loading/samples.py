"""Reads the windows of a batch: pictures, sound, keypoints and labels of the same moments, as NumPy arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from facevid.dataset.clip import MESH_POINTS, Clip
from facevid.dataset.dataset import Dataset
from facevid.dataset.loading.keypoints import KeypointReader
from facevid.dataset.loading.wanted import Wanted
from facevid.dataset.loading.windows import Window, random_window, samples_of, whole, window_frames
from facevid.dataset.published import DatasetError
from facevid.media import MediaError, WindowReader, read_speech_window

FAULTS = "faults"
"""The key under which a batch carries what could not be read: pairs of a clip's id and the reason."""
# What can be wrong with one clip and not with the next: bytes, a shard, a disk. Anything else is a fault of ours.
_UNREADABLE = (DatasetError, MediaError, OSError)


@dataclass(frozen=True)
class Pick:
    """One place of a batch: the clip's row, what decides its window, and whom to take if it cannot be read."""

    row: int
    chance: tuple[object, ...]
    instead: tuple[int, ...] = ()


@dataclass(frozen=True)
class Request:
    """A batch to be read, as it travels to a worker."""

    picks: tuple[Pick, ...]


class BatchReader:
    """Reads batches of windows; one of them lives in each worker."""

    def __init__(self, dataset: Dataset, table: pa.Table, wanted: Wanted) -> None:
        self.dataset, self.table, self.wanted = dataset, table, wanted
        self._begin()

    def _begin(self) -> None:
        self._windows = WindowReader()
        self._keypoints = KeypointReader(self.dataset)

    def __getstate__(self) -> dict[str, Any]:
        return {"dataset": self.dataset, "table": self.table, "wanted": self.wanted}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin()

    def read(
        self, request: Request, members: Mapping[int, Mapping[str, bytes]] | None = None
    ) -> dict[str, Any]:
        """The batch, see `facevid.dataset.loading.Loader`, with `FAULTS` beside.

        members: bytes of clips by their row that were read before; others are read one by one. Raises DatasetError for
        a clip that cannot be read where `on_error` is "raise", or nothing can be taken in its place.
        """
        picks, wanted = request.picks, self.wanted
        rows = [self._row(pick.row) for pick in picks]
        frames = wanted.frames or max(self._whole(row) for row in rows)
        samples = max(samples_of(frames, wanted.fps or float(row["fps"])) for row in rows)
        batch = _Batch(len(picks), frames, samples, self._side(rows[0]), wanted)
        faults: list[tuple[str, str]] = []
        for place, (pick, row) in enumerate(zip(picks, rows, strict=True)):
            for number in (pick.row, *pick.instead):
                chance = pick.chance if number == pick.row else (*pick.chance, "instead", number)
                clip = self.dataset.at(row if number == pick.row else self._row(number))
                try:
                    self._fill(batch, place, clip, frames, chance, (members or {}).get(number))
                    break
                except _UNREADABLE as error:
                    faults.append((clip.clip_id, str(error)))
                    if wanted.on_error == "raise":
                        raise DatasetError(f"Clip {clip.clip_id} cannot be read: {error}") from error
            else:
                tried = ", ".join(clip_id for clip_id, _ in faults)
                raise DatasetError(
                    f"None of these clips can be read, so nothing can take the place of the first: {tried}. "
                    f"The last one: {faults[-1][1]}"
                )
        return {**batch.finished(), FAULTS: faults}

    def _fill(
        self,
        batch: _Batch,
        place: int,
        clip: Clip,
        frames: int,
        chance: tuple[object, ...],
        held: Mapping[str, bytes] | None,
    ) -> None:
        wanted, row = self.wanted, clip.row
        fps = wanted.fps or float(row["fps"])
        window = self._window(clip, frames, fps, chance)
        mp4 = clip.checked("mp4", held["mp4"]) if held else clip.read("mp4")
        try:
            self._windows.read(
                mp4, window.frames.tolist(), size=batch.size, out=batch.video[place], name=clip.clip_id
            )
        except IndexError as error:
            raise DatasetError(f"Its table gives {row['frames']} frames, and {error}") from error
        if wanted.audio and clip.has_audio:
            flac = clip.checked("flac", held["flac"]) if held else clip.read("flac")
            start = samples_of(window.start, float(row["fps"]))
            count = min(samples_of(window.real, fps), batch.audio.shape[1])
            batch.audio[place, :count] = read_speech_window(flac, start, count, clip.clip_id)
        if wanted.mesh:
            mesh = self._keypoints.read(clip.row, "mesh", (MESH_POINTS, 3))[window.frames].astype(np.float32)
            scale = batch.size[1] / row["width"], batch.size[0] / row["height"], batch.size[1] / row["width"]
            batch.mesh[place] = mesh * np.array(scale, np.float32)
        if wanted.pose:
            batch.pose[place] = self._keypoints.read(clip.row, "pose", (3,))[window.frames]
        batch.label(place, clip, window, fps)

    def _window(self, clip: Clip, frames: int, fps: float, chance: tuple[object, ...]) -> Window:
        count, own = int(clip["frames"]), float(clip["fps"])
        if self.wanted.frames is not None:
            return random_window(count, own, frames, fps, "window", *chance, clip.clip_id)
        shown = window_frames(frames, fps, own)
        return Window(0, np.minimum(shown, count - 1), int((shown >= count).sum()))

    def _side(self, row: Mapping[str, Any]) -> tuple[int, int]:
        size = self.wanted.size
        return (size, size) if size is not None else (int(row["height"]), int(row["width"]))

    def _whole(self, row: Mapping[str, Any]) -> int:
        own = np.array([row["fps"]], np.float64)
        fps = own if self.wanted.fps is None else np.array([self.wanted.fps])
        return int(whole(np.array([row["frames"]], np.int64), fps, own)[0])

    def _row(self, number: int) -> dict[str, Any]:
        return dict(self.table.slice(number, 1).to_pylist()[0])


class _Batch:
    """The arrays of one batch, filled place by place."""

    def __init__(self, count: int, frames: int, samples: int, size: tuple[int, int], wanted: Wanted) -> None:
        self.size = size
        self._wanted = wanted
        self.video = np.empty((count, frames, 3, *size), np.uint8)
        self.start = np.zeros(count, np.int64)
        self.fps = np.zeros(count, np.float32)
        self.mask = np.zeros((count, frames), bool)
        self._lists: dict[str, list[Any]] = {"clip_id": [None] * count}
        if wanted.audio:
            self.has_audio = np.zeros(count, bool)
            self.audio = np.zeros((count, samples), np.float32)
        if wanted.mesh:
            self.mesh = np.empty((count, frames, MESH_POINTS, 3), np.float32)
        if wanted.pose:
            self.pose = np.empty((count, frames, 3), np.float32)
        if wanted.caption:
            self._lists["caption"] = [None] * count
        for name in (*wanted.attributes, *wanted.columns):
            self._lists[name] = [None] * count

    def label(self, place: int, clip: Clip, window: Window, fps: float) -> None:
        wanted = self._wanted
        self.start[place], self.fps[place] = window.start, fps
        self.mask[place, : window.real] = True
        self._lists["clip_id"][place] = clip.clip_id
        if wanted.audio:
            self.has_audio[place] = clip.has_audio
        if wanted.caption:
            self._lists["caption"][place] = _caption(clip, wanted.caption)
        for name in wanted.attributes:
            self._lists[name][place] = clip.attributes.get(name, {}).get("value")
        for name in wanted.columns:
            self._lists[name][place] = clip[name]

    def finished(self) -> dict[str, Any]:
        names = ["video", "start", "fps"]
        names += [n for n in ("audio", "has_audio") if self._wanted.audio]
        names += [n for n in ("mesh", "pose") if getattr(self._wanted, n)]
        names += ["mask"] if self._wanted.masked else []
        arrays: dict[str, npt.NDArray[Any]] = {name: getattr(self, name) for name in names}
        return {**arrays, **self._lists}


def _caption(clip: Clip, length: bool | str) -> str | None:
    if length is True:
        return clip.caption
    said: Sequence[Mapping[str, Any]] = clip["captions"] or []
    return next((str(c["text"]) for c in said if c["length"] == length), None)
