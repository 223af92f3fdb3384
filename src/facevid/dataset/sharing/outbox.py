"""Puts a dataset at an address in the place of the one that is there; a reader finds one or the other.

The protocol is that of `facevid.dataset.publish`: what is new goes beside what is old, then `dataset.json` is replaced,
then what it does not list goes, and names with a hash become plain. A note beside an unfinished copy tells which files
of it are whole.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from facevid.dataset.choosing.subset_file import SUBSETS
from facevid.dataset.published import (
    MANIFEST,
    MEDIA,
    TABLES,
    DatasetError,
    Manifest,
    PublishedFile,
    parse_manifest,
)
from facevid.storage import Place
from facevid.storage.objects import copy, entries, read, remove, send, sizes, write


class Outbox:
    """New files for the dataset at `place`, each sent once, and the switch.

    note: name of the note. beside: folders that may be there before a dataset is. Raises DatasetError where the place
    holds anything else; PlaceError where it refuses.
    """

    def __init__(self, place: Place, *, note: str, beside: Iterable[str] = ()) -> None:
        self._place, self._note = place, note
        self.old = manifest_at(place, allowed={note, *beside})
        self._taken = {f.stored_as: f for f in self.old.files} if self.old else {}
        self._sent = self._read_note()
        self._seen: dict[str, dict[str, int]] = {}
        self._noting = threading.Lock()

    def there(self, file: PublishedFile) -> PublishedFile | None:
        """The file under the name by which it is there already, whole; None where it is not."""
        for name, old in self._taken.items():
            if old.path == file.path and old.sha256 == file.sha256 and self._has(name, file.bytes):
                return replace(file, stored_as=name)
        name = self._name(file)
        if self._sent.get(name, {}).get("sha256") == file.sha256 and self._has(name, file.bytes):
            return replace(file, stored_as=name)
        return None

    def same_shard(self, path: str, key: str, size: int) -> PublishedFile | None:
        """A shard of that name with these members, if it is there already, published or sent."""
        known = [*self._taken.values(), *(PublishedFile.from_json(entry) for entry in self._sent.values())]
        for file in known:
            if file.path == path and file.key == key and self._has(file.stored_as, size):
                return file
        return None

    def send(self, source: Path, file: PublishedFile) -> PublishedFile:
        """Send a file, under a name that the present dataset does not use for anything else."""
        name = self._name(file)
        named = replace(file, stored_as=name)
        send(self._place, source, name)
        with self._noting:  # shards are sent side by side
            self._seen.get(name.rpartition("/")[0], {})[name] = file.bytes
            self._sent[name] = named.to_json()
            write(self._place, self._note, json.dumps(self._sent, indent=1).encode())
        return named

    def switch(self, manifest: Manifest, *, folders: Iterable[str], ours: Iterable[str] = ()) -> Manifest:
        """Make `manifest`, whose files are all there, the dataset; returns the one that lists plain names.

        folders: those of which files that no dataset lists go. ours: names in them that stay.
        """
        kept, every = set(ours), tuple(folders)
        self._replace(manifest, every, kept)
        plain = replace(manifest, files=tuple(replace(f, stored_as=f.path) for f in manifest.files))
        if plain != manifest:
            for file in manifest.files:
                if file.stored_as != file.path:
                    copy(self._place, file.stored_as, file.path, file.bytes)
            self._replace(plain, every, kept)
        return plain

    def close(self) -> None:
        """Remove the note: everything is in its place."""
        remove(self._place, [self._note])

    def _replace(self, manifest: Manifest, folders: Iterable[str], kept: set[str]) -> None:
        data = manifest.dumps().encode()
        if read(self._place, MANIFEST) != data:
            write(self._place, MANIFEST, data)
        listed = {f.stored_as for f in manifest.files} | kept
        gone = [n for folder in folders for n in sizes(self._place, folder) if n not in listed and is_ours(n)]
        remove(self._place, gone)

    def _name(self, file: PublishedFile) -> str:
        stem, dot, suffix = file.path.rpartition(".")
        return f"{stem}-{file.sha256}{dot}{suffix}" if file.path in self._taken else file.path

    def _has(self, name: str, size: int) -> bool:
        """Asked of one listing a folder, where a question a file would take hours for a large dataset."""
        folder = name.rpartition("/")[0]
        with self._noting:
            if folder not in self._seen:
                self._seen[folder] = sizes(self._place, folder)
            return self._seen[folder].get(name) == size

    def _read_note(self) -> dict[str, dict[str, object]]:
        data = read(self._place, self._note)
        try:
            found = json.loads(data) if data else {}
            return {str(name): PublishedFile.from_json(entry).to_json() for name, entry in found.items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            return {}  # whatever it told of is sent again


def manifest_at(place: Place, *, allowed: Iterable[str] = ()) -> Manifest | None:
    """The `dataset.json` at an address; None where nothing is there, or one of the `allowed` names: it is unfinished.

    Raises DatasetError where anything else is there, or a damaged `dataset.json`; PlaceError.
    """
    data = read(place, MANIFEST)
    if data is not None:
        return parse_manifest(data, f"{place.location}/{MANIFEST}")
    names = entries(place)
    if names and not names & set(allowed):
        raise DatasetError(
            f"{place.location} is not empty and not a dataset (it holds {', '.join(sorted(names)[:3])}); "
            "name an empty place."
        )
    return None


def is_ours(name: str) -> bool:
    """Whether a file of this name in a dataset's place is one that a publication of it would make or remove."""
    folder, _, rest = name.partition("/")
    if folder == SUBSETS:
        return rest.endswith(".json") and "/" not in rest
    return folder in (*TABLES, MEDIA) and rest.endswith((".parquet", ".tar")) and "/" not in rest
