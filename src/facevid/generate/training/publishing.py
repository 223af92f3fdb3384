"""Puts a trained model into its folder, beside the training that made it, over one that was there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from facevid.engine import atomic_dir, clear_stale
from facevid.generate.card import CARD, write_card
from facevid.generate.model_folder import FACTS, read_facts

NEW, OLD = "model-new", "model-old"


def publish(save: Callable[[Path], None], folder: Path, work: Path) -> None:
    """Lets `save` write a model into an empty folder, and moves it into `folder`; work: a hidden folder in that.

    Until all is written `folder` keeps the model that it had. A process killed in between, while files are renamed,
    leaves the rest to `finish`. The notes that people wrote in the model's card stay.
    """
    with atomic_dir(work / NEW) as partial:
        save(partial)
    finish(folder, work)


def finish(folder: Path, work: Path) -> None:
    """Ends a publication that was begun; call it while holding the training's lock."""
    if work.is_dir():
        clear_stale(work, recursive=False)
    new, old = work / NEW, work / OLD
    if new.is_dir():
        # A model without its facevid.json is not whole, and that comes last.
        for part in sorted(new.iterdir(), key=lambda path: path.name == FACTS):
            if part.name != CARD:
                _replace(part, folder / part.name, old)
        if (new / CARD).exists():
            # Anew, around the notes of the one that is there, and with the log beside the model.
            write_card(folder, read_facts(folder))
        shutil.rmtree(new)
    shutil.rmtree(old, ignore_errors=True)


def _replace(part: Path, place: Path, old: Path) -> None:
    if place.is_dir():
        old.mkdir(exist_ok=True)
        shutil.rmtree(old / place.name, ignore_errors=True)
        place.rename(old / place.name)
    part.replace(place)
