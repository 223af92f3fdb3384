"""Finds a backend by its kind and name: through entry points, or in the built-in table."""

from __future__ import annotations

import importlib
import inspect
from importlib import metadata
from typing import Any, Literal, overload

from .errors import BackendError
from .protocols import (
    FaceAttributes,
    FaceDetector,
    FaceEmbedder,
    FaceMesh,
    HandDetector,
    PersonSegmenter,
    SpeechDetector,
    SpeechRecognizer,
    TextDetector,
)

GROUP = "facevid.backends"

BUILT_IN: dict[str, str] = {
    "face_detector.mediapipe": "facevid.backends.mediapipe_face:MediapipeFaceDetector",
    "face_mesh.mediapipe": "facevid.backends.mediapipe_mesh:MediapipeFaceMesh",
    "hand_detector.mediapipe": "facevid.backends.mediapipe_hands:MediapipeHandDetector",
    "person_segmenter.mediapipe": "facevid.backends.mediapipe_person:MediapipePersonSegmenter",
    "face_embedder.dlib": "facevid.backends.dlib_embedder:DlibFaceEmbedder",
    "speech_detector.silero": "facevid.backends.silero_speech:SileroSpeechDetector",
    "text_detector.rapidocr": "facevid.backends.rapidocr_text:RapidocrTextDetector",
    "face_attributes.uniface": "facevid.backends.uniface_attributes:UnifaceAttributes",
    "speech_recognizer.faster-whisper": "facevid.backends.faster_whisper_speech:FasterWhisperRecognizer",
}


@overload
def load(kind: Literal["face_detector"], name: str, *, threads: int = 1, **options: Any) -> FaceDetector: ...
@overload
def load(kind: Literal["face_mesh"], name: str, *, threads: int = 1, **options: Any) -> FaceMesh: ...
@overload
def load(kind: Literal["hand_detector"], name: str, *, threads: int = 1, **options: Any) -> HandDetector: ...
@overload
def load(
    kind: Literal["person_segmenter"], name: str, *, threads: int = 1, **options: Any
) -> PersonSegmenter: ...
@overload
def load(kind: Literal["face_embedder"], name: str, *, threads: int = 1, **options: Any) -> FaceEmbedder: ...
@overload
def load(
    kind: Literal["speech_detector"], name: str, *, threads: int = 1, **options: Any
) -> SpeechDetector: ...
@overload
def load(kind: Literal["text_detector"], name: str, *, threads: int = 1, **options: Any) -> TextDetector: ...
@overload
def load(
    kind: Literal["face_attributes"], name: str, *, threads: int = 1, **options: Any
) -> FaceAttributes: ...
@overload
def load(
    kind: Literal["speech_recognizer"], name: str, *, threads: int = 1, **options: Any
) -> SpeechRecognizer: ...
@overload
def load(kind: str, name: str, *, threads: int = 1, **options: Any) -> Any: ...
def load(kind: str, name: str, *, threads: int = 1, **options: Any) -> Any:
    """A ready backend: kind such as "face_detector", name such as "mediapipe", options of its class.

    threads bounds the CPU threads of the libraries it uses. Raises BackendError when there is no such
    backend, an option is unknown to it, or something that it needs is missing.
    """
    target = _targets().get(f"{kind}.{name}")
    if target is None:
        known = names(kind)
        allowed = f"known for {kind}: {', '.join(known)}" if known else f"known kinds: {', '.join(kinds())}"
        raise BackendError(f"There is no backend {name!r} of kind {kind!r}; {allowed}.")
    made = _import(target, f"{kind}.{name}")
    try:
        inspect.signature(made).bind(threads=threads, **options)
    except TypeError as error:
        raise BackendError(
            f"The backend {kind}.{name} was given options it does not take ({error}); it takes: "
            f"{', '.join(inspect.signature(made).parameters)}."
        ) from error
    return made(threads=threads, **options)


def kinds() -> list[str]:
    """The kinds of backends that are known, sorted."""
    return sorted({key.split(".", 1)[0] for key in _targets()})


def names(kind: str) -> list[str]:
    """The names of the backends known for a kind, sorted."""
    return sorted(key.split(".", 1)[1] for key in _targets() if key.startswith(f"{kind}."))


def _targets() -> dict[str, str]:
    """Every known backend, "kind.name" to "module:class"; entry points go before the built-in table.

    A source tree that runs without being installed has no entry points of its own.
    """
    installed = {point.name: point.value for point in metadata.entry_points(group=GROUP)}
    return {**BUILT_IN, **installed}


def _import(target: str, label: str) -> Any:
    module, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise BackendError(
            f"The backend {label} is registered as {target}, which does not load ({error}); "
            "reinstall the package that provides it."
        ) from error
