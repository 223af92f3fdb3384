"""Tables for people: what was kept, why the rest was not, what failed, how fast it was, what to run next."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from facevid.cli.progress import clock
from facevid.storage import is_address

FAILURES_SHOWN = 10


def print_summary(summary: Mapping[str, Any]) -> None:
    """The end of a build, from `Summary.to_dict()`."""
    if summary["dry_run"]:
        _print_plan(summary)
        return
    console = _console()
    console.print(_kept_table(summary))
    if summary["rejected"]:
        console.print(_rejected_table(summary["rejected"]))
    if summary["opted_out"] or summary["taken_down"]:
        left = f"{summary['opted_out']} opted out, {summary['taken_down']} taken down"
        _line(console, f"Left out without a trace (sources, spans and clips): {left}.")
    _print_notes(console, summary["notes"])
    _print_failures(console, summary["failures"])
    _line(console, _speed(summary))
    _line(console, "\nNext:")
    for line in _next_lines(summary):
        _line(console, f"  {line}")
    failed = int(summary["failed"])
    if failed:
        items = "item" if failed == 1 else "items"
        _line(console, f"\n{failed} {items} failed; --retry-failed tries again.")


def _next_lines(summary: Mapping[str, Any]) -> list[str]:
    dataset = shlex.quote(str(summary["dataset"]))
    if not summary["clips"]:
        asked = "select reason, score, value, threshold, source_name, start_s, end_s from rejected"
        return [
            f'facevid query {dataset} "{asked}"    why nothing was kept',
            "facevid recipe show    every rule with its threshold; --recipe takes one of your own",
        ]
    look = (
        f"facevid pull {dataset} -o FOLDER    brings it to this machine, where it can be looked at"
        if is_address(str(summary["dataset"]))
        else f"facevid explore {dataset}     look at it in a browser"
    )
    return [
        f"facevid annotate {dataset}    attributes, actions and captions of every clip",
        look,
        f'python -c "import facevid; print(facevid.open({str(summary["dataset"])!r}))"',
        f"facevid clean {dataset}    removes the work folder, keeps the dataset",
    ]


def print_step(summary: Mapping[str, Any]) -> None:
    """The end of one step, from `StepSummary.to_dict()`."""
    console = _console()
    if summary["dry_run"]:
        _line(console, _plan_line(summary))
        if summary["to_run"] is not None:
            _print_notes(console, summary["notes"])
        return
    counts = [f"{summary['ok']} ok"]
    counts += [f"{summary[word]} {word}" for word in ("rejected", "failed") if summary[word]]
    if summary["reused"]:
        counts.append(f"{summary['reused']} as before")
    counts += [f"{name}: {_plain(value)}" for name, value in summary["details"].items()]
    _line(
        console,
        f"{summary['step']}: {summary['total']} items in {clock(summary['seconds'])}; {', '.join(counts)}",
    )
    _print_notes(console, summary["notes"])
    _print_failures(console, summary["failures"])


def print_status(status: Mapping[str, Any]) -> None:
    """Where a dataset stands, from `Status.to_dict()`."""
    console = _console()
    if status["published"]:
        _line(
            console,
            f"{status['dataset']}: published, {status['clips']} clips, {_hours(status['kept_s'])}; "
            f"{status['annotated']} of them annotated.",
        )
    else:
        _line(console, f"{status['dataset']}: not published yet.")
    if status["recipe"]:
        _line(console, f"Recipe: {status['recipe']}")
    if status["running"]:
        _line(console, f"Running: {status['running']}")
    if status["steps"]:
        table = Table("step", box=None, pad_edge=False)
        for word in ("ok", "rejected", "failed"):
            table.add_column(word, justify="right")
        for step in status["steps"]:
            table.add_row(step["step"], *(str(step.get(word, 0)) for word in ("ok", "rejected", "failed")))
        console.print(table)
    _print_failures(console, status["failures"])
    _line(console, f"Next: {status['next']}")


def _kept_table(summary: Mapping[str, Any]) -> Table:
    table = Table(title="Kept", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("clips", str(summary["clips"]))
    table.add_row("length", _hours(summary["kept_s"]))
    table.add_row("persons", str(summary["persons"]))
    table.add_row("from sources", str(summary["sources"]))
    table.add_row("footage", _hours(summary["footage_s"]))
    return table


def _rejected_table(rejected: list[Mapping[str, Any]]) -> Table:
    table = Table("reason", title="Left out", title_justify="left")
    table.add_column("stretches", justify="right")
    table.add_column("seconds", justify="right")
    for row in rejected:
        table.add_row(row["reason"], str(row["stretches"]), f"{row['seconds']:.1f}")
    return table


def _print_plan(summary: Mapping[str, Any]) -> None:
    console = _console()
    _line(console, f"A dry run of recipe {summary['recipe']} into {summary['dataset']}; nothing was changed.")
    for step in summary["steps"]:
        _line(console, _plan_line(step))


def _plan_line(step: Mapping[str, Any]) -> str:
    if step["to_run"] is None:
        return f"{step['step']}: " + (" ".join(step["notes"]) or "depends on the steps before it.")
    return f"{step['step']}: would run {step['to_run']} of {step['total']} items."


def _print_notes(console: Console, notes: list[str]) -> None:
    for note in notes:
        _line(console, f"Note: {_inert(note)}")


def _print_failures(console: Console, failures: list[Mapping[str, str]]) -> None:
    if not failures:
        return
    table = Table("failed", "step", "kind", title="Failed", title_justify="left")
    table.add_column("why", overflow="fold")
    for failure in failures[:FAILURES_SHOWN]:
        table.add_row(*(escape(_inert(failure[name])) for name in ("item", "step", "kind", "message")))
    console.print(table)
    if len(failures) > FAILURES_SHOWN:
        _line(console, f"and {len(failures) - FAILURES_SHOWN} more; --json lists them all.")


def _inert(text: str) -> str:
    """Text in which nothing steers a terminal: names of files may hold escape sequences and line ends."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _speed(summary: Mapping[str, Any]) -> str:
    took = f"Took {clock(summary['seconds'])}"
    factor = summary["realtime_factor"]
    return f"{took}, {factor:.1f} times real time." if factor else f"{took}; nothing new had to be analyzed."


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{clock(seconds)} min"


def _plain(value: Any) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def _console() -> Console:
    return Console(highlight=False)


def _line(console: Console, text: str) -> None:
    console.print(escape(text), soft_wrap=True)
