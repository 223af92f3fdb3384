"""What a user asks of a loader, checked, and the clips that can give it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facevid.dataset.choosing.strata import cells_of, columns_sql
from facevid.dataset.dataset import Dataset
from facevid.dataset.loading.order import Floats, Ints
from facevid.dataset.loading.windows import span, whole
from facevid.dataset.published import DatasetError
from facevid.dataset.vocabulary import ATTRIBUTES

Bucket = Literal["duration", "size"]
Short = Literal["drop", "pad"]
OnError = Literal["skip", "raise"]
Dtype = Literal["uint8", "float32"]
CAPTION_LENGTHS = ("short", "medium", "long")
_STORED = ("clip_id", "frames", "fps", "width", "height", "shard", "mp4_offset", "mp4_size", "mp4_sha256")
_SOUND = ("audio", "flac_offset", "flac_size", "flac_sha256")
_DURATION_BUCKETS = 32


@dataclass(frozen=True)
class Wanted:
    """What a sample holds; see `facevid.dataset.loading.Loader` for each."""

    frames: int | None = 16
    fps: float | None = 25.0
    size: int | None = 256
    dtype: Dtype = "uint8"
    audio: bool = False
    mesh: bool = False
    pose: bool = False
    caption: bool | str = False
    attributes: tuple[str, ...] = field(default=())
    columns: tuple[str, ...] = field(default=())
    short: Short = "drop"
    on_error: OnError = "skip"

    def __post_init__(self) -> None:
        if self.frames is not None and self.frames < 1:
            raise ValueError(f"frames is {self.frames}; give at least 1, or None for whole clips.")
        if self.fps is not None and not self.fps > 0:
            raise ValueError(f"fps is {self.fps}; give frames a second, or None for the clip's own.")
        if self.size is not None and not (isinstance(self.size, int) and self.size >= 1):
            raise ValueError(
                f"size is {self.size!r}; give pixels a side, a whole number, or None for the clip's own."
            )
        one_of("dtype", self.dtype, get_args(Dtype))
        one_of("short", self.short, get_args(Short))
        one_of("on_error", self.on_error, get_args(OnError))
        if self.caption not in (True, False):
            one_of("caption", self.caption, (True, False, *CAPTION_LENGTHS))
        for name in self.attributes:
            one_of("an attribute", name, tuple(ATTRIBUTES))

    @property
    def masked(self) -> bool:
        """True if windows may be padded, so that batches say which frames are real."""
        return self.frames is None or self.short == "pad"


def one_of(what: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{what} cannot be {value!r}; allowed: {', '.join(map(repr, allowed))}.")


def names(what: str, given: Sequence[str]) -> tuple[str, ...]:
    """The names of a list; a single string would be taken letter by letter."""
    if isinstance(given, str):
        raise ValueError(f"{what} is a list of names; give [{given!r}].")
    return tuple(given)


def check_batches(batches: int, clips: int, batch_size: int, world_size: int) -> None:
    """Raise DatasetError where an epoch would be over before its first batch."""
    if not batches:
        ranks = f" on each of {world_size} ranks" if world_size > 1 else ""
        raise DatasetError(
            f"{clips} clips of enough frames do not fill one batch of {batch_size}{ranks}: an epoch would be empty. "
            "Take a smaller batch_size, or drop_last=False, which gives batches that are not full."
        )


@dataclass(frozen=True)
class Clips:
    """The clips that windows are taken from: a table with what is read of each, and how many are too short."""

    table: pa.Table
    too_short: int

    def __len__(self) -> int:
        return len(self.table)

    @property
    def sha256(self) -> str:
        """A digest of the ids in order, by which a saved state knows its clips."""
        digest = hashlib.sha256()
        for clip_id in self.table["clip_id"].to_pylist():
            digest.update(f"{clip_id}\n".encode())
        return digest.hexdigest()


def usable_clips(dataset: Dataset, wanted: Wanted, *, same_size: bool = False) -> tuple[Clips, Ints]:
    """The clips of a dataset that are long enough, and their numbers in it.

    same_size: batches hold clips of one size only, so that they may keep their own. Raises DatasetError where no clip
    is long enough, or pictures of a batch would differ in size.
    """
    table = dataset.rows(_columns(dataset, wanted))
    if not len(table):
        raise DatasetError(f"There is no clip in {dataset!r}, so nothing to load; choose others.")
    frames, clip_fps = numbers(table, "frames").astype(np.int64), numbers(table, "fps")
    usable = np.ones(len(table), bool)
    if wanted.frames is not None and wanted.short == "drop":
        usable = span(wanted.frames, rates(wanted, clip_fps), clip_fps) <= frames
    if not usable.any():
        raise DatasetError(
            f"None of the {len(table)} clips of {dataset.location} has {wanted.frames} frames"
            f"{'' if wanted.fps is None else f' at {wanted.fps:g} a second'}; the longest has "
            f'{int(frames.max())} of its own. Ask for fewer, or for short="pad".'
        )
    rows = np.flatnonzero(usable)
    clips = Clips(table.take(pa.array(rows)).combine_chunks(), int((~usable).sum()))
    _check_shapes(clips.table, wanted, same_size)
    return clips, rows


def _columns(dataset: Dataset, wanted: Wanted) -> list[str]:
    found = [*_STORED, *(_SOUND if wanted.audio else ())]
    extra = ["caption"] if wanted.caption is True else ["captions"] if wanted.caption else []
    extra += ["attributes"] if wanted.attributes else []
    for name in extra:
        if name not in dataset.columns:
            raise DatasetError(
                f"{dataset.location} has no {name}: nobody has annotated it; run facevid annotate first."
            )
    return list(dict.fromkeys([*found, *extra, *wanted.columns]))


def _check_shapes(table: pa.Table, wanted: Wanted, same_size: bool) -> None:
    width, height = numbers(table, "width"), numbers(table, "height")
    if wanted.size is not None and (odd := int((width != height).sum())):
        raise DatasetError(
            f"{odd} of the {len(table)} clips are not square and would be distorted to {wanted.size}x{wanted.size}; "
            'choose others, or ask for size=None and bucket="size".'
        )
    sizes = sorted({*zip(width.tolist(), height.tolist(), strict=True)})
    if wanted.size is None and not same_size and len(sizes) > 1:
        shown = ", ".join(f"{w:g}x{h:g}" for w, h in sizes[:4])
        raise DatasetError(
            f'Clips have different sizes ({shown}); give size, or bucket="size", which makes batches of one size.'
        )


def rates(wanted: Wanted, clip_fps: Floats) -> Floats:
    """The rate at which each clip is shown."""
    return clip_fps if wanted.fps is None else np.full(len(clip_fps), wanted.fps)


def numbers(table: pa.Table, column: str) -> Floats:
    return np.asarray(table[column], np.float64)


def sampling_weights(
    dataset: Dataset, rows: Ints, *, balance: Sequence[str], weights: str | Sequence[float] | Floats | None
) -> Floats | None:
    """How often each of the clips `rows` of the dataset comes, in proportion; None for all alike.

    balance: attributes or columns; each cell of clips that agree in all of them comes as often as each other. Clips of
    which nobody knows are a cell of their own, and numbers are cut into bands: see
    `facevid.dataset.choosing.strata`. weights: a column, or a number for each clip of the dataset, which multiplies
    that.
    """
    if not balance and weights is None:
        return None
    found = np.ones(len(rows))
    if balance:
        table = dataset.sql(columns_sql(dataset.columns, list(balance))).to_arrow_table()
        order = pc.index_in(dataset.ids, value_set=table["clip_id"].combine_chunks())
        cell = cells_of(table.take(order), list(balance)).of[rows]
        found /= np.bincount(cell)[cell]
    if weights is not None:
        given = np.asarray(
            dataset.rows([weights])[weights] if isinstance(weights, str) else weights, np.float64
        )
        if given.shape != (len(dataset),):
            raise ValueError(
                f"weights have shape {given.shape}; one for each of {len(dataset)} clips is needed."
            )
        found *= given[rows]
    if not np.isfinite(found).all() or (found < 0).any() or not found.sum() > 0:
        bad = int((~np.isfinite(found) | (found < 0)).sum())
        raise ValueError(
            f"{bad} weights are negative, infinite or missing; give a finite number from 0 up for each clip, "
            "and not 0 for all."
        )
    return found


def buckets(clips: Clips, wanted: Wanted, bucket: Bucket | None, step: int) -> Ints | None:
    """The bucket of each clip: those of one size, or those of about one length as it is shown."""
    if bucket is None:
        return None
    one_of("bucket", bucket, (None, *get_args(Bucket)))
    table = clips.table
    if bucket == "size":
        both = numbers(table, "height") * 1e6 + numbers(table, "width")
        return np.asarray(np.unique(both, return_inverse=True)[1].reshape(-1), np.int64)
    length = shown_frames(table, wanted)
    place = np.argsort(np.argsort(length, kind="stable"), kind="stable")
    many = int(np.clip(len(table) // (4 * step), 1, _DURATION_BUCKETS))
    return np.asarray(place * many // max(1, len(table)), np.int64)


def shown_frames(table: pa.Table, wanted: Wanted) -> Ints:
    """How many frames a whole clip has at the rate wanted."""
    clip_fps = numbers(table, "fps")
    return whole(numbers(table, "frames").astype(np.int64), rates(wanted, clip_fps), clip_fps)


def portable(weights: Floats | None) -> str | None:
    """A digest of the weights, by which a saved state knows them."""
    return None if weights is None else hashlib.sha256(weights.tobytes()).hexdigest()
