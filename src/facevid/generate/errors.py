"""What can go wrong in this room, said in a sentence."""

from __future__ import annotations

from facevid.errors import FacevidError


class GenerateError(FacevidError):
    """A model, recipe, prompt or image that cannot be used; the message says what, where and what is allowed."""


class SizeError(GenerateError):
    """A size or number of frames that the model cannot make; the message names the nearest that it can."""
