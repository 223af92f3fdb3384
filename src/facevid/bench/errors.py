"""What can go wrong in this room, said in a sentence."""

from __future__ import annotations

from facevid.errors import FacevidError


class BenchError(FacevidError):
    """Videos, features, runs or settings that cannot be measured; the message says what, where and what is allowed."""
