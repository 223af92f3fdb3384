"""One stretch of a programme: who, which light, which fault, and its frames with their truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from facevid.synth.figure import Figure
from facevid.synth.hand import hand_sprite, put_hand
from facevid.synth.light import Light
from facevid.synth.noise import Array
from facevid.synth.performance import Performance, perform
from facevid.synth.person import Person
from facevid.synth.raster import Camera, Layer, blend
from facevid.synth.scene import Picture, landscape, pan, room, write_text
from facevid.synth.voice import RATE

# kind -> the reasons for which a curation run may rightly reject it (none: the segment is to be kept)
KINDS: dict[str, tuple[str, ...]] = {
    "clean": (),
    "corner_text": (),
    "subtitle": ("text",),
    "two_faces": ("multiple_faces",),
    "hand": ("occlusion",),
    "dark": ("brightness", "no_face"),
    "blur": ("sharpness", "no_face"),
    "small": ("resolution", "no_face"),
    "border": ("border",),
    "freeze": ("motion",),
    "silent": ("speech",),
    "pose": ("pose", "no_face"),
    "broll": ("no_face",),
    "short": ("duration",),
}


@dataclass(frozen=True)
class Plan:
    """What is to be filmed: `lead` frames come before the segment's start, for a dissolve into it."""

    kind: str
    person: Person | None
    other: Person | None
    frames: int
    lead: int
    join: str
    seed: int


@dataclass(frozen=True)
class Shot:
    """A figure in place: its camera, still body layer and performance."""

    figure: Figure
    camera: Camera
    body: Layer | None
    act: Performance


