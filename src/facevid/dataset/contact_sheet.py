"""A contact sheet: pictures of a dataset's clips side by side, since figures can be right while pictures are wrong."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facevid.dataset.clip import Clip
from facevid.dataset.dataset import Dataset, open
from facevid.dataset.published import DatasetError

Image = NDArray[np.uint8]

_LABEL = 22
_INK, _PAPER = (40, 40, 40), 250


def sheet(
    dataset: str | os.PathLike[str] | Dataset,
    output: str | os.PathLike[str],
    *,
    clips: int = 24,
    frames: int = 1,
    columns: int = 6,
    tile: int = 160,
    mesh: bool = False,
) -> Path:
    """Write a JPEG or PNG with `frames` pictures, spread over each of `clips` clips spread over the dataset.

    columns: clips side by side where frames is 1, else pictures of one clip fill a row. tile: pixels of one
    picture. mesh: draw the keypoints into the pictures. Under each: person and length. Raises DatasetError
    for a dataset without clips or a name that ends in neither .jpg nor .png.
    """
    ds = dataset if isinstance(dataset, Dataset) else open(dataset)
    path = Path(output)
    if path.suffix.lower() not in (".jpg", ".jpeg", ".png"):
        raise DatasetError(f"{path}: a contact sheet is a .jpg or .png file.")
    if not len(ds):
        raise DatasetError(f"{ds.folder} has no clips, so there is nothing to show.")
    chosen = [ds[int(i)] for i in np.unique(np.linspace(0, len(ds) - 1, min(clips, len(ds))).round())]
    tiles = [_tile(clip, frames=frames, side=tile, mesh=mesh) for clip in chosen]
    across = columns if frames == 1 else max(1, columns // frames)
    blank = np.full_like(tiles[0], _PAPER)
    tiles += [blank] * (-len(tiles) % across)
    rows = [np.concatenate(tiles[i : i + across], axis=1) for i in range(0, len(tiles), across)]
    _write(path, np.concatenate(rows, axis=0))
    return path


def _tile(clip: Clip, *, frames: int, side: int, mesh: bool) -> Image:
    import cv2

    count = int(clip["frames"])
    at = np.linspace(0, count - 1, frames + 2)[1:-1].round().astype(int)
    pictures = []
    for index in at.tolist():
        picture = np.ascontiguousarray(clip.frames(index, index + 1)[0])
        if mesh:
            for x, y in clip.mesh[index][:, :2].astype(float):
                cv2.circle(picture, (round(x), round(y)), 1, (80, 255, 120), -1, cv2.LINE_AA)
        small = cv2.resize(picture, (side - 4, side - 4), interpolation=cv2.INTER_AREA)
        pictures.append(np.pad(small, ((2, 2), (2, 2), (0, 0)), constant_values=_PAPER))
    band = np.full((_LABEL, side * len(pictures), 3), _PAPER, np.uint8)
    words = f"{clip['identity'] or '?'}  {clip['end_s'] - clip['start_s']:.1f} s"
    cv2.putText(band, words, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.36, _INK, 1, cv2.LINE_AA)
    return np.concatenate([np.concatenate(pictures, axis=1), band], axis=0)


def _write(path: Path, picture: Image) -> None:
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 88] if path.suffix.lower() != ".png" else []
    done, data = cv2.imencode(path.suffix, np.ascontiguousarray(picture[:, :, ::-1]), quality)
    if not done:
        raise DatasetError(f"{path} cannot be encoded as a picture.")
    path.write_bytes(data.tobytes())
