"""Cut one kept stretch out of its source: the clip, its speech, its keypoints, and the face chips that
tell the person.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from facevid import backends, media
from facevid.curate.frames import TrackFrames, read_track
from facevid.engine import Step, StepError, atomic_dir, file_sha256

if TYPE_CHECKING:
    from facevid.recipe import Recipe

SPEECH_RATE = 16000


def cut_step(payload: dict[str, Any], recipe: Recipe) -> dict[str, Any]:
    """Write the clip folder of one stretch, whole or not at all.

    `payload` is a row of stretches.parquet plus `_source_path`, `_analysis_dir` (of the source) and
    `_clip_dir` (the folder to write). It gets `clip.mp4`, `speech.flac` (16 kHz mono, only if the source has
    sound), `keypoints.npz` (mesh float16 (n, 478, 3), pose float32 (n, 3) degrees, box float32 (n, 4), all in
    clip pixels), `chips.npy` (uint8 (k, 150, 150, 3), one for each of `best_frames` whose face could be
    aligned) and `meta.json`.

    Returns the content of `meta.json`: clip_id, frames, fps, width, height, audio, chips, and `members` (file
    name -> bytes, sha256).
    """
    source, folder = str(payload["_source_path"]), Path(payload["_clip_dir"])
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with atomic_dir(folder) as partial:
            meta = _write_clip(payload, recipe, source, partial)
            (partial / "meta.json").write_text(json.dumps(meta, sort_keys=True), encoding="utf-8")
    except media.MediaError as error:
        raise StepError(error.kind, str(error)) from error
    return meta


def _write_clip(payload: dict[str, Any], recipe: Recipe, source: str, partial: Path) -> dict[str, Any]:
    first, last, fps = int(payload["first_frame"]), int(payload["last_frame"]), float(payload["fps"])
    x0, y0, x1, y1 = (int(payload[f"crop_{edge}"]) for edge in ("x0", "y0", "x1", "y1"))
    box, size = (x0, y0, x1, y1), int(recipe.cut.size)
    analysis, number = Path(payload["_analysis_dir"]), int(payload["track"])
    track = read_track(analysis, track=number, first_frame=first, last_frame=last)
    audio = bool(media.probe(source).audio)
    pictures = media.cut_clip(
        source,
        partial / "clip.mp4",
        fps=fps,
        first_frame=first,
        last_frame=last,
        box=box,
        size=size,
        options=_encode_options(recipe),
        wanted=[int(k) for k in payload["best_frames"]],
    )
    if audio:
        speech = media.read_audio(source, rate=SPEECH_RATE, start_s=first / fps, end_s=(last + 1) / fps)
        media.write_flac(partial / "speech.flac", speech, SPEECH_RATE)
    np.savez(partial / "keypoints.npz", **keypoints_in_clip(track, box=box, size=size))
    chips = _chips(pictures, track, recipe)
    np.save(partial / "chips.npy", chips)
    return {
        "clip_id": payload["clip_id"],
        "frames": last - first + 1,
        "fps": fps,
        "width": size,
        "height": size,
        "audio": audio,
        "chips": len(chips),
        "members": {p.name: _fingerprint(p) for p in sorted(partial.iterdir())},
    }


def keypoints_in_clip(
    track: TrackFrames, *, box: tuple[int, int, int, int], size: int
) -> dict[str, npt.NDArray[np.generic]]:
    """Mesh, pose and box of a track, moved from displayed source pixels into the pixels of its `size`
    square clip.
    """
    scale = size / (box[2] - box[0])
    origin = np.array([box[0], box[1]], np.float32)
    mesh = track.mesh.astype(np.float32)
    mesh[..., :2] -= origin
    return {
        "mesh": (mesh * scale).astype(np.float16),
        "pose": track.pose.astype(np.float32),
        "box": ((track.box - np.tile(origin, 2)) * scale).astype(np.float32),
    }


def load_models(recipe: Recipe) -> None:
    """Load what cutting and embedding need; a worker calls it once."""
    face_embedder(str(recipe.backends.face_embedder))


def clip_files(payload: dict[str, Any], value: dict[str, Any]) -> list[tuple[Path, int | None]]:
    """The files that a finished cut must still have, with their bytes."""
    sizes = {name: int(member["bytes"]) for name, member in value["members"].items()}
    return [(Path(payload["_clip_dir"]) / name, size) for name, size in {"meta.json": None, **sizes}.items()]


def cut_timeout_s(payload: dict[str, Any]) -> float:
    """Seconds that a cut may take: thirty times its material, and two minutes for seeking in a long
    source.
    """
    return 120.0 + 30.0 * (float(payload["end_s"]) - float(payload["start_s"]))


def _encode_options(recipe: Recipe) -> media.EncodeOptions:
    # One thread: the bytes that x264 writes depend on its thread count, and the workers fill the cores.
    return media.EncodeOptions(
        crf=recipe.cut.crf,
        preset=recipe.cut.preset,
        audio_bit_rate=recipe.cut.audio_bit_rate,
        keyframe_s=recipe.cut.keyframe_s,
        threads=1,
    )


def _chips(
    pictures: dict[int, npt.NDArray[np.uint8]], track: TrackFrames, recipe: Recipe
) -> npt.NDArray[np.uint8]:
    embedder = face_embedder(str(recipe.backends.face_embedder))
    first = int(track.frame[0])
    chips = [embedder.chip(pictures[k], track.mesh[k - first]) for k in sorted(pictures)]
    return np.stack(chips) if chips else np.zeros((0, 150, 150, 3), np.uint8)


@lru_cache(maxsize=2)
def face_embedder(name: str) -> Any:
    """The face embedder of this process, loaded once."""
    return backends.load("face_embedder", name, threads=1)


def _fingerprint(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": file_sha256(path)}


CUT = Step(
    name="cut",
    version=1,
    function=cut_step,
    reads=(
        "cut.size",
        "cut.crf",
        "cut.preset",
        "cut.audio_bit_rate",
        "cut.keyframe_s",
        "backends.face_embedder",
    ),
    timeout_s=cut_timeout_s,
    inputs=lambda payload: [payload["_source_path"], payload["_analysis_dir"]],
    setup=load_models,
    outputs=clip_files,
    makes=lambda payload: [payload["_clip_dir"]],
)
