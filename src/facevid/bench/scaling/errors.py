"""What can go wrong with a scaling study, said in a sentence."""

from __future__ import annotations

from facevid.bench.errors import BenchError


class ScalingError(BenchError):
    """A table of runs, a law or a question that cannot be used; the message says what, where and what is allowed."""


class UnsupportedError(ScalingError):
    """A law that the grid of runs cannot support; the message says what it lacks and what would do.

    reasons: what it lacks alone, without the sentence around it.
    """

    def __init__(self, message: str, reasons: str) -> None:
        super().__init__(message)
        self.reasons = reasons
