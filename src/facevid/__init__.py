"""facevid turns raw talking-face footage into a documented dataset: `build` makes one, `open` reads it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from facevid.errors import FacevidError

if TYPE_CHECKING:
    from facevid.bench.benchmark import benchmark
    from facevid.bench.study.scale import scale
    from facevid.curate.build import analyze, build, clean, cut, identify, pack, scan, select, status
    from facevid.curate.takedown import takedown
    from facevid.dataset import open, sheet
    from facevid.dataset.choosing.named import split, subset
    from facevid.dataset.corpora import import_corpus
    from facevid.dataset.describing.describe import card
    from facevid.dataset.describing.info import info
    from facevid.dataset.describing.stats import stats
    from facevid.dataset.query import query
    from facevid.dataset.sharing import export, merge, pull, push, release
    from facevid.dataset.verifying.verify import verify
    from facevid.generate.data.latents import latents
    from facevid.generate.pipeline import generate
    from facevid.generate.train import train
    from facevid.machine.doctor import doctor
    from facevid.synth import synthesize
    from facevid.web.report import report
    from facevid.web.server import explore

__version__ = "0.1.0"

__all__ = [
    "FacevidError",
    "__version__",
    "analyze",
    "benchmark",
    "build",
    "card",
    "clean",
    "cut",
    "doctor",
    "explore",
    "export",
    "generate",
    "identify",
    "import_corpus",
    "info",
    "latents",
    "merge",
    "open",
    "pack",
    "pull",
    "push",
    "query",
    "release",
    "report",
    "scale",
    "scan",
    "select",
    "sheet",
    "split",
    "stats",
    "status",
    "subset",
    "synthesize",
    "takedown",
    "train",
    "verify",
]

# Names are looked up on first use, so that `import facevid` and `facevid --help` load no model library.
_BUILD = "facevid.curate.build"
_HOMES = {
    "analyze": _BUILD,
    "benchmark": "facevid.bench.benchmark",
    "build": _BUILD,
    "card": "facevid.dataset.describing.describe",
    "clean": _BUILD,
    "cut": _BUILD,
    "doctor": "facevid.machine.doctor",
    "explore": "facevid.web.server",
    "export": "facevid.dataset.sharing",
    "generate": "facevid.generate.pipeline",
    "identify": _BUILD,
    "import_corpus": "facevid.dataset.corpora",
    "info": "facevid.dataset.describing.info",
    "latents": "facevid.generate.data.latents",
    "merge": "facevid.dataset.sharing",
    "open": "facevid.dataset",
    "pack": _BUILD,
    "pull": "facevid.dataset.sharing",
    "push": "facevid.dataset.sharing",
    "query": "facevid.dataset.query",
    "release": "facevid.dataset.sharing",
    "report": "facevid.web.report",
    "scale": "facevid.bench.study.scale",
    "scan": _BUILD,
    "select": _BUILD,
    "sheet": "facevid.dataset",
    "split": "facevid.dataset.choosing.named",
    "stats": "facevid.dataset.describing.stats",
    "status": _BUILD,
    "subset": "facevid.dataset.choosing.named",
    "synthesize": "facevid.synth",
    "takedown": "facevid.curate.takedown",
    "train": "facevid.generate.train",
    "verify": "facevid.dataset.verifying.verify",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'facevid' has no attribute '{name}'; it offers {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
