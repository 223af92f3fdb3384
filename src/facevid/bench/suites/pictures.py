"""Picture suites: the first frames of windows of held-out people's clips, and the windows that they begin."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

import facevid
from facevid.bench.errors import BenchError
from facevid.bench.suites.decks import dice_for, in_turn, partners, sampling_seed
from facevid.bench.suites.suite import (
    GROUPS,
    PICTURES,
    REFERENCES,
    Entry,
    Suite,
    dataset_facts,
    new_suite,
    read_suite,
    write_suite,
)
from facevid.dataset.dataset import Dataset
from facevid.media import EncodeOptions, VideoWriter
from facevid.recipe import Crop

if TYPE_CHECKING:
    from facevid.generate.data.windows import Windows

Image = npt.NDArray[np.uint8]
# Hardly any loss beside that of the colour's halved size, and unlike crf 0 what every browser plays (High profile).
_ENCODE = EncodeOptions(crf=1, preset="medium")


def picture_suite(
    dataset: Dataset,
    folder: str | Path,
    *,
    count: int = 100,
    seeds: int = 1,
    seed: int = 0,
    frames: int,
    width: int,
    height: int,
    fps: float,
    crop: Crop | Mapping[str, Any] | None = None,
    text: Literal["none", "own"] = "none",
    length: Literal["short", "medium", "long"] = "medium",
    windows: int = 4,
    has_face: Callable[[Image], bool] | None = None,
    name: str | None = None,
    overwrite: bool = False,
) -> Suite:
    """Write a suite of `count` first pictures of windows, each to be sampled with `seeds` seeds.

    People come in turn, each as often as any other while their windows last, and with another clip each time before one
    comes again. Each picture has a partner, the nearest entry before it that shows somebody else.

    dataset: of people whom the models do not know, such as `facevid.generate.training.parts.parts_of` holds out. Clips
    whose person is unknown are left out. frames, width, height, fps: of the windows, as models make them; crop: margins
    around the face, as in the recipe's data.crop; None shows clips as they were cut. text: "own" gives the clip's
    caption of that length beside the picture. windows: of each clip, evenly spread. has_face: whether a picture, uint8
    (height, width, 3) RGB, shows one; those that do not are left out. What was left out, and whether fewer than `count`
    were found, stands in `Suite.notes`. A suite of fewer pictures or seeds is a part of the longer one of the same
    dataset and seed. Raises BenchError for what cannot be made, where fewer than two people are left, or something is
    there already; GenerateError where no clip is long enough or has a caption.
    """
    _check(count, seeds, seed, frames, width, height, fps, windows)
    if text not in ("none", "own"):
        raise BenchError(f"text cannot be {text!r}; allowed are 'none' and 'own', the clip's own caption.")
    folder, cut = Path(folder), _cut(crop)
    source = _Source.of(
        dataset, (frames, width, height, fps), cut, windows, length if text == "own" else None
    )
    with new_suite(folder, overwrite=overwrite) as place:
        found: list[_Shown] = []
        for shown in source.dealt(seed, has_face):
            _write(place, len(found), shown.pictures, fps)
            found.append(shown.light())
            if len(found) == count:
                break
        entries = _entries(found, seeds, seed)
        about = {
            "kind": "picture", "name": name or folder.name, "facevid": facevid.__version__, "seed": seed,
            "count": count, "seeds": seeds, "dataset": dataset_facts(dataset),
            "shape": {"frames": frames, "width": width, "height": height, "fps": fps},
            "crop": None if cut is None else cut.model_dump(),
            "text": text, "length": length if text == "own" else None, "windows": windows,
            "skipped": source.skipped, "notes": _notes(source.skipped, len(found), count),
        }  # fmt: skip
        write_suite(place, entries, about)
    return read_suite(folder)


@dataclass
class _Shown:
    """A window: its clip, person, groups and caption, and its pictures, uint8 (T, H, W, 3)."""

    clip_id: str
    person: str
    groups: dict[str, str | None]
    caption: str
    pictures: Image

    def light(self) -> _Shown:
        """Without its pictures, which are written."""
        return replace(self, pictures=np.empty(0, np.uint8))


@dataclass
class _Source:
    """The windows to choose from, and of every clip its id, person (None: unknown) and groups.

    captions: clip number -> its caption; None where none is wanted.
    """

    windows: Windows
    clips: list[str]
    people: list[str | None]
    groups: dict[str, list[str | None]]
    captions: Mapping[int, str] | None
    skipped: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        shape: tuple[int, int, int, float],
        crop: Crop | None,
        windows: int,
        length: str | None,
    ) -> _Source:
        # Only here: reading windows needs torch, which those who read a suite may not have.
        from facevid.generate.data.captions import captions_of
        from facevid.generate.data.windows import windows_of
        from facevid.generate.recipe import Bucket, Data

        frames, width, height, fps = shape
        bucket = Bucket(frames=frames, width=width, height=height)
        found = windows_of(
            dataset, Data(fps=fps, windows=windows, buckets=[bucket], crop=crop), captions=False
        )
        captions = None
        if length is not None:
            told = captions_of(dataset, {length: 1.0}).texts[0].to_pylist()
            captions = {k: text for k, text in enumerate(told) if text is not None}
        people = dataset.rows(["identity"])["identity"].to_pylist()
        source = cls(found, dataset.ids.to_pylist(), people, _groups(dataset), captions)
        source.skipped["too_short"] = found.too_short
        return source

    def dealt(self, seed: int, has_face: Callable[[Image], bool] | None) -> Iterator[_Shown]:
        """Windows, by people in turn, until there is none left."""
        from facevid.generate.data.reading import UNREADABLE, PixelReader

        reader = PixelReader(self.windows)
        left = self._by_person(seed)
        for name in in_turn(left, seed):
            while left[name]:
                window = left[name].pop(0)
                number = int(self.windows.row[window])
                try:
                    pictures = np.ascontiguousarray(reader.read(window).transpose(0, 2, 3, 1))
                except UNREADABLE:
                    self._skip("unreadable")
                    continue
                if has_face is not None and not has_face(pictures[0]):
                    self._skip("no_face")
                    continue
                groups = {attribute: values[number] for attribute, values in self.groups.items()}
                caption = (self.captions or {}).get(number, "")
                yield _Shown(self.clips[number], name, groups, caption, pictures)
                break
            if not left[name]:
                del left[name]

    def _by_person(self, seed: int) -> dict[str, list[int]]:
        """Person -> the windows to show, in order: one of each clip, then another of each, ..."""
        clips: dict[int, list[int]] = {}
        for window, number in enumerate(self.windows.row.tolist()):
            clips.setdefault(number, []).append(window)
        people: dict[str, list[tuple[int, int, int]]] = {}
        for number, of in clips.items():
            person = self.people[number]
            if person is None or (self.captions is not None and number not in self.captions):
                self._skip("no_person" if person is None else "no_caption")
                continue
            dice = dice_for(seed, "windows", self.clips[number])
            chance = int(dice.integers(2**31))
            turns = [(turn, chance, of[int(k)]) for turn, k in enumerate(dice.permutation(len(of)))]
            people.setdefault(person, []).extend(turns)
        if len(people) < 2:
            raise BenchError(
                f"{self.windows.dataset!r} has windows of {len(people)} people who are known, and a picture suite "
                "needs two or more: each picture is held against somebody else's."
            )
        return {name: [window for *_, window in sorted(turns)] for name, turns in people.items()}

    def _skip(self, why: str) -> None:
        self.skipped[why] = self.skipped.get(why, 0) + 1


def _entries(found: Sequence[_Shown], seeds: int, seed: int) -> list[Entry]:
    others = partners([shown.person for shown in found])
    made = []
    for number, (shown, other) in enumerate(zip(found, others, strict=True)):
        for repeat in range(seeds):
            made.append(
                Entry(
                    entry=f"i{number:04d}-s{repeat}",
                    kind="picture",
                    prompt=shown.caption,
                    seed=sampling_seed(seed, "picture", number, repeat),
                    clip_id=shown.clip_id,
                    person=shown.person,
                    picture=f"{PICTURES}/i{number:04d}.png",
                    reference=f"{REFERENCES}/i{number:04d}.mp4",
                    partner=f"i{other:04d}-s{repeat}",
                    asked={},
                    groups=shown.groups,
                )
            )
    return made


def _groups(dataset: Dataset) -> dict[str, list[str | None]]:
    """What the labels of each clip say of the groups."""
    if "attributes" not in dataset.columns:
        return {name: [None] * len(dataset) for name in GROUPS}
    column = dataset.rows(["attributes"])["attributes"].combine_chunks()
    return {name: pc.struct_field(column, [name, "value"]).to_pylist() for name in GROUPS}


def _write(place: Path, number: int, pictures: Image, fps: float) -> None:
    for name in (PICTURES, REFERENCES):
        (place / name).mkdir(exist_ok=True)
    written, png = cv2.imencode(".png", cv2.cvtColor(pictures[0], cv2.COLOR_RGB2BGR))
    assert written
    (place / PICTURES / f"i{number:04d}.png").write_bytes(png.tobytes())
    _, height, width, _ = pictures.shape
    file = place / REFERENCES / f"i{number:04d}.mp4"
    with VideoWriter(file, width=width, height=height, fps=fps, options=_ENCODE) as writer:
        for picture in pictures:
            writer.write(picture)


def _notes(skipped: Mapping[str, int], found: int, count: int) -> list[str]:
    said = {
        "too_short": "clips are too short for a window",
        "no_person": "clips show nobody known",
        "no_caption": "clips have no caption of the length asked for",
        "unreadable": "windows could not be read",
        "no_face": "windows show no face in their first picture",
    }
    notes = [f"{number} {said[why]} and were left out." for why, number in skipped.items() if number]
    if found < count:
        notes.append(f"{count} pictures were asked for, and {found} were found; there are no more windows.")
    return notes


def _cut(crop: Crop | Mapping[str, Any] | None) -> Crop | None:
    try:
        return None if crop is None else Crop.model_validate(crop)
    except ValueError as error:
        raise BenchError(
            f"crop is {crop}; it has above, below and sides, each 0 to 3 face heights."
        ) from error


def _check(
    count: int, seeds: int, seed: int, frames: int, width: int, height: int, fps: float, windows: int
) -> None:
    if count < 2 or seeds < 1 or seed < 0 or windows < 1:
        raise BenchError(
            f"{count} pictures with {seeds} seeds, seed {seed}, {windows} windows a clip, cannot be made; count is 2 "
            "or more, seeds and windows 1 or more, seed 0 or more."
        )
    if frames < 1 or min(width, height) < 2 or width % 2 or height % 2 or not 0 < fps < float("inf"):
        raise BenchError(
            f"{frames} frames of {width}x{height} at {fps:g} a second cannot be written; frames are 1 or more, both "
            "sides even, fps above 0."
        )
