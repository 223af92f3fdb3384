"""What was seen in one video, from which everything else is computed; kept as one .npz."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facevid.bench.errors import BenchError
from facevid.curate.pose import head_pose
from facevid.engine import atomic_path

Floats = NDArray[np.float32]
LOOKS = 8
"""Frames of a video, evenly spread from the first to the last, that face embedding, colours and sharpness are of."""
GRID = 4
"""Cells along each side of the picture whose mean colours are kept."""


@dataclass(frozen=True)
class Seen:
    """One video of n frames, of which k were looked at closely. NaN wherever no face was found.

    fps: frames a second. size: height and width in pixels. mesh: (n, 478, 3) float32, in pixels of the video. looks:
    (k,) rising frame numbers, first and last among them. embeddings: (k, 128) float32. colours: (k, 16, 3) float32,
    CIE L*a*b* (D65) of the means of a 4 x 4 grid, row by row. sharpness: (k,) float32, see `curate.quality`. flow,
    warp: (n - 1,) float32, of each frame and the one before it: mean length of the optical flow in widths of the
    picture, and mean absolute grey difference (0 to 255) after the one before was moved by it. change: (n - 1,)
    float32, mean absolute difference (0 to 255) of each frame to the one before it, over all pixels and colours. voice:
    (n,) float32, amplitude of the voice, see `measures.sync`; None without sound. labels: attribute -> value, what the
    measures of `facevid annotate` say.
    """

    fps: float
    size: tuple[int, int]
    mesh: Floats
    looks: NDArray[np.int64]
    embeddings: Floats
    colours: Floats
    sharpness: Floats
    flow: Floats
    warp: Floats
    change: Floats
    voice: Floats | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def found(self) -> NDArray[np.bool_]:
        """Which frames (n,) have a mesh."""
        return np.asarray(np.isfinite(self.mesh).all(axis=(1, 2)))

    @property
    def pose(self) -> Floats:
        """Yaw, pitch and roll (n, 3) in degrees; NaN where no face was found."""
        nowhere = (float("nan"),) * 3
        turns = [head_pose(m) if f else nowhere for m, f in zip(self.mesh, self.found, strict=True)]
        return np.array(turns, np.float32).reshape(-1, 3)


def save_seen(seen: Seen, path: Path) -> None:
    """Write it whole or not at all."""
    held = {f.name: getattr(seen, f.name) for f in fields(seen) if getattr(seen, f.name) is not None}
    held["labels"] = np.array(json.dumps(dict(seen.labels), sort_keys=True))
    with atomic_path(path) as partial:
        np.savez_compressed(partial, **held)


def load_seen(path: Path) -> Seen:
    """Read what `save_seen` wrote. Raises BenchError where that is not whole."""
    try:
        with np.load(path, allow_pickle=False) as file:
            held: dict[str, Any] = {name: file[name] for name in file.files}
        return Seen(
            **{
                **held,
                "fps": float(held["fps"]),
                "size": (int(held["size"][0]), int(held["size"][1])),
                "voice": held.get("voice"),
                "labels": json.loads(str(held["labels"])),
            }
        )
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise BenchError(f"{path} is not whole ({error}); remove it and run again.") from error


def look_at(frames: int) -> NDArray[np.int64]:
    """The frames of a video that are looked at closely, see LOOKS; of a shorter one all."""
    return np.unique(np.linspace(0, frames - 1, min(LOOKS, frames)).round().astype(np.int64))
