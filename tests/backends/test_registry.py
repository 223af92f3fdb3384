"""Backends are found by kind and name, and say in a sentence what is wrong when they cannot be."""

from __future__ import annotations

from importlib import metadata

import pytest

from facevid import backends
from facevid.backends import registry


@pytest.fixture
def built_in_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backends of other packages are out of sight: tests elsewhere register some."""
    own = metadata.distribution("facevid").entry_points
    monkeypatch.setattr(registry.metadata, "entry_points", lambda group: own.select(group=group))


@pytest.mark.usefixtures("built_in_alone")
def test_every_kind_of_the_recipe_has_a_built_in_backend() -> None:
    assert set(backends.kinds()) >= {
        "face_detector",
        "face_mesh",
        "hand_detector",
        "face_embedder",
        "speech_detector",
        "text_detector",
    }
    assert backends.names("face_detector") == ["mediapipe"]


@pytest.mark.usefixtures("built_in_alone")
def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(backends.BackendError, match=r"no backend 'scrfd' .*face_detector: mediapipe"):
        backends.load("face_detector", "scrfd")


def test_unknown_kind_lists_the_known_ones() -> None:
    with pytest.raises(backends.BackendError, match=r"known kinds: .*face_mesh"):
        backends.load("nose_detector", "mediapipe")


def test_unknown_option_lists_what_the_backend_takes() -> None:
    with pytest.raises(backends.BackendError, match=r"min_skore.*it takes: threads, model, min_score"):
        backends.load("face_detector", "mediapipe", min_skore=0.3)


def test_target_that_does_not_load_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.BUILT_IN, "face_detector.gone", "facevid_no_such_package:Detector")
    with pytest.raises(backends.BackendError, match="facevid_no_such_package:Detector"):
        backends.load("face_detector", "gone")


def test_backend_of_another_package_is_found_through_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    point = registry.metadata.EntryPoint("speech_detector.mine", "argparse:Namespace", registry.GROUP)
    monkeypatch.setattr(registry.metadata, "entry_points", lambda group: [point])
    assert backends.load("speech_detector", "mine", threads=2).threads == 2
