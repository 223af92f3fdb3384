"""What each kind of backend takes and gives: one small protocol per kind, plain arrays between.

Images are RGB uint8 (height, width, 3); coordinates are float pixels of the image given, x right, y down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Face:
    """A face found in one image.

    box: x0, y0, x1, y1 in pixels; it may reach past the image when the face does. score: 0 to 1.
    points: (6, 2) float32 pixels: the subject's right eye, left eye, nose tip, mouth, right ear, left ear.
    """

    box: Box
    score: float
    points: Floats


@dataclass(frozen=True)
class Hand:
    """A hand in one image: (21, 3) float32 points (x, y, z in pixels, wrist first), box, score 0 to 1."""

    points: Floats
    box: Box
    score: float


@dataclass(frozen=True)
class TextBox:
    """A line of text in one image: (4, 2) float32 corners clockwise from top left, confidence 0 to 1."""

    quad: Floats
    text: str
    confidence: float


@dataclass(frozen=True)
class FaceGuess:
    """What a model says of a face: an attribute and its value, both words of facevid's vocabulary.

    confidence: mean probability of the value over the pictures, 0 to 1; None where the model tells none.
    model: the model's name, such as "fairface". scores: mean probability of each of the model's own classes.
    """

    name: str
    value: str
    confidence: float | None
    model: str
    scores: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Spoken:
    """A stretch of a transcript: start and end in seconds of the sound, its text, confidence 0 to 1."""

    start_s: float
    end_s: float
    text: str
    confidence: float


@dataclass(frozen=True)
class Transcript:
    """What is said in a recording; `text` is empty and `segments` too where no speech was recognised.

    language: code such as "en". language_confidence: how sure the language is, 0 to 1. confidence: of the words,
    0 to 1.
    """

    text: str
    language: str
    language_confidence: float
    confidence: float
    segments: tuple[Spoken, ...] = ()


class Backend(Protocol):
    """What every backend has: `name` as in the recipe, `version` of its package and its weights."""

    name: str
    version: str


@runtime_checkable
class FaceDetector(Backend, Protocol):
    """Finds faces in single images."""

    def detect(self, image: Image) -> list[Face]:
        """The faces of `image`, highest score first; no two share more than half of the smaller."""
        ...


@runtime_checkable
class MeshTracker(Protocol):
    """Follows the mesh of one face from frame to frame."""

    presence: float
    """How sure the model was, 0 to 1, that the last `update` looked at a face."""

    def update(self, image: Image, box: Sequence[float]) -> Floats | None:
        """The mesh of the face near `box` (x0, y0, x1, y1 in pixels, rough), or None where no face is.

        Returns (478, 3) float32: x, y in pixels of `image`, z on the same scale; 468..477 are the irises.
        """
        ...

    def release(self) -> None:
        """Forget the face; the next `update` starts afresh."""
        ...


@runtime_checkable
class FaceMesh(Backend, Protocol):
    """Gives trackers that share one loaded model."""

    def tracker(self) -> MeshTracker:
        """A new tracker, which has seen nothing yet."""
        ...


@runtime_checkable
class HandDetector(Backend, Protocol):
    """Finds hands in single images."""

    def detect(self, image: Image) -> list[Hand]:
        """The hands of `image`, highest score first; empty when there is none."""
        ...


@runtime_checkable
class PersonSegmenter(Backend, Protocol):
    """Tells the person in front from the background, in single images."""

    def mask(self, image: Image) -> Floats:
        """(h, w) float32: share 0..1 of each pixel of `image` that shows the person."""
        ...


@runtime_checkable
class FaceEmbedder(Backend, Protocol):
    """Turns aligned faces into vectors; the same person's are near to each other."""

    def chip(self, image: Image, mesh: Floats) -> Image:
        """The face of `mesh` ((478, 2 or 3), pixels of `image`) aligned and cut out: (150, 150, 3)."""
        ...

    def embed(self, chips: Image) -> Floats:
        """(n, 150, 150, 3) uint8 chips to (n, 128) float32 vectors, compared by Euclidean distance."""
        ...


@runtime_checkable
class SpeechDetector(Backend, Protocol):
    """Tells how likely each 32 ms of sound is speech, with a memory of what came before."""

    def reset(self) -> None:
        """Forget all sound heard, before another recording."""
        ...

    def probabilities(self, samples: Floats, *, final: bool = True) -> Floats:
        """(n,) float32 samples at 16 kHz in [-1, 1] to (ceil(n / 512),) probabilities in [0, 1].

        A recording may come in pieces: `final=False` keeps what is left over from the last 512 for the next
        call, `final=True` fills it up with silence.
        """
        ...


@runtime_checkable
class TextDetector(Backend, Protocol):
    """Finds and reads written text."""

    def read(self, image: Image) -> list[TextBox]:
        """The lines of text in `image`, top to bottom; empty when there is none."""
        ...


@runtime_checkable
class FaceAttributes(Backend, Protocol):
    """Guesses who is seen (age, gender, ethnicity) and with which expression."""

    def read(self, images: Image, meshes: Floats) -> list[FaceGuess]:
        """What the face of (k, h, w, 3) uint8 images shows, its meshes (k, 478, 2 or 3) in their pixels.

        A picture without a face has NaN for its mesh. Empty when no picture shows one. An attribute comes more
        than once where several models speak of it.
        """
        ...


@runtime_checkable
class SpeechRecognizer(Backend, Protocol):
    """Writes down what is said."""

    def transcribe(self, samples: Floats) -> Transcript:
        """(n,) float32 samples at 16 kHz in [-1, 1] to a transcript."""
        ...
