"""Looks at one source once: shots, faces, meshes, hands, text, sound, and the scores of every track.

One decode feeds every frame-level backend; frames are dropped as soon as they are measured, meshes go to
disk in small groups, so memory does not grow with the video's length.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from facevid import backends, media
from facevid.curate import quality
from facevid.curate.crop import crop_square
from facevid.curate.faces import FaceFollower, Seen
from facevid.curate.frames import FrameWriter
from facevid.curate.pose import face_height, head_pose, mouth_opening
from facevid.curate.shots import Shot, ShotDetector, Transition
from facevid.curate.speech import listen
from facevid.curate.wanted import Stretch, stretches_of, wanted_frames
from facevid.curate.windows import Observations, Picture, Wanted, make_tracks
from facevid.engine import Step, StepError, atomic_dir, worker_threads
from facevid.recipe import Analyze, Recipe
from facevid.storage import file_name

Image = NDArray[np.uint8]
_BACKENDS = ("face_detector", "face_mesh", "hand_detector", "text_detector", "speech_detector")
_READS = (
    "fps",
    "shots",
    "crop",
    "cut.size",
    *(f"backends.{name}" for name in _BACKENDS),
    *(f"analyze.{name}" for name in Analyze.model_fields if not name.startswith("timeout")),
)


@dataclass(frozen=True)
class Models:
    """The frame-level backends of one worker."""

    face_detector: Any
    face_mesh: Any
    hand_detector: Any
    text_detector: Any
    speech_detector: Any


@lru_cache(maxsize=1)
def _models(names: tuple[str, ...], text_side: int) -> Models:
    threads = worker_threads()
    face, mesh, hand, text, speech = names
    return Models(
        backends.load("face_detector", face, threads=threads),
        backends.load("face_mesh", mesh, threads=threads),
        backends.load("hand_detector", hand, threads=threads),
        backends.load("text_detector", text, threads=threads, max_side=text_side),
        backends.load("speech_detector", speech, threads=threads),
    )


def models(recipe: Recipe) -> Models:
    """The backends that the recipe names, loaded once in each worker."""
    b = recipe.backends
    names = (b.face_detector, b.face_mesh, b.hand_detector, b.text_detector, b.speech_detector)
    return _models(names, recipe.analyze.text_side)


def analyze_step(payload: dict[str, Any], recipe: Recipe) -> dict[str, Any]:
    """Analyse the source at `_path` into the folder `_out`; see `facevid.curate.windows` for what is kept.

    `spans`, where the payload has them, are all that is looked at, with a margin (`facevid.curate.wanted`).
    Returns frames, seconds, tracks, the bytes of each file and, where the video broke off, the sentence that says so.
    """
    path = str(payload["_path"])
    with atomic_dir(payload["_out"]) as out:
        try:
            result = _analyze(path, out, payload, recipe)
        except media.MediaError as error:
            raise StepError(error.kind, str(error)) from error
        (out / "summary.json").write_text(json.dumps(result, indent=1, sort_keys=True), encoding="utf-8")
        files: dict[str, int | None] = {path.name: path.stat().st_size for path in sorted(out.iterdir())}
        files["frames.parquet"] = None  # a takedown takes frames out of it
    return {**result, "files": files}


def analysis_files(payload: dict[str, Any], value: dict[str, Any]) -> list[tuple[Path, int | None]]:
    """The files that a finished analysis must still have, with their bytes (older ones told only of their summary)."""
    files: dict[str, int | None] = value.get("files") or {"summary.json": None}
    return [(Path(payload["_out"]) / name, size) for name, size in files.items()]


def analyze_timeout(payload: dict[str, Any]) -> float:
    """Seconds one source may take: a base and so many a second of video, both from the recipe."""
    return float(payload["_timeout_s"])


ANALYZE = Step(
    name="analyze",
    version=2,
    function=analyze_step,
    reads=_READS,
    timeout_s=analyze_timeout,
    setup=models,
    inputs=lambda payload: [payload["_path"]],
    outputs=analysis_files,
    makes=lambda payload: [payload["_out"]],
)


def _analyze(path: str, out: Path, payload: dict[str, Any], recipe: Recipe) -> dict[str, Any]:
    loaded = models(recipe)
    wanted = wanted_frames(payload.get("spans") or (), recipe)
    stretches = stretches_of(wanted, recipe)
    looker = _Looker(loaded, recipe, FrameWriter(out / "frames.parquet"))
    seen = [_watch(path, stretch, looker, recipe) for stretch in stretches]
    looker.writer.close()
    frames = max(s.end for s in seen)
    stopped = next((s.stopped for s in seen if s.stopped), None)
    if not frames and not wanted:
        raise StepError("unreadable", stopped or f"{file_name(path)} holds no picture that can be decoded.")
    stopped = _beyond(path, wanted, frames, recipe) or stopped
    sound = listen(path, loaded.speech_detector, frames=frames, fps=recipe.fps, stretches=stretches)
    picture = Picture(seen[0].width, seen[0].height, max(s.scale for s in seen), _bits_per_pixel(payload))
    found = [Shot(k, s.first, s.last) for k, s in enumerate(s for part in seen for s in part.shots)]
    tracks = make_tracks(looker.seen.table(), found, sound, picture, recipe, wanted)
    pq.write_table(tracks, out / "tracks.parquet", compression="zstd")
    rows = [asdict(t) for part in seen for t in part.transitions]
    schema = pa.schema([("first", pa.int32()), ("last", pa.int32()), ("kind", pa.string())])
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), out / "transitions.parquet")
    looked_at = sum(s.count for s in seen)
    return {
        "frames": looked_at,
        "seconds": looked_at / recipe.fps,
        "shots": len(found),
        "tracks": int(sum(t >= 0 for t in tracks["track"].to_pylist())),
        "stopped_early": stopped,
        "skipped_packets": sum(s.skipped for s in seen),
    }


@dataclass(frozen=True)
class _Watched:
    """One stretch that was looked at: its shots and transitions, where it ended, and how that went."""

    shots: list[Shot]
    transitions: list[Transition]
    count: int
    end: int
    width: int
    height: int
    scale: float
    stopped: str | None
    skipped: int


def _watch(path: str, stretch: Stretch, looker: _Looker, recipe: Recipe) -> _Watched:
    """Show a stretch of the source to the looker, frame by frame."""
    shots, begin, count, scale = ShotDetector(recipe.shots, recipe.fps), 0, 0, 1.0
    first, end = stretch
    with media.VideoReader(
        path,
        fps=recipe.fps,
        max_side=recipe.analyze.max_side,
        threads=worker_threads(),
        start_frame=first,
        end_frame=end,
    ) as video:
        for frame in video:
            small = quality.small_picture(frame.image)
            new_picture = shots.push(quality.halved(small)) or (first > 0 and count == 0)
            begin = begin if count else frame.index
            looker.look(frame.index, frame.image, small, new_picture=new_picture)
            count, scale = count + 1, frame.scale
        stopped, skipped = video.stopped_early, video.skipped_packets
        width, height = video.width, video.height
    found, transitions = shots.finish()
    return _Watched(
        [Shot(s.index, s.first + begin, s.last + begin) for s in found],
        [Transition(t.first + begin, t.last + begin, t.kind) for t in transitions],
        count, begin + count, width, height, scale, stopped, skipped,
    )  # fmt: skip


def _beyond(path: str, wanted: Sequence[Wanted], frames: int, recipe: Recipe) -> str | None:
    """What to say of spans that begin after the source's last frame; raises StepError where all do."""
    beyond = [w for w in wanted if w.first >= frames]
    if not beyond:
        return None
    if len(beyond) == len(wanted):
        raise StepError(
            "span",
            f"{file_name(path)} shows nothing in any span that the manifest names, such as the one from "
            f"{beyond[0].first / recipe.fps:.1f} s; correct the manifest's times, or restore the file.",
        )
    return (
        f"{file_name(path)} shows nothing after {frames / recipe.fps:.1f} s, so {len(beyond)} of its "
        f"{len(wanted)} spans (such as the one from {beyond[0].first / recipe.fps:.1f} s) give no clip; correct "
        "the manifest's times, or restore the file."
    )


