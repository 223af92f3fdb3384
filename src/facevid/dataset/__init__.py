"""Reads published datasets: `open(path)` gives a `Dataset` of `Clip`s, whose media are fetched when asked
for.
"""

from facevid.dataset.clip import Clip
from facevid.dataset.contact_sheet import sheet
from facevid.dataset.dataset import Dataset, open
from facevid.dataset.published import FORMAT_VERSION, DatasetError, schema

__all__ = ["FORMAT_VERSION", "Clip", "Dataset", "DatasetError", "open", "schema", "sheet"]
