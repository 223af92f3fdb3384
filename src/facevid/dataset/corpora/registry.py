"""The corpora that can be imported, by the names they have on the command line."""

from __future__ import annotations

from typing import Protocol

from facevid.dataset.corpora import (
    celebv_hq,
    celebv_text,
    crema_d,
    dh_facevid_1k,
    general,
    hdtf,
    talkinghead_1kh,
    talkvid,
    voxceleb2,
)
from facevid.dataset.corpora.entry import Corpus, CorpusError
from facevid.dataset.corpora.steps import Fetch, Prepare, Read


class CorpusModule(Protocol):
    """What the file of a corpus offers: facts about it, the reader of its annotations, and two steps."""

    @property
    def ABOUT(self) -> Corpus: ...
    @property
    def read(self) -> Read: ...
    @property
    def fetch(self) -> Fetch: ...
    @property
    def prepare(self) -> Prepare: ...


CORPORA: dict[str, CorpusModule] = {
    module.ABOUT.name: module
    for module in (
        dh_facevid_1k, celebv_hq, celebv_text, hdtf, talkinghead_1kh, voxceleb2, talkvid, crema_d, general,
    )
}  # fmt: skip


def corpus(name: str) -> CorpusModule:
    """The corpus of that name; raises CorpusError with those there are."""
    if name not in CORPORA:
        raise CorpusError(f"There is no corpus {name!r}; there are {', '.join(CORPORA)}.")
    return CORPORA[name]
