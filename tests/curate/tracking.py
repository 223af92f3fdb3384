"""Builds tables of tracks by hand, as `analyze` leaves them, for tests of what is decided from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from facevid.curate.trackfile import gathered_schema
from facevid.curate.windows import GEOMETRY, NO_TRACK
from facevid.recipe import SCORES

WINDOW = 10
"""Frames a window in these tests, .4 s at 25 frames a second."""

GOOD: dict[str, float] = {
    "faces": 1, "face_px": 400, "face_px_min": 390, "face_area": 0.2, "face_x": 0.5, "face_y": 0.4, "sharpness": 20,
    "blockiness": 1, "brightness": 140, "contrast": 100, "evenness": 0.9, "yaw": 0, "pitch": 0, "roll": 0,
    "pose_extreme": 10, "landmarks_inside": 1, "motion_landmarks": 5, "motion_pixels": 3, "stillness": 0,
    "hand_over_face": 0, "occlusion": 0, "text_chars": 0, "border_px": 0, "speech_share": 1, "speech_level": -25,
    "sync_correlation": 0.3, "sync_offset": 0, "mesh_confidence": 1, "bits_per_pixel": 0.1,
    "union_x0": 400, "union_y0": 200, "union_x1": 800, "union_y1": 700, "height": 480, "best_value": 10,
}  # fmt: skip
"""A window that breaks no rule of the default recipe."""


def track_row(
    windows: int,
    *,
    number: int = 0,
    first_frame: int = 0,
    frames: int | None = None,
    faults: Mapping[str, Mapping[int, float]] | None = None,
    source: str = "source",
    **scores: float | Sequence[float],
) -> dict[str, Any]:
    """One track of so many windows; `faults`: score -> {window: value}; `scores`: one value, or one a window."""
    row: dict[str, Any] = {
        "source_id": source, "source_name": f"{source}.mp4", "width": 1920, "height_px": 1080, "track": number,
        "shot": 0, "face": number, "first_frame": first_frame, "scale": 1.0,
        "last_frame": first_frame + (frames or windows * WINDOW) - 1,
    }  # fmt: skip
    for name in (*SCORES, *GEOMETRY):
        value = scores.get(name, GOOD.get(name, 0.0))
        row[name] = [float(value)] * windows if isinstance(value, (int, float)) else [float(v) for v in value]
    row["best_frame"] = [float(first_frame + WINDOW * k + 3) for k in range(windows)]
    for score, at in (faults or {}).items():
        for window, value in at.items():
            row[score][window] = float(value)
    return row


def faceless_row(windows: int, **where: Any) -> dict[str, Any]:
    """A stretch of a shot in which no face was followed."""
    row = track_row(windows, **where)
    for name in (*SCORES, *GEOMETRY):
        if name not in ("speech_share", "speech_level", "bits_per_pixel"):
            row[name] = [float("nan")] * windows
    row["faces"] = [0.0] * windows
    return row | {"track": NO_TRACK, "face": NO_TRACK}


def tracks_table(*rows: dict[str, Any]) -> pa.Table:
    """Rows as the table that `select` takes."""
    return pa.Table.from_pylist(list(rows), schema=gathered_schema())
