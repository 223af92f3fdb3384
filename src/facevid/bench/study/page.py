"""The page of a study: what it says in sentences, curves, residuals, the run held out, fits, runs, how it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from facevid.bench.page.document import bullets, document, save, section, small, table
from facevid.bench.page.head import definitions
from facevid.bench.page.plots import Span, spans
from facevid.bench.page.words import NONE, capital, count
from facevid.bench.scaling import size_name
from facevid.bench.study.curves import curves, residuals, size_labels, training
from facevid.bench.study.findings import Findings, LawFound
from facevid.bench.study.foretold import Foretold
from facevid.bench.study.words import amount, four, minutes

PAGE = "index.html"


@dataclass(frozen=True)
class PageFacts:
    """What a page says beside its findings, all of it plain text.

    about: names and texts at its top. rows: of all runs, as runs.jsonl has them, for the tables of runs and the curves
    of trainings. names: of sizes, by their parameters. notes: sentences. settings: how it was computed. command: to run
    for the same again. files: beside the page.
    """

    about: Sequence[tuple[str, str]] = ()
    rows: Sequence[Mapping[str, Any]] = ()
    loss: str = "last"
    names: Mapping[float, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    settings: Sequence[tuple[str, str]] = ()
    command: str = ""
    files: Sequence[str] = ()


def write_scaling_page(
    found: Findings | None, path: Path, *, title: str, facts: PageFacts | None = None, why: str | None = None
) -> Path:
    """Writes one HTML file that needs nothing from outside; the same findings give the same bytes. Gives its path.

    found: None while there are no finished runs to fit, and `why` says so. Raises BenchError unless the path's name
    ends in .html, StorageError where it cannot be written.
    """
    facts = facts or PageFacts()
    body = "" if found is None else _tiles(found, facts)
    body += definitions(list(facts.about)) if facts.about else ""
    if found is None:
        body += f"<p>{escape(why or 'There is nothing to fit yet.')}</p>"
    else:
        body += section("What it says", bullets(found.sentences)) + _pictures(found, facts)
    body += section("Notes", bullets(list(facts.notes))) if facts.notes else ""
    body += _trainings(facts) + _runs(facts)
    body += section("How it was computed", _method(found, facts))
    return save(path, document(title, body))


def _tiles(found: Findings, facts: PageFacts) -> str:
    runs, law = found.runs, found.law
    shown = [
        ("runs fitted", f"{len(runs):,}"),
        ("runs not fitted", f"{sum(row.get('status') != 'finished' for row in facts.rows):,}"),
        ("sizes", f"{len(runs.sizes):,}"),
        (f"amounts of data ({runs.unit})", f"{len(runs.amounts):,}"),
        ("residuals of the chosen law", NONE if law is None or law.rmse is None else f"{100 * law.rmse:.2g} %"),
        ("largest run within its interval", _within(found.foretold)),
    ]  # fmt: skip
    cells = "".join(f"<div><b>{value}</b><span>{escape(name)}</span></div>" for name, value in shown)
    return f'<div class="tiles">{cells}</div>'


def _within(foretold: Foretold | None) -> str:
    return NONE if foretold is None else "yes" if foretold.best.within else "no"


def _pictures(found: Findings, facts: PageFacts) -> str:
    runs = found.runs
    names = size_labels(runs, facts.names)
    boot = None if found.best is None else found.boots[found.best]
    title = "Runs" if found.law is None else f"Runs and {found.law.title}"
    about = (
        "Both axes are logarithmic, so that a power is a straight line. "
        + (
            ""
            if boot is None
            else f"Bands: {found.settings.level:.0%} interval of the law; broken: beyond the data. "
        )
        + ("" if found.foretold is None else "Hollow: the largest run, which is held out below.")
    )
    body = section(
        title,
        curves(runs, boot, found.settings.level, names, found.foretold)
        + f'<p class="note">{escape(about)}</p>',
    )
    if boot is not None:
        body += section("Residuals", residuals(runs, boot, names))
    return body + _held_out(found.foretold) + section("Laws", _laws(found))


def _held_out(found: Foretold | None) -> str:
    if found is None:
        return ""
    rows = [Span(f"{k}", p.value, (p.low, p.high)) for k, p in enumerate(found.all, 1)]
    ends = min(found.measured), sum(found.measured) / len(found.measured), max(found.measured)
    picture = spans(rows, "predictions of the largest run", ends, from_zero=False)
    head = ["law", "foretold", f"{found.level:.0%} interval for one run", "holds what was measured"]
    lines = [
        [
            f"{k} <b>{escape(capital(p.title))}</b>{small('chosen without it')}" if p == found.best
            else f"{k} {escape(capital(p.title))}",
            four(p.value), f"{four(p.low)} to {four(p.high)}", "yes" if p.within else "no",
        ]
        for k, p in enumerate(found.all, 1)
    ]  # fmt: skip
    measured = ", ".join(four(v) for v in found.measured)
    about = (
        f"The run of {size_name(found.size)} parameters on {amount(found.data)} {found.unit} came to {measured} "
        f"(the broken line). Each law is fitted to the {found.others} other runs."
    )
    both = f'<div class="two"><div>{table(head, lines)}</div><div>{picture}</div></div>'
    text = f'<p class="note">{escape(about)}</p>{both}'
    refused = [f"{name}: {why}." for name, why in found.refused.items()]
    text += f'<p class="note">Not supported by the other runs:</p>{bullets(refused)}' if refused else ""
    return section("The largest run, held out", text)


def _laws(found: Findings) -> str:
    head = ["law", "constants, with intervals", "residuals of log", "error on held-out runs", "verdict"]
    rows = [
        [
            f"{escape(capital(law.title))}{small(law.formula, wraps=True)}{small(law.source, wraps=True)}",
            _constants(law),
            NONE if law.rmse is None else f"{law.rmse:.4f}",
            _judged(law),
            _verdict(law, found),
        ]
        for law in found.laws
    ]
    return table(head, rows) + (
        '<p class="note">Held-out runs: those of the most data, and of the largest size where three are left. Laws '
        "that the runs cannot support are fitted all the same, to show how they fail, and never used.</p>"
    )


def _constants(law: LawFound) -> str:
    if not law.constants:
        return NONE
    lines = []
    for name, (value, low, high) in law.constants.items():
        interval = "" if low is None or high is None else f" ({low:.4g} to {high:.4g})"
        lines.append(escape(f"{name} {value:.4g}{interval}"))
    return "<br>".join(lines)


def _judged(law: LawFound) -> str:
    words = {"data": "most data", "size": "largest size"}
    lines = [f"{error:.4f} {words.get(by, by)}" for by, error in law.held_out.items()]
    lines += [f"{words.get(by, by)}: none{small(why, wraps=True)}" for by, why in law.unjudged.items()]
    return "<br>".join(lines) or NONE


def _verdict(law: LawFound, found: Findings) -> str:
    told = "<b>chosen</b>" if law.name == found.best else ""
    told += f"refused{small(law.refused, wraps=True)}" if law.refused else ""
    told += f"fails{small(law.failing, wraps=True)}" if law.failing else ""
    return told or NONE


def _trainings(facts: PageFacts) -> str:
    """The held-out loss over training, one picture a size."""
    sizes = dict.fromkeys(row["size_name"] for row in facts.rows if row.get("curve"))
    body = ""
    for size in sizes:
        rows = [row for row in facts.rows if row.get("curve") and row["size_name"] == size]
        lines = [
            (
                f"{amount(row['data'])} {row['unit']}, seed {row['seed']}",
                row["curve_steps"],
                row["curve"],
                facts.loss,
            )
            for row in rows
        ]
        body += f"<h3>{escape(str(size))}</h3>" + training(lines, rows[0]["metric"], facts.loss)
    if not body:
        return ""
    about = f"A ring is around the validation that counts: the {facts.loss} of a run."
    return section("Trainings", f'<p class="note">{about}</p>{body}')


def _runs(facts: PageFacts) -> str:
    if not facts.rows:
        return ""
    head = [
        "run",
        "parameters",
        "data",
        "people",
        "samples",
        "epochs",
        "best",
        "last",
        "steps",
        "time",
        "status",
    ]
    rows = [
        [
            escape(str(row.get("run", NONE))),
            NONE if row.get("size") is None else size_name(float(row["size"])),
            f"{amount(row['data'])} {escape(str(row.get('unit', '')))}",
            _number(row.get("people")),
            _number(row.get("samples_seen")),
            NONE if row.get("epochs") is None else f"{row['epochs']:.3g}",
            _loss(row.get("best"), row.get("best_step")),
            _loss(row.get("last"), None),
            f"{_number(row.get('step'))} of {_number(row.get('steps'))}",
            NONE if row.get("wall_s") is None else minutes(row["wall_s"]),
            f"{escape(str(row.get('status', NONE)))}{small(row.get('sentence') or '', wraps=True)}",
        ]
        for row in facts.rows
        if "run" in row
    ]
    return section(count(len(rows), "run"), table(head, rows)) if rows else ""


def _number(value: Any) -> str:
    return NONE if value is None else f"{value:,.0f}"


def _loss(value: float | None, step: int | None) -> str:
    return NONE if value is None else four(value) + small("" if step is None else f"at step {step:,}")


def _method(found: Findings | None, facts: PageFacts) -> str:
    settings = list(facts.settings)
    if found is not None:
        huber = found.settings.huber
        fitted = "least squares" if huber is None else f"Huber's loss with delta {huber:g}"
        settings += [
            ("Fits", f"{fitted} of the logarithm of the {found.runs.metric}, by BFGS from a grid of starts"),
            ("Choice", "by the error on the largest runs, held out of the fit"),
            ("Intervals", f"{found.settings.level:.0%} percentiles of {found.settings.resamples:,} resamples of the "
             "runs; of a run with Student's t for its noise"),
            ("Seed", str(found.settings.seed)),
        ]  # fmt: skip
    text = definitions(settings)
    if facts.files:
        links = ", ".join(f'<a href="./{escape(name)}">{escape(name)}</a>' for name in facts.files)
        text += f"<p>Everything needed to recompute it is in {links}.</p>"
    if facts.command:
        text += f"<p>To make it again:</p><pre>{escape(facts.command)}</pre>"
    return text
