"""The doctor as a whole: one look at a machine and a small folder of footage, and what stops it from looking."""

from __future__ import annotations

import json
import resource
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec
import pytest
from hostile import cut_off, film, talk

import facevid
from facevid.cli import main
from facevid.machine import doctor as room
from facevid.machine import host
from facevid.machine.check import Check
from facevid.machine.doctor import DoctorError, Report, doctor
from facevid.recipe import RecipeError

RECIPE: dict[str, Any] = {
    "select": {"min_s": 0.8, "rules": [{"reason": "resolution", "score": "face_px", "min": 80.0}]},
    "cut": {"size": 128, "preset": "ultrafast"},
    "identify": {"faces_per_clip": 1},
}
"""Small clips and one rule, so that a second of a face is enough."""


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos of a talking face, one that broke off, and one that is none."""
    folder = tmp_path_factory.mktemp("footage")
    said = talk(tmp_path_factory.mktemp("talk"))
    film(folder / "one.mp4", said.pictures, sounds=[said.sound])
    film(folder / "two.mp4", said.pictures[::-1], sounds=[said.sound])
    cut_off(film(folder / "no_index.mp4", said.pictures), 0.8)
    (folder / "text.mp4").write_text("This is no video.\n" * 40)
    return folder


@pytest.fixture(scope="module")
def seen(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path, list[str]]:
    """The report, the folder that held nothing but the dataset's place, and the steps that told of progress."""
    place, steps = tmp_path_factory.mktemp("place"), []
    temporary = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(host.util, "find_spec", lambda name: None)  # importing torch takes seconds
        patched.setattr(tempfile, "tempdir", str(temporary))
        report = doctor(
            footage, output=place / "dataset", recipe=RECIPE, sample_seconds=5, nodes=3, cores_per_node=4,
            on_progress=lambda progress: steps.append(progress.step),
        )  # fmt: skip
    assert list(temporary.iterdir()) == []
    return report, place, steps


def check(report: Report, name: str) -> Check:
    return next(found for found in report.checks if found.name == name)


def test_this_machine_can_build(seen: tuple[Report, Path, list[str]]) -> None:
    report, place, _ = seen
    assert [c for c in report.checks if c.status == "fault"] == []
    tried = ["codecs", "face_detector mediapipe", "face_embedder dlib", "speech_detector silero", "output"]
    assert [check(report, name).status for name in tried] == ["ok"] * 5
    assert list(place.iterdir()) == [], "nothing is left where the dataset is to go"


def test_broken_files_are_named_and_stop_nothing(seen: tuple[Report, Path, list[str]]) -> None:
    report, _, steps = seen
    told = check(report, "footage")
    assert told.status == "warning"
    assert "4 files" in told.found and "no_index.mp4 (" in told.found and "text.mp4 (" in told.found
    assert report.footage is not None and report.footage.seconds.value == pytest.approx(2.4, abs=0.3)
    assert list(dict.fromkeys(steps)) == ["check", "probe", "scan", "sample"]


def test_the_estimate_is_that_of_footage_that_was_really_built(seen: tuple[Report, Path, list[str]]) -> None:
    found = seen[0].estimate
    assert found is not None
    assert (found.stretches, found.files) == (2, 2)
    assert found.clips.value == pytest.approx(2.0)
    assert [s.step for s in found.steps] == ["scan", "analyze", "cut", "identify", "annotate"]
    assert all(s.per_second.value > 0 for s in found.steps)
    assert found.cluster is not None and (found.cluster.nodes, found.cluster.cores_per_node) == (3, 4)
    assert found.dataset_bytes.value > 10_000 and found.work_bytes.value > 10_000
    assert found.worker_bytes > 100 << 20


