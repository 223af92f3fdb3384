"""One folder with every kind of good, odd and broken footage, and the dataset that a build makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from hostile import cut_off, film, landscape, plain, shrunk, talk, voice
from hostile_backend import BUG, CRASH, HANG

import facevid
from facevid.curate.summary import Summary
from facevid.engine import FolderBusy, Progress

RECIPE: dict[str, Any] = {
    # A hanging source has 2 s + 15 s for each of its .2 s, a face of 1.2 s has 20 s.
    "analyze": {"timeout_s": 2.0, "timeout_per_second": 15.0},
    "select": {"min_s": 0.8, "rules": [{"reason": "resolution", "score": "face_px", "min": 80.0}]},
    "cut": {"size": 128, "preset": "ultrafast"},
    "identify": {"faces_per_clip": 1},
    "backends": {"face_detector": "hostile"},
}
"""Small clips, one rule, and the face detector that fails on purpose."""


@dataclass
class Messy:
    """A finished build; `busy` is what a second build on the same folder was told meanwhile."""

    footage: Path
    dataset: Path
    summary: Summary
    busy: list[str] = field(default_factory=list)


def build_messy(folder: Path) -> Messy:
    """Make the footage and build it with two workers, trying a second build on the folder in between."""
    footage, dataset = folder / "footage", folder / "dataset"
    footage.mkdir()
    make_footage(footage, folder / "talk")
    busy: list[str] = []
    summary = facevid.build(
        footage, dataset, recipe=RECIPE, workers=2, on_progress=_intruder(footage, dataset, busy)
    )
    return Messy(footage, dataset, summary, busy)


def make_footage(out: Path, scratch: Path) -> None:
    """26 files; each name says what is odd about it."""
    said = talk(scratch)
    faces, sound = said.pictures, [said.sound]
    film(out / "plain.mp4", faces, sounds=sound)
    film(out / "small_face.mp4", shrunk(faces, 2), sounds=sound)
    film(out / "matroska.mkv", faces, sounds=sound)
    film(out / "webm.webm", faces, sounds=sound, codec="libvpx-vp9", sound_codec="libopus")
    film(out / "quicktime.mov", faces, sounds=sound)
    film(out / "avi.avi", faces, sounds=sound, codec="mpeg4", sound_codec="pcm_s16le")
    film(out / "no_sound.mp4", faces)
    film(out / "two_sounds.mkv", faces, sounds=[np.zeros_like(said.sound), said.sound], main_sound=1)
    film(
        out / "variable_rate.mp4",
        faces,
        times=[i / 25 + 0.012 * (i % 3 > 0) for i in range(len(faces))],
        sounds=sound,
    )
    film(out / "turned.mp4", [np.rot90(p).copy() for p in faces], rotation=-90, sounds=sound)
    film(out / "odd_size.mkv", [p[:359, :639].copy() for p in faces], pix_fmt="yuv444p", sounds=sound)
    film(out / "uhd.mp4", faces[:21], size=(3840, 2160), sounds=sound)
    film(out / "ten_bit.mp4", faces, pix_fmt="yuv420p10le", sounds=sound)
    film(out / "fps_8.mp4", faces[::3], fps=8, sounds=sound)
    film(out / "fps_60.mp4", [faces[i * 25 // 60] for i in range(72)], fps=60, sounds=sound)
    film(out / "negative_start.ts", faces, start_s=-0.4, avoid_negative_ts="disabled", sounds=sound)
    film(out / "no_face.mp4", landscape(), sounds=sound)
    cut_off(film(out / "broken_off.mp4", faces * 2, movflags="+faststart"), 0.55)
    (out / "copy.mp4").write_bytes((out / "plain.mp4").read_bytes())

    (out / "empty.mp4").touch()
    (out / "text.mp4").write_text("This is no video.\n" * 40)
    voice(out / "voice_only.mp4", said.sound)
    cut_off(film(out / "no_index.mp4", faces), 0.8)
    film(out / "crashes.mp4", plain(CRASH))
    film(out / "hangs.mp4", plain(HANG))
    film(out / "bug.mp4", plain(BUG))


def _intruder(footage: Path, dataset: Path, busy: list[str]) -> Callable[[Progress], None]:
    def second_build(progress: Progress) -> None:
        if progress.step == "analyze" and not busy:
            try:
                facevid.build(footage, dataset, recipe=RECIPE, workers=2)
            except FolderBusy as error:
                busy.append(str(error))

    return second_build
