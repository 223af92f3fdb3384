"""Each action of a made-up face is found at its time, and a still face does nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from facevid.annotate.actions import measure_actions
from facevid.annotate.expression import measure_dynamic
from facevid.annotate.facial_acts import BROWS_TRUST, FROWN_TRUST
from facevid.annotate.observed import Act, Answer, Observed
from facevid.dataset.vocabulary import ACTIONS, attribute

from .made_up_face import act, during, swing


def chatter(start: float, end: float, size: float = 0.7) -> Any:
    """Lips that open and close about five times a second."""
    return lambda t: np.where((t >= start) & (t <= end), size * np.abs(np.sin(2 * np.pi * 2.3 * t)), 0)


def shut(start: float, end: float) -> Any:
    return lambda t: 1 - during(start, end, ease=0.06)(t)


def laughing(t: Any) -> Any:
    return during(1, 2.6, size=0.8)(t) + during(1, 2.6, size=0.2)(t) * np.sin(2 * np.pi * 4.5 * t)


KNOWN: dict[str, tuple[float, float, dict[str, Any]]] = {
    "nod": (1.0, 2.2, {"pitch": swing(1, 2.2, 7, 2)}),
    "shake head": (1.0, 2.5, {"yaw": swing(1, 2.5, 10, 1.6)}),
    "wag head": (1.0, 2.8, {"roll": swing(1, 2.8, 9, 1.2)}),
    "tilt": (1.0, 2.4, {"roll": during(1, 2.4, size=-14)}),
    "blink": (1.0, 1.3, {"right_eye": shut(1, 1.3), "left_eye": shut(1, 1.3)}),
    "close eyes": (1.0, 2.0, {"right_eye": shut(1, 2), "left_eye": shut(1, 2)}),
    "wink": (1.0, 1.5, {"left_eye": shut(1, 1.5)}),
    "smile": (1.0, 2.4, {"corners_out": during(1, 2.4, size=0.6), "corners_up": during(1, 2.4, size=0.6)}),
    "laugh": (1.0, 2.6, {"corners_out": during(1, 2.6, size=0.7), "corners_up": during(1, 2.6, size=0.7),
                         "lips": laughing, "speech": lambda t: t * 0}),
    "frown": (1.0, 2.4, {"brows_up": during(1, 2.4, size=-0.4), "corners_up": during(1, 2.4, size=-0.5)}),
    "raise brows": (1.0, 2.0, {"brows_up": during(1, 2, size=0.7)}),
    "yawn": (1.0, 3.0, {"lips": during(1, 3, size=3.5, ease=0.5), "right_eye": shut(1, 3), "left_eye": shut(1, 3)}),
    "open mouth": (1.0, 2.8, {"lips": during(1, 2.8, size=2.5)}),
    "gaze away": (1.0, 2.2, {"gaze_right": during(1, 2.2, size=-0.4, ease=0.08)}),
    "talk": (0.6, 2.6, {"lips": chatter(0.6, 2.6), "speech": during(0.6, 2.6, size=0.95, ease=0.02)}),
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_an_action_is_found_at_its_time_and_no_other(name: str) -> None:
    start, end, moves = KNOWN[name]
    (found,) = measure_actions(act(4.0, **moves))
    assert found.name == name
    assert overlap(found, start, end) > 0.6
    trusted = {"frown": FROWN_TRUST, "raise brows": BROWS_TRUST}.get(name, 1.0)
    assert 0.5 * trusted <= found.confidence <= trusted


def test_vowels_that_spread_the_mouth_are_no_smile() -> None:
    """ "ee" twice a second: 2 cm wider each time, corners level with the lips."""
    o = act(4.0, corners_out=lambda t: np.maximum(np.sin(2 * np.pi * 2 * t), 0), lips=chatter(0, 4))
    assert [a for a in measure_actions(o) if a.name == "smile"] == []


def test_a_mouth_drawn_wide_and_level_is_a_grimace_and_no_smile() -> None:
    o = act(4.0, corners_out=during(1, 2.5, size=1.0))
    assert [a for a in measure_actions(o) if a.name == "smile"] == []


def test_a_smile_through_most_of_a_clip_is_found_for_lips_at_rest_are_level_in_all_faces() -> None:
    moves = {"corners_out": during(0.6, 9, size=0.6), "corners_up": during(0.6, 9, size=0.6)}
    (found,) = [a for a in measure_actions(act(4.0, **moves)) if a.name == "smile"]
    assert overlap(found, 0.6, 4.0) > 0.8


def test_a_mouth_that_comes_back_from_a_pout_does_not_smile() -> None:
    """For two thirds of the clip the corners hang; what follows is higher, and only rest."""
    o = act(3.0, corners_up=during(-1, 2.0, size=-0.3))
    assert [a.name for a in measure_actions(o) if a.name in ("smile", "laugh")] == []


def test_a_frown_through_most_of_a_clip_is_one_and_what_follows_no_smile() -> None:
    o = act(3.0, corners_up=during(0.3, 2.5, size=-0.5), brows_up=during(0.3, 2.5, size=-0.4))
    (found,) = measure_actions(o)
    assert found.name == "frown"
    assert overlap(found, 0.3, 2.5) > 0.6


def test_brows_raised_through_most_of_a_clip_are() -> None:
    (found,) = measure_actions(act(3.0, brows_up=during(0.4, 2.6, size=0.7)))
    assert found.name == "raise brows"
    assert overlap(found, 0.4, 2.6) > 0.6


def test_a_nod_on_a_sinking_head_is_a_nod() -> None:
    """Half a second of going down 15 degrees a second takes every second swing from it."""
    o = act(4.0, pitch=lambda t: swing(1, 2.2, 7, 1.7)(t) - 15 * np.clip(t - 1, 0, 1.2))
    assert [a.name for a in measure_actions(o)] == ["nod"]


def test_a_smile_that_opens_the_mouth_once_is_no_laugh() -> None:
    moves = {"corners_out": during(1, 3, size=0.7), "corners_up": during(1, 3, size=0.7)}
    o = act(4.0, **moves, lips=during(1.8, 9, size=1.0, ease=0.08), speech=lambda t: t * 0)
    assert [a.name for a in measure_actions(o) if a.name in ("smile", "laugh")] == ["smile"]


def test_brows_up_in_a_blink_are_the_meshs_and_not_the_persons() -> None:
    o = act(4.0, brows_up=during(2, 2.3, size=0.6, ease=0.1), right_eye=shut(2, 2.3), left_eye=shut(2, 2.3))
    assert [a.name for a in measure_actions(o)] == ["blink"]


@pytest.mark.parametrize("fps", [12.0, 25.0, 60.0])
def test_a_still_face_does_nothing(fps: float) -> None:
    assert measure_actions(act(5.0, fps=fps, noise_px=0.3, speech=lambda t: t * 0)) == []


def test_ordinary_sway_of_a_speakers_head_is_no_gesture() -> None:
    o = act(
        6.0,
        yaw=lambda t: 5 * np.sin(2 * np.pi * 0.3 * t),
        pitch=lambda t: 2 * np.sin(2 * np.pi * 0.45 * t) + 1.2 * np.sin(2 * np.pi * 2.1 * t),
        roll=lambda t: 3 * np.sin(2 * np.pi * 0.25 * t),
    )
    assert measure_actions(o) == []


def test_pauses_within_half_a_second_do_not_end_talk() -> None:
    def heard(t: Any) -> Any:
        return np.where((t < 1) | ((t > 1.4) & (t < 2)) | (t > 2.8), 0.9, 0.05)

    found = measure_actions(act(4.0, lips=chatter(0, 4), speech=heard))
    spans = [(a.start_s, a.end_s) for a in found if a.name == "talk"]
    assert spans == [pytest.approx((0, 2), abs=0.05), pytest.approx((2.8, 4), abs=0.05)]


def test_a_voice_over_still_lips_is_not_talk() -> None:
    assert measure_actions(act(3.0, speech=lambda t: t * 0 + 0.95)) == []


def test_an_eye_that_holds_the_camera_while_the_head_turns_is_not_away() -> None:
    """14 degrees of head to the right, 14 of eye to the left: 1.2 cm * sin(14 degrees) = .29 cm."""
    o = act(4.0, yaw=during(1, 3, size=14, ease=0.5), gaze_right=during(1, 3, size=-0.29, ease=0.5))
    assert measure_actions(o) == []


def test_an_iris_that_moves_in_one_eye_alone_is_the_meshs_and_no_look() -> None:
    o = act(4.0, left_iris_right=during(1, 2.5, size=0.6, ease=0.08))
    assert measure_actions(o) == []


def test_a_look_to_one_side_and_on_to_the_other_is_one_look_away() -> None:
    o = act(4.0, gaze_right=lambda t: during(0.8, 1.8, 0.4, 0.08)(t) - during(1.9, 3.0, 0.4, 0.08)(t))
    (found,) = measure_actions(o)
    assert found.name == "gaze away"
    assert overlap(found, 0.8, 3.0) > 0.8


def test_lids_that_hardly_meet_in_the_mesh_still_close() -> None:
    """Behind glasses a mesh shuts the eyes by little: here to .8 of open in a blink, .7 for .9 s."""

    def lids(t: Any) -> Any:
        return 1 - 0.3 * during(0.5, 0.8, ease=0.06)(t) - 0.4 * during(2, 2.9, ease=0.06)(t)

    found = measure_actions(act(4.0, right_eye=lids, left_eye=lids))
    assert [a.name for a in found] == ["blink", "close eyes"]
    assert overlap(found[1], 2, 2.9) > 0.7


def test_a_blink_of_narrowed_eyes_is_a_blink() -> None:
    def lids(t: Any) -> Any:
        return (1 - 0.4 * during(1, 9, ease=0.4)(t)) * shut(2.5, 2.8)(t)

    assert [a.name for a in measure_actions(act(5.0, right_eye=lids, left_eye=lids))] == ["blink"]


def test_eyes_narrowed_less_than_half_as_far_as_they_blink_are_not_closed() -> None:
    def lids(t: Any) -> Any:
        return (1 - 0.35 * during(2, 3.2, ease=0.2)(t)) * shut(0.6, 0.9)(t)

    assert [a.name for a in measure_actions(act(4.0, right_eye=lids, left_eye=lids))] == ["blink"]


def test_a_blink_of_which_one_lid_is_hardly_seen_is_no_wink() -> None:
    (found,) = measure_actions(
        act(3.0, right_eye=shut(1, 1.3), left_eye=lambda t: 1 - 0.2 * during(1, 1.3)(t))
    )
    assert found.name == "blink"


def test_an_action_at_a_clips_ends_is_cut_there() -> None:
    o = act(2.0, right_eye=shut(-1, 0.8), left_eye=shut(-1, 0.8), roll=during(1.2, 9, size=12))
    first, last = measure_actions(o)
    assert (first.name, first.start_s) == ("close eyes", 0)
    assert (last.name, last.end_s) == ("tilt", 2.0)


def test_short_clips_and_lost_faces_are_borne() -> None:
    whole = act(4.0, **KNOWN["nod"][2])
    assert measure_actions(replace(whole, mesh=whole.mesh[:0], pose=whole.pose[:0])) == []
    for n in (1, 2, 3):
        short = replace(whole, mesh=whole.mesh[:n], pose=whole.pose[:n], speech=np.zeros(n, np.float32))
        assert measure_actions(short) == []
        assert all(isinstance(a, Answer) for a in measure_dynamic(short, []))
    whole.mesh[60:80] = np.nan
    whole.pose[60:80] = np.nan
    assert [a.name for a in measure_actions(whole)] == ["nod"]
    whole.mesh[:] = np.nan
    assert measure_actions(whole) == []
    assert measure_dynamic(whole, []) == []


def test_answers_are_words_of_the_vocabulary() -> None:
    for _, _, moves in KNOWN.values():
        o = act(4.0, **moves)
        acts = measure_actions(o)
        assert {a.name for a in acts} <= set(ACTIONS)
        for answer in measure_dynamic(o, acts):
            assert attribute(answer.name).check(answer.value) == answer.value
            assert 0 <= answer.confidence <= 1


def test_a_smile_that_fills_half_of_a_clip_is_happy_and_a_still_face_neutral() -> None:
    smile = {"corners_out": during(1, 3.4, size=0.6), "corners_up": during(1, 3.4, size=0.6)}
    assert answers(act(4.0, **smile))["emotion"] == "happy"
    assert answers(act(4.0))["emotion"] == "neutral"
    assert "emotion" not in answers(act(4.0, **KNOWN["raise brows"][2]))


@pytest.mark.parametrize(
    ("pose", "value"),
    [
        ({}, "frontal"),
        ({"yaw": 25}, "right"),
        ({"yaw": -25}, "left"),
        ({"pitch": 20}, "up"),
        ({"pitch": -25}, "down"),
    ],
)
def test_head_pose_says_where_the_face_points(pose: dict[str, float], value: str) -> None:
    held = {k: (lambda t, v=v: t * 0 + v) for k, v in pose.items()}
    assert answers(act(2.0, **held))["head_pose"] == value


@pytest.mark.parametrize(("centimetres", "value"), [(0.0, "camera"), (0.45, "right"), (-0.45, "left")])
def test_gaze_says_where_the_eyes_look(centimetres: float, value: str) -> None:
    assert answers(act(2.0, gaze_right=lambda t: t * 0 + centimetres))["gaze"] == value


def test_blinks_are_counted_by_the_minute() -> None:
    def two(t: Any) -> Any:
        return np.minimum(shut(1, 1.3)(t), shut(4, 4.3)(t))

    assert answers(act(6.0, right_eye=two, left_eye=two))["blinks_per_minute"] == "20"


def answers(o: Observed) -> dict[str, str]:
    return {a.name: a.value for a in measure_dynamic(o, measure_actions(o))}


def overlap(a: Act, start: float, end: float) -> float:
    """Intersection over union in time."""
    return (min(a.end_s, end) - max(a.start_s, start)) / (max(a.end_s, end) - min(a.start_s, start))