class Segment:
    """A plan made ready; `frames()` yields lead + frames pictures, `sound` and `truth()` cover the frames alone."""

    def __init__(self, plan: Plan, size: tuple[int, int], fps: float, figures: dict[str, Figure]) -> None:
        self.plan, self.size, self.fps = plan, size, fps
        rng = np.random.default_rng(plan.seed)
        self.light = Light(
            side=float(rng.uniform(-0.9, 0.9)),
            height=float(rng.uniform(0.3, 1.0)),
            level=float(rng.choice([0.72, 0.9, 1.0, 1.0, 1.05, 1.18])),
            warmth=float(rng.uniform(-0.7, 0.9)),
            hardness=float(rng.uniform(0.15, 0.75)),
        )
        w, h = size
        self.unit = h / 720
        self.cx = w / 2 + float(rng.uniform(-120, 120)) * self.unit
        self.scale = {"small": 5.4, "two_faces": 17.5}.get(
            plan.kind, float(rng.uniform(19.5, 22))
        ) * self.unit
        count = plan.lead + plan.frames
        if plan.kind == "broll":
            self.still, self.shots = landscape(rng, size), []
        else:
            self.still = room(rng, size, self.light)
            self.shots = self._shots(figures, count, rng)
        self.rng = rng
        self.sound = (
            self.shots[0].act.sound if self.shots else np.zeros(round(count / fps * RATE), np.float32)
        )
        self.sound = self.sound[round(plan.lead / fps * RATE) :]

    def _shots(self, figures: dict[str, Figure], count: int, rng: np.random.Generator) -> list[Shot]:
        w, h = self.size
        plan = self.plan
        cast = [(plan.person, self.cx)]
        if plan.kind == "two_faces":
            cast = [(plan.person, w * 0.27), (plan.other, w * 0.73)]
        shots = []
        for k, (person, cx) in enumerate(cast):
            assert person is not None
            act = perform(
                person,
                count,
                self.fps,
                rng,
                talk=plan.kind != "silent" and k == 0,
                profile=plan.kind == "pose",
            )
            camera = Camera(cx, h * 0.455 + (0 if plan.kind != "small" else h * 0.15), self.scale)
            figure = figures[person.name]
            shots.append(Shot(figure, camera, figure.body(self.light, camera, self.size), act))
        return shots

    def frames(self) -> Iterator[Picture]:
        """The pictures (h, w, 3), one after the other."""
        plan = self.plan
        count = plan.lead + plan.frames
        frozen: Picture | None = None
        hand = None
        if plan.kind == "hand" and plan.person is not None:
            hand = hand_sprite(plan.person, self.light, self.scale * 0.92, self.rng)
        for i in range(count):
            if plan.kind == "freeze" and frozen is not None:
                yield frozen.copy()
                continue
            frame = self._frame(i, count)
            if hand is not None:
                centre = (
                    self.cx + 2.2 * self.scale * np.sin(i / 9),
                    self.size[1] * 0.5 + 1.6 * self.scale * np.cos(i / 7),
                )
                put_hand(frame, hand, centre, 8 * float(np.sin(i / 6)))
            frozen = frame if plan.kind == "freeze" else None
            yield frame

    def _frame(self, i: int, count: int) -> Picture:
        kind = self.plan.kind
        w, h = self.size
        if kind == "broll":
            return pan(self.still, self.size, i / max(1, count - 1))
        frame = self.still.copy()
        for shot in self.shots:
            pose = shot.act.poses[i]
            if shot.body is not None:
                _blend_moved(frame, shot.body, pose.move, shot.camera.scale)
            shot.figure.draw(frame, pose, self.light, shot.camera)
        if kind == "border":
            half = int(190 * self.unit)
            x0 = int(np.clip(self.cx, half, w - half)) - half
            boxed = np.zeros_like(frame)
            boxed[:, w // 2 - half : w // 2 + half] = frame[:, x0 : x0 + 2 * half]
            frame = boxed
        elif kind == "dark":
            frame = np.asarray(cv2.convertScaleAbs(frame, alpha=0.06), np.uint8)
        elif kind == "blur":
            frame = np.asarray(cv2.GaussianBlur(frame, (0, 0), 9 * self.unit), np.uint8)
        elif kind == "subtitle":
            line = (
                self.shots[0].act.spoken[0][0] if self.shots[0].act.spoken else "and that is why we came back"
            )
            write_text(frame, line, (int(self.cx), int(h * 0.86)), int(22 * self.unit))
        elif kind == "corner_text":
            corner = (
                int((110 if self.cx > w / 2 else 1170) * self.unit * w / (1280 * self.unit)),
                int(40 * self.unit),
            )
            write_text(frame, "LIVE 09:41", corner, int(17 * self.unit))
        return np.asarray(frame, np.uint8)

    def truth(self, start: int) -> dict[str, Any]:
        """The segment's entry in truth.json; `start` is its first frame in the programme."""
        plan, fps = self.plan, self.fps
        entry: dict[str, Any] = {
            "start_s": start / fps,
            "end_s": (start + plan.frames) / fps,
            "kind": plan.kind,
            "keep": not KINDS[plan.kind],
            "reasons": list(KINDS[plan.kind]),
            "person": plan.person.name if plan.person else None,
            "second_person": plan.other.name if plan.other and plan.kind == "two_faces" else None,
            "first_frame": start,
            "frames": plan.frames,
        }
        if not self.shots or plan.person is None:
            return entry | {"speech": None}
        act, figure = self.shots[0].act, self.shots[0].figure
        poses = act.poses[plan.lead :]
        if plan.kind == "freeze":
            poses = [act.poses[0]] * len(poses)
        opening = [figure.opening(figure.face(p)) for p in poses]
        shift = (start - plan.lead) / fps
        end = (start + plan.frames) / fps

        def span(a: float, b: float) -> tuple[float, float] | None:
            a, b = max(a + shift, start / fps), min(b + shift, end)
            return (round(a, 3), round(b, 3)) if b > a and plan.kind != "freeze" else None

        def spans(items: list[tuple[float, float]]) -> list[tuple[float, float]]:
            return [s for s in (span(*item) for item in items) if s]

        said = [(text, span(a, b)) for text, a, b in act.spoken]
        return entry | {
            "speech": " ".join(text for text, s in said if s) or None,
            "language": plan.person.voice.language if act.spoken else None,
            "sentences": [{"text": text, "start_s": s[0], "end_s": s[1]} for text, s in said if s],
            "pose": [[round(v, 2) for v in (p.yaw, p.pitch, p.roll)] for p in poses],
            "mouth_opening": [round(v, 3) for v in opening],
            "eye_opening": [[round(v, 3) for v in p.lids] for p in poses],
            "blinks": spans(act.blinks),
            "actions": [
                {"name": a.name, "start_s": s[0], "end_s": s[1]}
                for a in act.actions
                if (s := span(a.start_s, a.end_s)) is not None
            ],
            "appearance": plan.person.appearance(),
            "light": self._light(),
        }

    def _light(self) -> dict[str, Any]:
        side, warm = self.light.side, self.light.warmth
        return {
            "name": "dark" if self.plan.kind == "dark" else self.light.name,
            "level": round(self.light.level * (0.06 if self.plan.kind == "dark" else 1.0), 3),
            "side": "left" if side < -0.3 else "right" if side > 0.3 else "front",
            "tone": "warm" if warm > 0.3 else "cool" if warm < -0.3 else "neutral",
        }


def _blend_moved(canvas: Picture, layer: Layer, move: tuple[float, float, float], scale: float) -> None:
    """Puts a still layer on the canvas, shifted with a third of the head's movement (cm), in place."""
    dx, dy = 0.35 * move[0] * scale, -0.35 * move[1] * scale
    shift = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
    size = (layer.alpha.shape[1], layer.alpha.shape[0])
    rgb = cv2.warpAffine(layer.rgb, shift, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpAffine(layer.alpha, shift, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    blend(canvas, Layer(np.asarray(rgb, np.uint8), np.asarray(alpha, np.uint8), layer.x0, layer.y0))


def fade(sound: Array, seconds: float, rate: int) -> Array:
    """The sound with its first and last moments ramped, so that a cut does not click."""
    n = min(int(seconds * rate), len(sound) // 2)
    out = sound.copy()
    if n:
        ramp = np.linspace(0, 1, n, dtype=np.float32)
        out[:n] *= ramp
        out[-n:] *= ramp[::-1]
    return out
