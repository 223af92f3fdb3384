"""Times `select` on as many tracks as DH-FaceVid-1K has clips, against the limit of 5 seconds.

    python benchmarks/select_speed.py [--tracks 270043] [--threads 1] [--keep FOLDER]

The tracks are made up: lengths of 16 s on average, scores that drift within a track as measured ones do,
and faults of the kinds and lengths that real footage has. The file is made once and kept.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from facevid.curate.tables import select_tables
from facevid.curate.trackfile import GROUP, TrackFileWriter, track_file_key
from facevid.curate.windows import GEOMETRY, tracks_schema
from facevid.recipe import SCORES, load_recipe

LIMIT_S = 5.0
TRACKS = 270_043
_SEED = 1
_PER_SOURCE = 10
_FRAMES = 10
_KEY = f"select_speed 1, seed {_SEED}"

# score -> mean, spread between tracks, spread within a track, lowest, highest: near what clean footage measures.
_USUAL = {
    "face_px": (390, 60, 8, 20, 2000), "face_px_min": (380, 60, 8, 20, 2000), "face_area": (0.2, 0.05, 0.01, 0, 1),
    "face_x": (0.5, 0.08, 0.02, 0, 1), "face_y": (0.45, 0.05, 0.02, 0, 1), "sharpness": (18, 8, 2, 0, 1000),
    "blockiness": (1.06, 0.03, 0.02, 0, 100), "brightness": (140, 25, 4, 0, 255), "contrast": (100, 30, 4, 0, 255),
    "evenness": (0.92, 0.04, 0.02, 0, 1), "yaw": (0, 8, 5, -90, 90), "pitch": (-5, 5, 4, -90, 90),
    "roll": (0, 4, 3, -90, 90), "pose_extreme": (12, 5, 5, 0, 90), "landmarks_inside": (0.999, 0.002, 0.001, 0, 1),
    "motion_landmarks": (5, 2, 2, 0, 1000), "motion_pixels": (2.5, 1, 0.6, 0.2, 255),
    "speech_share": (0.8, 0.1, 0.25, 0, 1), "speech_level": (-25, 5, 4, -120, 0),
    "sync_correlation": (0.25, 0.15, 0, -1, 1), "mesh_confidence": (0.999, 0.001, 0.001, 0, 1),
    "bits_per_pixel": (0.07, 0.02, 0, 0.001, 10), "height": (480, 60, 3, 20, 2000), "best_value": (12, 4, 2, 0, 1000),
}  # fmt: skip
# share of tracks with a fault, windows it lasts (0: the whole track), score, value
_FAULTS = (
    (0.06, 0, "faces", 2.0), (0.08, 0, "face_px", 180.0), (0.05, 0, "text_chars", 30.0), (0.03, 0, "border_px", 120.0),
    (0.05, 0, "sharpness", 0.6), (0.01, 0, "brightness", 12.0), (0.10, 5, "hand_over_face", 0.14),
    (0.10, 8, "speech_share", 0.0), (0.05, 4, "pose_extreme", 75.0), (0.03, 4, "landmarks_inside", 0.6),
    (0.02, 6, "motion_pixels", 0.0), (0.03, 3, "faces", 2.0),
)  # fmt: skip


def main() -> int:
    """Make the tracks if they are not there, select once over them, print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tracks", type=int, default=TRACKS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "facevid-select-speed")
    given = parser.parse_args()
    path = given.keep / f"tracks-{given.tracks}.arrow"
    if track_file_key(path) != _KEY:
        given.keep.mkdir(parents=True, exist_ok=True)
        make_tracks_file(path, given.tracks)
    with path.open(
        "rb"
    ) as file:  # what was just written is in memory anyway; later runs shall have it there too
        while file.read(1 << 24):
            pass
    # Where pandas is installed pyarrow imports it with its first array, a second that is not select's.
    pa.array(np.zeros(1))
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    stretches, rejected = select_tables(path, load_recipe(), threads=given.threads)
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    reasons = Counter(rejected["reason"].to_pylist())
    windows = count_windows(path)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"tracks     {given.tracks:,} with {windows:,} windows, {path.stat().st_size / 1e9:.2f} GB")
    print(f"stretches  {len(stretches):,}")
    print(f"rejected   {len(rejected):,}: {', '.join(f'{n} {c:,}' for n, c in reasons.most_common())}")
    print(f"memory     {after.ru_maxrss / 2**20:.2f} GiB at most")
    print(
        f"windows    {windows / seconds:,.0f} a second with {given.threads} threads ({processor:.2f} s of processor)"
    )
    print(f"seconds    {seconds:.2f}; limit {LIMIT_S:.0f}: {'held' if seconds <= LIMIT_S else 'NOT HELD'}")
    return 0 if seconds <= LIMIT_S else 1


