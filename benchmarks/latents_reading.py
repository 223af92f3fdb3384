"""How fast training samples are read: pixels decoded from a dataset's shards, and latents from a store of them.

`python benchmarks/latents_reading.py DATASET [--frames 16] [--size 64] [--batch 32] [--seconds 10]` prints samples a
second of a PixelSource in this process and of a LatentSource. The encoder averages blocks of 1 x 8 x 8 pixels, so that
the time is that of reading.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import facevid
from facevid.generate.data.order import TrainingOrder
from facevid.generate.data.sources import LatentSource, PixelSource
from facevid.generate.data.store import latent_store
from facevid.generate.data.windows import windows_of
from facevid.generate.recipe import Bucket, Data


class Averaging:
    """Latents of (128, T / 8, H / 32, W / 32), as LTX-Video has them, that cost nearly nothing to make."""

    name = "averaging"
    trained: tuple[str, ...] = ()
    modes = frozenset({"t2v", "i2v"})

    def __init__(self) -> None:
        self.parts: dict[str, Any] = {"vae": nn.Linear(1, 1)}

    def encode(self, video: Tensor) -> Tensor:
        shape = (-(-video.shape[2] // 8), video.shape[3] // 32, video.shape[4] // 32)
        return nn.functional.adaptive_avg_pool3d(video, shape).repeat(1, 43, 1, 1, 1)[:, :128]

    def text_features(self, captions: Sequence[str]) -> dict[str, Tensor]:
        return {"ids": torch.zeros(len(captions), 128, dtype=torch.int64)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--fps", type=float, default=12.5)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    dataset = facevid.open(given.dataset)
    bucket = Bucket(frames=given.frames, height=given.size, width=given.size)
    data = Data(fps=given.fps, buckets=[bucket], workers=given.workers)
    windows = windows_of(dataset, data, captions=False)
    order = TrainingOrder(windows, 0)
    with tempfile.TemporaryDirectory() as folder:
        family: Any = Averaging()
        store = latent_store(dataset, windows, family, data, folder=Path(folder))
        for name, source in (
            ("pixels", PixelSource(order, workers=given.workers)),
            ("latents", LatentSource(order, store)),
        ):
            began, samples = time.perf_counter(), 0
            for batch in source.iterate(0, 1_000_000, batch=given.batch):
                samples += len(batch["clip_id"])
                if time.perf_counter() - began > given.seconds:
                    break
            rate = samples / (time.perf_counter() - began)
            print(f"{name}: {rate:,.0f} samples/s ({len(windows)} windows of {len(windows.clips)} clips)")


if __name__ == "__main__":
    main()
