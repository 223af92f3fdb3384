"""Pictures of what a model can do now: a row a video, from prompts and from held-out first pictures."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facevid.generate.families.family import Family, Request, Video
from facevid.generate.families.parts import frames_of
from facevid.generate.recipe import Bucket, TrainRecipe, usual_bucket
from facevid.generate.training.task import BatchSource

SHOWN = 8
"""Pictures of each video, evenly spread."""
_PICTURES = 4  # rows that start from a picture
_EDGE, _PAPER = 2, 250


def sample_grid(
    family: Family, recipe: TrainRecipe, held_out: BatchSource, folder: Path, seconds: float
) -> list[Path]:
    """Writes samples.png into folder: videos of the recipe's prompts, then videos from held-out first pictures.

    As many rows as can be made in about so many seconds, at least one; the same rows and seeds every time, so that
    grids of one training and of several compare. Returns the paths written.
    """
    begun = time.monotonic()
    rows: list[Video] = []
    for request in requests(family, recipe, held_out):
        rows += family.sample(request)
        if (time.monotonic() - begun) * (1 + 1 / len(rows)) > seconds:
            break
    if not rows:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "samples.png"
    write_rows(path, rows)
    return [path]


def requests(family: Family, recipe: TrainRecipe, held_out: BatchSource) -> Iterator[Request]:
    """One video each, of the recipe's usual bucket."""
    bucket = usual_bucket(recipe.data.buckets)
    settings = recipe.validation
    if "t2v" in family.modes:
        for number, prompt in enumerate(settings.prompts or [""]):
            yield _request(bucket, recipe, prompt, number, None)
    if "i2v" in family.modes and recipe.conditioning.image > 0:
        for number, picture in enumerate(first_pictures(family, held_out, bucket, _PICTURES)):
            yield _request(bucket, recipe, "", number, picture)


def first_pictures(
    family: Family, held_out: BatchSource, bucket: Bucket, count: int
) -> Sequence[npt.NDArray[np.uint8]]:
    """The first pictures (H, W, 3) of the first held-out windows of a bucket, as the model sees them."""
    found: list[npt.NDArray[np.uint8]] = []
    # Each step is of one bucket, and not always the first of this one.
    for batch in held_out.iterate(0, held_out.samples, batch=count):
        if "video" in batch:
            video = batch["video"][:, :, :1]
        else:
            video = family.decode(batch["first"].float().to(next(_device(family))))
        if video.shape[-2:] == (bucket.height, bucket.width):
            found += [frames[0] for frames in frames_of(video)]
        if len(found) >= count:
            break
    return found[:count]


def _device(family: Family) -> Iterator[object]:
    from facevid.generate.families.family import modules

    for module in modules(family).values():
        yield next(module.parameters()).device


def _request(
    bucket: Bucket, recipe: TrainRecipe, prompt: str, seed: int, picture: npt.NDArray[np.uint8] | None
) -> Request:
    return Request(
        [prompt],
        bucket.frames,
        bucket.height,
        bucket.width,
        recipe.data.fps,
        [seed],
        None if picture is None else [picture],
        recipe.validation.grid_steps,
        recipe.validation.guidance,
        recipe.validation.temperature,
        recipe.validation.strength,
    )


def write_rows(path: Path, videos: Sequence[Video], shown: int = SHOWN) -> None:
    """A PNG with a row for each video (T, H, W, 3), `shown` of its pictures from the first to the last."""
    import cv2

    rows = []
    for video in videos:
        at = np.unique(np.linspace(0, len(video) - 1, min(shown, len(video))).round().astype(int))
        framed = [_framed(video[i]) for i in at]
        rows.append(np.concatenate(framed, axis=1))
    wide = max(row.shape[1] for row in rows)
    rows = [np.pad(row, ((0, 0), (0, wide - row.shape[1]), (0, 0)), constant_values=_PAPER) for row in rows]
    sheet = np.concatenate(rows, axis=0)
    partial = path.with_name(f".{path.name}.partial.png")
    if not cv2.imwrite(str(partial), np.ascontiguousarray(sheet[..., ::-1])):
        raise OSError(f"{path} could not be written.")
    partial.replace(path)


def _framed(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.pad(picture, ((0, _EDGE), (0, _EDGE), (0, 0)), constant_values=_PAPER)
