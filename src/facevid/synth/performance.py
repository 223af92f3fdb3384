"""What a person does in a stretch of footage: speech, head movement, blinks, gaze and actions, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facevid.synth.figure import Pose
from facevid.synth.head import MOVES
from facevid.synth.noise import Array, noise_time
from facevid.synth.person import Person
from facevid.synth.sentences import sentence
from facevid.synth.voice import RATE, mouth_track, speak

INDEX = {name: k for k, name in enumerate(MOVES)}
WHILE_TALKING = (
    "smile",
    "nod",
    "shake head",
    "wag head",
    "tilt",
    "close eyes",
    "wink",
    "gaze away",
    "frown",
    "raise brows",
)
WHILE_SILENT = ("yawn", "laugh", "smile", "gaze away", "close eyes", "sigh")
_LENGTH = {"nod": 1.2, "shake head": 1.3, "wag head": 1.8, "wink": 0.5, "close eyes": 0.9, "yawn": 2.0}


@dataclass(frozen=True)
class Action:
    name: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Performance:
    """`poses` one a frame; `sound` float32 at voice.RATE; times in seconds from the first pose."""

    poses: list[Pose]
    sound: Array
    actions: list[Action]
    blinks: list[tuple[float, float]]
    spoken: list[tuple[str, float, float]]


def perform(
    person: Person,
    n: int,
    fps: float,
    rng: np.random.Generator,
    *,
    talk: bool = True,
    profile: bool = False,
    sway: float = 1.0,
) -> Performance:
    """`n` frames of `person` acting; `talk` with speech, `profile` turned far to the side."""
    seconds = n / fps
    sound, mouth, spoken = _speech(person, n, fps, rng) if talk else _quiet(n, fps)
    names = WHILE_TALKING if talk else WHILE_SILENT
    actions = _plan(names, seconds, rng)
    weights = _mouth_weights(mouth)
    angles = np.stack(
        [
            4.5 * sway * noise_time(rng, n, fps, 3.2) + rng.uniform(-3, 3),
            2.6 * sway * noise_time(rng, n, fps, 2.4) + rng.uniform(-2, 2),
            2.2 * sway * noise_time(rng, n, fps, 3.6) + rng.uniform(-2, 2),
        ],
        1,
    )
    loud = np.convolve(np.pad(mouth[:, 0], 3, mode="edge"), np.ones(7) / 7, "valid")
    angles[:, 1] += 5.0 * (loud - loud.mean())  # heads dip and lift with the stress of speech
    weights[:, INDEX["brow_up"]] += np.clip(0.9 * (loud - 0.3), 0, 0.4) + 0.12 * noise_time(rng, n, fps, 2.0)
    weights[:, INDEX["smile"]] += 0.12 * np.clip(noise_time(rng, n, fps, 4.0), 0, 2)
    gaze = _glances(n, fps, rng)
    lids, blinks = _blinks(
        n, fps, rng, [(a.start_s, a.end_s) for a in actions if a.name in ("close eyes", "wink")]
    )
    squint = np.zeros(n, np.float32)
    for a in actions:
        _act(a, n, fps, rng, angles, weights, gaze, lids, squint)
    if profile:
        side = float(rng.choice([-1.0, 1.0]))
        angles[:, 0] = side * (62 + 6 * noise_time(rng, n, fps, 3.0))
    weights = np.clip(weights, 0, 1.3)
    moves = np.stack([0.35 * sway * noise_time(rng, n, fps, p) for p in (3.4, 2.9, 4.2)], 1)
    moves[:, 0] += 0.02 * angles[:, 0]
    poses = [_pose(weights[i], angles[i], moves[i], lids[i], gaze[i], squint[i]) for i in range(n)]
    if talk and spoken:
        actions = [Action("talk", spoken[0][1], spoken[-1][2]), *actions]
    return Performance(poses, sound, actions, blinks, spoken)


def _pose(weights: Array, angles: Array, move: Array, lids: Array, gaze: Array, squint: np.float32) -> Pose:
    yaw, pitch, roll = (float(v) for v in angles)
    x, y, z = (float(v) for v in move)
    left, right = (float(v) for v in lids)
    across, up = (float(v) for v in gaze)
    return Pose(
        weights.astype(np.float32), yaw, pitch, roll, (x, y, z), (left, right), (across, up), float(squint)
    )


def _speech(
    person: Person, n: int, fps: float, rng: np.random.Generator
) -> tuple[Array, Array, list[tuple[str, float, float]]]:
    seconds = n / fps
    sound = np.zeros(round(seconds * RATE), np.float32)
    mouth = np.zeros((n, 5), np.float32)
    spoken = []
    at = 0.12
    while at < seconds - 0.3:
        line = speak(sentence(person.voice.language, rng), person.voice)
        first = int(at * RATE)
        piece = line.samples[: len(sound) - first]
        sound[first : first + len(piece)] += piece
        track = mouth_track(line.phonemes, line.seconds, n, fps, at)
        mask = (np.arange(n) / fps >= at - 0.05) & (np.arange(n) / fps <= at + line.seconds + 0.05)
        mouth[mask] = track[mask]
        end = min(at + line.seconds, seconds)
        spoken.append((line.text, at, end))
        at += line.seconds + float(rng.uniform(0.05, 0.2))
    fade = np.linspace(1, 0, RATE // 50, dtype=np.float32)
    sound[-len(fade) :] *= fade
    sound += (10 ** (-66 / 20) * rng.normal(size=len(sound))).astype(np.float32)  # the hiss of a quiet room
    return sound, mouth, spoken


def _quiet(n: int, fps: float) -> tuple[Array, Array, list[tuple[str, float, float]]]:
    mouth = np.zeros((n, 5), np.float32)
    mouth[:, 2] = 0.1
    return np.zeros(round(n / fps * RATE), np.float32), mouth, []


def _mouth_weights(mouth: Array) -> Array:
    w = np.zeros((len(mouth), len(MOVES)), np.float32)
    w[:, INDEX["jaw"]] = mouth[:, 0] * 0.62
    w[:, INDEX["wide"]] = np.maximum(mouth[:, 1], 0)
    w[:, INDEX["round"]] = np.maximum(-mouth[:, 1], 0)
    w[:, INDEX["press"]] = mouth[:, 2] * 0.7
    w[:, INDEX["upper_up"]] = mouth[:, 3]
    w[:, INDEX["lower_down"]] = np.maximum(mouth[:, 4], 0)
    return w


def _plan(names: tuple[str, ...], seconds: float, rng: np.random.Generator) -> list[Action]:
    out = []
    at = float(rng.uniform(0.4, 1.0))
    for name in rng.permutation(np.array(names)):
        length = _LENGTH.get(str(name), float(rng.uniform(1.2, 2.0)))
        if at + length > seconds - 0.2:
            break
        out.append(Action(str(name), round(at, 3), round(at + length, 3)))
        at += length + float(rng.uniform(0.4, 1.2))
    return out


def _blinks(
    n: int, fps: float, rng: np.random.Generator, busy: list[tuple[float, float]]
) -> tuple[Array, list[tuple[float, float]]]:
    """Lid openings (n, 2) and the blinks: every 2 to 5 s, about 0.3 s long, closing faster than opening."""
    lids = np.ones((n, 2), np.float32)
    t = np.arange(n) / fps
    blinks = []
    at = float(rng.uniform(0.3, 1.8))
    while at < n / fps - 0.3:
        end = at + 0.32
        if not any(a - 0.3 < end and at < b + 0.3 for a, b in busy):
            shape = np.interp(t, [at, at + 0.09, at + 0.17, end], [1, 0, 0, 1], left=1, right=1)
            lids = np.minimum(lids, shape[:, None].astype(np.float32))
            blinks.append((round(at, 3), round(end, 3)))
        at += float(rng.uniform(1.6, 4.2))
    return lids, blinks


def _glances(n: int, fps: float, rng: np.random.Generator) -> Array:
    """Gaze in cm: small jumps around the camera."""
    gaze = np.zeros((n, 2), np.float32)
    i, here = 0, np.zeros(2)
    while i < n:
        hold = int(fps * rng.uniform(0.4, 1.6))
        gaze[i : i + hold] = here
        i += hold
        here = rng.normal(0, [0.07, 0.035])
    return gaze


def _act(
    a: Action,
    n: int,
    fps: float,
    rng: np.random.Generator,
    angles: Array,
    weights: Array,
    gaze: Array,
    lids: Array,
    squint: Array,
) -> None:
    """Adds an action to the tracks, in place."""
    t = np.arange(n) / fps
    ease = min(0.3, (a.end_s - a.start_s) / 3)
    w = np.interp(t, [a.start_s, a.start_s + ease, a.end_s - ease, a.end_s], [0, 1, 1, 0], left=0, right=0)
    w = (w * w * (3 - 2 * w)).astype(np.float32)
    since = t - a.start_s
    side = float(rng.choice([-1.0, 1.0]))

    def add(**amounts: float) -> None:
        for name, amount in amounts.items():
            weights[:, INDEX[name]] += amount * w

    if a.name == "nod":
        angles[:, 1] -= 8.5 * w * np.sin(2 * np.pi * 1.7 * since)
    elif a.name == "shake head":
        angles[:, 0] += 12 * w * np.sin(2 * np.pi * 1.6 * since)
    elif a.name == "wag head":
        angles[:, 2] += 9 * w * np.sin(2 * np.pi * 1.1 * since)
    elif a.name == "tilt":
        angles[:, 2] += 12 * side * w
    elif a.name == "smile":
        add(smile=0.85, cheek_up=0.5)
        squint += 0.5 * w
    elif a.name == "close eyes":
        np.minimum(lids, 1 - w[:, None], out=lids)
    elif a.name == "wink":
        column = int(side > 0)
        np.minimum(lids[:, column], 1 - w, out=lids[:, column])
        add(cheek_up=0.4, smile=0.3)
    elif a.name == "gaze away":
        gaze[:, 0] += 0.48 * side * w
    elif a.name == "frown":
        add(brow_down=1.0, sad=0.7)
        squint += 0.2 * w
    elif a.name == "raise brows":
        add(brow_up=1.0)
    elif a.name in ("yawn", "sigh"):
        add(jaw=1.0 if a.name == "yawn" else 0.22)
        if a.name == "yawn":
            np.minimum(lids, 1 - 0.85 * w[:, None], out=lids)
            add(brow_up=0.6)
        angles[:, 1] += 6 * w
    elif a.name == "laugh":
        add(smile=1.0, cheek_up=0.8, lower_down=0.5)
        weights[:, INDEX["jaw"]] += w * (0.28 + 0.12 * np.sin(2 * np.pi * 4.5 * since))
        squint += 0.7 * w
        angles[:, 1] += w * (3 + 2 * np.sin(2 * np.pi * 4.5 * since))
