"""Speech is repeatable and moves the mouth at the right moments."""

from __future__ import annotations

import numpy as np
import pytest

from facevid.synth.person import Voice
from facevid.synth.sentences import GRAMMAR, sentence
from facevid.synth.voice import RATE, VISEMES, mouth_track, speak, viseme

ENGLISH = Voice("en-us", "f2", 55, 50, 160)


def test_speech_is_the_same_every_time_whatever_was_said_before() -> None:
    first = speak("We measured it again.", ENGLISH)
    speak("Nous avons mesuré.", Voice("fr", "m3", 30, 50, 160))
    again = speak("We measured it again.", ENGLISH)
    assert np.array_equal(first.samples, again.samples)
    assert first.phonemes == again.phonemes
    assert 0.8 < first.seconds < 4
    assert len(first.samples) == round(first.seconds * RATE)


def test_every_language_of_the_grammar_can_be_spoken() -> None:
    rng = np.random.default_rng(1)
    for language in GRAMMAR:
        said = speak(
            sentence(language, rng), Voice(language if language != "en" else "en-us", "m3", 40, 50, 160)
        )
        assert np.sqrt(np.mean(said.samples**2)) > 0.02
        assert len(said.phonemes) > 10


def test_an_unknown_voice_is_named_in_the_error() -> None:
    with pytest.raises(RuntimeError, match="xx"):
        speak("hello", Voice("xx", "f2", 50, 50, 160))


def test_lips_close_for_m_and_open_for_a() -> None:
    track = mouth_track(((0.0, "a"), (0.3, "m"), (0.45, "a")), 0.8, 25, 25, 0.0)
    jaw, press = track[:, 0], track[:, 2]
    assert jaw[4] > 0.4 and jaw[14] > 0.4
    assert jaw[8:11].min() < 0.05
    assert press[8:11].max() > 0.9


def test_every_phoneme_has_a_shape() -> None:
    assert viseme("") == "rest" and viseme("(en)") == "rest" and viseme("tS") == "pout"
    assert all(
        viseme(p) in VISEMES for p in ("a", "e", "i", "o", "u", "@", "p", "f", "S", "k", "R", "?", "n^")
    )
