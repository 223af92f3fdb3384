"""Exports a dataset in every form, opens each with the receiver's own library, and compares clips frame by frame.

    python benchmarks/export_check.py DATASET [--clips 3]

facevid and its folder of files are decoded with PyAV, WebDataset shards are opened with `webdataset`, Parquet with
Hugging Face `datasets`, tables with Python's csv and json. Ends with 1 if anything differs from `ds[clip_id]`.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import datasets
import numpy as np
import webdataset

import facevid
from facevid.dataset import Clip, Dataset

Media = Iterator[tuple[str, bytes]]  # clip id, MP4


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset")
    parser.add_argument("--clips", type=int, default=3, help="clips compared in each form")
    args = parser.parse_args()
    ds = facevid.open(args.dataset)
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, read in MEDIA.items():
            output = Path(folder) / name
            facevid.export(ds, output, format=name)
            wrong += _compared(name, ds, read(output), args.clips)
        for name in ("csv", "jsonl"):
            output = Path(folder) / f"clips.{name}"
            facevid.export(ds, output, format=name)
            wrong += _tables(name, ds, output)
    return 1 if wrong else 0


def _facevid(output: Path) -> Media:
    return ((clip.clip_id, clip.read("mp4")) for clip in facevid.open(output))


def _folder(output: Path) -> Media:
    return ((path.stem, path.read_bytes()) for path in sorted(output.rglob("*.mp4")))


def _webdataset(output: Path) -> Media:
    shards = [str(path) for path in sorted(output.glob("*.tar"))]
    return ((s["__key__"], s["mp4"]) for s in webdataset.WebDataset(shards, shardshuffle=False))


def _huggingface(output: Path) -> Media:
    loaded = datasets.load_dataset(str(output))
    for part in loaded.values():
        # Without decoding: the library's own needs torchcodec and FFmpeg's libraries.
        bare = part.cast_column("video", datasets.Video(decode=False))
        for row in bare.cast_column("speech", datasets.Audio(decode=False)):
            yield row["clip_id"], row["video"]["bytes"]


MEDIA: dict[str, Callable[[Path], Media]] = {
    "facevid": _facevid,
    "folder": _folder,
    "webdataset": _webdataset,
    "huggingface": _huggingface,
}


def _compared(name: str, ds: Dataset, media: Media, clips: int) -> int:
    found, compared, frames, wrong = set(), 0, 0, 0
    for clip_id, mp4 in media:
        found.add(clip_id)
        if compared < clips:
            ours, theirs = ds[clip_id].frames(), _decoded(mp4)
            compared, frames = compared + 1, frames + len(ours)
            wrong += not (ours.shape == theirs.shape and np.array_equal(ours, theirs))
    wrong += found != set(ds.ids.to_pylist())
    print(f"{name:12} {len(found)} of {len(ds)} clips, {compared} compared in {frames} frames, {wrong} wrong")
    return wrong


def _decoded(mp4: bytes) -> np.ndarray[Any, Any]:
    with av.open(BytesIO(mp4)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def _tables(name: str, ds: Dataset, output: Path) -> int:
    with output.open(encoding="utf-8", newline="") as file:
        rows: list[dict[str, Any]] = (
            list(csv.DictReader(file)) if name == "csv" else [json.loads(line) for line in file]
        )
    wrong = sum(not _same(row, ds[row["clip_id"]]) for row in rows) + (len(rows) != len(ds))
    print(f"{name:12} {len(rows)} of {len(ds)} rows, {len(rows[0]) if rows else 0} columns, {wrong} wrong")
    return wrong


def _same(row: dict[str, Any], clip: Clip) -> bool:
    return (
        row["source_name"] == clip["source_name"]
        and abs(float(row["start_s"]) - clip["start_s"]) < 1e-6
        and int(row["frames"]) == clip["frames"]
    )


if __name__ == "__main__":
    sys.exit(main())
