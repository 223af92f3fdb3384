"""Select: which stretches of hand-made tracks are kept, and what is said of the rest."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tracking import GOOD, faceless_row, track_row, tracks_table

from facevid.curate.select import REJECTED_COLUMNS, STRETCH_COLUMNS, select
from facevid.curate.tables import select_tables
from facevid.curate.trackfile import TrackFileWriter, batch_count, read_batches, track_file_key
from facevid.recipe import Recipe, load_recipe

NAN = float("nan")


def recipe_with(*rules: dict[str, Any], min_s: float = 2.0, max_s: float = 20.0) -> Recipe:
    return load_recipe({"select": {"min_s": min_s, "max_s": max_s, "rules": list(rules)}})


def chosen(recipe: Recipe | None, *rows: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    selection = select(tracks_table(*rows), recipe or load_recipe())
    assert selection.stretches.schema == STRETCH_COLUMNS
    assert selection.rejected.schema == REJECTED_COLUMNS
    return selection.stretches.to_pylist(), selection.rejected.to_pylist()


def spans(rows: list[dict[str, Any]]) -> list[tuple[float, float]]:
    return [(round(row["start_s"], 3), round(row["end_s"], 3)) for row in rows]


def test_a_good_track_becomes_one_stretch_over_all_its_frames() -> None:
    kept, rejected = chosen(None, track_row(25, first_frame=50, number=3))
    assert rejected == []
    (row,) = kept
    assert (row["first_frame"], row["last_frame"]) == (50, 299)
    assert (row["start_s"], row["end_s"], row["fps"]) == (2.0, 12.0, 25.0)
    assert row["clip_id"] == "source_50_299_3"
    assert (row["source_id"], row["source_name"], row["track"]) == ("source", "source.mp4", 3)


def test_a_fault_of_two_seconds_splits_a_track_and_loses_neither_part() -> None:
    hand = {"hand_over_face": dict.fromkeys(range(10, 15), 0.5)}
    rule = {"reason": "occlusion", "score": "hand_over_face", "max": 0.05}
    kept, rejected = chosen(recipe_with(rule), track_row(30, faults=hand))
    assert spans(kept) == [(0.0, 4.0), (6.0, 12.0)]
    assert spans(rejected) == [(4.0, 6.0)]
    assert rejected[0]["reason"] == "occlusion"


def test_the_first_rule_that_is_broken_gives_the_reason() -> None:
    dark = {"reason": "brightness", "score": "brightness", "min": 25}
    soft = {"reason": "sharpness", "score": "sharpness", "min": 1.2}
    row = track_row(10, brightness=8, sharpness=0.5)
    for first, second in ((dark, soft), (soft, dark)):
        _, rejected = chosen(recipe_with(first, second), row)
        assert [r["reason"] for r in rejected] == [first["reason"]]
        assert rejected[0]["score"] == first["score"]


def test_every_rejected_row_names_score_value_and_threshold() -> None:
    faults = {
        "text_chars": {0: 31, 1: 33},
        "border_px": {5: 140},
        "pose_extreme": {9: 61.5},
        "brightness": {12: 250},
    }
    _, rejected = chosen(None, track_row(20, faults=faults))
    said = [
        (r["reason"], r["score"], r["value"], r["threshold"]) for r in rejected if r["reason"] != "duration"
    ]
    assert said == [
        ("text", "text_chars", 33.0, 10.0),
        ("border", "border_px", 140.0, 20.0),
        ("pose", "pose_extreme", 61.5, 60.0),
        ("brightness", "brightness", 250.0, 245.0),
    ]


def test_a_value_on_the_threshold_passes() -> None:
    assert len(chosen(None, track_row(10, border_px=20, brightness=25, text_chars=10))[0]) == 1
    assert len(chosen(None, track_row(10, brightness=245, hand_over_face=0.05))[0]) == 1


def test_what_is_shorter_than_the_minimum_is_rejected_for_duration() -> None:
    kept, rejected = chosen(None, track_row(4, number=0), track_row(5, number=1, first_frame=100))
    assert spans(kept) == [(4.0, 6.0)]
    (row,) = rejected
    assert (row["reason"], row["score"]) == ("duration", "duration_s")
    assert (row["value"], row["threshold"]) == (pytest.approx(1.6), 2.0)


def test_a_long_stretch_is_cut_into_equal_parts_none_over_the_maximum() -> None:
    kept, rejected = chosen(recipe_with(max_s=6.0), track_row(40))
    assert spans(kept) == [(0.0, 5.32), (5.32, 10.64), (10.64, 16.0)]
    assert [r["last_frame"] - r["first_frame"] + 1 for r in kept] == [133, 133, 134]
    assert rejected == []


def test_a_stretch_of_the_maximum_stays_whole() -> None:
    assert spans(chosen(recipe_with(max_s=6.0), track_row(15))[0]) == [(0.0, 6.0)]


def test_no_part_of_a_long_stretch_is_shorter_than_the_minimum() -> None:
    recipe = recipe_with(min_s=5.0, max_s=6.0)
    kept, rejected = chosen(recipe, track_row(23))
    assert spans(kept) == [(0.0, 6.0)]
    assert spans(rejected) == [(6.0, 9.2)]
    assert (rejected[0]["reason"], rejected[0]["value"]) == ("duration", pytest.approx(3.2))


def test_a_shorter_last_window_counts_with_its_frames() -> None:
    kept, _ = chosen(None, track_row(6, frames=57))
    assert (kept[0]["last_frame"], kept[0]["end_s"]) == (56, 57 / 25)


def test_smoothing_averages_over_so_many_seconds() -> None:
    rule = {"reason": "speech", "score": "speech_share", "min": 0.3, "over_s": 1.2}
    pause = {"speech_share": {5: 0.0}}
    assert spans(chosen(recipe_with(rule), track_row(15, faults=pause))[0]) == [(0.0, 6.0)]
    pause = {"speech_share": dict.fromkeys(range(6, 9), 0.0)}
    _, rejected = chosen(recipe_with(rule), track_row(15, faults=pause))
    # Means of three windows: .67, .33, 0, .33, .67 around the pause, so one window lies below .3.
    assert [(r["reason"], r["value"]) for r in rejected] == [("speech", 0.0)]
    assert spans(rejected) == [(2.8, 3.2)]


def test_smoothing_stays_inside_the_track() -> None:
    rule = {"reason": "speech", "score": "speech_share", "min": 0.3, "over_s": 4.0}
    silent, loud = track_row(10, number=0, speech_share=0), track_row(10, number=1, first_frame=100)
    kept, rejected = chosen(recipe_with(rule), silent, loud)
    assert spans(rejected) == [(0.0, 4.0)]
    assert spans(kept) == [(4.0, 8.0)]
    assert rejected[0]["value"] == 0.0


def test_what_could_not_be_measured_breaks_no_rule() -> None:
    kept, rejected = chosen(None, track_row(10, motion_pixels=NAN, sharpness=NAN))
    assert (len(kept), rejected) == (1, [])
    assert math.isnan(kept[0]["motion_pixels"])


def test_scores_are_averaged_over_what_is_known() -> None:
    kept, _ = chosen(None, track_row(6, motion_pixels=[NAN, 1, 2, 3, 4, NAN], yaw=[0, 6, 12, 0, 6, 12]))
    assert kept[0]["motion_pixels"] == 2.5
    assert kept[0]["yaw"] == 6.0


def test_extremes_of_a_stretch_are_the_extremes_of_its_windows() -> None:
    smallest = [300, 400, 280, 400, 400, 400]
    row = track_row(6, pose_extreme=[5, 50, 10, 5, 5, 5], face_px_min=smallest, text_chars=[0, 7, 0, 0, 0, 0])
    kept, _ = chosen(None, row)
    assert (kept[0]["pose_extreme"], kept[0]["face_px_min"], kept[0]["text_chars"]) == (50, 280, 7)


def test_a_stretch_without_a_face_has_no_track_and_the_reason_no_face() -> None:
    kept, rejected = chosen(None, faceless_row(10, first_frame=20))
    assert kept == []
    (row,) = rejected
    assert (row["reason"], row["score"], row["value"], row["threshold"]) == ("no_face", "faces", 0.0, 1.0)
    assert row["track"] is None
    assert spans(rejected) == [(0.8, 4.8)]


def test_no_tracks_give_empty_tables() -> None:
    assert chosen(None) == ([], [])


def test_a_recipe_without_rules_keeps_every_face() -> None:
    kept, rejected = chosen(recipe_with(), track_row(10, brightness=1), faceless_row(10, first_frame=100))
    assert spans(kept) == [(0.0, 4.0)]
    assert [r["reason"] for r in rejected] == ["no_face"]


def test_the_crop_is_around_the_union_of_the_windows_it_keeps() -> None:
    left = [400.0] * 10 + [100.0] * 10
    rule = {"reason": "text", "score": "text_chars", "max": 10}
    row = track_row(20, union_x0=left, faults={"text_chars": dict.fromkeys(range(10, 20), 30)})
    kept, _ = chosen(recipe_with(rule), row)
    (row,) = kept
    # Union 400..800 x 200..700, face height 480: above .5 and below .6 give 200 - 240 < 0 and 700 + 288 = 988;
    # the side is the larger of 400 + 480 and 988 + 40.
    assert row["crop_x1"] - row["crop_x0"] == row["crop_y1"] - row["crop_y0"] == 1028
    assert (row["crop_x0"], row["crop_y0"]) == (86, 0)


def test_best_frames_are_spread_out_and_the_best_of_their_span() -> None:
    value = [1, 9, 1, 1, 1, 1, 9, 1, 9, 1, 1, 1]
    kept, _ = chosen(load_recipe({"identify": {"faces_per_clip": 4}}), track_row(12, best_value=value))
    # Spans of three windows; in the third window 6 is the best, in the fourth 9, 10 and 11 are alike.
    assert kept[0]["best_frames"] == [13, 33, 63, 93]


def test_best_frames_lie_inside_the_stretch() -> None:
    kept, _ = chosen(recipe_with(max_s=6.0), track_row(40))
    for row in kept:
        assert len(row["best_frames"]) == load_recipe().identify.faces_per_clip
        assert all(row["first_frame"] <= f <= row["last_frame"] for f in row["best_frames"])


def random_rows(seed: int, count: int = 60) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        windows, at = int(rng.integers(1, 40)), int(rng.integers(0, 500))
        frames = windows * 10 - int(rng.integers(0, 5)) if windows > 1 else int(rng.integers(2, 10))
        if rng.random() < 0.15:
            rows.append(faceless_row(windows, first_frame=at, frames=frames, source=f"s{number // 5}"))
            continue
        scores = {
            n: np.asarray(GOOD[n] * rng.uniform(0.2, 1.2, windows))
            for n in ("sharpness", "speech_share", "face_px")
        }
        scores["text_chars"] = np.where(rng.random(windows) < 0.1, 30.0, 0.0)
        scores["motion_pixels"] = np.where(rng.random(windows) < 0.3, NAN, rng.uniform(0, 3, windows))
        rows.append(
            track_row(
                windows, number=number, first_frame=at, frames=frames, source=f"s{number // 5}", **scores
            )  # type: ignore[arg-type]
        )
    return rows


@pytest.mark.parametrize("limits", [(2.0, 20.0), (3.0, 4.0), (0.2, 0.3)])
def test_every_frame_of_every_track_is_in_one_stretch_or_one_rejected_row(
    limits: tuple[float, float],
) -> None:
    recipe = load_recipe({"select": {"min_s": limits[0], "max_s": limits[1]}})
    for seed, row in enumerate(random_rows(1)):
        kept, rejected = chosen(recipe, row)
        said = sorted((round(r["start_s"] * 25), round(r["end_s"] * 25)) for r in (*kept, *rejected))
        assert said[0][0] == row["first_frame"], seed
        assert said[-1][1] == row["last_frame"] + 1
        assert all(a[1] == b[0] for a, b in pairwise(said))
        for r in kept:
            assert limits[0] - 1e-6 <= r["end_s"] - r["start_s"] <= limits[1] + 1e-6


def test_a_track_is_judged_alike_alone_and_among_others() -> None:
    rows = random_rows(2, 25)
    whole = select(tracks_table(*rows), load_recipe())
    alone = [select(tracks_table(row), load_recipe()) for row in rows]
    assert whole.stretches.equals(pa.concat_tables([s.stretches for s in alone]).combine_chunks())
    assert str(whole.rejected.to_pylist()) == str(pa.concat_tables([s.rejected for s in alone]).to_pylist())


@pytest.fixture
def track_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("facevid.curate.trackfile.GROUP", 16)
    path = tmp_path / "tracks.arrow"
    table = tracks_table(*random_rows(3))
    own = table.drop_columns(["source_id", "source_name", "width", "height_px"])
    with TrackFileWriter(path, key="a key") as file:
        for at in range(0, len(table), 5):
            name = table["source_id"][at].as_py()
            source = {"source_id": name, "source_name": f"{name}.mp4", "width": 1920, "height": 1080}
            file.add(own.slice(at, 5), source)
    return path


@pytest.mark.parametrize("threads", [1, 3])
def test_a_file_of_tracks_gives_what_the_whole_table_gives(track_file: Path, threads: int) -> None:
    assert batch_count(track_file) == 3
    whole = select(tracks_table(*random_rows(3)), load_recipe())
    stretches, rejected = select_tables(track_file, load_recipe(), threads=threads)
    assert str(stretches.to_pylist()) == str(whole.stretches.to_pylist())
    assert str(rejected.to_pylist()) == str(whole.rejected.to_pylist())


def test_a_file_of_tracks_gives_back_what_was_added(track_file: Path) -> None:
    read = pa.concat_tables(list(read_batches(track_file)))
    assert str(read.to_pylist()) == str(tracks_table(*random_rows(3)).to_pylist())
    assert track_file_key(track_file) == "a key"


def test_a_file_of_tracks_that_is_not_there_or_broken_has_no_key(tmp_path: Path) -> None:
    assert track_file_key(tmp_path / "none.arrow") is None
    (tmp_path / "broken.arrow").write_bytes(b"ARROW1 and no more")
    assert track_file_key(tmp_path / "broken.arrow") is None
    (tmp_path / "empty.arrow").write_bytes(b"")
    assert track_file_key(tmp_path / "empty.arrow") is None


def test_a_file_without_tracks_gives_empty_tables(tmp_path: Path) -> None:
    with TrackFileWriter(tmp_path / "none.arrow", key="k"):
        pass
    stretches, rejected = select_tables(tmp_path / "none.arrow", load_recipe())
    assert (len(stretches), len(rejected)) == (0, 0)
    assert (stretches.schema, rejected.schema) == (STRETCH_COLUMNS, REJECTED_COLUMNS)
