"""Scaling studies: a table of runs, laws fitted to it, the choice among them, and what they foretell, with intervals.

`read_runs` a table, `choose` a law by its error on the largest runs, `bootstrap` its fit; then `predict`, `data_for`,
`best_split`, `crossing` answer, and `say_choice`, `say_fit` and their kin put it in sentences.
"""

from __future__ import annotations

from facevid.bench.scaling.choose import Choice, HeldOut, Verdict, choose
from facevid.bench.scaling.errors import ScalingError, UnsupportedError
from facevid.bench.scaling.fit import Bootstrap, Fit, bootstrap, fit_law
from facevid.bench.scaling.predict import (
    TRANSFORMER,
    Band,
    Crossing,
    Estimate,
    Needed,
    Split,
    best_split,
    crossing,
    data_for,
    predict,
)
from facevid.bench.scaling.runs import Runs, read_runs, size_name
from facevid.bench.scaling.say import say_choice, say_crossing, say_fit, say_needed, say_split, why_failing
from facevid.bench.scaling.support import LAWS, law_for

__all__ = [
    "LAWS",
    "TRANSFORMER",
    "Band",
    "Bootstrap",
    "Choice",
    "Crossing",
    "Estimate",
    "Fit",
    "HeldOut",
    "Needed",
    "Runs",
    "ScalingError",
    "Split",
    "UnsupportedError",
    "Verdict",
    "best_split",
    "bootstrap",
    "choose",
    "crossing",
    "data_for",
    "fit_law",
    "law_for",
    "predict",
    "read_runs",
    "say_choice",
    "say_crossing",
    "say_fit",
    "say_needed",
    "say_split",
    "size_name",
    "why_failing",
]
