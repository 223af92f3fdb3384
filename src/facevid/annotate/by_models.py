"""Adds to a published dataset what optional models say: face attributes, transcripts, a vision-language model."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import facevid.dataset
from facevid import media
from facevid.annotate.observe import look_at
from facevid.annotate.target import AnnotationTarget
from facevid.annotate.vlm import Usage, VlmItem, VlmSettings, annotate_clips
from facevid.backends import FaceAttributes, FaceGuess, SpeechRecognizer, Transcript
from facevid.dataset import Clip, Dataset
from facevid.dataset.annotating import statements_of
from facevid.dataset.published import DatasetError
from facevid.dataset.statements import Statement

BATCH = 2000
"""Clips after which what was said is published, unless that would take more than a twentieth of the time: publishing
writes the tables of the whole dataset."""
_SHARE = 20


@dataclass
class ByModels:
    """What `annotate_with_models` did: clips looked at, statements added, failures {item, kind, message}, usage."""

    clips: int = 0
    statements: int = 0
    failures: list[dict[str, str]] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)


def annotate_with_models(
    dataset: str | os.PathLike[str],
    *,
    face_attributes: FaceAttributes | None = None,
    speech_recognizer: SpeechRecognizer | None = None,
    captioner: VlmSettings | None = None,
    cache_path: str | os.PathLike[str] | None = None,
    looks: int = 8,
    again: bool = False,
) -> ByModels:
    """Let each model given look at, or listen to, the clips of which it has said nothing yet, and publish what it says.

    face_attributes, speech_recognizer: ready backends, such as `backends.load("face_attributes", "uniface")`.
    captioner: which vision-language model to ask, and where. cache_path: its answers, by default
    DATASET/.work/vlm.sqlite. looks: pictures a clip for the face attributes. again: also clips of which a model spoke
    before; its new statements replace its old ones (the captioner always does so, from its cache where nothing
    changed). Statements of others are never touched. A clip that cannot be read, or of which the captioner gets no
    valid answer, ends in `failures`. What was said is published however the run ends. Raises VlmError when the endpoint
    can answer nobody; DatasetError where there is no dataset.
    """
    with AnnotationTarget.at(dataset) as target:
        return ask_models(
            target, face_attributes=face_attributes, speech_recognizer=speech_recognizer, captioner=captioner,
            cache_path=cache_path, looks=looks, again=again,
        )  # fmt: skip


def ask_models(
    target: AnnotationTarget,
    *,
    face_attributes: FaceAttributes | None,
    speech_recognizer: SpeechRecognizer | None,
    captioner: VlmSettings | None,
    cache_path: str | os.PathLike[str] | None = None,
    looks: int = 8,
    again: bool = False,
) -> ByModels:
    """`annotate_with_models` of a dataset that is held already."""
    done = ByModels()
    if face_attributes is not None:
        read = partial(_read_face, model=face_attributes, looks=looks)
        _run(target, f"{face_attributes.name}/", read, again, done)
    if speech_recognizer is not None:
        _run(target, speech_recognizer.name, partial(_read_speech, model=speech_recognizer), again, done)
    if captioner is not None:
        _ask(target, captioner, Path(cache_path or target.work / "vlm.sqlite"), done)
    return done


def guess_statements(clip_id: str, guesses: Sequence[FaceGuess], backend: str) -> list[Statement]:
    """Guesses about a face as statements, by "model:BACKEND/MODEL", with the scores of all its classes beside."""
    return [
        Statement(
            clip_id,
            "attribute",
            g.name,
            g.value,
            f"model:{backend}/{g.model}",
            confidence=g.confidence,
            detail={"scores": {k: round(v, 4) for k, v in g.scores.items()}} if g.scores else {},
        )
        for g in guesses
    ]


def transcript_statements(clip_id: str, heard: Transcript, backend: str) -> list[Statement]:
    """A transcript as one statement whose detail has its stretches in seconds; none where nothing was heard."""
    if not heard.text:
        return []
    stretches = [
        {"start_s": round(s.start_s, 2), "end_s": round(s.end_s, 2), "text": s.text} for s in heard.segments
    ]
    return [
        Statement(
            clip_id,
            "transcript",
            heard.language,
            heard.text,
            f"model:{backend}",
            confidence=heard.confidence,
            detail={"language_confidence": round(heard.language_confidence, 4), "segments": stretches},
        )
    ]


def _read_face(clip: Clip, *, model: FaceAttributes, looks: int) -> list[Statement]:
    at = look_at(int(clip["frames"]), looks)
    images = media.read_clip_frames(clip.read("mp4"), at)
    return guess_statements(clip.clip_id, model.read(images, clip.mesh[at].astype(np.float32)), model.name)


def _read_speech(clip: Clip, *, model: SpeechRecognizer) -> list[Statement]:
    if not clip.has_audio:
        return []
    return transcript_statements(clip.clip_id, model.transcribe(clip.speech()), model.name)


def _run(
    target: AnnotationTarget,
    speaker: str,
    read: Callable[[Clip], list[Statement]],
    again: bool,
    done: ByModels,
) -> None:
    """Every clip through one model on this machine; `speaker` is how its `by` goes on after "model:"."""
    ds = facevid.dataset.open(target.location)
    known = set() if again else _spoken_of(ds, speaker)
    said = _Said(target, speaker, done)
    try:
        for clip in ds:
            if clip.clip_id in known:
                continue
            done.clips += 1
            try:
                statements = read(clip)
            except (DatasetError, media.MediaError) as error:
                done.failures.append({"item": clip.clip_id, "kind": "unreadable", "message": str(error)})
                continue
            said.take(clip.clip_id, statements)
    finally:
        said.publish()


def _ask(target: AnnotationTarget, settings: VlmSettings, cache_path: Path, done: ByModels) -> None:
    """Every clip to the endpoint."""
    said = _Said(target, settings.model, done)
    try:
        for result in annotate_clips(_items(target.location, settings, done), settings, cache_path):
            done.clips += 1
            done.usage = done.usage.and_(result.usage)
            if result.error is not None:
                done.failures.append({"item": result.clip_id, "kind": result.kind, "message": result.error})
                continue
            said.take(result.clip_id, result.statements)
    finally:
        said.publish()


def _items(location: str, settings: VlmSettings, done: ByModels) -> Iterator[VlmItem]:
    for clip in facevid.dataset.open(location):
        at = look_at(int(clip["frames"]), settings.frames)
        try:
            images = media.read_clip_frames(clip.read("mp4"), at)
        except (DatasetError, media.MediaError) as error:
            done.clips += 1
            done.failures.append({"item": clip.clip_id, "kind": "unreadable", "message": str(error)})
            continue
        yield VlmItem(clip.clip_id, images, [float(k) / float(clip["fps"]) for k in at], clip.duration_s)


class _Said:
    """What one model said, published now and then, in place of what it said of the same clips before."""

    def __init__(self, target: AnnotationTarget, speaker: str, done: ByModels) -> None:
        self._target, self._speaker, self._done = target, speaker, done
        self._said: dict[str, list[Statement]] = {}
        self._published, self._took = time.monotonic(), 0.0

    def take(self, clip_id: str, statements: list[Statement]) -> None:
        self._target.check()
        self._said[clip_id] = statements
        waited = time.monotonic() - self._published
        if len(self._said) >= BATCH and waited >= _SHARE * self._took:
            self.publish()

    def publish(self) -> None:
        """Publish what was not published yet; to be called however the run ends."""
        if not self._said:
            return
        began = time.monotonic()
        clips = pa.array(list(self._said), pa.string())

        def replaced(table: pa.Table) -> pa.Array:
            return pc.and_(_by(table, self._speaker), pc.is_in(table["clip_id"], value_set=clips))

        new = [statement for statements in self._said.values() for statement in statements]
        self._done.statements += self._target.update(add=new, drop=replaced).added
        self._said = {}
        self._published = time.monotonic()
        self._took = self._published - began


def _spoken_of(ds: Dataset, speaker: str) -> set[str]:
    tables = statements_of(ds.location, ds.manifest)
    return {clip_id for t in tables for clip_id in t.filter(_by(t, speaker))["clip_id"].to_pylist()}


def _by(table: pa.Table, speaker: str) -> pa.Array:
    whole = f"model:{speaker}"
    return pc.starts_with(table["by"], whole) if speaker.endswith("/") else pc.equal(table["by"], whole)
