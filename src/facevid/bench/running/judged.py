"""What a benchmark judges: videos in a folder, or those that a model is asked for, and the real clips beside them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from facevid import media
from facevid.bench.errors import BenchError
from facevid.bench.looking.step import Shape
from facevid.bench.suites import (
    Suite,
    VideoEntry,
    make_videos,
    picture_suite,
    prompt_suite,
    read_suite,
    read_videos,
)
from facevid.dataset.dataset import Dataset
from facevid.dataset.sharing.choose import choose
from facevid.engine import Progress, Tally
from facevid.generate.model_folder import ModelFolder, open_model, weights_sha256
from facevid.generate.recipe import read_recipe
from facevid.generate.shapes import usual_shape
from facevid.generate.training.parts import identity_of, parts_of
from facevid.recipe import Crop

Task = Literal["prompts", "pictures"]
TASKS: tuple[Task, ...] = ("prompts", "pictures")
COUNTS: Mapping[str, int] = {"prompts": 200, "pictures": 100}
"""Videos that a model is asked for where nobody says how many."""
SUITE, MADE = "suite", "videos"


@dataclass(frozen=True)
class Asked:
    """What videos are asked for. where, subset, split: of the real clips. count: of prompts or pictures, None for the
    usual. suite: one made before, which is then taken as it is."""

    task: Task = "prompts"
    count: int | None = None
    seeds: int = 1
    seed: int = 0
    where: str | None = None
    subset: str | None = None
    split: str | None = None
    suite: Path | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise BenchError(f"there is no task {self.task!r}; there are {' and '.join(TASKS)}.")
        if self.count is not None and self.count < 1:
            raise BenchError(f"{self.count} {self.task} are no benchmark; ask for 1 or more.")

    @property
    def is_chosen(self) -> bool:
        """Whether somebody said which real clips are taken."""
        return (self.where, self.subset, self.split) != (None, None, None)

    def real(self, dataset: Dataset) -> Dataset:
        """The real clips that were asked for; raises DatasetError where there are none."""
        return choose(dataset, where=self.where, subset=self.subset, split=self.split).dataset

    def others(self, dataset: Dataset) -> Others | None:
        """The clips of the other parts of the split of which one is asked for, None where none is.

        What `where` and `subset` leave out may be unlike what they choose; parts of a split differ by chance alone.
        """
        if self.split is None:
            return None
        found = choose(dataset, where=self.where, subset=self.subset).dataset
        return Others(found, "the other parts of the split")


@dataclass(frozen=True)
class Others:
    """Real clips beside those that videos are held against, for the floor; chance decided who is here and who there.

    clips: may have some of the real ones among them. of: whose they are, such as "the other parts of the split".
    """

    clips: Dataset
    of: str


@dataclass
class Judged:
    """shape: at which all is compared. real: clips that the videos are held against. others: more for the floor. about:
    of folder, model and suite. failed: video -> why it is left out. notes: what a reader must know."""

    name: str
    videos: Sequence[VideoEntry]
    shape: Shape
    real: Dataset
    about: dict[str, Any]
    failed: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    others: Others | None = None


def judged_folder(folder: Path, dataset: Dataset, asked: Asked) -> Judged:
    """The videos of a folder; where it has those of both tasks, of the one that is asked for.

    They are compared at the shape of the first that can be read, and real clips are cut as those of the suite were by
    which the videos were made. Raises BenchError where there is none that can be read.
    """
    read = read_videos(folder)
    wanted = [e for e in read.entries if (e.picture is not None) == (asked.task == "pictures")]
    notes = []
    if wanted and len(wanted) < len(read.entries):
        notes.append(
            f"{len(read.entries) - len(wanted)} videos of the folder are of another task than {asked.task}, and are "
            "left out."
        )
    videos = (wanted or read.entries)[: asked.count]
    crop = None if asked.suite is None else crop_of(read_suite(asked.suite))
    about = {"folder": str(folder), "model": None, "suite": None if asked.suite is None else str(asked.suite)}
    failed = {fault.video: fault.message for fault in read.faults}
    return Judged(
        folder.resolve().name, videos, shape_of(videos, crop), asked.real(dataset), about, failed, notes,
        asked.others(dataset),
    )  # fmt: skip


def judged_model(
    model: str | os.PathLike[str],
    dataset: Dataset,
    output: Path,
    asked: Asked,
    on_progress: Callable[[Progress], None] | None,
) -> Judged:
    """The videos that a model makes of a suite, both below `output`; what is there already is not made again.

    Real clips are those asked for, else all for prompts, and for pictures those of people whom the training held out.
    Raises BenchError or GenerateError for what cannot be made of this dataset or by this model.
    """
    found = open_model(os.fspath(model))
    shape = _model_shape(found)
    real, others = _real_of(found, dataset, asked)
    notes: list[str] = []
    suite = _suite(dataset, real, output / SUITE, shape, asked)
    folder = make_videos(
        found.path, suite, output / MADE, device=asked.device,
        on_progress=_counted(on_progress), on_note=lambda note: notes.append(note),
    )  # fmt: skip
    read = read_videos(folder)
    wanted = {entry.entry for entry in suite.entries}
    about = {"folder": str(folder), "model": _about(found), "suite": {**suite.about}}
    return Judged(
        found.name,
        [v for v in read.entries if v.entry in wanted],
        shape,
        real,
        about,
        {fault.video: fault.message for fault in read.faults},
        list(dict.fromkeys([*notes, *suite.notes])),
        others,
    )


def shape_of(videos: Sequence[VideoEntry], crop: Crop | None) -> Shape:
    """Frames, size and rate of the first video that can be read. Raises BenchError where none can."""
    why = ""
    for video in videos:
        try:
            facts = media.probe(video.file)
        except media.MediaError as error:
            why = str(error)
            continue
        frames = max(1, round(facts.duration_s * facts.fps))
        return Shape(frames, facts.width, facts.height, float(facts.fps), crop)
    raise BenchError(f"none of the {len(videos)} videos can be read; the last one: {why}")


def crop_of(suite: Suite) -> Crop | None:
    """The margins that the pictures of a suite were cut by."""
    held = suite.about.get("crop")
    return None if held is None else Crop.model_validate(held)


def _suite(dataset: Dataset, real: Dataset, place: Path, shape: Shape, asked: Asked) -> Suite:
    """The suite that is asked for, or the one that stands in `place` if it is of the same request, or a new one."""
    if asked.suite is not None:
        suite = read_suite(asked.suite)
        if suite.kind != asked.task.removesuffix("s"):
            raise BenchError(f"the suite {suite.name} is of {suite.kind}s, and {asked.task} are asked for.")
        return suite
    kind = asked.task.removesuffix("s")
    wanted = {
        "kind": kind, "seed": asked.seed, "count": asked.count or COUNTS[asked.task], "seeds": asked.seeds,
    }  # fmt: skip
    if (place / "suite.json").is_file():
        suite = read_suite(place)
        if {name: suite.about.get(name) for name in wanted} == wanted:
            return suite
        raise BenchError(
            f"{place} holds the suite of another benchmark ({json.dumps({n: suite.about.get(n) for n in wanted})}); "
            "name another output folder."
        )
    common: dict[str, Any] = {n: wanted[n] for n in ("seed", "count", "seeds")} | {
        "name": f"{real.name} {asked.task}"
    }
    if asked.task == "prompts":
        return prompt_suite(real, place, duration_s=shape.frames / shape.fps, **common)
    return picture_suite(
        real, place, frames=shape.frames, width=shape.width, height=shape.height, fps=shape.fps, crop=shape.crop,
        **common,
    )  # fmt: skip


def _model_shape(found: ModelFolder) -> Shape:
    usual = usual_shape(found.facts)
    if usual is None:
        raise BenchError(
            f"{found.path} does not say which shape of video it was trained on, as no training of facevid made it. "
            "Make a suite (facevid.bench.suites), have the model make its videos, and give their folder."
        )
    crop = (found.facts.get("data") or {}).get("crop")
    return Shape(
        usual.frames,
        usual.width,
        usual.height,
        usual.fps,
        None if crop is None else Crop.model_validate(crop),
    )


def _real_of(found: ModelFolder, dataset: Dataset, asked: Asked) -> tuple[Dataset, Others | None]:
    if asked.is_chosen or asked.task == "prompts":
        return asked.real(dataset), asked.others(dataset)
    about = found.facts.get("data") or {}
    recipe = read_recipe(found.facts["recipe"])
    (train, held), _ = parts_of(
        dataset, recipe, where=None, subset=about.get("subset"), split=about.get("split")
    )
    now = identity_of(recipe, train, held)["data_read"]["dataset_sha256"]
    if len(held) == about.get("validation_clips") and now == about.get("dataset_sha256"):
        return held, Others(train, "people whom the training knew")
    raise BenchError(
        f"which people the training of {found.name} held out cannot be told, as {dataset.location} is not the dataset "
        "that it was trained on, or has changed since. Name clips of people whom it does not know: --where, --subset "
        "or --split."
    )


def _about(found: ModelFolder) -> dict[str, Any]:
    facts = found.facts
    return {
        "name": found.name, "family": facts.get("family"), "recipe": facts.get("recipe_name"),
        "step": facts.get("step"), "parameters": facts.get("parameters"), "weights_sha256": weights_sha256(found.path),
    }  # fmt: skip


def _counted(on_progress: Callable[[Progress], None] | None) -> Callable[[int, int], None] | None:
    if on_progress is None:
        return None
    tallies: dict[int, Tally] = {}

    def tell(done: int, total: int) -> None:
        import dataclasses

        start = tallies.setdefault(total, Tally("generate", total)).progress()
        on_progress(dataclasses.replace(start, done=done, ok=done))

    return tell
