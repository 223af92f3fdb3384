"""Raw "programmes" with talking faces made from nothing but a seed, and the truth about every frame of them."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from facevid.engine.progress import Progress
from facevid.media import VideoWriter
from facevid.synth.cast import make_people
from facevid.synth.figure import Figure
from facevid.synth.manifest import write_manifest
from facevid.synth.person import Person
from facevid.synth.scene import Picture
from facevid.synth.segments import KINDS, Plan, Segment, fade
from facevid.synth.voice import RATE

DISSOLVE, FADE = 10, 8  # frames


def synthesize(
    out: str | os.PathLike[str],
    *,
    people: int = 6,
    videos: int = 6,
    seed: int = 0,
    size: tuple[int, int] = (1280, 720),
    fps: int = 25,
    seconds: float | None = None,
    kinds: tuple[str, ...] | None = None,
    workers: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> list[Path]:
    """Makes `videos` programmes with `people` persons in folder `out`, with truth.json and manifest.jsonl beside them.

    truth.json tells every frame; manifest.jsonl is footage to build from that says what its people state of themselves.

    `size` is (width, height) of the pictures, both even; `seconds` about the length of each programme (default: six
    segments, about 18 s); `kinds` limits the segments to these names of KINDS; `workers` processes (default: one per
    core, at most one per video). The same arguments give the same bytes on one platform. Returns the videos' paths.

    Raises ValueError for numbers that cannot be, FileExistsError when a programme of that name is already there.
    """
    if people < 2 or videos < 1 or fps < 5:
        raise ValueError(
            f"people={people}, videos={videos}, fps={fps}: at least 2 people, 1 video and 5 frames a second."
        )
    if size[0] % 2 or size[1] % 2 or min(size) < 96:
        raise ValueError(f"size is {size}; both sides must be even and at least 96 pixels.")
    unknown = sorted(set(kinds or ()) - set(KINDS))
    if unknown:
        raise ValueError(f"unknown kinds {unknown}; there are {sorted(KINDS)}.")
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"programme_{i:02d}.mp4" for i in range(videos)]
    there = [p.name for p in paths if p.exists()]
    if there:
        raise FileExistsError(
            f"{folder} already holds {there[0]}; choose an empty folder or remove the old programmes."
        )
    cast = make_people(people, seed)
    plans = [_plan(i, cast, seed, fps, seconds, kinds) for i in range(videos)]
    jobs = [(path, plan, size, fps) for path, plan in zip(paths, plans, strict=True)]
    truth: list[dict[str, Any]] = []
    for entry in _run(jobs, min(workers or os.cpu_count() or 1, videos)):
        truth.append(entry)
        if on_progress:
            work = sum(e["frames"] for e in truth) / fps
            on_progress(Progress("synth", len(truth), videos, len(truth), 0, 0, 0, work))
    (folder / "truth.json").write_text(json.dumps(truth, separators=(",", ":")) + "\n")
    write_manifest(folder)
    return paths


def _run(jobs: list[Any], workers: int) -> Iterator[dict[str, Any]]:
    if workers <= 1:
        yield from map(_compose, jobs)
        return
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield from pool.imap(_compose, jobs)


def _plan(
    index: int, cast: list[Person], seed: int, fps: int, seconds: float | None, only: tuple[str, ...] | None
) -> list[Plan]:
    """The segments of one programme: two good ones to each bad one, every bad kind in its turn."""
    rng = np.random.default_rng([seed, 7003, index])
    bad = [
        str(k) for k in np.random.default_rng([seed, 7004]).permutation([k for k, r in KINDS.items() if r])
    ]
    count = 6 if seconds is None else max(1, round(seconds / 3.2))
    good = count - count // 3
    kinds = ["corner_text" if k == 0 and index % 2 else "clean" for k in range(good)]
    kinds += [bad[(index * (count - good) + j) % len(bad)] for j in range(count - good)]
    kinds = [str(k) for k in rng.permutation(kinds)]
    if only:
        kinds = [only[(index * count + k) % len(only)] for k in range(count)]
    lengths = np.array([_length(k) + rng.uniform(0, 0.8) for k in kinds])
    if seconds is not None:
        lengths *= seconds / lengths.sum()
    plans, last = [], None
    # people take turns over the good segments, so that each is met in several programmes
    turn = [int(t) for t in rng.permutation(len(cast))]
    for k, kind in enumerate(kinds):
        person = cast[turn[(k + index) % len(cast)]]
        if last is person:
            person = cast[turn[(k + index + 1) % len(cast)]]
        other = cast[(cast.index(person) + 1 + int(rng.integers(len(cast) - 1))) % len(cast)]
        last = person
        join = str(rng.choice(["cut", "dissolve", "fade"], p=[0.7, 0.2, 0.1])) if k else "start"
        plans.append(
            Plan(
                kind=kind,
                person=None if kind == "broll" else person,
                other=other,
                frames=max(4, round(float(lengths[k]) * fps)),
                lead=DISSOLVE if join == "dissolve" else 0,
                join=join,
                seed=int(rng.integers(1 << 62)),
            )
        )
    # a dissolve needs the frames before it
    for k in range(1, len(plans)):
        if plans[k].join != "cut" and min(plans[k - 1].frames, plans[k].frames) < 3 * DISSOLVE:
            plans[k] = replace(plans[k], join="cut", lead=0)
    return plans


def _compose(job: tuple[Path, list[Plan], tuple[int, int], int]) -> dict[str, Any]:
    path, plans, size, fps = job
    cv2.setNumThreads(1)
    names = {
        p.name: p
        for plan in plans
        for p in (plan.person, plan.other if plan.kind == "two_faces" else None)
        if p
    }
    figures = {name: _figure(person) for name, person in names.items()}
    entries, cuts = [], []
    done = 0
    with VideoWriter(path, width=size[0], height=size[1], fps=fps, audio_rate=RATE) as writer:
        held: list[Picture] = []  # the last frames, which the next segment may still dissolve or fade
        for plan in plans:
            segment = Segment(plan, size, fps, figures)
            if plan.join != "start":
                cuts.append({"frame": done, "time_s": done / fps, "type": plan.join})
            entries.append(segment.truth(done))
            wanted = _samples(done + plan.frames, fps) - _samples(done, fps)
            sound = np.zeros(wanted, np.float32)
            sound[: len(segment.sound)] = segment.sound[:wanted]
            writer.write_audio(fade(sound, 0.02, RATE))
            for i, frame in enumerate(segment.frames()):
                if i < plan.lead:
                    a = (i + 1) / (plan.lead + 1)
                    k = len(held) - plan.lead + i
                    held[k] = np.asarray(cv2.addWeighted(held[k], 1 - a, frame, a, 0), np.uint8)
                    continue
                j = i - plan.lead
                if plan.join == "fade" and j < FADE:
                    if j == 0:
                        for m in range(FADE):
                            k = len(held) - FADE + m
                            held[k] = np.asarray(
                                cv2.convertScaleAbs(held[k], alpha=1 - (m + 1) / FADE), np.uint8
                            )
                    frame = np.asarray(cv2.convertScaleAbs(frame, alpha=(j + 1) / FADE), np.uint8)
                held.append(frame)
                if len(held) > DISSOLVE:
                    writer.write(held.pop(0))
            done += plan.frames
        for frame in held:
            writer.write(frame)
    return {"video": path.name, "fps": fps, "frames": done, "segments": entries, "cuts": cuts}


def _length(kind: str) -> float:
    """The least seconds of a segment; silence must last to be told from a pause in speech."""
    return {"short": 0.5, "silent": 4.2}.get(kind, 2.4 if KINDS[kind] else 3.3)


_figures: dict[str, Figure] = {}


def _figure(person: Person) -> Figure:
    """The person made drawable; a process keeps the last few, since people appear in several programmes."""
    key = repr(person)
    if key not in _figures:
        if len(_figures) >= 12:
            _figures.clear()
        _figures[key] = Figure(person)
    return _figures[key]


def _samples(frame: int, fps: int) -> int:
    return round(frame * RATE / fps)
