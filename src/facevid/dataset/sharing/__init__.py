"""Passing datasets on: exports for other readers, staged releases, copies to and from hubs and buckets, merges."""

from facevid.dataset.sharing.choose import Choice, choose
from facevid.dataset.sharing.exporting import FORMS, export
from facevid.dataset.sharing.merging import Merged, merge
from facevid.dataset.sharing.pulling import Pulled, pull
from facevid.dataset.sharing.pushing import Pushed, push
from facevid.dataset.sharing.stages import release

__all__ = [
    "FORMS",
    "Choice",
    "Merged",
    "Pulled",
    "Pushed",
    "choose",
    "export",
    "merge",
    "pull",
    "push",
    "release",
]
