"""Programmes are repeatable, match their truth, and hold what their kinds promise."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facevid.curate.manifest import read_manifest
from facevid.dataset.labels import understood
from facevid.dataset.vocabulary import ATTRIBUTES
from facevid.media import VideoReader, probe, read_audio
from facevid.synth import KINDS, cast, make_people, manifest_rows, stated, synthesize
from facevid.synth.figure import Figure
from facevid.synth.segments import Plan, Segment

SIZE = (320, 180)


@pytest.fixture(scope="module")
def programme(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("synth")
    (path,) = synthesize(
        out,
        people=2,
        videos=1,
        seed=4,
        size=SIZE,
        seconds=4.5,
        kinds=("clean", "freeze", "silent"),
        workers=1,
    )
    return path, json.loads((out / "truth.json").read_text())[0]


@pytest.fixture(scope="module")
def figures() -> dict[str, Figure]:
    return {p.name: Figure(p) for p in make_people(2, 4)}


def frames_of(path: Path) -> list[np.ndarray]:
    with VideoReader(path, fps=25) as reader:
        return [f.image for f in reader]


def test_the_video_is_as_long_as_its_truth(programme: tuple[Path, dict[str, Any]]) -> None:
    path, truth = programme
    info = probe(path)
    assert (info.width, info.height, info.fps) == (*SIZE, 25)
    assert len(frames_of(path)) == truth["frames"] == sum(s["frames"] for s in truth["segments"])
    assert truth["segments"][-1]["end_s"] == pytest.approx(truth["frames"] / 25)
    assert [c["time_s"] for c in truth["cuts"]] == [s["start_s"] for s in truth["segments"][1:]]
    assert all({"frame", "time_s", "type"} == set(c) for c in truth["cuts"])


def test_segments_carry_truth_for_every_frame(programme: tuple[Path, dict[str, Any]]) -> None:
    _, truth = programme
    for s in truth["segments"]:
        assert s["reasons"] == list(KINDS[s["kind"]]) and s["keep"] == (not s["reasons"])
        assert len(s["pose"]) == len(s["mouth_opening"]) == len(s["eye_opening"]) == s["frames"]
        assert all(0 <= v <= 1 for v in s["mouth_opening"])
        assert all(s["start_s"] <= a["start_s"] < a["end_s"] <= s["end_s"] for a in s["actions"])
        assert 1 <= s["appearance"]["monk"] <= 10


def test_speech_is_heard_where_it_is_spoken_and_nowhere_else(programme: tuple[Path, dict[str, Any]]) -> None:
    path, truth = programme
    for s in truth["segments"]:
        sound = read_audio(path, rate=16000, start_s=s["start_s"] + 0.1, end_s=s["end_s"] - 0.1)
        level = float(np.sqrt(np.mean(sound**2)))
        assert (level < 0.005) if s["kind"] == "silent" else (level > 0.02)
        assert bool(s["speech"]) == (s["kind"] != "silent")


def test_only_a_frozen_picture_stands_still(programme: tuple[Path, dict[str, Any]]) -> None:
    path, truth = programme
    frames = frames_of(path)
    for s in truth["segments"]:
        inner = frames[s["first_frame"] + 12 : s["first_frame"] + s["frames"] - 12]
        change = np.mean([np.abs(a.astype(int) - b).mean() for a, b in itertools.pairwise(inner)])
        assert (change < 0.1) == (s["kind"] == "freeze")


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    made = [
        synthesize(tmp_path / name, people=2, videos=1, seed=9, size=(160, 96), seconds=0.8, workers=1)[0]
        for name in ("a", "b")
    ]
    assert made[0].read_bytes() == made[1].read_bytes()
    assert (tmp_path / "a/truth.json").read_bytes() == (tmp_path / "b/truth.json").read_bytes()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_can_be_filmed(kind: str, figures: dict[str, Figure]) -> None:
    one, two = make_people(2, 4)
    plan = Plan(kind, None if kind == "broll" else one, two, 4, 2, "dissolve", 5)
    segment = Segment(plan, SIZE, 25, figures)
    pictures = list(segment.frames())
    assert len(pictures) == 6 and all(p.shape == (SIZE[1], SIZE[0], 3) for p in pictures)
    mean = float(np.mean(pictures[-1]))
    assert mean < 15 if kind == "dark" else mean > 15
    assert json.dumps(segment.truth(0))


def test_turning_the_head_moves_the_face_to_that_side(figures: dict[str, Figure]) -> None:
    from facevid.synth.figure import rotation

    nose = np.array([0.0, 0.0, 10.0])
    assert (rotation(30, 0, 0) @ nose)[0] > 4  # right in the picture
    assert (rotation(0, 20, 0) @ nose)[1] > 3  # up
    assert (rotation(0, 0, 15) @ np.array([0.0, 10.0, 0.0]))[0] > 2  # clockwise


def test_the_jaw_opens_the_mouth_by_the_truth_that_is_written(figures: dict[str, Figure]) -> None:
    from facevid.synth.performance import INDEX

    figure = next(iter(figures.values()))
    weights = np.zeros(len(INDEX), np.float32)
    assert figure.opening(figure.head.posed(weights)) == 0
    weights[INDEX["jaw"]] = 1
    assert figure.opening(figure.head.posed(weights)) > 0.5


def test_bad_arguments_are_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="even"):
        synthesize(tmp_path, size=(321, 180))
    with pytest.raises(ValueError, match="at least 2 people"):
        synthesize(tmp_path, people=1)
    with pytest.raises(ValueError, match="unknown kinds"):
        synthesize(tmp_path, kinds=("happy",))
    (tmp_path / "programme_00.mp4").write_bytes(b"")
    with pytest.raises(FileExistsError, match="programme_00"):
        synthesize(tmp_path, videos=1)


def test_the_manifest_says_what_the_people_of_each_segment_state(
    programme: tuple[Path, dict[str, Any]],
) -> None:
    path, truth = programme
    rows = [json.loads(line) for line in (path.parent / "manifest.jsonl").read_text().splitlines()]
    assert [(r["start_s"], r["end_s"], r["person"]) for r in rows] == [
        (s["start_s"], s["end_s"], s["person"]) for s in truth["segments"]
    ]
    assert {(r["path"], r["licence"], r["consent"]) for r in rows} == {(path.name, "CC0-1.0", "synthetic")}
    for row, segment in zip(rows, truth["segments"], strict=True):
        assert row["self_reported"]["skin_tone"] == str(segment["appearance"]["monk"])
        assert row["labels"][0]["value"] == segment["light"]["name"]
    found = list(read_manifest(path.parent / "manifest.jsonl"))
    assert all(understood(label) for one in found for span in one.spans for label in span.labels)


def test_what_forty_people_state_is_in_the_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cast, "CANDIDATES", 5)  # they may look alike
    people = make_people(40, 3)
    for person in people:
        said = stated(person.appearance())
        assert all(ATTRIBUTES[name].check(value) == value for name, value in said.items())
        assert ("hair_colour" in said) == (person.hair_style != "bald")
        assert said["eyeglasses"] == ("no" if person.glasses == "none" else "yes")


def test_of_two_people_in_a_picture_nothing_is_stated() -> None:
    looks = make_people(2, 1)[0].appearance()
    segment = {"start_s": 0.0, "end_s": 2.0, "person": "p00", "second_person": "p01", "appearance": looks}
    nobody = {"start_s": 2.0, "end_s": 3.0, "person": None, "second_person": None}
    rows = manifest_rows([{"video": "a.mp4", "segments": [segment, nobody]}])
    assert [r.get("person") for r in rows] == ["p00", "p01", None]
    assert not any("self_reported" in r or "labels" in r for r in rows)
