"""Looks at one source once: shots, faces, meshes, hands, text, sound, and the scores of every track.

One decode feeds every frame-level backend; frames are dropped as soon as they are measured, meshes go to
disk in small groups, so memory does not grow with the video's length. A long source is looked at in parts,
by several workers where there are any (`WATCH`), and put together here (`ANALYZE`).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from facevid import media
from facevid.curate.frames import FrameWriter
from facevid.curate.join import NotSplit, join_parts
from facevid.curate.look import Looker, models
from facevid.curate.partfile import FRAMES, NOTE, PartFile, is_part, read_part, write_part
from facevid.curate.parts import Part, Piece, parts_given, whole
from facevid.curate.shots import Shot, Transition, shots_of
from facevid.curate.speech import listen
from facevid.curate.wanted import stretches_of, wanted_frames
from facevid.curate.watch import Watched, watch_piece
from facevid.curate.windows import Floats, Picture, Wanted, make_tracks
from facevid.engine import PayloadHasher, Step, StepError, atomic_dir
from facevid.recipe import Analyze, Recipe
from facevid.storage import file_name

_BACKENDS = ("face_detector", "face_mesh", "hand_detector", "text_detector", "speech_detector")
_NOT_READ = ("timeout_s", "timeout_per_second", "part_s", "part_overlap_s")
"""How long it may take decides nothing; what a split decides is in the payload of the sources that are split."""
_READS = (
    "fps",
    "shots",
    "crop",
    "cut.size",
    *(f"backends.{name}" for name in _BACKENDS),
    *(f"analyze.{name}" for name in Analyze.model_fields if name not in _NOT_READ),
)


def analyze_step(payload: dict[str, Any], recipe: Recipe) -> dict[str, Any]:
    """Analyse the source at `_path` into the folder `_out`; see `facevid.curate.windows` for what is kept.

    `spans`, where the payload has them, are all that is looked at, with a margin (`facevid.curate.wanted`). `parts`
    are those of a long source (`facevid.curate.parts`); what `watch_step` left of them in `_parts` is used, the others
    are looked at here. `_failed`: kind and sentence of a part that cannot be looked at.
    Returns frames, seconds, tracks, the bytes of each file and, where the video broke off, the sentence that says so.
    """
    if "_failed" in payload:
        raise StepError(*payload["_failed"])
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


def watch_step(payload: dict[str, Any], recipe: Recipe) -> dict[str, Any]:
    """Look at the `pieces` of the source at `_path` that are one part of it, into the folder `_out`.

    Returns the frames that count.
    """
    path = str(payload["_path"])
    not_alone: str | None = None
    watched: list[Watched] = []
    with atomic_dir(payload["_out"]) as out:
        looker = Looker(models(recipe), recipe, FrameWriter(out / FRAMES))
        try:
            for piece in payload["pieces"]:
                watched.append(watch_piece(path, Piece(*piece), looker, recipe))
        except media.MediaError as error:
            if error.kind != "seek":
                raise StepError(error.kind, str(error)) from error
            not_alone = "it can only be read from its begin"
        looker.writer.close()
        write_part(out, _digest(payload, recipe), watched, looker.seen.table(), not_alone)
    return {"frames": sum(w.end - w.first for w in watched)}


def item_timeout(payload: dict[str, Any]) -> float:
    """Seconds one source or part may take: a base and so many a second of video, both from the recipe."""
    return float(payload["_timeout_s"])


ANALYZE = Step(
    name="analyze",
    version=3,
    function=analyze_step,
    reads=_READS,
    timeout_s=item_timeout,
    setup=models,
    inputs=lambda payload: [payload["_path"], *([] if "_failed" in payload else payload.get("_parts", ()))],
    outputs=analysis_files,
    makes=lambda payload: [payload["_out"]],
)
WATCH = Step(
    name="watch",
    version=1,
    function=watch_step,
    reads=_READS,
    timeout_s=item_timeout,
    setup=models,
    inputs=lambda payload: [payload["_path"]],
    outputs=lambda payload, value: [(Path(payload["_out"]) / NOTE, None)],
    makes=lambda payload: [payload["_out"]],
)


def part_payloads(payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of a source's payload, those of its parts for `watch_step`, in order; none where it is looked at in one go.

    They have a `_path` and an `_out` where the payload has a `_path` and `_parts`.
    """
    given = payload.get("parts")
    if not given:
        return []
    path = {"_path": payload["_path"]} if "_path" in payload else {}
    parts = [
        {
            "source_id": payload["source_id"],
            "overlap": given["overlap"],
            "warm_up": given["warm_up"],
            "pieces": pieces,
        }
        | path
        for pieces in given["pieces"]
    ]
    if "_parts" in payload:
        parts = [part | {"_out": out} for part, out in zip(parts, payload["_parts"], strict=True)]
    return parts


