"""Codecs are known by what they really encode and decode."""

from __future__ import annotations

import os

import pytest

from facevid.media import codecs
from facevid.media.codecs import ffmpeg_version, try_codecs


def test_what_a_build_writes_and_what_footage_comes_in_works_with_this_ffmpeg() -> None:
    found = {codec.name: codec for codec in try_codecs()}
    assert list(found) == ["h264", "hevc", "vp9", "av1", "aac", "flac"]
    assert [
        c for c in found.values() if c.name in ("h264", "aac", "flac") and not (c.encodes and c.decodes)
    ] == []
    assert [c.name for c in found.values() if c.decodes is False] == []
    assert ffmpeg_version().startswith("FFmpeg ")


def test_no_encoder_makes_this_process_more_urgent_than_it_was() -> None:
    """SVT-AV1 asks for realtime scheduling, and root gets it."""
    if not hasattr(os, "sched_getscheduler"):
        pytest.skip("this system does not tell how a process is scheduled")
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try_codecs()
    assert (os.sched_getscheduler(0), os.sched_getparam(0)) == before


def test_a_missing_encoder_is_told_by_name_and_says_nothing_against_decoding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = codecs._is_known
    monkeypatch.setattr(codecs, "_is_known", lambda name, mode: name != "libx264" and known(name, mode))
    h264 = next(codec for codec in try_codecs() if codec.name == "h264")
    assert (h264.encodes, h264.decodes, h264.problem) == (False, None, "there is no encoder libx264")


def test_what_comes_back_as_another_picture_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codecs, "_OFF", 0.0)
    h264 = next(codec for codec in try_codecs() if codec.name == "h264")
    assert (h264.encodes, h264.decodes) == (True, False)


def test_bytes_that_cannot_be_decoded_are_a_problem_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codecs, "_encoded_sound", lambda encoder: b"no sound at all")
    flac = next(codec for codec in try_codecs() if codec.name == "flac")
    assert (flac.encodes, flac.decodes) == (True, False)
    assert "Invalid data" in str(flac.problem)
