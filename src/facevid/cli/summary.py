"""Tables for people: what was kept, why the rest was not, what failed, how fast it was, what to run next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from facevid.cli.progress import clock

FAILURES_SHOWN = 10


def print_summary(summary: Mapping[str, Any]) -> None:
    """The end of a build, from `Summary.to_dict()`."""
    print("summary")


def print_step(summary: Mapping[str, Any]) -> None:
    """The end of one step, from `StepSummary.to_dict()`."""
    print("step")


def print_status(status: Mapping[str, Any]) -> None:
    """Where a dataset stands, from `Status.to_dict()`."""
    print("status")
