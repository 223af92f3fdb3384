"""A model makes the videos of a suite: each entry its file, its seed and its line; what is there is not made again."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import facevid
from facevid.bench.errors import BenchError
from facevid.bench.suites import Suite, make_videos, picture_suite, prompt_suite, read_videos
from facevid.bench.suites.suite import Entry
from facevid.media import VideoReader, probe

torch = pytest.importorskip("torch", reason="needs torch, which is an extra")
pytest.importorskip("diffusers", reason="needs diffusers, which is an extra")

from facevid.generate import pipeline  # noqa: E402
from facevid.generate.errors import GenerateError  # noqa: E402

from ..generate import test_family_ltx, test_generate  # noqa: E402
from . import suites_people  # noqa: E402


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> facevid.Dataset:
    return suites_people.described(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny LTX with random weights, trained on 5 frames of 32 x 32 at 12.5 a second by its own account."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    test_family_ltx.made().save(folder)
    (folder / "facevid.json").write_text(json.dumps(test_generate.FACTS))
    return folder


@pytest.fixture(scope="module")
def pictures(people: facevid.Dataset, tmp_path_factory: pytest.TempPathFactory) -> Suite:
    folder = tmp_path_factory.mktemp("suites") / "faces"
    return picture_suite(people, folder, count=3, frames=5, width=32, height=32, fps=25.0)


def test_a_model_makes_every_entry_from_its_picture_with_its_seed(
    model: Path, pictures: Suite, tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []
    folder = make_videos(model, pictures, tmp_path / "made", steps=1, on_progress=lambda *n: told.append(n))
    assert told == [(3, 3)]
    found = read_videos(folder)
    assert found.faults == []
    for video, entry in zip(found.entries, pictures.entries, strict=True):
        info = probe(video.file)
        assert (info.width, info.height, float(info.fps)) == (32, 32, 25.0)  # the suite's, not the model's
        assert video.picture is not None and video.picture.samefile(pictures.folder / str(entry.picture))
        assert video.reference is not None and video.reference.samefile(
            pictures.folder / str(entry.reference)
        )
        record = json.loads(video.file.with_suffix(".json").read_text())["request"]
        assert record["seed"] == entry.seed and record["prompt"] is None and record["steps"] == 1
        assert record["image"]["box"] == [0, 0, 32, 32]
        for name in ("entry", "prompt", "seed", "clip_id", "person", "partner", "asked", "groups"):
            assert getattr(video, name) == getattr(entry, name), name
    first = found.entries[0]
    alone = pipeline.generate(
        model, unconditional=True, image=first.picture, seed=[first.seed or 0], crop=False, fps=25.0, steps=1,
        output=tmp_path / "alone.mp4",
    )  # fmt: skip
    assert Path(str(alone.videos[0].path)).read_bytes() == first.file.read_bytes()


def test_prompts_are_made_as_the_model_was_trained_and_a_second_run_makes_what_is_missing(
    model: Path, people: facevid.Dataset, tmp_path: Path
) -> None:
    suite = prompt_suite(
        people, tmp_path / "suite", count=2, seeds=2, duration_s=0.4, balance=["hair_colour"]
    )
    folder = make_videos(model, suite, tmp_path / "made")
    assert float(probe(folder / "p0000-s0.mp4").fps) == 12.5
    with (
        VideoReader(folder / "p0000-s0.mp4", fps=12.5) as one,
        VideoReader(folder / "p0000-s1.mp4", fps=12.5) as two,
    ):
        frames = [np.stack([f.image for f in video]) for video in (one, two)]
    assert frames[0].shape == (5, 32, 32, 3) and not np.array_equal(*frames)
    stamps = {p.name: p.stat().st_mtime_ns for p in folder.glob("*.mp4")}
    for ending in ("mp4", "json"):
        (folder / f"p0001-s0.{ending}").unlink()
    told: list[tuple[int, int]] = []
    make_videos(model, suite, folder, on_progress=lambda *n: told.append(n))
    again = {p.name: p.stat().st_mtime_ns for p in folder.glob("*.mp4")}
    assert [n for n in stamps if again[n] != stamps[n]] == ["p0001-s0.mp4"] and told == [(4, 4)]
    with pytest.raises(
        GenerateError, match=r"p0000-s0\.mp4 is there already, and was not made by this request"
    ):
        make_videos(model, suite, folder, guidance=5.0)


# --- what is asked of generate; a model would say no more ---


class Recorder:
    """Stands in for `generate`: writes empty files, three at a time."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.fail_at: int | None = None

    def __call__(self, model: Any, prompt: Sequence[str] | None, **options: Any) -> Any:
        self.asked.append({"prompt": prompt, **options})
        paths = options["output"]
        for k, path in enumerate(paths):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"")
            if (k + 1) % 3 == 0 or k + 1 == len(paths):
                options["on_progress"](k + 1, len(paths))
            if self.fail_at == k:
                raise KeyboardInterrupt
        return SimpleNamespace(notes=[f"note {len(self.asked)}"])


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    made = Recorder()
    monkeypatch.setattr(pipeline, "generate", made)
    return made


