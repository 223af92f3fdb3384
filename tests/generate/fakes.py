"""A family of a few lines, whose latents and text features can be told by hand, and small datasets."""

from __future__ import annotations

import dataclasses
import json
import sys
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import facevid
from facevid.generate.errors import SizeError

CURATE = Path(__file__).parents[1] / "curate"


class FakeFamily:
    """Latents are means of blocks of 1 x 4 x 4 pixels times a weight; text features the CRC-32 of three words."""

    name = "fake"
    trained: tuple[str, ...] = ("transformer",)

    def __init__(self, scale: float = 1.0, pictures: bool = True) -> None:
        self.vae = nn.Linear(1, 1, bias=False)
        self.vae.weight.data.fill_(scale)
        self.parts: dict[str, Any] = {"vae": self.vae, "transformer": nn.Linear(2, 2)}
        self.modes = frozenset({"t2v", "i2v"} if pictures else {"t2v"})
        self.encoded = 0
        self.told: list[str] = []

    def check(self, frames: int, height: int, width: int) -> None:
        if height % 4 or width % 4:
            raise SizeError(f"{height}x{width} cannot be encoded; sides are multiples of 4.")

    def to(self, device: Any, dtype: Any = None) -> None:
        self.vae.to(device)

    def encode(self, video: Tensor) -> Tensor:
        self.encoded += len(video) if video.shape[2] > 1 else 0
        return torch.nn.functional.avg_pool3d(video, (1, 4, 4)) * self.vae.weight.item()

    def text_features(self, captions: Sequence[str]) -> dict[str, Tensor]:
        self.told += captions
        rows = [[zlib.crc32(w.encode()) % 1000 for w in (*c.split(), "", "", "")[:3]] for c in captions]
        ids = torch.tensor(rows, dtype=torch.int64)
        return {"ids": ids, "embeddings": ids[:, :, None].float().repeat(1, 1, 2) / 8}


def clips_in(folder: Path, count: int, *, frames: Sequence[int] = (8,), sides: Sequence[int] = (64,)) -> Path:
    """A published dataset of `count` clips, of these lengths and sides in turn; nobody has described them."""
    if str(CURATE) not in sys.path:
        sys.path.insert(0, str(CURATE))
    import packing

    from facevid.curate.pack import pack_dataset

    for k, name in enumerate([packing.clip_name(k) for k in range(count)]):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(packing, "FRAMES", frames[k % len(frames)])
            patch.setattr(packing, "SIDE", sides[k % len(sides)])
            packing.cut_clip(folder / "clips", name, seed=k)
    pack_dataset(
        folder / "dataset", tables=packing.work(folder / "clips", count), clip_folder=folder / "clips",
        recipe={"fps": 25.0}, name="small", shard_bytes=200_000,
    )  # fmt: skip
    return folder / "dataset"


def describe(folder: Path, captions: Callable[[int, str], Sequence[str]]) -> facevid.Dataset:
    """Give each clip the captions of the lengths that `captions(number, clip_id)` names."""
    from facevid.dataset.annotating import update_annotations
    from facevid.dataset.statements import Statement

    ids = facevid.open(folder).ids.to_pylist()
    said = [
        Statement(clip_id, "caption", length, f"{length} of {number}", by="measured:grammar")
        for number, clip_id in enumerate(ids)
        for length in captions(number, clip_id)
    ]
    update_annotations(folder, add=said)
    return facevid.open(folder)


def damage(folder: Path, clip_id: str) -> None:
    """Overwrite a piece of a clip's film in its shard."""
    row = facevid.open(folder)[clip_id].row
    with (folder / "media" / row["shard"]).open("r+b") as shard:
        shard.seek(row["mp4_offset"] + row["mp4_size"] // 2)
        shard.write(bytes(64))


def index_of(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "index.json").read_text()))


def six_people(place: Path) -> Path:
    """A dataset of 12 clips of six people, 8 frames of 64 x 64, in a folder of `place`."""
    sys.path.insert(0, str(CURATE))
    from packing import work

    from facevid.curate.pack import pack_dataset

    tables = work(place / "cut", 12)
    people = {clip: f"p{k % 6}" for k, clip in enumerate(tables.identity)}
    pack_dataset(
        place / "dataset", tables=dataclasses.replace(tables, identity=people), clip_folder=place / "cut",
        recipe={"fps": 25.0}, name="six people",
    )  # fmt: skip
    return place / "dataset"