def test_the_command_prints_checks_and_estimate_and_one_json_document(
    seen: tuple[Report, Path, list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: dict[str, Any] = {}

    def known(footage: Any, **options: Any) -> Report:
        asked.update(options, footage=footage)
        return seen[0]

    monkeypatch.setitem(facevid.__dict__, "doctor", known)
    assert main(["doctor", "footage", "-o", "dataset", "--nodes", "3", "--cores-per-node", "4"]) == 0
    out = capsys.readouterr().out
    assert (asked["footage"], asked["output"], asked["nodes"], asked["sample_seconds"]) == (
        ["footage"], "dataset", 3, 60.0,
    )  # fmt: skip
    for words in (
        "ok       codecs: FFmpeg",
        "on 3 machines, 4 cores each: build",
        "Nothing here would stop a build",
    ):
        assert words in out, words
    assert main(["doctor", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["worst"], document["footage"]["files"]) == ("warning", 4)
    assert document["estimate"]["core_hours"]["value"] > 0
    assert asked["footage"] is None


def test_a_fault_is_exit_code_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    report = Report("1", "r", (Check("memory", "fault", "0.1 GiB free", "Free some memory."),))
    monkeypatch.setitem(facevid.__dict__, "doctor", lambda *_, **__: report)
    assert main(["doctor"]) == 1
    assert "1 fault would stop a build" in capsys.readouterr().out


@pytest.fixture
def sound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without faults, which is not looked at again."""
    monkeypatch.setattr(room, "host_checks", list)
    monkeypatch.setattr(room, "trial_checks", lambda *_: [])


@pytest.mark.usefixtures("sound")
def test_footage_that_is_not_there_or_no_video_is_a_fault_in_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for given, says in (
        (tmp_path / "gone", "There is no"),
        (tmp_path / "empty", "There is no video in"),
        ("memory://nowhere", "There is no memory://nowhere"),
    ):
        told = check(doctor(given, output=tmp_path / "new"), "footage")
        assert (told.status, says in told.found) == ("fault", True), told


@pytest.mark.usefixtures("sound")
def test_footage_of_which_nothing_can_be_read_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "text.mp4").write_text("This is no video.\n" * 40)
    report = doctor(tmp_path / "in", output=tmp_path / "new")
    told = check(report, "footage")
    assert (told.status, "text.mp4 (" in told.found) == ("fault", True)
    assert report.estimate is None


@pytest.mark.usefixtures("sound")
def test_where_a_backend_fails_nothing_is_built_and_the_report_says_why(
    footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "trial_checks", lambda *_: [Check("face_mesh x", "fault", "x.bin is missing.")])
    report = doctor(footage / "one.mp4", output=tmp_path / "new")
    assert (report.worst, report.estimate) == ("fault", None)
    assert "must be sound first" in check(report, "estimate").found


@pytest.mark.usefixtures("sound")
def test_an_output_that_is_an_address_is_tried_and_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEVID_SCRATCH", str(tmp_path))
    fs = fsspec.filesystem("memory")
    told = check(doctor(output="memory://bucket/dataset"), "output")
    assert (told.status, "can be written, and holds none yet" in told.found) == ("ok", True)
    assert not fs.exists("/bucket/dataset/.work/doctor")
    fs.pipe("/bucket/photos/beach.jpg", b"x")
    told = check(doctor(output="memory://bucket/photos"), "output")
    assert (told.status, "beach.jpg" in told.found) == ("fault", True)


@pytest.mark.usefixtures("sound")
def test_an_output_named_by_a_file_address_is_the_folder_it_names(tmp_path: Path) -> None:
    report = doctor(output=f"file://{tmp_path}/new")
    assert str(tmp_path) in check(report, "output").found
    assert "file:" not in check(report, "output").found
    assert list(tmp_path.iterdir()) == []


def test_a_dataset_that_does_not_fit_is_a_fault(
    seen: tuple[Report, Path, list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    guess = seen[0].estimate
    assert guess is not None
    free = SimpleNamespace(free=int(guess.dataset_bytes.value))
    monkeypatch.setattr(room.shutil, "disk_usage", lambda place: free)
    told = room._enough_room(tmp_path, guess)
    assert (told.status, "need about" in told.found) == ("fault", True)


@pytest.mark.usefixtures("sound")
def test_without_room_for_temporary_files_nothing_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "trial_checks", lambda *_: pytest.fail("tried all the same"))
    monkeypatch.setattr(room.shutil, "disk_usage", lambda place: SimpleNamespace(free=1000))
    report = doctor(tmp_path, output=tmp_path / "new")
    assert [c.name for c in report.checks if c.status == "fault"] == ["space", "temporary files"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"sample_seconds": 1.0}, "sample_seconds must be 5 or more, not 1"),
        ({"nodes": 0}, "nodes must be 1 or more, not 0"),
        ({"nodes": 4}, "name the footage too"),
        ({"cores_per_node": -2}, "cores_per_node must be 1 or more, not -2"),
    ],
)
def test_a_number_that_cannot_be_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(DoctorError, match=says):
        doctor(**options)


def test_a_recipe_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no-such-recipe"):
        doctor(recipe="no-such-recipe")


@pytest.mark.slow
@pytest.mark.usefixtures("sound")
def test_the_estimate_is_within_a_factor_of_two_of_the_build(tmp_path: Path) -> None:
    """Two thirds are sampled; the truth of the cost is what the system charges the worker of a real build."""
    there = tmp_path / "in"
    facevid.synthesize(
        there, people=3, videos=3, seed=11, seconds=6.4, kinds=("clean",), size=(640, 360), workers=1
    )
    recipe = {**RECIPE, "cut": {"size": 256}}
    found = doctor(there, output=tmp_path / "out", recipe=recipe, sample_seconds=12.0).estimate
    assert found is not None
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    summary = facevid.build(there, tmp_path / "out", recipe=recipe, workers=1)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    work = tmp_path / "out" / ".work"
    truth = {
        "core seconds": (found.core_hours.value * 3600, spent_s),
        "clips": (found.clips.value, summary.clips),
        "kept seconds": (found.kept_s.value, summary.kept_s),
        "dataset bytes": (
            found.dataset_bytes.value,
            size_of(tmp_path / "out" / "media", tmp_path / "out" / "keypoints"),
        ),
        "work bytes": (
            found.work_bytes.value,
            size_of(work / "analyses", work / "clips", work / "embeddings"),
        ),
    }
    print(json.dumps(truth))
    assert [name for name, (said, was) in truth.items() if not 0.5 <= said / was <= 2.0] == []


def size_of(*folders: Path) -> int:
    return sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())