def make_tracks_file(path: Path, tracks: int) -> None:
    """A file as `Work.gather_tracks` writes it."""
    rng = np.random.default_rng(_SEED)
    with TrackFileWriter(path, key=_KEY) as file:
        done = 0
        while done < tracks:
            batch = _tracks(rng, min(GROUP, tracks - done))
            for at in range(0, len(batch), _PER_SOURCE):
                number = (done + at) // _PER_SOURCE
                source = {
                    "source_id": f"{number:016x}",
                    "source_name": f"{number:06d}.mp4",
                    "width": 1920,
                    "height": 1080,
                }
                file.add(batch.slice(at, _PER_SOURCE), source)
            done += len(batch)


def count_windows(path: Path) -> int:
    """Windows of all tracks in the file."""
    with pa.memory_map(str(path)) as file:
        reader = pa.ipc.open_file(file)
        batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
        return sum(len(batch["faces"].flatten()) for batch in batches)


def _tracks(rng: np.random.Generator, count: int) -> pa.Table:
    """Tracks of lognormal length, 16 s on average; one in fifteen is a stretch without a face."""
    windows = np.clip(rng.lognormal(np.log(16 / 0.4) - 0.18, 0.6, count), 2, 600).astype(np.int64)
    offset = np.concatenate([[0], np.cumsum(windows)])
    track_of = np.repeat(np.arange(count), windows)
    first = rng.integers(0, 50_000, count)
    values = _drifting(rng, track_of, count)
    _spoil(rng, values, offset)
    faceless = rng.random(count) < 1 / 15
    for name in values:
        if name not in ("faces", "speech_share", "speech_level", "bits_per_pixel"):
            values[name][faceless[track_of]] = np.nan
    values["faces"][faceless[track_of]] = 0
    within = np.arange(len(track_of)) - offset[track_of]
    values["best_frame"] = (
        first[track_of] + within * _FRAMES + rng.integers(0, _FRAMES, len(within))
    ).astype(np.float32)
    track = np.where(faceless, -1, np.arange(count) % _PER_SOURCE)
    columns: dict[str, pa.Array] = {
        "track": pa.array(track, pa.int32()), "shot": pa.array(np.arange(count) % _PER_SOURCE, pa.int32()),
        "face": pa.array(track, pa.int32()), "first_frame": pa.array(first, pa.int32()),
        "last_frame": pa.array(first + windows * _FRAMES - 1 - rng.integers(0, 5, count), pa.int32()),
        "scale": pa.array(np.full(count, 2 / 3, np.float32)),
    }  # fmt: skip
    for name in (*SCORES, *GEOMETRY):
        columns[name] = pa.ListArray.from_arrays(pa.array(offset, pa.int32()), pa.array(values[name]))
    return pa.table(columns).select(tracks_schema().names).cast(tracks_schema())


def _drifting(
    rng: np.random.Generator, track_of: NDArray[np.int64], count: int
) -> dict[str, NDArray[np.float32]]:
    size, out = len(track_of), {}
    for name, (mean, between, within, low, high) in _USUAL.items():
        level = rng.normal(mean, between, count)[track_of]
        noise = rng.standard_normal(size, np.float32)
        out[name] = np.clip(level + within * (noise + np.roll(noise, 1)), low, high).astype(np.float32)
    for name in ("stillness", "hand_over_face", "occlusion", "text_chars", "border_px", "sync_offset"):
        out[name] = np.zeros(size, np.float32)
    out["faces"] = np.ones(size, np.float32)
    x, y = out["face_x"] * 1920, out["face_y"] * 1080
    out |= {"union_x0": x - 200, "union_x1": x + 200, "union_y0": y - 240, "union_y1": y + 240}
    return out


def _spoil(
    rng: np.random.Generator, values: dict[str, NDArray[np.float32]], offset: NDArray[np.int64]
) -> None:
    for share, windows, score, value in _FAULTS:
        for track in np.flatnonzero(rng.random(len(offset) - 1) < share):
            a, b = int(offset[track]), int(offset[track + 1])
            if windows and b - a > windows:
                a = int(rng.integers(a, b - windows))
                b = a + windows
            values[score][a:b] = value


if __name__ == "__main__":
    sys.exit(main())
