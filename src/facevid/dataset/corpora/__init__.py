"""Published corpora of talking faces: reads annotations, fetches videos, writes manifests of footage."""

from facevid.dataset.corpora.entry import Corpus, CorpusError, Problem
from facevid.dataset.corpora.fetching import Fetched, FetchError, FetchSettings
from facevid.dataset.corpora.importing import Imported, import_corpus
from facevid.dataset.corpora.registry import CORPORA

__all__ = [
    "CORPORA",
    "Corpus",
    "CorpusError",
    "FetchError",
    "FetchSettings",
    "Fetched",
    "Imported",
    "Problem",
    "import_corpus",
]
