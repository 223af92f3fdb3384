"""Batches for training: `ds.loader(...)` takes random windows of clips, `ds.stream(...)` reads shards in their order.

Needs torch; the rest of facevid does not.
"""

from facevid.dataset.loading.loader import Loader
from facevid.dataset.loading.serving import DamagedClip, LoaderStats
from facevid.dataset.loading.stream import Stream

__all__ = ["DamagedClip", "Loader", "LoaderStats", "Stream"]
