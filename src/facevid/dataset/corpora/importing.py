"""Imports a published corpus: fetches its videos where asked, and writes the manifest that a build reads."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from facevid.dataset.corpora.entry import Corpus, Problem, Problems
from facevid.dataset.corpora.fetching import Fetched, FetchSettings
from facevid.dataset.corpora.footage import MEDIA, Prepared, write_problems
from facevid.dataset.corpora.registry import corpus as corpus_named
from facevid.engine import folder_lock


@dataclass(frozen=True)
class Imported:
    """What an import did: the corpus, what was fetched (None where nothing was asked for), what was written, and every
    fault found."""

    corpus: Corpus
    fetched: Fetched | None
    prepared: Prepared
    problems: tuple[Problem, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON values; the faults by their number a kind, since problems.jsonl holds them all."""
        kinds: dict[str, int] = {}
        for problem in self.problems:
            kinds[problem.kind] = kinds.get(problem.kind, 0) + 1
        return {
            "corpus": asdict(self.corpus),
            "fetched": asdict(self.fetched) if self.fetched is not None else None,
            "manifest": str(self.prepared.manifest),
            "rows": self.prepared.rows,
            "sources": self.prepared.sources,
            "entries": self.prepared.entries,
            "without_equal": dict(self.prepared.without_equal),
            "problems": dict(sorted(kinds.items())),
        }


def import_corpus(
    corpus: str,
    annotations: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    fetch: bool = False,
    footage: str | os.PathLike[str] | None = None,
    limit: int | None = None,
    settings: FetchSettings | None = None,
    say: Callable[[str], None] | None = None,
) -> Imported:
    """Read a corpus's published annotations and write `output`/footage.jsonl, which `facevid.build` takes.

    corpus: its name (see `facevid.dataset.corpora.CORPORA`). annotations: the file or folder that the corpus publishes.
    fetch: get the videos that are not there yet into `output`/media. footage: a folder of videos that are there
    already. limit: only the first clips. settings: how fast to fetch. say: is told of each source that was asked for.
    Beside the manifest lie details.jsonl (what the vocabulary has no words for) and problems.jsonl (every row that
    could not be used, and why). Running it again fetches nothing twice. Raises CorpusError for an unknown corpus or
    annotations that cannot be read, FetchError where fetching cannot begin, FolderBusy while another import works
    there.
    """
    module = corpus_named(corpus)
    read, folder = Path(annotations), Path(output)
    problems = Problems()
    there = [Path(footage)] if footage is not None else []
    with folder_lock(folder, name=".import.lock"):
        fetched = None
        if fetch:
            fetched = module.fetch(
                read,
                folder / MEDIA,
                settings=settings,
                limit=limit,
                elsewhere=there,
                problems=problems,
                say=say,
            )
        places = [p for p in (folder / MEDIA,) if p.is_dir()] + there
        gone = {problem.row for problem in problems if problem.kind in ("dead", "fetch")}
        prepared = module.prepare(read, folder, footage=places, limit=limit, problems=problems)
        # A clip whose video could not be had is named once, with the reason, and not as missing as well.
        kept = Problems()
        for problem in problems:
            if not (problem.kind == "missing" and problem.row in gone):
                kept.add(problem.row, problem.kind, problem.message)
        write_problems(kept, folder)
    return Imported(module.ABOUT, fetched, prepared, tuple(kept))
