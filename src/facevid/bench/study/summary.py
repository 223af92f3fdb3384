"""What a study was asked for, and what it did, as plain values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facevid.bench.errors import BenchError
from facevid.bench.study.commands import study_command
from facevid.bench.study.findings import Findings
from facevid.bench.study.recipe import Study


@dataclass
class ScaleSummary:
    """What a study did. plan: a row for each run that was asked for. cost: before it began, None for --fit-only and
    tables. page: None where nothing was written. trained, reused, failed, unfinished, busy: names of runs; busy ones
    are trained by another process. missing: planned and not run yet. findings: None where there was nothing to fit."""

    output: str | None
    page: str | None
    plan: list[dict[str, Any]] = field(default_factory=list)
    cost: dict[str, Any] | None = None
    trained: list[str] = field(default_factory=list)
    reused: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    unfinished: dict[str, str] = field(default_factory=dict)
    busy: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    findings: Findings | None = None
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        found = None if self.findings is None else self.findings.to_dict()
        return dict(plain({**vars(self), "findings": found}))


@dataclass(frozen=True)
class Asked:
    """A study with where it is, as commands name them. changes: those that came to its own."""

    study: Study
    told: str
    data: Any
    output: Path | None
    autoencoder: str | None
    text: str | None
    changes: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        if self.output is None:
            raise BenchError("name the folder of the study (output).")
        return self.output

    @property
    def command(self) -> str:
        """The line that makes it again."""
        data = None if self.data is None else str(getattr(self.data, "location", self.data))
        return study_command(
            self.told, data=data, output=str(self.output), autoencoder=self.autoencoder, text=self.text,
            changes=self.changes,
        )  # fmt: skip


def plain(value: Any) -> Any:
    """Values for JSON, which has no infinities and no nan: those become None."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
