"""What the library calls of a build return: plain dataclasses that a person or a machine can read."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from facevid.engine import StepSummary


@dataclass
class Summary:
    """A whole build: what came out, why the rest did not, what failed, how fast it was."""

    dataset: str
    recipe: str
    sources: int
    footage_s: float
    clips: int
    kept_s: float
    persons: int
    rejected: list[dict[str, Any]]
    """reason, stretches and seconds, the most seconds first."""
    failed: int
    failed_by_kind: dict[str, int]
    failures: list[dict[str, str]]
    notes: list[str]
    seconds: float
    realtime_factor: float | None
    """Seconds of footage analysed in this run over seconds it took; None where nothing was analysed."""
    steps: list[dict[str, Any]]
    dry_run: bool = False
    opted_out: int = 0
    """Sources, spans and clips left out for the opt-out list, of which no table has a trace."""
    taken_down: int = 0
    """Sources and clips left out since they were taken down before, likewise."""

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)


@dataclass
class Status:
    """How far a dataset has come."""

    dataset: str
    recipe: str | None
    published: bool
    clips: int
    kept_s: float
    annotated: int
    """Clips of which anything is said: attributes, actions, captions."""
    steps: list[dict[str, Any]]
    """Per step: name, and how many items are ok, rejected, failed in the ledger."""
    failures: list[dict[str, str]]
    running: str | None
    """Who works on the dataset right now, or None."""
    next: str
    """The command that goes on."""

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)


__all__ = ["Status", "StepSummary", "Summary"]
