"""Passing datasets on: exports for other readers, staged releases, copies to and from hubs and buckets, merges."""

from facevid.dataset.sharing.choose import Choice, choose
from facevid.dataset.sharing.export import FORMS, export
from facevid.dataset.sharing.merge import Merged, merge
from facevid.dataset.sharing.stages import release

__all__ = ["FORMS", "Choice", "Merged", "choose", "export", "merge", "release"]
