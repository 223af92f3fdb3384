"""Picture suites: first frames of known people's windows, each beside the real window and somebody else's picture."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import facevid
from facevid.bench.errors import BenchError
from facevid.bench.suites import Suite, picture_suite, read_suite
from facevid.bench.suites.decks import partners
from facevid.media import VideoReader, probe

torch = pytest.importorskip("torch", reason="needs torch, which is an extra")

from facevid.generate.data.faces import FaceSquares  # noqa: E402
from facevid.generate.data.reading import PixelReader  # noqa: E402
from facevid.generate.data.windows import windows_of  # noqa: E402
from facevid.generate.errors import GenerateError  # noqa: E402
from facevid.generate.recipe import Bucket, Data  # noqa: E402

from ..generate import fakes  # noqa: E402
from . import suites_people  # noqa: E402

SHAPE: dict[str, Any] = {"frames": 6, "width": 32, "height": 32, "fps": 25.0}


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> facevid.Dataset:
    return suites_people.described(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def suite(people: facevid.Dataset, tmp_path_factory: pytest.TempPathFactory) -> Suite:
    return picture_suite(people, tmp_path_factory.mktemp("suites") / "faces", count=20, seed=3, **SHAPE)


def read_png(path: Path) -> np.ndarray[Any, Any]:
    found = cv2.imread(str(path))
    assert found is not None
    return np.asarray(found[:, :, ::-1])


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


# --- who is shown ---


def test_every_person_comes_about_equally_often_and_with_both_clips(suite: Suite) -> None:
    met = Counter(e.person for e in suite.entries)
    assert set(met.values()) == {3, 4} and len(met) == 6
    clips: dict[str | None, list[str | None]] = {}
    for entry in suite.entries:
        clips.setdefault(entry.person, []).append(entry.clip_id)
    for of in clips.values():
        assert len(set(of[:2])) == 2 and len(set(of)) == 2
    rounds = [[e.person for e in suite.entries[k : k + 6]] for k in (0, 6, 12)]
    assert all(len(set(one)) == 6 for one in rounds) and len(set(map(tuple, rounds))) > 1


def test_each_partner_shows_somebody_else_and_stands_in_the_suite(suite: Suite) -> None:
    people = {e.entry: e.person for e in suite.entries}
    assert all(people[str(e.partner)] != e.person for e in suite.entries)


def test_a_partner_is_the_nearest_before_and_for_the_first_the_first_after() -> None:
    assert partners(["a", "b", "b", "a", "a", "a"]) == [1, 0, 0, 2, 2, 2]
    assert partners(["a", "a", "b"]) == [2, 2, 1]
    with pytest.raises(BenchError, match="show 1 people, and two or more are needed"):
        partners(["a", "a"])


def test_groups_are_what_the_labels_say(suite: Suite) -> None:
    for entry in suite.entries:
        said = suites_people.LOOKS[str(entry.person)]
        assert entry.groups == {
            n: said[n][0] if n in said else None for n in ("ethnicity", "gender", "age", "skin_tone")
        }


# --- what is shown ---


def test_the_picture_is_the_first_frame_of_the_window_and_the_reference_is_the_window(
    people: facevid.Dataset, suite: Suite
) -> None:
    windows = windows_of(
        people, Data(fps=25.0, windows=4, buckets=[Bucket(frames=6, height=32, width=32)]), captions=False
    )
    reader = PixelReader(windows)
    real: dict[str, list[np.ndarray[Any, Any]]] = {}
    for k in range(len(windows)):
        real.setdefault(reader.clip_id(k), []).append(reader.read(k).transpose(0, 2, 3, 1))
    for entry in suite.entries:
        picture = read_png(suite.folder / str(entry.picture))
        window = next(w for w in real[str(entry.clip_id)] if np.array_equal(w[0], picture))
        file = suite.folder / str(entry.reference)
        info = probe(file)
        assert (info.width, info.height, float(info.fps)) == (32, 32, 25.0)
        with VideoReader(file, fps=25.0) as video:
            shown = np.stack([frame.image for frame in video]).astype(np.float32)
        assert shown.shape == window.shape
        # Grey, since half the size of the colour is lost in any MP4 that browsers play.
        assert np.abs(shown.mean(-1) - window.astype(np.float32).mean(-1)).mean() < 3


def test_windows_are_cut_around_the_face_as_a_model_was_trained(
    people: facevid.Dataset, suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FaceSquares, "of", lambda *_: (0.0, 32.0, 32.0, 64.0))
    crop = {"above": 0.1, "below": 0.1, "sides": 0.1}
    cut = picture_suite(people, tmp_path / "s", count=2, seed=3, crop=crop, **SHAPE)
    assert cut.about["crop"] == crop and suite.about["crop"] is None
    clip = people[str(cut.entries[0].clip_id)]
    assert clip.clip_id == suite.entries[0].clip_id
    part = read_png(cut.folder / str(cut.entries[0].picture)).astype(np.float32)
    frames = [clip.frames(start=k, stop=k + 1)[0][32:, :32].astype(np.float32) for k in range(3)]
    assert min(np.abs(part - frame).mean() for frame in frames) < 1
    with pytest.raises(BenchError, match=r"crop is .*it has above, below and sides"):
        picture_suite(people, tmp_path / "t", count=2, crop={"above": 9.0}, **SHAPE)


def test_the_clips_own_caption_stands_beside_the_picture_where_asked_for(
    people: facevid.Dataset, suite: Suite, tmp_path: Path
) -> None:
    assert {e.prompt for e in suite.entries} == {""}
    told = picture_suite(people, tmp_path / "s", count=30, text="own", **SHAPE)
    number = {clip: k for k, clip in enumerate(people.ids.to_pylist())}
    assert all(e.prompt == f"Clip {number[str(e.clip_id)]} nods." for e in told.entries)
    assert "1 clips have no caption of the length asked for and were left out." in told.notes


# --- what is left out ---


def test_windows_whose_first_picture_shows_no_face_are_left_out_and_counted(
    people: facevid.Dataset, tmp_path: Path
) -> None:
    looked: list[tuple[int, ...]] = []

    def has_face(picture: np.ndarray[Any, Any]) -> bool:
        looked.append(picture.shape)
        return len(looked) % 3 > 0

    made = picture_suite(people, tmp_path / "s", count=12, has_face=has_face, **SHAPE)
    assert set(looked) == {(32, 32, 3)}
    missed = len(looked) // 3
    assert made.about["skipped"]["no_face"] == missed
    assert f"{missed} windows show no face in their first picture and were left out." in made.notes
    assert set(Counter(e.person for e in made.entries).values()) == {2}


def test_fewer_pictures_than_asked_for_are_said(people: facevid.Dataset, tmp_path: Path) -> None:
    made = picture_suite(people, tmp_path / "s", count=50, windows=1, **SHAPE)
    assert len(made.entries) == 12
    assert made.notes == ["50 pictures were asked for, and 12 were found; there are no more windows."]


def test_a_clip_that_cannot_be_read_is_left_out_and_counted(tmp_path: Path) -> None:
    place = fakes.six_people(tmp_path)
    fakes.damage(place, facevid.open(place).ids[4].as_py())
    made = picture_suite(facevid.open(place), tmp_path / "s", count=40, windows=1, **SHAPE)
    assert len(made.entries) == 11 and made.about["skipped"]["unreadable"] == 1
    assert {tuple(e.groups.values()) for e in made.entries} == {(None,) * 4}  # nobody has described them


def test_one_person_alone_makes_no_suite_and_leaves_nothing(people: facevid.Dataset, tmp_path: Path) -> None:
    alone = people.where("identity = 'p1'")
    with pytest.raises(BenchError, match="windows of 1 people who are known, and a picture suite needs two"):
        picture_suite(alone, tmp_path / "s", **SHAPE)
    assert not (tmp_path / "s").exists()
    with pytest.raises(GenerateError, match="long enough"):
        picture_suite(people, tmp_path / "s", **{**SHAPE, "frames": 99})


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"count": 1}, "1 pictures with 1 seeds, seed 0, 4 windows a clip, cannot be made"),
    ({"width": 31}, "6 frames of 31x32 at 25 a second cannot be written"),
    ({"fps": float("inf")}, "fps above 0"),
    ({"text": "mine"}, "text cannot be 'mine'; allowed are 'none' and 'own'"),
]


@pytest.mark.parametrize(("asked", "why"), REFUSED, ids=[w[:20] for _, w in REFUSED])
def test_what_cannot_be_made_is_refused_in_a_sentence(
    people: facevid.Dataset, tmp_path: Path, asked: dict[str, Any], why: str
) -> None:
    with pytest.raises(BenchError, match=why):
        picture_suite(people, tmp_path / "s", **{**SHAPE, **asked})


# --- files ---


def test_the_same_call_gives_the_same_bytes(people: facevid.Dataset, suite: Suite, tmp_path: Path) -> None:
    again = picture_suite(people, tmp_path / "faces", count=20, seed=3, **SHAPE)
    assert files_of(again.folder) == files_of(suite.folder)


def test_a_shorter_suite_and_one_of_fewer_seeds_are_parts_of_the_longer(
    people: facevid.Dataset, suite: Suite, tmp_path: Path
) -> None:
    some = picture_suite(people, tmp_path / "s", count=7, seeds=2, seed=3, **SHAPE)
    assert [e for e in some.entries if e.entry.endswith("-s0")] == list(suite.entries[:7])
    twins = some.entries[2:4]
    assert [e.entry for e in twins] == ["i0001-s0", "i0001-s1"]
    assert [e.partner for e in twins] == ["i0000-s0", "i0000-s1"]
    assert twins[0].picture == twins[1].picture == "pictures/i0001.png"
    assert len({e.seed for e in some.entries}) == 14
    for name, data in files_of(some.folder / "pictures").items():
        assert data == (suite.folder / "pictures" / name).read_bytes()


def test_a_missing_picture_is_said(people: facevid.Dataset, tmp_path: Path) -> None:
    made = picture_suite(people, tmp_path / "s", count=2, **SHAPE)
    assert read_suite(made.folder) == made and made.shape == SHAPE
    (made.folder / "references" / "i0001.mp4").unlink()
    with pytest.raises(BenchError, match=r"lacks references/i0001\.mp4 of the entry i0001-s0"):
        read_suite(made.folder)
