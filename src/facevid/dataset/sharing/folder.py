"""Exports clips as loose files: one mp4, flac, json and caption a clip, in folders small enough for hubs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from facevid.dataset.sharing.cards import folder_card
from facevid.dataset.sharing.choose import Choice
from facevid.dataset.sharing.flat import FlatRows, as_json
from facevid.dataset.sharing.members import read_member
from facevid.dataset.sharing.target import export_folder, whole_file
from facevid.engine import atomic_path

FILES_A_FOLDER = 10_000  # the most that the Hugging Face hub takes in one folder
CLIPS_A_FOLDER = FILES_A_FOLDER // 4


def export_files(
    choice: Choice,
    output: Path,
    *,
    clips_a_folder: int = CLIPS_A_FOLDER,
    on_clip: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write every clip as files `clips/00000/<clip_id>.mp4`, `.flac` (with sound), `.json` and `.txt` (with a caption).

    `clips.jsonl` beside them has one row a clip, with its folder.
    """
    rows = FlatRows(choice)
    with export_folder(
        choice, output, form="folder", options={"clips_a_folder": clips_a_folder}, card=folder_card()
    ):
        listing = output / "clips.jsonl"
        with atomic_path(listing) as partial, partial.open("w", encoding="utf-8") as listed:
            for k, (row, stored) in enumerate(rows.with_places()):
                place = f"clips/{k // clips_a_folder:05d}"
                text = as_json(row)
                stem = output / place / row["clip_id"]
                for kind in ("mp4", "flac"):
                    path = stem.with_name(f"{stem.name}.{kind}")
                    if stored[f"{kind}_offset"] is not None and not path.exists():
                        whole_file(path, read_member(choice.dataset, stored, kind))
                if row.get("caption"):
                    whole_file(stem.with_name(f"{stem.name}.txt"), f"{row['caption']}\n".encode())
                whole_file(stem.with_name(f"{stem.name}.json"), f"{text}\n".encode())
                listed.write(as_json({"folder": place, **row}) + "\n")
                if on_clip:
                    on_clip(k + 1, len(rows))
    return [output]
