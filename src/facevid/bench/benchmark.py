"""`facevid.benchmark`: judges videos, or a model that makes them, against the clips of a dataset."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facevid.bench.distances import Settings
from facevid.bench.looking.step import eyes_of
from facevid.bench.page import write_page
from facevid.bench.result import RESULT, VIDEOS, Result
from facevid.bench.running.evidence import Evidence, items_of, real_windows
from facevid.bench.running.findings import judge
from facevid.bench.running.further import further_windows
from facevid.bench.running.judged import Asked, Task, judged_folder, judged_model
from facevid.bench.running.learning import learn
from facevid.bench.running.samples import shown_samples
from facevid.bench.running.seeing import SeenFolder, look_at_all
from facevid.dataset.dataset import Dataset
from facevid.dataset.dataset import open as open_dataset
from facevid.engine import Progress, check_executor, write_json_atomic, write_parquet_atomic
from facevid.recipe import load_recipe, read_needs

OnProgress = Callable[[Progress], None] | None


@dataclass
class BenchSummary:
    """What a benchmark did. output: its folder. page: what to look at. reused: videos looked at before."""

    output: str
    page: str
    result: Result
    reused: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {**vars(self), "result": self.result.to_dict()}


def benchmark(
    videos: str | os.PathLike[str],
    data: str | os.PathLike[str] | Dataset,
    *,
    output: str | os.PathLike[str],
    task: Task = "prompts",
    count: int | None = None,
    seeds: int = 1,
    seed: int = 0,
    where: str | None = None,
    subset: str | None = None,
    split: str | None = None,
    suite: str | os.PathLike[str] | None = None,
    crossings: Sequence[Sequence[str]] = (("gender", "skin_tone"),),
    resamples: int = 200,
    floor_clips: int = 500,
    cache: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    executor: str = "local",
    address: str | None = None,
    resources: Mapping[str, Any] | Sequence[str] = (),
    device: str | None = None,
    on_progress: OnProgress = None,
) -> BenchSummary:
    """Judge videos against real clips: distances between the sets, numbers of every video, groups, and a page.

    videos: the folder of a model, which is then asked for videos (task: "prompts" or "pictures"; `count` of them with
    `seeds` seeds each, drawn by `seed`), or a folder of .mp4 files, with a videos.jsonl that says what was asked for
    each if there is one. data: the dataset with the real clips; where, subset and split choose of them, else all are
    taken, and for pictures those of people whom the model was not trained on. suite: one made before, taken in place of
    a new one. crossings: attributes whose combinations are told apart, beside each alone. resamples: of the intervals
    of distances. floor_clips: most clips of other people that are looked at for the floors, where the real ones are of
    the people held out or of one part of a split; 0 for none. cache: folder for what is seen in videos, which
    benchmarks of other models may share; else in the output. workers: processes that look, one a core by default; 0
    looks in this one. executor, address: where they run, as in `facevid.build`; resources: what each takes up of a
    cluster's machines, such as {"cpus": 2}, or ["cpus=2"].

    Written to the output folder: bench.json, videos.parquet, index.html and samples/; of a model also suite/ and
    videos/. The same again makes nothing twice. A video that cannot be read is named in the result and left out.
    Raises BenchError, DatasetError or GenerateError where nothing can be compared, FolderBusy where another benchmark
    uses the folder, StorageError where it cannot be written.
    """
    began = time.monotonic()
    check_executor(executor, address)
    needs = read_needs(resources)  # a model makes videos for hours before they are looked at
    folder, place = Path(output), Path(videos)
    dataset = data if isinstance(data, Dataset) else open_dataset(data)
    asked = Asked(
        task, count, seeds, seed, where, subset, split, None if suite is None else Path(suite), device
    )
    is_model = not place.is_dir() or any(
        (place / name).exists() for name in ("model_index.json", "facevid.json")
    )
    judged = (
        judged_model(videos, dataset, folder, asked, on_progress)
        if is_model
        else judged_folder(place, dataset, asked)
    )
    recipe = load_recipe(None)
    windows = real_windows(judged.real, judged.shape)
    further = further_windows(judged, windows, most=floor_clips, seed=seed)
    seen = SeenFolder(folder / ".work" if cache is None else Path(cache))
    items = items_of(judged, windows, further)
    looked = look_at_all(
        items,
        seen,
        recipe,
        workers=workers,
        executor=executor,
        address=address,
        resources=needs,
        on_progress=on_progress,
    )
    settings = Settings(resamples=resamples, seed=seed)
    whole = Evidence(judged, windows, looked, further)
    learnt = learn(
        whole.real_films(),
        whole.made_films(),
        seen,
        device=device,
        settings=settings,
        further=whole.further_films(),
    )
    result, rows, table = judge(whole, learnt, asked, eyes_of(recipe).versions, settings, crossings)
    result.shown = shown_samples(rows, result.metrics, judged.videos, folder)
    result.settings["floor_clips"] = floor_clips
    result.settings["command"] = _command(videos, dataset, folder, asked, resamples, floor_clips, crossings)
    write_parquet_atomic(table, folder / VIDEOS)
    write_json_atomic(result.to_dict(), folder / RESULT)
    page = write_page(result, folder, table)
    return BenchSummary(str(folder), str(page), result, looked.reused, round(time.monotonic() - began, 2))


def _command(
    videos: str | os.PathLike[str],
    data: Dataset,
    output: Path,
    asked: Asked,
    resamples: int,
    floor_clips: int,
    crossings: Sequence[Sequence[str]],
) -> list[str]:
    """The words of the command that makes the same report."""
    words = [
        "facevid",
        "bench",
        os.fspath(videos),
        "--data",
        data.location,
        "-o",
        str(output),
        "--task",
        asked.task,
    ]
    options = {
        "--count": asked.count, "--seeds": asked.seeds, "--seed": asked.seed, "--where": asked.where,
        "--subset": asked.subset, "--split": asked.split, "--suite": asked.suite, "--resamples": resamples,
        "--floor-clips": floor_clips,
    }  # fmt: skip
    words += [str(w) for name, value in options.items() if value is not None for w in (name, value)]
    return words + [word for some in crossings for word in ("--by", ",".join(some))]
