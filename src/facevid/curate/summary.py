"""What the library calls of a build return: plain dataclasses that a person or a machine can read."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class StepSummary:
    """One step: how many items it had, what became of them, and how long it took (seconds)."""

    step: str
    dataset: str
    total: int = 0
    ok: int = 0
    rejected: int = 0
    failed: int = 0
    reused: int = 0
    to_run: int | None = None
    """In a dry run: items that would run; None where that depends on an earlier step."""
    seconds: float = 0.0
    details: dict[str, Any] = field(default_factory=dict)
    failures: list[dict[str, str]] = field(default_factory=list)
    """item, step, kind and message of every item that failed."""
    notes: list[str] = field(default_factory=list)
    """Sentences about what a person should know, such as a source that broke off in the middle."""
    dry_run: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)


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
