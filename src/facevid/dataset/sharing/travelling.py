"""Which files of a dataset travel when it is copied as a whole."""

from __future__ import annotations

from facevid.dataset.choosing.subset_file import SUBSETS
from facevid.dataset.removing.tombstones import TOMBSTONES
from facevid.dataset.storage import Storage

DOCUMENTS = ("README.md", "croissant.json", "LICENSE")


def beside_files(storage: Storage) -> dict[str, bytes]:
    """The small files that `dataset.json` does not list and that belong to the dataset: card, licence, subsets, marks.

    Reviews in progress, receipts of takedowns and the work folder stay where they are.
    """
    names = [*DOCUMENTS, TOMBSTONES]
    names += [f"{SUBSETS}/{name}" for name in storage.names(SUBSETS) if name.endswith(".json")]
    found = {name: storage.beside(name) for name in names}
    return {name: data for name, data in found.items() if data is not None}
