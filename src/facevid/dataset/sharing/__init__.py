"""Passing datasets on: exports for other readers, staged releases, copies to and from hubs and buckets, merges."""

from facevid.dataset.sharing.choose import Choice, choose
from facevid.dataset.sharing.export import FORMS, export

__all__ = ["FORMS", "Choice", "choose", "export"]
