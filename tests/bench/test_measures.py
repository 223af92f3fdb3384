"""Known degradations move each metric the right way, the more of them the further."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from facevid.bench.looking.seen import Seen
from facevid.bench.measures.figure import figure
from facevid.bench.measures.measure import Against, measure
from facevid.bench.measures.metric import BY_NAME, METRICS
from facevid.bench.measures.sync import voice

from . import faces


def rises(values: Sequence[float]) -> bool:
    return bool((np.diff(values) > 0).all())


def measured(
    name: str, spoil: Callable[..., faces.Video], amounts: Sequence[float], person: int = 0
) -> list[float]:
    video, _ = faces.talking(person)
    return [measure(faces.look(spoil(video, a) if a else video, who=False))[name] for a in amounts]


@pytest.mark.parametrize("person", [0, 3])
def test_blur_lowers_sharpness(person: int) -> None:
    assert rises([-v for v in measured("sharpness", faces.blurred, (0, 0.7, 1.4, 2.5), person)])


@pytest.mark.parametrize("person", [0, 3])
def test_noise_raises_flicker(person: int) -> None:
    assert rises(measured("flicker", faces.noisy, (0, 4, 10, 25), person))


def test_vbench_s_temporal_flickering_is_what_it_computes_on_raw_frames() -> None:
    video, _ = faces.talking(2, 9)
    by_hand = [np.abs(b.astype(np.float32) - a.astype(np.float32)).mean() for a, b in pairwise(video)]
    found = measure(faces.look(video, who=False))["vbench_temporal_flickering"]
    assert found == pytest.approx((255.0 - np.mean(by_hand).item()) / 255.0, abs=1e-6) and found < 1
    still = measure(faces.look(np.repeat(video[:1], 3, axis=0), who=False))
    assert still["vbench_temporal_flickering"] == 1


def test_noise_lowers_vbench_s_temporal_flickering() -> None:
    assert rises([-v for v in measured("vbench_temporal_flickering", faces.noisy, (0, 4, 10, 25))])


@pytest.mark.parametrize("name", ["motion", "head_turn", "mesh_motion", "flicker"])
def test_frames_in_another_order_raise_movement(name: str) -> None:
    values = measured(name, faces.shuffled, (0, 0.5, 1))
    assert rises(values), values


@pytest.mark.parametrize("name", ["motion", "head_turn", "mesh_motion", "flicker"])
def test_freezing_lowers_movement(name: str) -> None:
    values = measured(name, faces.frozen, (0, 0.4, 0.7, 1))
    assert rises([-v for v in values]), values


def test_another_person_in_the_last_frames_raises_distance_of_identity() -> None:
    video, other = faces.talking(0)[0], faces.talking(3)[0]
    seen = [faces.look(faces.swapped(video, other, share)) for share in (0, 0.25, 0.5, 0.75)]
    assert rises([measure(s)["identity_first"] for s in seen])
    assert measure(seen[0])["identity_step"] < measure(seen[1])["identity_step"]


def picture_of(seen: Seen, video: faces.Video) -> Seen:
    return faces.look(video[:1])


def test_a_video_follows_its_picture_and_not_somebody_elses() -> None:
    (video, _), (other, _) = faces.talking(0), faces.talking(3)
    own, strange = faces.look(video[:1]), faces.look(other[:1])
    seen = faces.look(video)
    right, wrong = measure(seen, Against(own, strange)), measure(seen, Against(strange, own))
    assert right["identity_margin"] == 1 and wrong["identity_margin"] == 0
    assert right["identity_picture"] < wrong["identity_picture"]
    half = measure(faces.look(faces.swapped(video, other, 0.5)), Against(own, strange))
    assert half["identity_margin"] == 0 and right["identity_picture"] < half["identity_picture"]


def test_a_face_that_is_lost_does_not_follow_its_picture() -> None:
    video, other = faces.talking(0)[0], faces.talking(3)[0]
    lost = video.copy()
    lost[-1] = 120
    against = Against(faces.look(video[:1]), faces.look(other[:1]))
    found = measure(faces.look(lost), against)
    assert found["identity_margin"] == 0 and found["face_found"] == pytest.approx(16 / 17)


def test_a_colour_cast_raises_the_distance_of_colours() -> None:
    video, _ = faces.talking(0)
    own = Against(faces.look(video[:1], who=False))
    assert rises(
        [
            measure(faces.look(faces.cast(video, by), who=False), own)["colour_picture"]
            for by in (0, 5, 15, 40)
        ]
    )


def test_a_video_is_no_distance_from_itself_and_further_the_later_it_comes() -> None:
    video, _ = faces.talking(0, 33)
    real = faces.look(video[:17], who=False)
    found = [measure(faces.look(video[k : k + 17], who=False), Against(reference=real)) for k in (0, 2, 8)]
    for name in ("mesh_distance", "pose_distance", "expression_distance"):
        values = [f[name] for f in found]
        assert values[0] == pytest.approx(0, abs=1e-5) and rises(values), (name, values)


def test_a_reference_of_another_size_is_brought_to_the_same_pixels() -> None:
    video, _ = faces.talking(0)
    found = measure(
        faces.look(video[:, ::2, ::2], who=False), Against(reference=faces.look(video, who=False))
    )
    assert found["mesh_distance"] < 0.05


@pytest.fixture(scope="module")
def talk() -> tuple[Seen, NDArray[np.float32]]:
    """Three seconds of somebody who talks, and the sound from .4 s before them to .4 s after."""
    video, sound = faces.talking(0, 95)
    return faces.look(video[10:85], who=False), sound


@pytest.mark.parametrize("late", [-10, -4, -1, 0, 1, 3, 10])
def test_sound_that_comes_late_or_early_is_found_within_a_frame(
    talk: tuple[Seen, NDArray[np.float32]], late: int
) -> None:
    seen, sound = talk
    samples = round(16000 / faces.FPS)
    heard = voice(sound[(10 - late) * samples : (85 - late) * samples], frames=75, fps=faces.FPS)
    assert abs(measure(dataclasses.replace(seen, voice=heard))["mouth_offset"] - late) <= 1


def test_a_video_without_sound_has_no_number_of_it() -> None:
    assert not {"mouth_sync", "mouth_offset"} & set(measure(faces.look(faces.talking(0)[0])))


def test_a_video_without_a_face_has_only_what_needs_none() -> None:
    dice = np.random.default_rng(0)
    found = measure(faces.look(dice.integers(0, 255, (5, 64, 64, 3)).astype(np.uint8)))
    assert found["face_found"] == 0 and set(found) == {
        "face_found", "motion", "flicker", "vbench_temporal_flickering",
    }  # fmt: skip


def test_every_number_is_a_metric_that_is_explained() -> None:
    video, sound = faces.talking(0, 75)
    seen = faces.look(video, sound)
    against = Against(
        faces.look(video[:1]), faces.look(faces.talking(3)[0][:1]), faces.look(video), {"hair_colour": "grey"}
    )
    assert set(measure(seen, against)) == {name for name in BY_NAME if not name.startswith("clip_")}
    assert all(m.about.endswith(".") and m.title for m in METRICS)


def test_what_was_asked_for_counts_where_annotation_can_tell_it() -> None:
    seen = dataclasses.replace(
        faces.look(faces.talking(0)[0]), labels={"hair_colour": "black", "skin_tone": "8"}
    )
    asked = {"hair_colour": "red", "skin_tone": "dark", "eyeglasses": "yes"}  # of glasses it is silent
    assert measure(seen, Against(asked=asked))["asked_right"] == 0.5
    assert "asked_right" not in measure(seen, Against(asked={"eyeglasses": "yes"}))


def test_the_labels_of_a_drawn_person_are_what_was_drawn() -> None:
    labels = faces.look(faces.talking(0)[0]).labels
    assert labels["hair_colour"] == "grey" and labels["gaze"] == "camera"


def test_the_interval_of_a_mean_is_that_of_scipy_where_nobody_comes_twice() -> None:
    from scipy.stats import bootstrap

    values = np.random.default_rng(3).normal(2, 1, 80)
    found = figure(values, [f"p{k}" for k in range(80)], resamples=4000)
    told = bootstrap((values,), np.mean, method="percentile", n_resamples=4000, rng=np.random.default_rng(1))
    assert found.mean == pytest.approx(values.mean()) and found.interval is not None
    assert np.allclose(found.interval, told.confidence_interval, atol=0.03)


def test_videos_of_one_person_make_an_interval_wider_and_few_people_give_none() -> None:
    dice = np.random.default_rng(4)
    values = np.repeat(dice.normal(0, 1, 20), 10) + dice.normal(0, 0.1, 200)
    people = [f"p{k // 10}" for k in range(200)]
    alone = figure(values, [str(k) for k in range(200)]).interval
    together = figure(values, people).interval
    assert alone is not None and together is not None
    assert np.ptp(together) > 2.5 * np.ptp(alone)
    assert figure(values[:50], people[:50]).interval is None
    nothing = figure(np.full(3, np.nan), ["a", "b", "c"])
    assert (nothing.n, nothing.missing, nothing.mean) == (0, 3, None)
