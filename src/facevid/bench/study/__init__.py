"""The scaling study: a grid of trainings over sizes and amounts of data, the laws fitted to it, and its page.

`scale` runs a study's file, or fits a table of runs that others made; `find` and `write_scaling_page` are its two last
parts alone.
"""

from __future__ import annotations

from facevid.bench.study.findings import Findings, find
from facevid.bench.study.page import PageFacts, write_scaling_page
from facevid.bench.study.recipe import FitSettings, Study, read_study, study_names
from facevid.bench.study.scale import scale
from facevid.bench.study.summary import ScaleSummary

__all__ = [
    "Findings",
    "FitSettings",
    "PageFacts",
    "ScaleSummary",
    "Study",
    "find",
    "read_study",
    "scale",
    "study_names",
    "write_scaling_page",
]
