"""Films of orange squares for `squares_backend`, and their analysis in parts or in one go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pyarrow.parquet as pq
from hostile import film
from numpy.typing import NDArray
from squares_backend import RECIPE, SKIN

from facevid import media
from facevid.curate.analyze import analyze_step
from facevid.curate.steps import analyze_items
from facevid.curate.work import Work
from facevid.engine import Item
from facevid.recipe import Recipe, load_recipe

Picture = NDArray[np.uint8]
Where = Callable[[int], tuple[float, float] | None]
SIZE = (320, 180)
PART, OVERLAP = 105, 10
"""Frames of a part and of the overlap behind it in these tests."""
FILES = ("frames.parquet", "tracks.parquet", "transitions.parquet")


def recipe(*, split: bool = True, **more: Any) -> Recipe:
    parts = {"part_s": PART / 25 if split else None, "part_overlap_s": OVERLAP / 25}
    return load_recipe({"analyze": parts, "shots": {"dissolve_frames": 8}, "backends": RECIPE, **more})


def sways(x: float, y: float = 60) -> Where:
    return lambda n: (x + 12 * np.sin(n / 9), y + 5 * np.sin(n / 5))


def shot(seed: int, frames: int, faces: Sequence[Where] = (sways(140),)) -> list[Picture]:
    """A coloured ground with orange squares of 44 x 52 that move; `faces` say where each is, or that it is away."""
    rng = np.random.default_rng(seed)
    colours = rng.integers(20, 200, (4, 6, 3), np.uint8)
    colours[..., 0] //= 2
    ground = cv2.resize(colours, SIZE, interpolation=cv2.INTER_CUBIC)
    out = []
    for n in range(frames):
        image = ground.copy()
        for face in faces:
            at = face(n)
            if at is not None:
                x, y = round(at[0]), round(at[1])
                image[y : y + 52, x : x + 44] = SKIN
                image[y + 34 : y + 36 + n % 5, x + 12 : x + 32] = (60, 20, 20)
        out.append(image)
    return out


def mixed(a: Sequence[Picture], b: Sequence[Picture]) -> list[Picture]:
    share = (np.arange(len(a)) + 1) / (len(a) + 1)
    return [
        np.asarray(cv2.addWeighted(p, 1 - s, q, s, 0), np.uint8) for p, q, s in zip(a, b, share, strict=True)
    ]


def darker(pictures: Sequence[Picture], light: Sequence[float]) -> list[Picture]:
    return [(p * g).astype(np.uint8) for p, g in zip(pictures, light, strict=True)]


def black(frames: int) -> list[Picture]:
    return [np.zeros((SIZE[1], SIZE[0], 3), np.uint8)] * frames


def hum(frames: int) -> NDArray[np.float32]:
    t = np.arange(frames * 48000 // 25) / 48000
    return (0.3 * np.sin(2 * np.pi * 220 * t) * (np.sin(2 * np.pi * 0.7 * t) > 0)).astype(np.float32)


def write(path: Path, pictures: Sequence[Picture], **options: Any) -> Path:
    return film(path, pictures, sounds=[hum(len(pictures))], **options)


def item_of(path: Path, folder: Path, chosen: Recipe, **more: Any) -> Item:
    """The item of `analyze` for a file, whose outputs lie in `folder`."""
    probed = media.probe(path)
    known = {
        name: getattr(probed, name)
        for name in ("width", "height", "fps", "video_bit_rate", "duration_s", "size_bytes")
    }
    (item,) = analyze_items([{"source_id": "s", "path": str(path), **known, **more}], Work(folder), chosen)
    return item


def analysed(
    path: Path, folder: Path, chosen: Recipe, **more: Any
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What `analyze` returns of a file in this process, and its files."""
    item = item_of(path, folder, chosen, **more)
    value = analyze_step(item.payload, chosen)
    value.pop("files")
    left = sorted(p.name for p in Path(item.payload["_out"]).iterdir())
    assert left == sorted((*FILES, "summary.json")), "parts were left behind"
    return value, {name: (Path(item.payload["_out"]) / name).read_bytes() for name in FILES}


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(folder / ".work" / "analyses" / "s" / name).to_pylist()
    return found


def write_avi(path: Path, pictures: Sequence[Picture]) -> Path:
    """An AVI file with B-frames, whose packets say in which order to decode but not when to show."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=25, options={"preset": "veryfast", "bf": "2"})
        video.width, video.height, video.pix_fmt, video.gop_size = *SIZE, "yuv420p", 12
        for number, image in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    return path
