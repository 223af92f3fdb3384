"""A whole benchmark of videos in a folder: its report, what it does with bad videos, and that nothing is done twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import facevid
from facevid.bench.benchmark import BenchSummary
from facevid.bench.errors import BenchError
from facevid.bench.looking import seen as looking
from facevid.bench.measures.metric import METRICS
from facevid.bench.result import read_result
from facevid.cli.app import main

from . import faces


@pytest.fixture(scope="module", autouse=True)
def few_looks() -> Iterator[None]:
    """Three frames of a video are looked at closely, as that takes most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(looking, "LOOKS", 3)
        yield


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return faces.people_dataset(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven people blurred and in a colour cast; one video too short, one of another size, one that is no video."""
    folder = tmp_path_factory.mktemp("videos")
    for k in range(11):
        video = faces.cast(faces.blurred(faces.talking(k, 8, 1)[0], 1.5), 30)
        faces.write_video(folder / f"v{k:02}.mp4", video)
    faces.write_video(folder / "w_short.mp4", faces.talking(0, 8)[0][:4])
    faces.write_video(folder / "w_small.mp4", faces.talking(0, 8)[0][:, ::2, ::2])
    (folder / "w_text.mp4").write_text("no video")
    return folder


@pytest.fixture(scope="module")
def made(dataset: Path, videos: Path, tmp_path_factory: pytest.TempPathFactory) -> BenchSummary:
    output = tmp_path_factory.mktemp("report")
    return facevid.benchmark(
        videos, dataset, output=output, resamples=20, cache=output.parent / "cache", workers=0
    )


def test_a_folder_of_videos_gets_distances_numbers_and_a_page(made: BenchSummary) -> None:
    result = made.result
    assert (result.videos["count"], result.data["clips"]) == (11, 12)
    assert result.shape == {"frames": 8, "width": 128, "height": 128, "fps": 25.0, "crop": None}
    found = {d.name: d for d in result.distances}
    assert set(found) == {
        f"{f}_{k}" for f in ("appearance", "dynamics", "colours") for k in ("frechet", "kernel")
    }
    colours = found["colours_frechet"].found
    assert colours is not None and colours["value"] > 2 * colours["floor"]["value"]
    numbers = {m.name: m for m in result.metrics}
    sharpness = numbers["sharpness"]
    assert sharpness.real is not None and sharpness.real.mean is not None and sharpness.made.mean is not None
    assert sharpness.made.mean < 0.8 * sharpness.real.mean
    assert numbers["face_found"].made.mean == 1.0
    assert Path(made.page).is_file()


def test_videos_that_cannot_be_judged_are_named_in_a_sentence_and_the_rest_is_judged(
    made: BenchSummary,
) -> None:
    told = {one["video"]: one["message"] for one in made.result.videos["failed"]}
    assert set(told) == {"w_short.mp4", "w_small.mp4", "w_text.mp4"}
    assert "it has 4 frames, and 8 are compared" in told["w_short.mp4"]
    assert "it is 64x64, and videos are compared at 128x128" in told["w_small.mp4"]


def test_the_report_can_be_read_back_and_has_a_row_for_every_video(made: BenchSummary) -> None:
    folder = Path(made.output)
    assert read_result(folder) == made.result
    table = pq.read_table(folder / "videos.parquet").to_pandas()
    assert list(table.groupby("kind").size().items()) == [("made", 11), ("real", 12)]
    told = {m.name: m.made.mean for m in made.result.metrics}
    assert told["flicker"] == pytest.approx(table[table.kind == "made"]["flicker"].mean())
    for shown in made.result.shown:
        assert (folder / shown.made).is_file()
    assert not list(folder.glob("**/*.npz"))  # what was seen went to the cache


def test_the_same_again_looks_at_nothing_and_finds_the_same(
    made: BenchSummary, dataset: Path, videos: Path, tmp_path: Path
) -> None:
    cache = Path(made.output).parent / "cache"
    again = facevid.benchmark(videos, dataset, output=tmp_path, resamples=20, cache=cache)
    assert again.reused == 11 + 12
    told = again.result.settings.pop("command")
    before = {**made.result.settings}
    assert told[:5] == ["facevid", "bench", str(videos), "--data", str(dataset)] and str(tmp_path) in told
    before.pop("command")
    assert {**again.result.to_dict(), "date": ""} == {**made.result.to_dict(), "date": "", "settings": before}


@pytest.mark.slow
def test_a_part_of_a_split_has_a_floor_of_the_other_parts_too(
    made: BenchSummary, dataset: Path, videos: Path, tmp_path: Path
) -> None:
    ds = facevid.open(dataset)
    ds.split([10 / 12, 2 / 12], names=("tested", "rest")).save("parts")
    cache = Path(made.output).parent / "cache"
    found = facevid.benchmark(
        videos, ds, output=tmp_path, resamples=20, cache=cache, subset="parts", split="tested"
    )
    assert found.reused == 11 + 12 and found.result.data["clips"] == 10
    assert found.result.data["further_clips"] == 2
    for one in found.result.distances:
        assert one.found is not None and one.found["n_further"] == 2
        assert (one.n_real, one.found["floor"]["n_pool"], one.found["floor"]["groups"]) == (10, 12, 12)
    told = (
        "The floors are drawn from the real clips compared and 2 further ones, of 2 people (the other parts"
    )
    assert any(note.startswith(told) for note in found.result.notes)
    assert "from 12 clips of 12 people, 2 of them not compared" in Path(found.page).read_text()
    assert {r["kind"] for r in pq.read_table(tmp_path / "videos.parquet").to_pylist()} == {"made", "real"}
    none = facevid.benchmark(
        videos, ds, output=tmp_path / "b", resamples=20, cache=cache, subset="parts", split="tested",
        floor_clips=0,
    )  # fmt: skip
    assert none.reused == 11 + 10 and none.result.data["further_clips"] == 0


def test_the_command_says_what_was_found_and_which_videos_were_left_out(
    made: BenchSummary, dataset: Path, videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = str(Path(made.output).parent / "cache")
    told = ["--data", str(dataset), "-o", str(tmp_path / "b"), "--resamples", "20", "--cache", cache]
    assert main(["bench", str(videos), *told]) == 1
    said = capsys.readouterr().out
    assert "11 videos against 12 real clips" in said and "Fréchet distance of colours" in said
    assert "w_small.mp4" in said and "index.html" in said
    assert main(["bench", "compare", made.output, str(tmp_path / "b"), "-o", str(tmp_path / "c.html")]) == 0
    assert (tmp_path / "c.html").is_file()
    board = tmp_path / "board.html"
    assert main(["bench", "leaderboard", made.output, str(tmp_path / "b"), "-o", str(board)]) == 0
    assert board.is_file()


def test_a_folder_without_a_video_that_can_be_read_is_refused(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(BenchError, match=r"holds no \.mp4 file"):
        facevid.benchmark(tmp_path / "in", dataset, output=tmp_path / "out")
    (tmp_path / "in" / "a.mp4").write_text("nothing")
    with pytest.raises(BenchError, match="none of the 1 videos can be read"):
        facevid.benchmark(tmp_path / "in", dataset, output=tmp_path / "out")
    with pytest.raises(BenchError, match="there is no task 'sing'"):
        facevid.benchmark(tmp_path / "in", dataset, output=tmp_path / "out", task="sing")  # type: ignore[arg-type]


def test_pictures_of_a_manifest_are_what_videos_are_held_against(
    made: BenchSummary, dataset: Path, tmp_path: Path
) -> None:
    import PIL.Image

    folder, lines = tmp_path / "videos", []
    for k in range(4):
        video = faces.talking(k, 8, 1)[0]
        faces.write_video(folder / f"{k}.mp4", video if k else faces.talking(7, 8)[0])
        PIL.Image.fromarray(video[0]).save(folder / f"{k}.png")
        faces.write_video(folder / "real" / f"{k}.mp4", video)
        lines.append(
            {"file": f"{k}.mp4", "entry": f"e{k}", "picture": f"{k}.png", "reference": f"real/{k}.mp4",
             "partner": f"e{(k + 1) % 4}", "person": f"p{k}", "groups": {"gender": "female" if k % 2 else "male"}}
        )  # fmt: skip
    (folder / "videos.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    cache = Path(made.output).parent / "cache"
    found = facevid.benchmark(
        folder, dataset, output=tmp_path / "report", task="pictures", resamples=20, workers=0, cache=cache
    )
    table = pq.read_table(tmp_path / "report" / "videos.parquet").to_pandas()
    rows = table[table.kind == "made"].set_index("video")
    assert rows["identity_margin"].to_list() == [0, 1, 1, 1]  # the first shows somebody else
    assert np.all(rows["mesh_distance"].to_numpy()[1:] < 0.05) and rows["mesh_distance"].iloc[0] > 0.05
    assert all(s.real is not None for s in found.result.shown)
    assert rows["group_gender"].to_list() == ["male", "female"] * 2


def test_the_docs_list_every_number_as_it_is_explained() -> None:
    text = (Path(__file__).parents[2] / "docs" / "bench.md").read_text(encoding="utf-8")
    for metric in METRICS:
        assert f"| {metric.title} (`{metric.name}`) | {metric.about.rstrip('.')}" in text, metric.name