def _digest(payload: dict[str, Any], recipe: Recipe) -> str:
    return PayloadHasher(WATCH, recipe)(payload)


@dataclass(frozen=True)
class _Looked:
    """All stretches of a source, looked at; why they were looked at in one go where parts were asked for."""

    seen: Floats
    stretches: Sequence[Watched]
    not_split: str | None = None


def _analyze(path: str, out: Path, payload: dict[str, Any], recipe: Recipe) -> dict[str, Any]:
    wanted = wanted_frames(payload.get("spans") or (), recipe)
    stretches = stretches_of(wanted, recipe)
    parts = parts_given(payload)
    looked = _in_parts(out, payload, recipe) if parts else _at_once(path, out, whole(stretches), recipe)
    seen = looked.stretches
    frames = max(s.end for s in seen)
    stopped = next((s.stopped for s in seen if s.stopped), None)
    if not frames and not wanted:
        raise StepError("unreadable", stopped or f"{file_name(path)} holds no picture that can be decoded.")
    stopped = _beyond(path, wanted, frames, recipe) or stopped
    detector = models(recipe).speech_detector
    sound = listen(path, detector, frames=frames, fps=recipe.fps, stretches=stretches)
    picture = Picture(seen[0].width, seen[0].height, max(s.scale for s in seen), _bits_per_pixel(payload))
    shots, transitions = _shots(seen, recipe)
    tracks = make_tracks(looked.seen, shots, sound, picture, recipe, wanted)
    pq.write_table(tracks, out / "tracks.parquet", compression="zstd")
    schema = pa.schema([("first", pa.int32()), ("last", pa.int32()), ("kind", pa.string())])
    rows = [asdict(t) for t in transitions]
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), out / "transitions.parquet")
    looked_at = sum(s.end - s.first for s in seen)
    result = {
        "frames": looked_at,
        "seconds": looked_at / recipe.fps,
        "shots": len(shots),
        "tracks": int(sum(t >= 0 for t in tracks["track"].to_pylist())),
        "stopped_early": stopped,
        "skipped_packets": sum(s.skipped for s in seen),
    }
    return {**result, "not_split": looked.not_split} if parts else result


def _at_once(path: str, out: Path, part: Part, recipe: Recipe, why: str | None = None) -> _Looked:
    looker = Looker(models(recipe), recipe, FrameWriter(out / FRAMES))
    stretches = [watch_piece(path, piece, looker, recipe) for piece in part]
    looker.writer.close()
    return _Looked(looker.seen.table(), stretches, why)


def _in_parts(out: Path, payload: dict[str, Any], recipe: Recipe) -> _Looked:
    """Put the parts together; those that no worker looked at are looked at first, one after the other."""
    here = out / "parts"
    elsewhere = payload.get("_parts") or [str(here / f"{k:04d}") for k in range(len(parts_given(payload)))]
    parts = [
        _part(part, here / f"{k:04d}", recipe)
        for k, part in enumerate(part_payloads({**payload, "_parts": elsewhere}))
    ]
    writer = FrameWriter(out / FRAMES)
    try:
        seen, stretches = join_parts(parts, writer, recipe)
    except NotSplit as error:
        writer.close()
        path = str(payload["_path"])
        spans = wanted_frames(payload.get("spans") or (), recipe)
        sentence = f"{file_name(path)} was looked at by one worker from end to end: {error}."
        looked = _at_once(path, out, whole(stretches_of(spans, recipe)), recipe, sentence)
    else:
        writer.close()
        looked = _Looked(seen, stretches)
    if here.exists():
        shutil.rmtree(here)
    return looked


def _part(payload: dict[str, Any], here: Path, recipe: Recipe) -> PartFile:
    """A part that a worker left in `_out`; looked at now, into the folder `here`, where none is there."""
    folder = Path(payload["_out"])
    if not is_part(folder, _digest(payload, recipe)):
        folder = here
        watch_step({**payload, "_out": str(folder)}, recipe)
    return read_part(folder)


def _shots(stretches: Sequence[Watched], recipe: Recipe) -> tuple[list[Shot], list[Transition]]:
    """Shots and transitions of all stretches, on the grid of the source."""
    shots: list[Shot] = []
    transitions: list[Transition] = []
    for s in stretches:
        found, between = shots_of(s.signs, recipe.shots, recipe.fps)
        for shot in found:
            shots.append(Shot(len(shots), shot.first + s.first, shot.last + s.first))
        transitions += [Transition(t.first + s.first, t.last + s.first, t.kind) for t in between]
    return shots, transitions


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


__all__ = ["ANALYZE", "WATCH", "analyze_step", "item_timeout", "models", "part_payloads", "watch_step"]
