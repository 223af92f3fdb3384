"""DH-FaceVid-1K: 270,043 clips, handed out on request as a folder of MP4 files without annotations."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from facevid.dataset.corpora.entry import Corpus, CorpusError, Entry, Footage, Problems
from facevid.dataset.corpora.steps import CorpusSteps

ABOUT = Corpus(
    name="dh-facevid-1k",
    title="DH-FaceVid-1K",
    licence="DH-FaceVid-1K research licence",
    removal="its owners may demand deletion at any time",
    home="https://github.com/luna-ai-lab/DH-FaceVid-1K",
    reads="the folder of MP4 files as released",
)


def read(annotations: Path, problems: Problems) -> Iterator[Entry]:
    """One clip a file, sorted by path; all of the file, since the corpus is cut already."""
    if not annotations.is_dir():
        raise CorpusError(f"{annotations} is no folder; give the one with DH-FaceVid-1K's MP4 files.")
    empty = True
    for folder, folders, names in os.walk(annotations):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.lower().endswith(".mp4") and not name.startswith("."):
                empty = False
                path = Path(folder, name).resolve()
                row = Path(folder, name).relative_to(annotations).as_posix()
                yield Entry(row=row, name=path.stem, source=path.stem, footage=(Footage(str(path)),))
    if empty:
        raise CorpusError(f"{annotations} holds no MP4 file.")


_STEPS = CorpusSteps(
    ABOUT, read, "DH-FaceVid-1K is handed out by its owners on request; give the folder you got from them."
)
fetch = _STEPS.fetch
prepare = _STEPS.prepare
