"""What the page of one clip shows: its row and statements, mesh points, and curves over its frames."""

from __future__ import annotations

import json
import math
import threading
from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facevid import backends, media
from facevid.annotate.observe import RATE, heard
from facevid.backends.errors import BackendError
from facevid.curate.pose import mouth_opening
from facevid.dataset.clip import MESH_POINTS
from facevid.dataset.published import STORAGE_COLUMNS
from facevid.dataset.statements import LABEL_COLUMNS
from facevid.web.data import Tables
from facevid.web.filters import Filter
from facevid.web.media import Members

_PEAKS = 400
_KEPT = 64
# Upper lid, lower lid, outer and inner corner of the subject's right and left eye (mediapipe's canonical face).
_EYES = ((159, 145, 33, 133), (386, 374, 263, 362))
_PROVENANCE = ("url", "licence", "consent", "collected_by", "language", "self_reported")

Floats = NDArray[np.float32]


class ClipPage:
    """Details of clips; curves are kept for the clips looked at last."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self._curves: OrderedDict[tuple[str, str], dict[str, Any]] = OrderedDict()
        self._lock = threading.Lock()
        self._speech: Any = None

    def details(self, tables: Tables, clip_id: str, filter: Filter) -> dict[str, Any]:
        """Row, labels, statements and source of a clip, and its neighbours in the order of the filter."""
        place = tables.place(clip_id)
        row = {k: _plain(v) for k, v in tables.row(clip_id).items()}
        row |= {name: row.get(name) for name in LABEL_COLUMNS}
        row["seconds"] = place["end_s"] - place["start_s"]
        source = tables.source(str(place["source_id"])) or {}
        previous, following = self._neighbours(tables, place["number"], filter)
        return {
            **{k: v for k, v in row.items() if k not in STORAGE_COLUMNS or k == "split"},
            "shard": place["shard"],
            "annotations": [self._statement(s) for s in tables.annotations(clip_id)],
            "previous": previous,
            "next": following,
            "source": {k: _plain(v) for k, v in source.items()} | {k: source.get(k) for k in _PROVENANCE},
        }

    def points(self, tables: Tables, clip_id: str) -> tuple[bytes, int]:
        """x and y of 478 mesh points a frame in clip pixels, little-endian float32, and the number of frames."""
        place = tables.place(clip_id)
        mesh = _shaped(tables.keypoints(clip_id, place["shard"])["mesh"], MESH_POINTS, 3)
        return mesh[:, :, :2].astype("<f4").tobytes(), len(mesh)

    def curves(self, tables: Tables, clip_id: str) -> dict[str, Any]:
        """Box, pose, openings of mouth and eyes and speech a frame, and the waveform.

        mouth_opening: distance of the inner lips over the face height. eye_opening: distance of the lids over the
        distance of the eye's corners, mean of both eyes. waveform: lowest and highest sample of each of up to 400 equal
        spans, -1 to 1. speech: probability a frame, or null without sound or without the speech detector.
        """
        place = tables.place(clip_id)
        key = (clip_id, str(place["mp4_sha256"]))
        with self._lock:
            if key in self._curves:
                self._curves.move_to_end(key)
                return self._curves[key]
        points = tables.keypoints(clip_id, place["shard"])
        mesh = _shaped(points["mesh"], MESH_POINTS, 3)
        pose, box = _shaped(points["pose"], 3), _shaped(points["box"], 4)
        sound = self._sound(place)
        out = {
            "fps": place["fps"],
            "frames": len(mesh),
            "box": [_list(corners) for corners in box],
            **{name: _list(pose[:, k]) for k, name in enumerate(("yaw", "pitch", "roll"))},
            "mouth_opening": _list(np.array([mouth_opening(m) for m in mesh], np.float32), 4),
            "eye_opening": _list(eye_opening(mesh), 4),
            "waveform": _waveform(sound) if sound is not None else None,
            "speech": self._speech_of(sound, len(mesh), float(place["fps"])) if sound is not None else None,
        }
        with self._lock:
            self._curves[key] = out
            while len(self._curves) > _KEPT:
                self._curves.popitem(last=False)
        return out

    def _neighbours(self, tables: Tables, number: int, filter: Filter) -> tuple[str | None, str | None]:
        numbers = tables.ordered(filter)
        at = np.flatnonzero(numbers == number)
        if not len(at):
            return None, None
        place = int(at[0])
        around = [int(numbers[k]) if 0 <= k < len(numbers) else None for k in (place - 1, place + 1)]
        names = dict(
            tables.ask(
                "select number, clip_id from clips where number in (?, ?)",
                [-1 if n is None else n for n in around],
            )
        )
        return names.get(around[0]), names.get(around[1])

    def _statement(self, row: dict[str, Any]) -> dict[str, Any]:
        detail = row.get("detail")
        return {k: _plain(v) for k, v in row.items()} | {"detail": json.loads(detail) if detail else {}}

    def _sound(self, place: dict[str, Any]) -> Floats | None:
        if place["flac_offset"] is None:
            return None
        return media.read_audio(self._members.read(place, "flac"), rate=RATE, mono=True)

    def _speech_of(self, sound: Floats, frames: int, fps: float) -> list[float | None] | None:
        """As the measures hear it. The detector has a memory, so one clip at a time is heard."""
        with self._lock:
            if self._speech is None:
                try:
                    self._speech = backends.load("speech_detector", "silero")
                except BackendError:
                    return None
            return _list(heard(sound, self._speech, frames=frames, fps=fps)[0]) if len(sound) else None


def eye_opening(mesh: Floats) -> Floats:
    """Per frame of (n, 478, 3): distance of the lids over that of the eye's corners, mean of both eyes."""
    eyes = []
    for upper, lower, outer, inner in _EYES:
        height = np.linalg.norm(mesh[:, upper] - mesh[:, lower], axis=1)
        width = np.linalg.norm(mesh[:, outer] - mesh[:, inner], axis=1)
        eyes.append(height / np.maximum(width, 1e-6))
    opening: Floats = np.mean(eyes, axis=0, dtype=np.float32)
    return opening


def _waveform(sound: Floats) -> dict[str, Any]:
    spans = [part for part in np.array_split(sound, min(_PEAKS, max(1, len(sound)))) if len(part)]
    return {"rate": RATE, "peaks": [_list(np.array([p.min(), p.max()])) for p in spans]}


def _shaped(values: Floats, *shape: int) -> Floats:
    return values.reshape(-1, *shape)


def _list(values: NDArray[Any], digits: int = 3) -> list[float | None]:
    return [round(v, digits) if math.isfinite(v) else None for v in values.tolist()]


def _plain(value: Any) -> Any:
    """A value as JSON can hold it: what is not a number is null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value
