"""The work folder of a build, `DATASET/.work`: where everything lies that is not published."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from facevid.curate.trackfile import TrackFileWriter, track_file_key
from facevid.dataset.annotating import ANNOTATE_LOCK
from facevid.engine import atomic_path, clear_stale, folder_lock, write_parquet_atomic
from facevid.errors import FacevidError
from facevid.recipe import Recipe, load_recipe

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
    """Paths in the work folder of one dataset, and what is read from and written to them."""

    dataset: Path

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

    def analysis(self, source_id: str) -> Path:
        return self.folder / "analyses" / source_id

    def parts(self, source_id: str) -> Path:
        """Where the parts of a long source lie until they are put together."""
        return self.folder / "parts" / source_id

    def embedding(self, clip_id: str) -> Path:
        return self.folder / "embeddings" / f"{clip_id}.npy"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder for this process; raises FolderBusy in a second one, WorkError for another version.

        Nobody measures published clips meanwhile: their media may be replaced.
        """
        with folder_lock(self.folder), folder_lock(self.folder, name=ANNOTATE_LOCK):
            version = self.folder / "version"
            found = version.read_text(encoding="ascii").strip() if version.exists() else None
            if found not in (None, str(WORK_VERSION)):
                raise WorkError(
                    f"{self.folder} was made by another version of facevid (work version {found}, this one "
                    f"writes {WORK_VERSION}). Remove it with `facevid clean {self.dataset}` or build elsewhere."
                )
            if found is None:
                with atomic_path(version) as partial:
                    Path(partial).write_text(f"{WORK_VERSION}\n", encoding="ascii")
            self._clear_stale()
            try:
                yield
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
        """A table of the work folder; raises WorkError naming the step to run first."""
        if not path.exists():
            raise WorkError(f"{self.dataset} has no {path.stem} yet; run `facevid {needs}` first.")
        return pq.ParquetFile(path).read()

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
                file.add(pq.ParquetFile(self.analysis(str(row["source_id"])) / "tracks.parquet").read(), row)
        return key

    def write(self, table: pa.Table, path: Path) -> None:
        """Write a table whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_parquet_atomic(table, path)