def _bits_per_pixel(payload: dict[str, Any]) -> float:
    rate, fps = payload.get("video_bit_rate"), payload.get("fps")
    pixels = (payload.get("width") or 0) * (payload.get("height") or 0)
    return float(rate / (pixels * fps)) if rate and fps and pixels else float("nan")


@dataclass
class _Looker:
    """Measures every frame as it passes and keeps what each face showed."""

    loaded: Models
    recipe: Recipe
    writer: FrameWriter
    seen: Observations = field(default_factory=Observations)
    _before: Image | None = None
    _bars: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    _last: dict[int, _Memory] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._text_every = max(1, round(self.recipe.analyze.text_every_s * self.recipe.fps))
        self._follower = FaceFollower(self.loaded.face_detector, self.loaded.face_mesh, self.recipe.analyze)

    def look(self, index: int, image: Image, small: Image, *, new_picture: bool) -> None:
        """The next frame of the source, RGB at analysed size, and the same picture small."""
        faces = self._follower.push(image, new_picture=new_picture)
        grey = quality.grey_of(small)
        if new_picture or index % self.recipe.analyze.detect_every == 0:
            self._bars = quality.borders(small)
        before = None if new_picture else self._before
        memory: dict[int, _Memory] = {}
        for seen in faces:
            memory[seen.face] = self._face(index, image, grey, before, seen)
        self._last, self._before = memory, grey

    def _face(self, index: int, image: Image, grey: Image, before: Image | None, seen: Seen) -> _Memory:
        height, width = image.shape[:2]
        mesh, tall = seen.mesh, face_height(seen.mesh)
        crop = crop_square(seen.box, tall, (width, height), self.recipe.crop)
        memory = self._last.get(seen.face) or _Memory(index, index + self._text_every // 2, index)
        text = self._look_closer(index, image, seen, crop, memory)
        moved = float("nan")
        if memory.mesh is not None:
            moved = 1000 * float(np.abs(mesh[:468, :2] - memory.mesh[:468, :2]).mean()) / max(tall, 1e-6)
        inside = (
            (mesh[:468, 0] >= 0) & (mesh[:468, 0] < width) & (mesh[:468, 1] >= 0) & (mesh[:468, 1] < height)
        )
        pose = head_pose(mesh)
        if index >= memory.next_light:
            memory.next_light = index + self.recipe.analyze.light_every
            memory.light = quality.face_measures(image, mesh, seen.box)
        x0, y0, x1, y1 = seen.box
        self.seen.add(
            frame=index, face=seen.face, x0=x0, y0=y0, x1=x1, y1=y1, height=tall,
            yaw=pose[0], pitch=pose[1], roll=pose[2], mouth=mouth_opening(mesh),
            confidence=seen.confidence, inside=float(inside.mean()),
            motion_pixels=quality.pixel_motion(grey, before, seen.box, width), motion_landmarks=moved,
            hand=memory.hand, text=text,
            bar_left=self._bars[0], bar_top=self._bars[1], bar_right=self._bars[2], bar_bottom=self._bars[3],
            faces=max(1, self._follower.faces_in_view), **memory.light,
        )  # fmt: skip
        self.writer.write(index, seen, pose)
        memory.mesh = mesh
        return memory

    def _look_closer(
        self, index: int, image: Image, seen: Seen, crop: tuple[float, float, float, float], memory: _Memory
    ) -> float:
        """Hands and text, now and then, in the square that a clip of this face would keep; returns the text."""
        settings, text = self.recipe.analyze, float("nan")
        if index < memory.next_hand and index < memory.next_text:
            return text
        x0, y0, x1, y1 = (int(v) for v in crop)
        square = np.ascontiguousarray(image[y0:y1, x0:x1])
        if index >= memory.next_hand:
            hands = self.loaded.hand_detector.detect(square)
            shift = np.array([x0, y0], np.float32)
            covered = quality.hand_over_face([h.points[:, :2] + shift for h in hands], seen.mesh)
            # A face is now and then taken for a hand for a moment; a hand is seen again at the next look.
            memory.hand, memory.hand_before = min(covered, memory.hand_before), covered
            memory.next_hand = index + settings.hands_every
        if index >= memory.next_text:
            memory.next_text = index + self._text_every
            text = text_width(self.loaded.text_detector.read(square), settings)
        return text


@dataclass
class _Memory:
    """What is carried from one frame of a face to the next."""

    next_hand: int
    next_text: int
    next_light: int
    light: dict[str, float] = field(default_factory=dict)
    mesh: NDArray[np.float32] | None = None
    hand: float = 0.0
    hand_before: float = 0.0


def text_width(boxes: list[Any], settings: Analyze) -> float:
    """Characters in all lines read with enough confidence; wide ones (UAX #11: W, F) count two.

    A Chinese or Japanese character says about as much as two Latin letters, so one threshold serves both.
    """
    total = 0
    for box in boxes:
        if box.confidence < settings.text_confidence:
            continue
        for character in box.text:
            if not character.isspace():
                total += 2 if unicodedata.east_asian_width(character) in "WF" else 1
    return float(total)


__all__ = ["ANALYZE", "Models", "analyze_step", "analyze_timeout", "models", "text_width"]