def entries(*kinds: tuple[str, str | None]) -> tuple[Entry, ...]:
    """Entries of these prompts and pictures."""
    groups = dict.fromkeys(("ethnicity", "gender", "age", "skin_tone"))
    return tuple(
        Entry(
            f"e{k}", "picture" if picture else "prompt", prompt, 10 * k, None, None, picture, None, None, {}, groups
        )
        for k, (prompt, picture) in enumerate(kinds)
    )  # fmt: skip


def test_entries_of_one_kind_are_sampled_together(
    recorder: Recorder, pictures: Suite, tmp_path: Path
) -> None:
    picture = str(pictures.entries[0].picture)
    kinds = [
        ("a man", None),
        ("", picture),
        ("a woman", None),
        ("", None),
        ("a man nods", picture),
        ("", None),
    ]
    suite = dataclasses.replace(pictures, entries=entries(*kinds))
    told: list[tuple[int, int]] = []
    notes: list[str] = []
    make_videos(
        "m", suite, tmp_path / "o", strength=0.5, on_progress=lambda *n: told.append(n), on_note=notes.append
    )
    asked = [(a["prompt"], a["unconditional"], a["seed"], a["strength"]) for a in recorder.asked]
    assert asked == [
        (["a man", "a woman"], False, [0, 20], None),
        (None, True, [10], 0.5),
        (None, True, [30, 50], None),
        (["a man nods"], False, [40], 0.5),
    ]
    assert [a["count"] for a in recorder.asked] == [1, 1, 2, 1]
    assert recorder.asked[1]["image"] == [pictures.folder / picture] and recorder.asked[0]["image"] is None
    assert [p.name for p in recorder.asked[2]["output"]] == ["e3.mp4", "e5.mp4"]
    assert all(a["size"] == (32, 32) and a["frames"] == 5 and a["crop"] is False for a in recorder.asked)
    assert told == [(2, 6), (3, 6), (5, 6), (6, 6)]
    assert notes == ["note 1", "note 2", "note 3", "note 4"]


def test_an_interrupted_folder_says_what_it_lacks(
    recorder: Recorder, pictures: Suite, tmp_path: Path
) -> None:
    suite = dataclasses.replace(pictures, entries=entries(*[("a man", None)] * 5))
    recorder.fail_at = 3
    with pytest.raises(KeyboardInterrupt):
        make_videos("m", suite, tmp_path / "o")
    found = read_videos(tmp_path / "o")
    assert len(found.entries) == 4 and [f.video for f in found.faults] == ["e4.mp4"]
    recorder.fail_at = None
    make_videos("m", suite, tmp_path / "o")
    assert read_videos(tmp_path / "o").faults == []


def test_a_folder_of_another_suites_videos_is_left_unless_told(
    recorder: Recorder, pictures: Suite, tmp_path: Path
) -> None:
    suite = dataclasses.replace(pictures, entries=entries(*[("a man", None)] * 3))
    make_videos("m", suite, tmp_path / "o")
    with pytest.raises(
        BenchError, match=r"holds videos that the suite faces does not ask for, such as e0\.mp4"
    ):
        make_videos("m", pictures, tmp_path / "o")
    longer = dataclasses.replace(pictures, entries=entries(*[("a man", None)] * 4))
    make_videos("m", longer, tmp_path / "o")
    assert len(read_videos(tmp_path / "o").entries) == 4
    make_videos("m", pictures, tmp_path / "o", overwrite=True)
    assert recorder.asked[-1]["overwrite"] is True
    found = read_videos(tmp_path / "o")
    assert [e.entry for e in found.entries] == [e.entry for e in pictures.entries]
    assert {f.message for f in found.faults} == {"videos.jsonl does not name it, so it is not measured"}
    with pytest.raises(BenchError, match="has no entry"):
        make_videos("m", dataclasses.replace(pictures, entries=()), tmp_path / "p")
