"""Small videos of drawn people who talk, and datasets of them."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import sys
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facevid.bench.looking import seen
from facevid.bench.looking.eyes import Eyes
from facevid.bench.looking.seen import Seen
from facevid.bench.measures.sync import voice
from facevid.media import EncodeOptions, VideoWriter
from facevid.recipe import load_recipe
from facevid.synth import Person, make_people
from facevid.synth.figure import Figure
from facevid.synth.light import Light
from facevid.synth.performance import perform
from facevid.synth.raster import Camera
from facevid.synth.voice import RATE

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from spoiling import blurred, cast, frozen, noisy, shuffled, swapped

__all__ = ["blurred", "cast", "frozen", "noisy", "shuffled", "swapped"]
Video = NDArray[np.uint8]
FPS, SIDE = 25.0, 128


@cache
def _people() -> list[Person]:
    return make_people(16, 4)


@cache
def _figure(person: int) -> Figure:
    return Figure(_people()[person])


@cache
def talking(person: int, frames: int = 17, seed: int = 0) -> tuple[Video, NDArray[np.float32]]:
    """Frames (n, 128, 128, 3) of one of sixteen people, and the sound at 16 kHz."""
    who = _people()[person]
    acted = perform(who, frames, FPS, np.random.default_rng([seed, person]), talk=True)
    figure = _figure(person)
    pictures = []
    for pose in acted.poses:
        canvas = np.full((SIDE, SIDE, 3), 120, np.uint8)
        figure.draw(canvas, pose, Light(0.2, 0.6, 0.9, 0.0, 0.4), Camera(SIDE / 2, SIDE / 2 - 12, 4.2))
        pictures.append(canvas)
    at = np.arange(round(frames / FPS * 16000)) / 16000 * RATE
    sound = np.interp(at, np.arange(len(acted.sound)), acted.sound).astype(np.float32)
    return np.stack(pictures), sound


@cache
def eyes() -> Eyes:
    return Eyes(load_recipe(None))


class _Blind:
    """In place of the face embedder, which takes most of the time."""

    version = "none"

    def chip(self, image: Video, mesh: NDArray[np.float32]) -> Video:
        return np.zeros((150, 150, 3), np.uint8)

    def embed(self, chips: Video) -> NDArray[np.float32]:
        return np.zeros((len(chips), 128), np.float32)


@cache
def blind() -> Eyes:
    """Eyes that do not tell people apart."""
    made = copy.copy(eyes())
    made._embedder = _Blind()  # type: ignore[assignment]
    return made


def look(video: Video, sound: NDArray[np.float32] | None = None, *, who: bool = True) -> Seen:
    """What is seen in a video, looked at once; who: whether faces are told apart."""
    heard = None if sound is None else voice(sound, frames=len(video), fps=FPS)
    parts = [hashlib.sha256(a.tobytes()).hexdigest() for a in (video, heard) if a is not None]
    key = (video.shape, *parts, who, seen.LOOKS)
    if key not in _SEEN:
        reader = eyes() if who else blind()
        _SEEN[key] = reader.look(iter(video), count=len(video), fps=FPS, heard=heard)
    return _SEEN[key]


_SEEN: dict[tuple[object, ...], Seen] = {}


def write_video(path: Path, video: Video, sound: NDArray[np.float32] | None = None) -> Path:
    """As nearly lossless as the writer can."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = EncodeOptions(crf=4)
    with VideoWriter(
        path, width=video.shape[2], height=video.shape[1], fps=FPS, options=options,
        audio_rate=None if sound is None else 16000,
    ) as out:  # fmt: skip
        for frame in video:
            out.write(frame)
        if sound is not None:
            out.write_audio(sound)
    return path


def people_dataset(place: Path, people: int = 12) -> Path:
    """A published dataset of one clip each of so many drawn people, 8 frames of 128 x 128."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "curate"))
    from packing import clip_name, cut_clip, work

    from facevid.curate.pack import pack_dataset

    for k in range(people):
        meta = cut_clip(place / "cut", clip_name(k), seed=k)
        clip = write_video(
            place / "cut" / clip_name(k) / "clip.mp4", talking(k, 8)[0], np.zeros(5120, np.float32)
        )
        meta["width"] = meta["height"] = SIDE
        meta["members"]["clip.mp4"] = {
            "bytes": clip.stat().st_size, "sha256": hashlib.sha256(clip.read_bytes()).hexdigest(),
        }  # fmt: skip
        (clip.parent / "meta.json").write_text(json.dumps(meta))
    tables = work(place / "cut", people)
    named = {clip: f"p{k}" for k, clip in enumerate(tables.identity)}
    pack_dataset(
        place / "dataset", tables=dataclasses.replace(tables, identity=named), clip_folder=place / "cut",
        recipe={"fps": FPS}, name="drawn people",
    )  # fmt: skip
    return place / "dataset"
