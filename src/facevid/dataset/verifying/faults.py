"""The faults that `verify` finds: their kinds, and how each is mended."""

from __future__ import annotations

from dataclasses import dataclass

_FETCH = "Fetch the file again where you got the dataset; or delete it and build the dataset again."
_BUILD = "Build the dataset again; if it came from somebody, fetch it again."
_MEDIA = (
    "Fetch the shard again; or delete it and build the dataset again. A clip that nobody has whole any more is left "
    "out for good with facevid takedown --clip."
)
_LABELS = "Annotate again: facevid annotate; or fetch annotations/ and clips/ again."
_SUBSET = "Fetch the file again, or make it anew: facevid subset, facevid split."

MEND: dict[str, str] = {
    # files
    "file_missing": _FETCH,
    "file_size": _FETCH,
    "file_damaged": _FETCH,
    "file_twice": "Build the dataset again: its dataset.json lists one file twice.",
    "file_unlisted": "It is no part of the dataset: move it elsewhere or delete it.",
    "leftover": "A run was killed: run it again, and it clears up; else delete the file.",
    "takedown_pending": "Finish it: run `facevid takedown` on this folder.",
    "document_missing": "Write it anew: facevid card.",
    "document_stale": "Write it anew: facevid card.",
    # tables
    "manifest_counts": "Build the dataset again, or fetch dataset.json again.",
    "table_unreadable": _FETCH,
    "table_columns": _BUILD,
    "table_type": _BUILD,
    "table_rows": _FETCH,
    "source_twice": _BUILD,
    "clip_twice": _BUILD,
    "clip_order": _BUILD,
    "clip_name": _BUILD,
    "clip_source": _FETCH,
    "clip_shard": _FETCH,
    "clip_time": _BUILD,
    "clip_box": _BUILD,
    "clip_sound": _BUILD,
    "clip_person": "Tell the people apart again: facevid identify, then facevid pack.",
    "rejected_source": _FETCH,
    "split_person": "Split again: facevid split keeps all clips of a person on one side.",
    "taken_down": "Take it down again: facevid takedown; and do not use this copy until then.",
    "label_stranger": _LABELS,
    "label_invalid": _LABELS,
    "label_time": _LABELS,
    # keypoints
    "keypoints_missing": _FETCH,
    "keypoints_orphan": _FETCH,
    "keypoints_order": _FETCH,
    "keypoints_frames": _FETCH,
    "keypoints_shape": _FETCH,
    # shards
    "shard_damaged": _MEDIA,
    "shard_members": _FETCH,
    "member_missing": _MEDIA,
    "member_orphan": "No clip names it: build the dataset again, which writes the shard without it.",
    "member_twice": _MEDIA,
    "member_place": _FETCH,
    "member_name": _FETCH,
    "member_overlap": _FETCH,
    "member_damaged": _MEDIA,
    "json_differs": _MEDIA,
    "clip_undecodable": _MEDIA,
    "clip_frames": _MEDIA,
    "clip_size": _MEDIA,
    "clip_audio": _MEDIA,
    # subsets
    "subset_damaged": _SUBSET,
    "subset_stranger": _SUBSET,
    "subset_twice": _SUBSET,
}
"""Every kind of fault, and what to do about it."""


@dataclass(frozen=True)
class Fault:
    """One fault. kind: of `MEND`. where: the file, and what in it. what: one sentence."""

    kind: str
    where: str
    what: str

    @property
    def mend(self) -> str:
        """What to do about it."""
        return MEND[self.kind]

    def to_dict(self) -> dict[str, str]:
        return {"kind": self.kind, "where": self.where, "what": self.what, "mend": self.mend}
