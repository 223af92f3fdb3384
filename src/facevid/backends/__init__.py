"""Models behind small protocols, found by kind and name: `load("face_detector", "mediapipe")`."""

from .errors import BackendError
from .protocols import (
    Face,
    FaceDetector,
    FaceEmbedder,
    FaceMesh,
    Hand,
    HandDetector,
    MeshTracker,
    SpeechDetector,
    TextBox,
    TextDetector,
)
from .registry import kinds, load, names

__all__ = [
    "BackendError",
    "Face",
    "FaceDetector",
    "FaceEmbedder",
    "FaceMesh",
    "Hand",
    "HandDetector",
    "MeshTracker",
    "SpeechDetector",
    "TextBox",
    "TextDetector",
    "kinds",
    "load",
    "names",
]
