"""Checks that try something out in a worker process: every codec, and every backend of the recipe on a known scene.

In a worker, a library that crashes costs its own check and no other.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facevid import backends, media
from facevid.engine import Item, Outcome, Step, StepError
from facevid.machine.check import Check
from facevid.machine.scratch import Scratch
from facevid.recipe import Recipe
from facevid.synth import synthesize
from facevid.synth.scene import write_text

CODECS = "codecs"
FACE = (300.0, 105.0, 455.0, 290.0)
"""Where the face of the scene is: x0, y0, x1, y1 in pixels."""
_SIZE = (640, 360)
_SAID = "FACEVID"
_WRITTEN = ("h264", "aac", "flac")
"""Codecs of a dataset's clips and speech; without one no clip can be cut."""
_WORDS = {"h264": "H.264", "hevc": "HEVC", "vp9": "VP9", "av1": "AV1", "aac": "AAC", "flac": "FLAC"}

Image = NDArray[np.uint8]
Answer = tuple[bool, str]
"""Whether an answer is one that a working backend gives, and the answer in words."""


@dataclass(frozen=True)
class Scene:
    """A synthetic person who talks: a picture (360, 640, 3) with the face at `FACE`, and the sound at 16 kHz."""

    picture: Image
    sound: NDArray[np.float32]


def trial_checks(room: Scratch, recipe: Recipe) -> list[Check]:
    """One check of the codecs, and one of each backend that the recipe names."""
    named: dict[str, str] = recipe.backends.model_dump()
    items = [Item(CODECS, {}), *(Item(kind, {"kind": kind, "name": name}) for kind, name in named.items())]
    tried = room.run(TRY, items, recipe, workers=1)
    return [
        codec_check(tried[CODECS]),
        *(backend_check(f"{kind} {name}", tried[kind]) for kind, name in named.items()),
    ]


def try_step(payload: dict[str, Any], recipe: Recipe) -> dict[str, Any]:
    """Try the codecs, or the backend `name` of a `kind`."""
    kind = payload.get("kind")
    if kind is None:
        return {"version": media.ffmpeg_version(), "codecs": [asdict(codec) for codec in media.try_codecs()]}
    try:
        backend = backends.load(kind, payload["name"])
        good, said = TRIALS[kind](backend, scene(), recipe)
    except backends.BackendError as error:
        raise StepError("backend", str(error)) from error
    return {"version": backend.version, "good": good, "said": said}


TRY = Step(name="check", version=1, function=try_step, timeout_s=900.0)


@lru_cache(maxsize=1)
def scene() -> Scene:
    """The scene of this process, the same on every machine but for the last bits of its pixels."""
    with tempfile.TemporaryDirectory() as folder:
        (path,) = synthesize(
            folder, people=2, videos=1, seed=3, seconds=0.6, kinds=("clean",), size=_SIZE, workers=1
        )
        with media.VideoReader(path, fps=25) as video:
            picture = [frame.image.copy() for frame in video][-1]
        return Scene(picture, media.read_audio(path, rate=16000))


def codec_check(tried: Outcome) -> Check:
    """What of the codecs a build writes, and what of those that footage comes in, works."""
    if tried.status != "ok":
        return Check(CODECS, "fault", tried.message or "", "Run: pip install --force-reinstall av")
    codecs = [media.Codec(**fields) for fields in tried.value["codecs"]]
    lost = [c for c in codecs if c.name in _WRITTEN and not (c.encodes and c.decodes)]
    unread = [c for c in codecs if c.name not in _WRITTEN and c.decodes is False]
    untried = [_WORDS[c.name] for c in codecs if c.decodes is None and c not in lost]
    version = tried.value["version"]
    if lost:
        return Check(
            CODECS, "fault", f"{version} cannot encode and decode what clips are made of: {_problems(lost)}",
            "Use PyAV's own wheel, which carries them: pip install --force-reinstall --no-cache-dir av",
        )  # fmt: skip
    if unread:
        return Check(
            CODECS, "warning", f"{version} cannot decode {_problems(unread)}; such footage ends in `failed`",
            "Use PyAV's own wheel, which decodes them: pip install --force-reinstall --no-cache-dir av",
        )  # fmt: skip
    read = [_WORDS[c.name] for c in codecs if c.name not in _WRITTEN and c.decodes]
    found = f"{version}: encodes and decodes H.264, AAC and FLAC; decodes {', '.join(read) or 'no other'}"
    return Check(CODECS, "ok", found + (f"; could not be tried: {', '.join(untried)}" if untried else ""))


