"""Makes small work folders to pack: clips of a few frames, their keypoints, the tables of a build."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from facevid import media
from facevid.curate.pack import WorkTables

FRAMES, SIDE, FPS = 8, 64, 25.0


def cut_clip(folder: Path, clip_id: str, *, seed: int, sound: bool = True) -> dict[str, Any]:
    """A clip folder as `cut_step` leaves it; returns its meta."""
    place = folder / clip_id
    place.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    picture = np.full((SIDE, SIDE, 3), rng.integers(40, 200, 3), np.uint8)
    noise = rng.normal(0, 0.1, int(FRAMES / FPS * 16000)).astype(np.float32)
    with media.VideoWriter(
        place / "clip.mp4", width=SIDE, height=SIDE, fps=FPS, audio_rate=16000 if sound else None
    ) as out:
        for k in range(FRAMES):
            frame = picture.copy()
            frame[:, k * 4 : k * 4 + 8] = 255
            out.write(frame)
        if sound:
            out.write_audio(noise)
    if sound:
        media.write_flac(place / "speech.flac", noise, 16000)
    np.savez(
        place / "keypoints.npz",
        mesh=rng.uniform(0, SIDE, (FRAMES, 478, 3)).astype(np.float16),
        pose=rng.normal(0, 10, (FRAMES, 3)).astype(np.float32),
        box=np.tile(np.array([10, 10, 50, 50], np.float32), (FRAMES, 1)),
    )
    members = {
        p.name: {"bytes": p.stat().st_size, "sha256": hashlib.sha256(p.read_bytes()).hexdigest()}
        for p in sorted(place.iterdir())
    }
    meta = {
        "clip_id": clip_id,
        "frames": FRAMES,
        "fps": FPS,
        "width": SIDE,
        "height": SIDE,
        "audio": sound,
        "chips": 0,
        "members": members,
    }
    (place / "meta.json").write_text(json.dumps(meta))
    return meta


def clip_name(k: int) -> str:
    return f"{k % 3:016x}_{k * 100:06d}_{k * 100 + FRAMES - 1:06d}_0"


def work(clip_folder: Path, count: int, *, silent: tuple[int, ...] = ()) -> WorkTables:
    """The tables of a build of `count` clips; those numbered in `silent` have no sound."""
    cuts = {}
    for k in range(count):
        if (clip_folder / clip_name(k) / "meta.json").exists():
            cuts[clip_name(k)] = json.loads((clip_folder / clip_name(k) / "meta.json").read_text())
        else:
            cuts[clip_name(k)] = cut_clip(clip_folder, clip_name(k), seed=k, sound=k not in silent)
    stretches = pa.table(
        {
            "clip_id": pa.array([clip_name(k) for k in range(count)], pa.string()),
            "source_id": pa.array([f"{k % 3:016x}" for k in range(count)], pa.string()),
            "source_name": pa.array([f"talk_{k % 3}.mp4" for k in range(count)], pa.string()),
            "track": pa.array([0] * count, pa.int32()),
            "shot": pa.array([1] * count, pa.int32()),
            "first_frame": pa.array([k * 100 for k in range(count)], pa.int32()),
            "last_frame": pa.array([k * 100 + FRAMES - 1 for k in range(count)], pa.int32()),
            "start_s": pa.array([k * 100 / FPS for k in range(count)], pa.float64()),
            "end_s": pa.array([(k * 100 + FRAMES) / FPS for k in range(count)], pa.float64()),
            "fps": pa.array([FPS] * count, pa.float64()),
            **{f"crop_{e}": pa.array([v] * count, pa.int32()) for e, v in _CROP.items()},
            "best_frames": pa.array([[k * 100] for k in range(count)], pa.list_(pa.int32())),
            "sharpness": pa.array([0.1 + k for k in range(count)], pa.float32()),
            "yaw": pa.array([float("nan")] * count, pa.float32()),
        }
    )
    sources = pa.table(
        {
            "source_id": [f"{k:016x}" for k in range(3)],
            "source_name": [f"talk_{k}.mp4" for k in range(3)],
            "path": [f"secret/talk_{k}.mp4" for k in range(3)],
            "width": pa.array([640] * 3, pa.int32()),
        }
    )
    rejected = pa.table(
        {
            "source_id": [f"{0:016x}"],
            "source_name": ["talk_0.mp4"],
            "track": pa.array([None], pa.int32()),
            "start_s": [1.0],
            "end_s": [2.0],
            "reason": ["sharpness"],
            "score": ["sharpness"],
            "value": [0.1],
            "threshold": [0.5],
            "sharpness": pa.array([0.1], pa.float32()),
        }
    )
    failed = pa.table({"item": ["bad.mp4"], "step": ["scan"], "kind": ["empty"], "message": ["It is empty."]})
    identity = {clip_name(k): f"p{k % 2}" for k in range(count)}
    return WorkTables(
        sources=sources, stretches=stretches, rejected=rejected, failed=failed, identity=identity, cuts=cuts
    )


_CROP = {"x0": 10, "y0": 20, "x1": 138, "y1": 148}
