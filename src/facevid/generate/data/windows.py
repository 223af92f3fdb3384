"""Which windows of a dataset's clips a training sees: for each clip and bucket a few, evenly spread over the clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from facevid.dataset.dataset import Dataset
from facevid.dataset.loading.order import Floats, Ints
from facevid.dataset.loading.windows import span
from facevid.generate.data.captions import Captions, captions_of
from facevid.generate.errors import GenerateError
from facevid.generate.recipe import Bucket, Data
from facevid.recipe import Crop

_TINY = 1e-9


@dataclass(frozen=True)
class Windows:
    """Windows by bucket, then clip, then start: a function of the dataset's tables and the recipe alone.

    row: int64 (N,), the clip's number in `dataset`. start: int64 (N,), the clip's own frame that is shown first.
    bucket: int64 (N,), number in `buckets`. fps: frames a second, by showing the frame that a player would. captions:
    None where no text is wanted. too_short: clips that fit no bucket for want of frames. no_caption: clips left out
    as they have no caption of the lengths asked for.
    crop: margins around the face that each window is cut by; None shows all of a clip.
    """

    dataset: Dataset
    fps: float
    buckets: tuple[Bucket, ...]
    row: Ints
    start: Ints
    bucket: Ints
    captions: Captions | None
    too_short: int
    no_caption: int
    crop: Crop | None = None

    def __len__(self) -> int:
        return len(self.row)

    @property
    def bounds(self) -> Ints:
        """Where the windows of each bucket begin, and the end of the last."""
        return np.searchsorted(self.bucket, np.arange(len(self.buckets) + 1)).astype(np.int64)

    @cached_property
    def clips(self) -> Ints:
        """The numbers of the clips that have a window, rising."""
        return np.unique(self.row)

    def clip_ids(self, windows: Ints) -> list[str]:
        """The ids of the clips of these windows."""
        return [str(i) for i in self.dataset.ids.take(pa.array(self.row[windows])).to_pylist()]

    def table(self) -> pa.Table:
        """Columns clip_id, row, start, bucket."""
        return pa.table(
            {
                "clip_id": self.dataset.ids.take(pa.array(self.row)),
                "row": self.row,
                "start": self.start,
                "bucket": self.bucket,
            }
        )


def windows_of(dataset: Dataset, data: Data, *, captions: bool = True) -> Windows:
    """The windows of all clips that are long enough.

    A clip goes to the buckets whose aspect ratio is nearest to its own; what is cut around a face is square.
    captions: False takes clips whether anybody described them or not.
    Raises GenerateError where no window is left, or no clip has a caption.
    """
    said = captions_of(dataset, {str(n): w for n, w in data.captions.items()}) if captions else None
    table = dataset.rows(["frames", "fps", "width", "height"])
    frames = np.asarray(table["frames"], np.int64)
    clip_fps, width, height = (np.asarray(table[n], np.float64) for n in ("fps", "width", "height"))
    wanted = np.ones(len(table), bool) if said is None else said.has.any(axis=1)
    aspect = width / height if data.crop is None else np.ones(len(table))
    nearest = _nearest(aspect, data.buckets)
    rows, starts, buckets = [], [], []
    long_enough = np.zeros(len(table), bool)
    for number, bucket in enumerate(data.buckets):
        free = frames - span(bucket.frames, np.full(len(frames), data.fps), clip_fps)
        fits = nearest[:, number] & (free >= 0)
        long_enough |= fits
        clips = np.flatnonzero(fits & wanted)
        row, start = _spread(clips, free[clips], clip_fps[clips] / data.fps, data.windows)
        rows.append(row)
        starts.append(start)
        buckets.append(np.full(len(row), number, np.int64))
    found = Windows(
        dataset,
        data.fps,
        tuple(data.buckets),
        np.concatenate(rows),
        np.concatenate(starts),
        np.concatenate(buckets),
        said,
        too_short=int((~long_enough).sum()),
        no_caption=int((long_enough & ~wanted).sum()),
        crop=data.crop,
    )
    if not len(found):
        raise GenerateError(_nothing(found, frames, clip_fps))
    return found


def _nearest(aspect: Floats, buckets: Sequence[Bucket]) -> npt.NDArray[np.bool_]:
    """Which buckets have the aspect ratio nearest to each clip's, (clips, buckets); several may have the same."""
    far = np.abs(np.log(aspect)[:, None] - np.log([b.width / b.height for b in buckets])[None])
    return np.asarray(far <= far.min(axis=1, keepdims=True) + _TINY, bool)


def _spread(clips: Ints, free: Ints, step: Floats, windows: int) -> tuple[Ints, Ints]:
    """Clips and starts of up to `windows` of each, from the first frame to the last possible; of a single one the
    middle. `free`: the last possible start. `step`: frames of the clip to one shown, by which starts differ at least.
    """
    many = np.minimum(windows, np.floor(free / np.maximum(step, 1) + _TINY).astype(np.int64) + 1)
    row = np.repeat(clips, many)
    free, many = np.repeat(free, many), np.repeat(many, many)
    begins = np.flatnonzero(np.diff(row, prepend=-1))
    place = np.arange(len(row)) - np.repeat(begins, np.diff(np.append(begins, len(row))))
    start = np.where(many == 1, free // 2, place * free // np.maximum(many - 1, 1))
    return row, np.asarray(start, np.int64)


def _nothing(found: Windows, frames: Ints, clip_fps: Floats) -> str:
    if found.no_caption:
        return f"None of the clips of {found.dataset.location} that are long enough has a caption."
    if not len(frames):
        return f"There is no clip in {found.dataset!r}; choose others."
    fewest = min(b.frames for b in found.buckets)
    longest = int(np.floor((frames - 1) * (found.fps / clip_fps)).max()) + 1
    return (
        f"None of the {len(frames)} clips of {found.dataset.location} is long enough: the shortest bucket has {fewest} "
        f"frames at {found.fps:g} a second, and the longest clip gives {longest}. Take fewer frames in data.buckets."
    )