def backend_check(name: str, tried: Outcome) -> Check:
    """Whether a backend loads and answers as one that works does."""
    if tried.status != "ok":
        # What a backend says of itself ends with what to do.
        do = (
            ""
            if tried.kind == "backend"
            else "Install its package again, or name another backend in the recipe."
        )
        return Check(name, "fault", tried.message or "", do)
    found = f"{tried.value['version']}: {tried.value['said']}"
    if tried.value["good"]:
        return Check(name, "ok", found)
    return Check(
        name, "warning", f"{found}, which no working one does",
        "Install its package again (its weights may be damaged), or look at its first clips with care.",
    )  # fmt: skip


def _problems(codecs: list[media.Codec]) -> str:
    return ", ".join(f"{_WORDS[c.name]} ({c.problem or 'no decoder'})" for c in codecs)


def _try_face_detector(backend: backends.FaceDetector, seen: Scene, recipe: Recipe) -> Answer:
    faces = backend.detect(seen.picture)
    central = [face for face in faces if _on_face(face.box)]
    return len(faces) == len(central) == 1, f"faces found where one is: {len(faces)}"


def _try_face_mesh(backend: backends.FaceMesh, seen: Scene, recipe: Recipe) -> Answer:
    mesh = backend.tracker().update(seen.picture, FACE)
    if mesh is None:
        return False, "found no face where one is"
    good = mesh.shape == (478, 3) and bool(np.isfinite(mesh).all()) and _on_face(_around(mesh))
    return good, f"found {len(mesh)} points of a face"


def _try_hand_detector(backend: backends.HandDetector, seen: Scene, recipe: Recipe) -> Answer:
    hands = backend.detect(seen.picture)
    return not hands, f"hands found where none is: {len(hands)}"


def _try_face_embedder(backend: backends.FaceEmbedder, seen: Scene, recipe: Recipe) -> Answer:
    mesh = backends.load("face_mesh", recipe.backends.face_mesh).tracker().update(seen.picture, FACE)
    if mesh is None:
        return False, "was not asked, since the face mesh found no face where one is"
    vectors = backend.embed(backend.chip(seen.picture, mesh)[None])
    good = len(vectors) == 1 and bool(np.isfinite(vectors).all()) and bool(vectors.any())
    return good, f"turned a face into {vectors.shape[-1]} numbers"


def _try_speech_detector(backend: backends.SpeechDetector, seen: Scene, recipe: Recipe) -> Answer:
    spoken = float(backend.probabilities(seen.sound).max())
    backend.reset()
    silent = float(backend.probabilities(np.zeros(16000, np.float32)).max())
    return spoken > 0.5 > silent, f"heard speech with {spoken:.2f} in speech and {silent:.2f} in silence"


def _try_text_detector(backend: backends.TextDetector, seen: Scene, recipe: Recipe) -> Answer:
    picture = np.full((_SIZE[1], _SIZE[0], 3), 90, np.uint8)
    write_text(picture, _SAID, (_SIZE[0] // 2, _SIZE[1] // 2), 40)
    read = " ".join(box.text for box in backend.read(picture))
    return _SAID in read.upper(), f"read {read!r} where {_SAID!r} stands"


def _try_person_segmenter(backend: backends.PersonSegmenter, seen: Scene, recipe: Recipe) -> Answer:
    mask = backend.mask(seen.picture)
    x0, y0, x1, y1 = (round(edge) for edge in FACE)
    face, corner = float(mask[y0:y1, x0:x1].mean()), float(mask[:40, :40].mean())
    return face > 0.5 > corner, f"saw a person in {face:.0%} of a face's square and {corner:.0%} of a corner"


TRIALS: dict[str, Callable[[Any, Scene, Recipe], Answer]] = {
    "face_detector": _try_face_detector,
    "face_mesh": _try_face_mesh,
    "hand_detector": _try_hand_detector,
    "face_embedder": _try_face_embedder,
    "speech_detector": _try_speech_detector,
    "text_detector": _try_text_detector,
    "person_segmenter": _try_person_segmenter,
}
"""How each kind of backend that a recipe names is tried."""


def _around(mesh: NDArray[np.float32]) -> tuple[float, float, float, float]:
    (x0, y0), (x1, y1) = mesh[:, :2].min(axis=0).tolist(), mesh[:, :2].max(axis=0).tolist()
    return x0, y0, x1, y1


def _on_face(box: tuple[float, float, float, float]) -> bool:
    """Whether the middle of a box lies on the face of the scene."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return FACE[0] <= x <= FACE[2] and FACE[1] <= y <= FACE[3]
