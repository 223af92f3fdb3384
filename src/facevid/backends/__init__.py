"""Models behind small protocols, found by kind and name: `load("face_detector", "mediapipe")`."""

from .errors import BackendError
from .protocols import (
    Face,
    FaceAttributes,
    FaceDetector,
    FaceEmbedder,
    FaceGuess,
    FaceMesh,
    Hand,
    HandDetector,
    MeshTracker,
    PersonSegmenter,
    SpeechDetector,
    SpeechRecognizer,
    Spoken,
    TextBox,
    TextDetector,
    Transcript,
)
from .registry import kinds, load, names

__all__ = [
    "BackendError",
    "Face",
    "FaceAttributes",
    "FaceDetector",
    "FaceEmbedder",
    "FaceGuess",
    "FaceMesh",
    "Hand",
    "HandDetector",
    "MeshTracker",
    "PersonSegmenter",
    "SpeechDetector",
    "SpeechRecognizer",
    "Spoken",
    "TextBox",
    "TextDetector",
    "Transcript",
    "kinds",
    "load",
    "names",
]
