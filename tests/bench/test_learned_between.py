"""Which networks are at hand, and the distances of their features as they are published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import sqrtm

from facevid.bench.distances import Settings
from facevid.bench.errors import BenchError
from facevid.bench.learned import (
    LEARNED,
    LEARNED_DISTANCES,
    available,
    learned_distances,
    learned_features,
    load_clip,
    load_features,
)

from . import learned_weights as weights

QUICK = Settings(resamples=20, floor_draws=2)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("FACEVID_MODELS", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


class Colours:
    """Stands in for a network: mean colours of 4 frames, (12,)."""

    version, about, frames, dimensions = "abc", "Mean colours.", 4, 12

    def __init__(self, name: str) -> None:
        self.name = name

    def features(self, video: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self.features_batch([video])[0]

    def features_batch(self, videos: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        return np.array([v[:4].mean(axis=(1, 2)).ravel() / 255 for v in videos], np.float32)


ALL = [Colours("i3d"), Colours("videomae"), Colours("vjepa")]


def some(count: int, bright: int, frames: int = 4) -> list[tuple[str, NDArray[np.uint8]]]:
    rng = np.random.default_rng([count, bright])
    return [(f"p{k}", rng.integers(bright, 200, (frames, 2, 2, 3), dtype=np.uint8)) for k in range(count)]


def test_without_weights_every_network_says_which_file_is_missing_where_it_is_had_and_goes(
    models: Path,
) -> None:
    ready, missing = available()
    assert ready == [] and list(missing) == list(LEARNED)
    for name, file in (
        ("i3d", "i3d_torchscript.pt"),
        ("vjepa", "vith16.pth.tar"),
        ("clip_b32", "openai/clip"),
    ):
        assert file in missing[name] and "https://" in missing[name] and "FACEVID_MODELS" in missing[name]
    with pytest.raises(BenchError, match=r"the weights i3d_torchscript\.pt are missing"):
        load_features("i3d")


def test_weights_are_found_in_the_models_folder_and_in_the_cache(models: Path, tmp_path: Path) -> None:
    weights.write_i3d(models)
    assert available()[0] == ["i3d"]
    cache = tmp_path / "cache" / "facevid" / "models"
    cache.mkdir(parents=True)
    weights.write_vjepa(cache)
    assert available(["vjepa", "i3d"]) == (["vjepa", "i3d"], {})
    (cache / "ssv2-probe.pth.tar").unlink()
    assert "ssv2-probe.pth.tar" in available(["vjepa"])[1]["vjepa"]
    assert load_features("i3d").features(weights.video(16, 32, 32)).shape == (400,)


def test_a_clip_folder_is_found_by_its_name(models: Path) -> None:
    weights.write_clip(models / "clip-vit-large-patch14")
    assert available(["clip_b32", "clip_l14"])[0] == ["clip_l14"]
    assert load_clip("clip_l14").metric.name == "clip_l14"


def test_a_package_that_is_not_installed_is_named(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import util

    monkeypatch.setattr(util, "find_spec", lambda name: None)
    assert available(["i3d"])[1]["i3d"].endswith("not installed here; run: pip install 'facevid[torch]'")


def test_names_that_are_not_known_or_of_the_other_kind_are_refused() -> None:
    with pytest.raises(BenchError, match="no network called 'fid'; there are i3d, videomae"):
        available(["fid"])
    with pytest.raises(BenchError, match="use load_clip"):
        load_features("clip_b32")
    with pytest.raises(BenchError, match="those that score a prompt are clip_b32, clip_l14"):
        load_clip("i3d")


def test_every_distance_is_of_a_network_that_there_is() -> None:
    assert {d.feature for d in LEARNED_DISTANCES} <= {
        n for n, one in LEARNED.items() if one.features is not None
    }


def test_distances_are_those_of_their_papers() -> None:
    real, made = learned_features(some(24, 0), ALL), learned_features(some(20, 60), ALL)
    found = {d.name: d for d in learned_distances(real, made, ALL, settings=QUICK)}
    x, y = real.vectors["i3d"], made.vectors["i3d"]
    sx, sy = np.cov(x.T, ddof=0), np.cov(y.T, ddof=0)  # over n, as StyleGAN-V's FeatureStats has it
    gap = x.mean(axis=0) - y.mean(axis=0)
    fvd = gap @ gap + np.trace(sx + sy - 2 * np.real(sqrtm(sx @ sy)))
    cubic, square = (lambda a, b: (a @ b.T / 12 + 1) ** 3), (lambda a, b: (a @ b.T / 12) ** 2)
    kx, ky = cubic(x, x), cubic(y, y)
    within = (kx.sum() - np.trace(kx)) / (24 * 23) + (ky.sum() - np.trace(ky)) / (20 * 19)
    by_hand = {
        "fvd": fvd,
        "cd_fvd": fvd,
        "kvd": within - 2 * cubic(x, y).mean(),
        "jedi": 100 * (square(x, x).mean() + square(y, y).mean() - 2 * square(x, y).mean()),
    }
    assert list(found) == ["fvd", "kvd", "cd_fvd", "jedi"]
    for name, value in by_hand.items():
        held = found[name].found
        assert held is not None and held["value"] == pytest.approx(value, rel=1e-5), name
        assert held["floor"] is not None and held["grouped"]
    assert found["fvd"].about == (
        "Mean colours. Squared Fréchet distance of normal distributions of their means and covariances (over n). "
        "Weights of SHA-256 abc."
    )


def test_videos_that_are_too_short_count_as_missing_and_no_distance_is_given_of_too_few_people() -> None:
    models = [Colours("i3d")]
    real = learned_features([*some(12, 0), *some(3, 0, frames=3)], models)
    assert real.count == 15 and len(real.vectors["i3d"]) == 12
    few = learned_features(some(9, 0), models)
    found = learned_distances(real, few, models, settings=QUICK)[0]
    assert found.found is None and (found.n_real, found.missing_real) == (12, 3)
    assert (
        found.why
        == "Only 9 people are seen in the made videos that have these features; an interval needs 10."
    )
    none = learned_features(some(12, 0, frames=3), models)
    found = learned_distances(real, none, models, settings=QUICK)[0]
    assert (
        found.why == "No made video has the 4 frames that these features need." and found.missing_made == 12
    )


def test_videos_are_taken_one_by_one_and_a_distance_is_of_the_networks_given_alone() -> None:
    seen: list[int] = []

    def videos() -> object:
        for number, video in enumerate(some(12, 0)):
            seen.append(number)
            yield video

    model = Colours("vjepa")
    found = learned_features(videos(), [model])  # type: ignore[arg-type]
    assert seen == list(range(12)) and found.people["vjepa"][:2] == ["p0", "p1"]
    assert [d.name for d in learned_distances(found, found, [model], settings=QUICK)] == ["jedi"]
