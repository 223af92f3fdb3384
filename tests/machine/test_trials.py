"""Codecs and backends are tried: what does not work is a fault with its own words, what answers oddly a warning."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from facevid.backends import weights
from facevid.engine import Outcome, StepError
from facevid.machine.trials import FACE, TRIALS, backend_check, codec_check, scene, try_step
from facevid.recipe import Backends, load_recipe


def tried(**value: Any) -> Outcome:
    return Outcome("codecs", "check", "ok", value=value)


def codecs(**changed: dict[str, Any]) -> Outcome:
    names = ("h264", "hevc", "vp9", "av1", "aac", "flac")
    sound = {"encodes": True, "decodes": True, "problem": None}
    return tried(version="FFmpeg 8", codecs=[{"name": n, **sound, **changed.get(n, {})} for n in names])


def test_every_kind_of_backend_that_a_recipe_names_is_tried() -> None:
    assert set(TRIALS) == set(Backends.model_fields)


@pytest.mark.parametrize("codec", ["h264", "aac", "flac"])
def test_without_a_codec_of_clips_nothing_can_be_built(codec: str) -> None:
    lost = {"encodes": False, "decodes": None, "problem": f"there is no encoder {codec}"}
    check = codec_check(codecs(**{codec: lost}))
    assert (check.status, f"there is no encoder {codec}" in check.found) == ("fault", True)
    assert "pip install" in check.do


def test_without_a_codec_of_footage_such_footage_is_lost() -> None:
    check = codec_check(codecs(av1={"encodes": True, "decodes": False, "problem": "no such decoder"}))
    assert (check.status, "AV1 (no such decoder)" in check.found) == ("warning", True)


def test_a_codec_that_could_not_be_tried_is_not_said_to_work() -> None:
    check = codec_check(
        codecs(hevc={"encodes": False, "decodes": None, "problem": "there is no encoder libx265"})
    )
    assert check.status == "ok"
    assert "decodes VP9, AV1; could not be tried: HEVC" in check.found


def test_missing_weights_are_a_fault_that_names_the_file_and_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = replace(weights.WEIGHTS["dlib-resnet"], package=None, inside=None, url=None)
    monkeypatch.setitem(weights.WEIGHTS, "dlib-resnet", gone)
    monkeypatch.delenv("FACEVID_MODELS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/nowhere")
    with pytest.raises(StepError) as raised:
        try_step({"kind": "face_embedder", "name": "dlib"}, load_recipe())
    failed = Outcome("face_embedder", "check", "failed", kind=raised.value.kind, message=raised.value.message)
    check = backend_check("face_embedder dlib", failed)
    assert check.status == "fault"
    assert "dlib_face_recognition_resnet_model_v1.dat is missing" in check.found
    assert "FACEVID_MODELS" in check.found


def test_a_backend_that_crashes_is_a_fault() -> None:
    check = backend_check("face_mesh x", Outcome("k", "check", "failed", "crash", "The process was killed."))
    assert (check.status, check.found) == ("fault", "The process was killed.")
    assert "another backend" in check.do


class Odd:
    """Answers whatever it is asked as no working backend does."""

    presence = 1.0

    def detect(self, image: Any) -> list[Any]:
        return []

    def tracker(self) -> Odd:
        return self

    def update(self, image: Any, box: Any) -> Any:
        return np.zeros((478, 3), np.float32)

    def chip(self, image: Any, mesh: Any) -> Any:
        return np.zeros((150, 150, 3), np.uint8)

    def embed(self, chips: Any) -> Any:
        return np.full((len(chips), 128), np.nan, np.float32)

    def reset(self) -> None:
        pass

    def probabilities(self, samples: Any) -> Any:
        return np.full(3, 0.9, np.float32)

    def read(self, image: Any) -> list[Any]:
        return []

    def mask(self, image: Any) -> Any:
        return np.ones(image.shape[:2], np.float32)


@pytest.mark.parametrize("kind", [kind for kind in TRIALS if kind != "hand_detector"])
def test_an_answer_that_no_working_backend_gives_is_told_from_a_good_one(kind: str) -> None:
    good, said = TRIALS[kind](Odd(), scene(), load_recipe())
    assert not good
    check = backend_check(kind, tried(version="odd 1", good=good, said=said))
    assert (check.status, said in check.found) == ("warning", True)


def test_the_scene_has_a_person_who_talks() -> None:
    seen = scene()
    x0, y0, x1, y1 = (round(edge) for edge in FACE)
    assert seen.picture.shape == (360, 640, 3)
    assert seen.picture[y0:y1, x0:x1].std() > 10
    assert float(np.abs(seen.sound).max()) > 0.1
