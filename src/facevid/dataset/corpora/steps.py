"""The two steps that every corpus offers, made from the function that reads its annotations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from facevid.dataset.corpora.entry import Corpus, CorpusError, Entry, Problems
from facevid.dataset.corpora.fetching import Fetched, FetchSettings, fetch_entries
from facevid.dataset.corpora.footage import Prepared, write_manifest

Read = Callable[[Path, Problems], Iterator[Entry]]
Fetch = Callable[..., Fetched]
Prepare = Callable[..., Prepared]


@dataclass(frozen=True)
class CorpusSteps:
    """fetch and prepare of one corpus.

    read: annotations, and where to put what is wrong with their rows -> the clips. not_fetched: why nothing of this
    corpus can be fetched, None where it can.
    """

    about: Corpus
    read: Read
    not_fetched: str | None = None

    def fetch(
        self,
        annotations: Path,
        folder: Path,
        *,
        settings: FetchSettings | None = None,
        limit: int | None = None,
        elsewhere: Sequence[Path] = (),
        problems: Problems | None = None,
        say: Callable[[str], None] | None = None,
    ) -> Fetched:
        """Fetch the videos of the first `limit` clips (all where None) into `folder`; nothing else is asked for.

        A video that lies in one of the folders `elsewhere` is not fetched again. What is wrong with rows and links is
        added to `problems`. Raises CorpusError where the annotations cannot be read or nothing can be fetched.
        """
        if self.not_fetched is not None:
            raise CorpusError(self.not_fetched)
        found = problems if problems is not None else Problems()
        entries = islice(self.read(annotations, found), limit)
        return fetch_entries(
            entries, folder, settings or FetchSettings(), found, elsewhere=elsewhere, say=say
        )

    def prepare(
        self,
        annotations: Path,
        output: Path,
        *,
        footage: Sequence[Path],
        limit: int | None = None,
        problems: Problems | None = None,
    ) -> Prepared:
        """Write footage.jsonl into `output` for the first `limit` clips whose video lies in the folders `footage`.

        What is wrong with rows is added to `problems`. Raises CorpusError where the annotations cannot be read.
        """
        found = problems if problems is not None else Problems()
        return write_manifest(
            self.about, islice(self.read(annotations, found), limit), output, footage, found
        )
