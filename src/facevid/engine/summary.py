"""What a step's call returns: a plain dataclass that a person or a machine can read."""

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
