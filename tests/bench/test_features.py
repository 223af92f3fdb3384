"""Vectors of whole videos: what spoils a set of videos puts it further from the real ones, the more the further."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from facevid.bench.distances import Settings, frechet_from_features, mmd2
from facevid.bench.features.between import FeatureSet, distances, features_of
from facevid.bench.features.features import (
    BANDS,
    FEATURES,
    SIGNALS,
    Feature,
    appearance,
    colours,
    dynamics,
    signals_of,
)
from facevid.bench.looking import seen as looking
from facevid.bench.looking.seen import Seen

from . import faces

QUICK = Settings(resamples=20, floor_draws=2)
PEOPLE = range(6)


@pytest.fixture(scope="module", autouse=True)
def few_looks() -> Iterator[None]:
    """Two frames of a video are looked at closely, as that takes most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(looking, "LOOKS", 2)
        yield


@pytest.fixture(scope="module")
def plain() -> list[Seen]:
    """What is seen of a clip of each of six people."""
    return [faces.look(faces.talking(k, 17, k)[0], who=False) for k in PEOPLE]


def test_the_spectrum_of_a_signal_sums_to_its_variance(plain: list[Seen]) -> None:
    seen = plain[0]
    signals, vector = signals_of(seen), dynamics(seen)
    assert signals is not None and vector is not None
    parts = vector.reshape(1 + len(BANDS), len(SIGNALS))
    assert np.allclose(parts[0], signals.mean(axis=0))
    assert np.allclose((parts[1:] ** 2).sum(axis=0), signals.var(axis=0))  # Parseval


def test_a_frozen_video_has_no_movement_and_a_shuffled_one_a_faster(plain: list[Seen]) -> None:
    video, _ = faces.talking(0, 17, 0)
    still, mixed = (faces.look(v, who=False) for v in (faces.frozen(video, 1), faces.shuffled(video, 1)))
    usual, none, fast = (dynamics(seen) for seen in (plain[0], still, mixed))
    assert usual is not None and none is not None and fast is not None
    count = len(SIGNALS)
    assert none[count:].mean() < 0.2 * usual[count:].mean()
    assert fast[-count:].mean() > 1.5 * usual[-count:].mean()


def test_features_are_missing_where_no_face_is() -> None:
    empty = faces.look(np.full((5, 64, 64, 3), 128, np.uint8), who=False)
    assert appearance(empty) is None and dynamics(empty) is None
    assert colours(empty) is not None


def test_a_face_lost_in_one_frame_is_filled_and_in_half_of_them_not() -> None:
    video, _ = faces.talking(0, 17, 0)
    lost = video.copy()
    lost[5] = 128
    one = faces.look(lost, who=False)
    lost[::2] = 128
    half = faces.look(lost, who=False)
    assert not one.found.all() and dynamics(one) is not None and dynamics(half) is None


def _made_up(name: str, scaled: bool) -> Feature:
    def of(_: Seen) -> None:
        return None

    return Feature(name, name, f"{name}.", of, scaled)


def _set(vectors: np.ndarray, people: int, name: str = "x") -> FeatureSet:
    return FeatureSet(
        {name: vectors}, {name: [f"p{k % people}" for k in range(len(vectors))]}, len(vectors) + 1
    )


def test_distances_are_those_of_the_features_and_scaled_by_the_real_ones() -> None:
    dice = np.random.default_rng(0)
    units = np.array([1.0, 100.0, 0.01])
    real, made = dice.normal(size=(60, 3)) * units, (dice.normal(size=(50, 3)) + 0.5) * units
    plain, _ = distances(_set(real, 30), _set(made, 50), settings=QUICK, features=[_made_up("x", False)])
    assert plain.found is not None and plain.found["value"] == pytest.approx(
        frechet_from_features(real, made)
    )
    scaled, kernel = distances(_set(real, 30), _set(made, 50), settings=QUICK, features=[_made_up("x", True)])
    by = real.std(axis=0, ddof=1)
    assert scaled.found is not None
    assert scaled.found["value"] == pytest.approx(frechet_from_features(real / by, made / by))
    assert kernel.found is not None and kernel.found["value"] == pytest.approx(
        mmd2((real - real.mean(axis=0)) / by, (made - real.mean(axis=0)) / by)
    )
    assert (scaled.n_real, scaled.n_made, scaled.missing_real) == (60, 50, 1)
    assert kernel.name == "x_kernel" and scaled.found["floor"] is not None and scaled.found["grouped"]


def test_further_real_videos_make_a_floor_at_the_same_n() -> None:
    dice = np.random.default_rng(0)
    real, made = (_set(dice.normal(size=(60, 3)), 30) for _ in range(2))
    further = FeatureSet({"x": 5 + dice.normal(size=(66, 3))}, {"x": [f"q{k}" for k in range(66)]}, 70)
    for one in distances(real, made, settings=QUICK, features=[_made_up("x", True)], further=further):
        assert one.found is not None and one.found["floor_same_n"] and one.found["n_further"] == 66
        assert (one.found["floor"]["n_pool"], one.found["floor"]["groups"]) == (126, 96)
        assert one.found["further_apart"] > one.found["floor"]["highest"]
    bare = FeatureSet({"x": np.zeros((0,))}, {"x": []}, 70)
    for one in distances(real, made, settings=QUICK, features=[_made_up("x", True)], further=bare):
        assert one.found is not None and one.found["n_further"] == 0 and not one.found["floor_same_n"]


def test_too_few_people_give_a_sentence_and_no_number() -> None:
    dice = np.random.default_rng(0)
    real, made = _set(dice.normal(size=(60, 3)), 4), _set(dice.normal(size=(60, 3)), 60)
    for found in distances(real, made, settings=QUICK, features=[_made_up("x", False)]):
        assert (
            found.found is None
            and found.why is not None
            and "4 people are seen in the real videos" in found.why
        )
    assert (
        distances(_set(np.zeros((0,)), 1), made, settings=QUICK, features=[_made_up("x", False)])[0].found
        is None
    )


@pytest.mark.parametrize(
    ("name", "spoil", "amounts"),
    [
        ("colours", faces.cast, (10, 40)),
        ("dynamics", faces.frozen, (0.5, 1)),
        ("dynamics", faces.shuffled, (0.4, 1)),
    ],
)
def test_what_spoils_videos_puts_their_set_further_away(
    name: str,
    spoil: Callable[..., faces.Video],
    amounts: tuple[float, ...],
    plain: list[Seen],
) -> None:
    feature = next(f for f in FEATURES if f.name == name)
    # Colours are those of the frames that are looked at, the first and the last.
    every = 1 if name == "dynamics" else 16
    real = _vectors(plain, feature)
    scale = real.std(axis=0, ddof=1) + 1e-9 if feature.scaled else 1.0
    found = [frechet_from_features(real / scale, real / scale)]
    for amount in amounts:
        clips = (faces.talking(k, 17, k)[0][::every] for k in PEOPLE)
        made = _vectors([faces.look(spoil(clip, amount), who=False) for clip in clips], feature)
        found.append(frechet_from_features(real / scale, made / scale))
    assert (np.diff(found) > 0).all(), found


def _vectors(seen: list[Seen], feature: Feature) -> np.ndarray:
    return features_of(((f"p{k}", one) for k, one in enumerate(seen)), [feature]).vectors[feature.name]
