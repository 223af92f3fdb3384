"""The step that looks at one video, picture, or window of a dataset's clip, in a worker process of the engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from facevid import media
from facevid.bench.errors import BenchError
from facevid.bench.looking.eyes import Eyes, Image
from facevid.bench.looking.seen import Floats, save_seen
from facevid.bench.measures.sync import voice
from facevid.dataset import Dataset
from facevid.dataset.dataset import open as open_dataset
from facevid.engine import Item, Step, StepError, file_sha256
from facevid.generate.data.reading import UNREADABLE, PixelReader
from facevid.generate.data.windows import Windows
from facevid.generate.errors import GenerateError
from facevid.generate.images import PictureReader
from facevid.generate.recipe import Bucket
from facevid.recipe import Crop, Recipe

_RATE = 16000
_SECONDS_A_FRAME = 5.0
"""Of which a frame takes about .02, and one that is looked at closely .1."""


@dataclass(frozen=True)
class Shape:
    """What videos are compared at: frames from the first, pixels, frames a second, and margins that real clips are cut
    by around the face (None: all of a clip is shown)."""

    frames: int
    width: int
    height: int
    fps: float
    crop: Crop | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        crop = None if self.crop is None else self.crop.model_dump(mode="json")
        return {**vars(self), "crop": crop}


def file_item(key: str, path: Path, shape: Shape, out: Path) -> Item:
    """A video file, or a picture file, to be looked at; raises BenchError where it cannot be opened."""
    try:
        sha256 = file_sha256(path)
    except OSError as error:
        raise BenchError(f"{path} cannot be read ({error.strerror or error}).") from error
    kind = "video" if path.suffix.lower() == ".mp4" else "picture"
    return Item(
        key,
        {
            "kind": kind, "sha256": sha256, "shape": {**shape.to_dict(), "crop": None},
            "_path": str(path), "_out": str(out),
        },
    )  # fmt: skip


def window_item(key: str, windows: Windows, number: int, shape: Shape, out: Path) -> Item:
    """A window of a clip of a dataset in a folder."""
    row = int(windows.row[number])
    facts = windows.dataset.rows(["clip_id", "mp4_sha256", "flac_sha256"]).slice(row, 1).to_pylist()[0]
    return Item(
        key,
        {
            "kind": "window", "mp4": facts["mp4_sha256"], "flac": facts["flac_sha256"],
            "start": int(windows.start[number]), "shape": shape.to_dict(), "_clip": facts["clip_id"],
            "_dataset": str(windows.dataset.folder), "_out": str(out),
        },
    )  # fmt: skip


def load_eyes(recipe: Recipe) -> None:
    """Load what looking needs; a worker calls it once."""
    eyes_of(recipe)


@lru_cache(maxsize=1)
def eyes_of(recipe: Recipe) -> Eyes:
    """The readers of this process, loaded once."""
    return Eyes(recipe)


def look_step(payload: dict[str, Any], recipe: Recipe) -> dict[str, Any]:
    """Look at what the payload names and write what is seen to `payload["_out"]`.

    Returns {"frames", "faces", "sound"}: how many frames, how many of them with a face, and whether there is sound.
    Raises StepError where it cannot be read, or has another size or fewer frames than what is compared.
    """
    shape = _shape(payload)
    frames = 1 if payload["kind"] == "picture" else shape.frames
    try:
        pictures, heard = pictures_of(payload)
        seen = eyes_of(recipe).look(pictures, count=frames, fps=shape.fps, heard=heard)
    except (*UNREADABLE, BenchError, GenerateError) as error:
        raise StepError("unreadable", f"{_name(payload)} is left out: {error}") from error
    save_seen(seen, Path(payload["_out"]))
    return {"frames": frames, "faces": int(seen.found.sum()), "sound": heard is not None}


LOOK = Step(
    name="look",
    version=3,
    function=look_step,
    reads=(
        "backends.face_detector",
        "backends.face_mesh",
        "backends.face_embedder",
        "backends.person_segmenter",
        "analyze",
    ),
    timeout_s=lambda payload: 60 + _SECONDS_A_FRAME * payload["shape"]["frames"],
    setup=load_eyes,
    inputs=lambda payload: [payload.get("_path") or payload["_dataset"]],
    outputs=lambda payload, value: [(Path(payload["_out"]), None)],
)


def pictures_of(payload: Mapping[str, Any]) -> tuple[Iterator[Image], Floats | None]:
    """The frames of a payload, uint8 (H, W, 3) RGB each, and the voice in each; None without sound.

    Raises BenchError, MediaError, DatasetError or GenerateError where they cannot be read.
    """
    return _READ[payload["kind"]](payload, _shape(payload))


def _shape(payload: Mapping[str, Any]) -> Shape:
    return Shape(**{**payload["shape"], "crop": _crop(payload["shape"]["crop"])})


def _video(payload: Mapping[str, Any], shape: Shape) -> tuple[Iterator[Image], Floats | None]:
    path = Path(payload["_path"])
    facts = media.probe(path)
    if (facts.width, facts.height) != (shape.width, shape.height):
        raise BenchError(
            f"it is {facts.width}x{facts.height}, and videos are compared at {shape.width}x{shape.height}; make all of "
            "one size."
        )
    heard = None
    if facts.main_audio is not None:
        sound = media.read_audio(path, rate=_RATE, end_s=shape.frames / shape.fps)
        heard = voice(sound, frames=shape.frames, fps=shape.fps)
    return _frames(path, shape), heard


def _frames(path: Path, shape: Shape) -> Iterator[Image]:
    with media.VideoReader(path, fps=shape.fps, end_frame=shape.frames) as reader:
        for frame in reader:
            yield frame.image


def _picture(payload: Mapping[str, Any], shape: Shape) -> tuple[Iterator[Image], Floats | None]:
    reader = PictureReader(cut=False)
    return iter([reader.read(Path(payload["_path"]), width=shape.width, height=shape.height).image]), None


def _window(payload: Mapping[str, Any], shape: Shape) -> tuple[Iterator[Image], Floats | None]:
    dataset = _opened(payload["_dataset"])
    clip = dataset[payload["_clip"]]
    windows = Windows(
        dataset.select([payload["_clip"]]),
        shape.fps,
        (Bucket(frames=shape.frames, height=shape.height, width=shape.width),),
        row=np.zeros(1, np.int64),
        start=np.array([payload["start"]], np.int64),
        bucket=np.zeros(1, np.int64),
        captions=None,
        too_short=0,
        no_caption=0,
        crop=shape.crop,
    )
    heard = None
    if clip.has_audio:
        first = round(payload["start"] / float(clip["fps"]) * _RATE)
        count = round(shape.frames / shape.fps * _RATE)
        sound = media.read_speech_window(clip.read("flac"), first, count, clip.clip_id)
        heard = voice(sound, frames=shape.frames, fps=shape.fps)
    return iter(PixelReader(windows).read(0).transpose(0, 2, 3, 1)), heard


_READ = {"video": _video, "picture": _picture, "window": _window}


@lru_cache(maxsize=2)
def _opened(folder: str) -> Dataset:
    return open_dataset(folder)


def _crop(held: Mapping[str, Any] | None) -> Crop | None:
    return None if held is None else Crop.model_validate(dict(held))


def _name(payload: Mapping[str, Any]) -> str:
    return Path(payload["_path"]).name if "_path" in payload else f"clip {payload['_clip']}"
