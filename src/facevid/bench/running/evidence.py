"""What is judged, the real windows beside it, and what was seen in all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from facevid.bench.looking.seen import Seen
from facevid.bench.looking.step import Shape, file_item, window_item
from facevid.bench.measures.measure import Against
from facevid.bench.running.judged import Judged
from facevid.bench.running.learning import Film
from facevid.bench.running.seeing import Looked
from facevid.bench.suites import VideoEntry
from facevid.dataset.dataset import Dataset
from facevid.engine import Item
from facevid.generate.data.windows import Windows, windows_of
from facevid.generate.recipe import Bucket, Data


@dataclass(frozen=True)
class Evidence:
    """What is judged, the windows of real clips, and what was seen in all of them. further: see `further_windows`."""

    judged: Judged
    windows: Windows
    looked: Looked
    further: Windows | None = None

    def made(self) -> Iterator[tuple[VideoEntry, Seen]]:
        for video in self.judged.videos:
            seen = self.looked.seen(made_key(video))
            if seen is not None:
                yield video, seen

    def real(self) -> Iterator[tuple[dict[str, Any], Seen]]:
        """Row of the clips table and what was seen in the window of that clip."""
        return self._clips(self.windows)

    def further_real(self) -> Iterator[tuple[dict[str, Any], Seen]]:
        """The same of the further clips."""
        return iter(()) if self.further is None else self._clips(self.further)

    def _clips(self, windows: Windows) -> Iterator[tuple[dict[str, Any], Seen]]:
        columns = [
            "clip_id",
            "identity",
            *(["attributes"] if "attributes" in windows.dataset.columns else []),
        ]
        table = windows.dataset.rows(columns).take(windows.row)
        for number, row in enumerate(table.to_pylist()):
            seen = self.looked.seen(_real_key(windows, number))
            if seen is not None:
                yield row, seen

    def made_films(self) -> list[Film]:
        """The made videos that could be looked at, for networks."""
        items = items_of(self.judged)
        found = [(made_key(v), v) for v in self.judged.videos]
        return [
            Film(key, v.person or v.name, items[key], v.prompt)
            for key, v in found
            if key in self.looked.places
        ]

    def real_films(self) -> list[Film]:
        """The real windows that could be looked at, for networks."""
        return self._films(self.windows)

    def further_films(self) -> list[Film]:
        """The same of the further clips."""
        return [] if self.further is None else self._films(self.further)

    def _films(self, windows: Windows) -> list[Film]:
        items, table = (
            windows_items(windows, self.judged.shape),
            windows.dataset.rows(["clip_id", "identity"]),
        )
        rows = table.take(windows.row).to_pylist()
        return [
            Film(key, row["identity"] or row["clip_id"], item)
            for (key, item), row in zip(items.items(), rows, strict=True)
            if key in self.looked.places
        ]

    def against(self, video: VideoEntry, by_entry: Mapping[str, VideoEntry]) -> Against:
        """What a video is held against."""
        partner = None if video.partner is None else by_entry.get(video.partner)
        return Against(
            picture=self._of("picture", video.picture),
            partner=None if partner is None else self._of("picture", partner.picture),
            reference=self._of("reference", video.reference),
            asked=video.asked or {},
        )

    def _of(self, kind: str, file: Path | None) -> Seen | None:
        return None if file is None else self.looked.seen(_key(kind, file))


def real_windows(real: Dataset, shape: Shape) -> Windows:
    """One window of every real clip that is long enough, at the shape of the videos."""
    bucket = Bucket(frames=shape.frames, height=shape.height, width=shape.width)
    return windows_of(real, Data(fps=shape.fps, windows=1, buckets=[bucket], crop=shape.crop), captions=False)


def items_of(judged: Judged, *windows: Windows | None) -> dict[str, Callable[[Path], Item]]:
    """Key -> what makes the item: of every video, the pictures and references beside them, and real windows."""
    found: dict[str, Callable[[Path], Item]] = {}
    for video in judged.videos:
        for key, file in (
            (made_key(video), video.file),
            (_key("picture", video.picture), video.picture),
            (_key("reference", video.reference), video.reference),
        ):
            if file is not None:
                found[key] = partial(_file, key, file, judged.shape)
    for some in windows:
        found |= {} if some is None else windows_items(some, judged.shape)
    return found


def windows_items(windows: Windows, shape: Shape) -> dict[str, Callable[[Path], Item]]:
    """Key -> what makes the item, of every window, in their order."""
    keys = [_real_key(windows, number) for number in range(len(windows))]
    return {key: partial(_window, key, windows, number, shape) for number, key in enumerate(keys)}


def made_key(video: VideoEntry) -> str:
    """A video by its path, so that reports of several folders may share what was seen."""
    return _key("made", video.file)


def _key(kind: str, file: Path | None) -> str:
    return f"{kind} {'' if file is None else file.absolute()}"


def _file(key: str, path: Path, shape: Shape, out: Path) -> Item:
    return file_item(key, path, shape, out)


def _window(key: str, windows: Windows, number: int, shape: Shape, out: Path) -> Item:
    return window_item(key, windows, number, shape, out)


def _real_key(windows: Windows, number: int) -> str:
    clip = windows.dataset.ids[int(windows.row[number])].as_py()
    return f"real {clip} from frame {int(windows.start[number])}"
