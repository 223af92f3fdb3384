"""The work folder of a build, `DATASET/.work`: where everything lies that is not published."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from facevid.curate.frames import read_analysis
from facevid.curate.remote_dataset import HASH_DIGITS, Remote
from facevid.curate.trackfile import TrackFileWriter, track_file_key
from facevid.dataset.annotating import ANNOTATE_LOCK
from facevid.dataset.outlet import FolderOutlet, Outlet
from facevid.dataset.published import MANIFEST, Manifest, check_output
from facevid.dataset.removing import tombstones
from facevid.engine import atomic_path, clear_stale, file_sha256, folder_lock, write_parquet_atomic
from facevid.engine.keeper import Keeper
from facevid.errors import FacevidError
from facevid.recipe import Recipe, load_recipe
from facevid.storage import is_address, local_path

WORK_VERSION = 1

SOURCE_COLUMNS = pa.schema(
    [
        ("source_id", pa.string()), ("source_name", pa.string()), ("path", pa.string()), ("sha256", pa.string()),
        ("size_bytes", pa.int64()), ("copies", pa.int32()), ("url", pa.string()), ("licence", pa.string()),
        ("consent", pa.string()), ("collected_by", pa.string()), ("language", pa.string()),
        ("self_reported", pa.string()), ("spans", pa.string()),
        ("container", pa.string()), ("video_codec", pa.string()),
        ("pix_fmt", pa.string()), ("bit_depth", pa.int32()), ("width", pa.int32()), ("height", pa.int32()),
        ("duration_s", pa.float64()), ("fps", pa.float64()), ("variable_fps", pa.bool_()),
        ("rotation", pa.int32()), ("start_time_s", pa.float64()), ("video_bit_rate", pa.float64()),
        ("audio_streams", pa.int32()), ("audio_codec", pa.string()), ("audio_rate", pa.int32()),
        ("audio_channels", pa.int32()),
    ]
)  # fmt: skip
FAILED_COLUMNS = pa.schema([(name, pa.string()) for name in ("item", "step", "kind", "message")])


class WorkError(FacevidError):
    """A work folder that cannot be used: a step before is missing, or another version made it."""


@dataclass(frozen=True)
class Work:
    """Paths in the work folder of one dataset, and what is read from and written to them.

    dataset: its folder; for one behind an address the folder of this machine that stands for it. remote: the address.
    """

    dataset: Path
    remote: Remote | None = None

    @classmethod
    def at(cls, output: str | os.PathLike[str]) -> Work:
        """The work folder of the dataset in a folder or at an address. Raises PlaceError for a wrong address."""
        text = os.fspath(output)
        if not is_address(text):
            return cls(Path(local_path(text)))
        remote = Remote.at(text)
        return cls(remote.home, remote)

    @property
    def location(self) -> str:
        """What people call the dataset: its folder or its address."""
        return str(self.dataset) if self.remote is None else self.remote.place.location

    @property
    def folder(self) -> Path:
        return self.dataset / ".work"

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.sqlite"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def sources(self) -> Path:
        return self.folder / "sources.parquet"

    @property
    def tracks(self) -> Path:
        return self.folder / "tracks.arrow"

    @property
    def stretches(self) -> Path:
        return self.folder / "selection" / "stretches.parquet"

    @property
    def rejected(self) -> Path:
        return self.folder / "selection" / "rejected.parquet"

    @property
    def packed(self) -> Path:
        """Holds the mark of the selection that was published last."""
        return self.folder / "packed"

    def selection_mark(self) -> str | None:
        """SHA-256 of the selection; None where there is none."""
        if not (self.stretches.exists() and self.rejected.exists()):
            return None
        both = file_sha256(self.stretches) + file_sha256(self.rejected)
        return hashlib.sha256(both.encode()).hexdigest()

    def keep_packed(self) -> None:
        """Remember that the selection is published."""
        with atomic_path(self.packed) as partial:
            Path(partial).write_text(f"{self.selection_mark()}\n", encoding="ascii")

    def unpublished_selection(self) -> bool:
        """Whether the selection differs from the one published last; no clock or time of a file is asked."""
        return (
            self.packed.exists() and self.packed.read_text(encoding="ascii").strip() != self.selection_mark()
        )

    @property
    def identity(self) -> Path:
        return self.folder / "identity.parquet"

    @property
    def opt_out(self) -> Path:
        return self.folder / "opt-out.json"

    @property
    def withheld(self) -> Path:
        return self.folder / "withheld.json"

    @property
    def clips(self) -> Path:
        return self.folder / "clips"

    def analysis(self, source_id: str, digest: str = "") -> Path:
        """The folder of a source's analysis; digest: the hash of the item, which only names at an address bear."""
        return self.folder / "analyses" / self._unit(source_id, digest)

    def part(self, source_id: str, number: int, digest: str = "") -> Path:
        """The folder of a part of a long source, which is there until the source is put together."""
        if self.remote is None:
            return self.parts(source_id) / f"{number:04d}"
        return self.folder / "parts" / self._unit(f"{source_id}_{number:04d}", digest)

    def parts(self, source_id: str) -> Path:
        """Where the parts of a long source lie in a folder."""
        return self.folder / "parts" / source_id

    def drop_parts(self, source_id: str, parts: Sequence[str]) -> None:
        """Remove the parts of a source that is put together."""
        if self.remote is None:
            shutil.rmtree(self.parts(source_id), ignore_errors=True)
        else:
            self.remote.drop(map(Path, parts))

    def clip(self, clip_id: str, digest: str = "") -> Path:
        """The folder of a cut clip."""
        return self.clips / self._unit(clip_id, digest)

    def embedding(self, clip_id: str, digest: str = "") -> Path:
        """The file of a clip's embedding."""
        name = self._unit(clip_id, digest)
        return self.folder / "embeddings" / (f"{name}.npy" if self.remote is None else name)

    def _unit(self, item: str, digest: str) -> str:
        # At an address a name stands for one content for good: a copy of it elsewhere is never out of date.
        return item if self.remote is None else f"{item}-{digest[:HASH_DIGITS]}"

    def here(self, path: Path, *, once: bool = False) -> AbstractContextManager[Path]:
        """What a step made, on this machine for the length of the `with` block; once: it is not wanted again."""
        return nullcontext(path) if self.remote is None else self.remote.here(path, once=once)

    def ready(self) -> None:
        """Take from the address what another machine has done since; nothing for a folder."""
        if self.remote is not None:
            self.remote.ready()

    def published(self) -> Manifest | None:
        """The dataset that is there; None where none is yet. Raises DatasetError where something else is."""
        return check_output(self.dataset) if self.remote is None else self.remote.published()

    def is_published(self) -> bool:
        """Whether a dataset is there, be it one whose takedown was interrupted."""
        if self.remote is None:
            return (self.dataset / MANIFEST).exists()
        return self.remote.published() is not None

    def tombstones(self) -> tombstones.Tombstones:
        """What was taken down there."""
        return tombstones.read(self.dataset) if self.remote is None else self.remote.tombstones()

    def outlet(self, keeper: Keeper | None) -> Outlet:
        """Where the dataset is published."""
        if self.remote is None:
            return FolderOutlet(self.dataset)
        assert keeper is not None, "who publishes at an address holds it"
        return self.remote.outlet(keeper)

    def forget(self, source_ids: Iterable[str]) -> None:
        """Remove what steps made of these sources."""
        if self.remote is not None:
            self.remote.forget(source_ids)
            return
        for source_id in sorted(source_ids):
            for folder in (self.analysis(source_id), self.parts(source_id)):
                shutil.rmtree(folder, ignore_errors=True)
            for folder in (self.clips, self.folder / "embeddings"):
                for path in folder.glob(f"{source_id}_*"):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()

    @contextmanager
    def held(self) -> Iterator[Keeper | None]:
        """Hold the folder for this process; raises FolderBusy in a second one, WorkError for another version.

        Nobody measures published clips meanwhile: their media may be replaced. Yields what holds a dataset behind an
        address.
        """
        with ExitStack() as stack:
            stack.enter_context(folder_lock(self.folder) if self.remote is None else self.remote.alone())
            stack.enter_context(folder_lock(self.folder, name=ANNOTATE_LOCK))
            keeper = None
            if self.remote is not None:
                keeper = stack.enter_context(self.remote.held())
            version = self.folder / "version"
            found = version.read_text(encoding="ascii").strip() if version.exists() else None
            if found not in (None, str(WORK_VERSION)):
                raise WorkError(
                    f"{self.folder} was made by another version of facevid (work version {found}, this one "
                    f"writes {WORK_VERSION}). Remove it with `facevid clean {self.location}` or build elsewhere."
                )
            if found is None:
                with atomic_path(version) as partial:
                    Path(partial).write_text(f"{WORK_VERSION}\n", encoding="ascii")
            self._clear_stale()
            try:
                yield keeper
            finally:
                # Workers that crashed or were ended leave half an analysis behind, which may be large.
                self._clear_stale()

    def _clear_stale(self) -> None:
        # Not inside the folders of single clips and analyses: those appear whole, and there may be 270,043.
        for place in ("", "selection", "failed", "analyses", "clips", "embeddings"):
            if (self.folder / place).is_dir():
                clear_stale(self.folder / place, recursive=False)
        for parts in (self.folder / "parts").glob("*"):
            clear_stale(parts, recursive=False)

    def recipe(self, given: Recipe | str | Path | Mapping[str, Any] | None) -> Recipe:
        """The recipe given, else the one this dataset was last built with, else the default."""
        kept = self.folder / "recipe.yaml"
        if given is None and kept.exists():
            return load_recipe(kept)
        return load_recipe(given)

    def keep_recipe(self, recipe: Recipe) -> None:
        """Remember the recipe for the steps that follow."""
        with atomic_path(self.folder / "recipe.yaml") as partial:
            Path(partial).write_text(recipe.to_yaml(), encoding="utf-8")

    def read(self, path: Path, needs: str) -> pa.Table:
        """A table of the work folder; raises WorkError naming the step to run first, or again where it is damaged."""
        if not path.exists():
            raise WorkError(f"{self.location} has no {path.stem} yet; run `facevid {needs}` first.")
        try:
            return pq.ParquetFile(path).read()
        except (pa.ArrowException, OSError) as error:
            raise WorkError(f"{path} is damaged ({error}); run `facevid {needs}` again.") from error

    def gather_tracks(self, sources: Sequence[Mapping[str, Any]], versions: Mapping[str, str]) -> str:
        """Put the tracks of all analysed sources into one table, unless they are there; returns its key.

        versions: source_id -> hash of its analysis; sources without one are left out.
        """
        rows = [s for s in sources if s["source_id"] in versions]
        facts = [[s["source_id"], s["source_name"], versions[str(s["source_id"])]] for s in rows]
        key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
        if track_file_key(self.tracks) == key:
            return key
        with atomic_path(self.tracks) as partial, TrackFileWriter(Path(partial), key=key) as file:
            for row in rows:
                folder = self.analysis(str(row["source_id"]), versions[str(row["source_id"])])
                file.add(self._tracks_in(folder), row)
        return key

    def _tracks_in(self, analysis: Path) -> pa.Table:
        if self.remote is None:
            return read_analysis(analysis / "tracks.parquet").read()
        # The meshes beside it are a thousand times as large, and select needs none.
        return pq.ParquetFile(pa.BufferReader(self.remote.peek(analysis, "tracks.parquet"))).read()

    def write(self, table: pa.Table, path: Path) -> None:
        """Write a table whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_parquet_atomic(table, path)
