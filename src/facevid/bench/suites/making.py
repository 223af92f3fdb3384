"""Has a model make the videos of a suite."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facevid.bench.errors import BenchError
from facevid.bench.suites.suite import Entry, Suite
from facevid.bench.suites.videos import MANIFEST, read_manifest, write_videos


def make_videos(
    model: str | Path,
    suite: Suite,
    folder: str | Path,
    *,
    frames: int | None = None,
    size: int | tuple[int, int] | str | None = None,
    fps: float | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    temperature: float | None = None,
    strength: float | None = None,
    device: str | None = None,
    overwrite: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Path:
    """Make the video `<entry>.mp4` of every entry, and videos.jsonl that says what each was to show; gives the folder.

    What is there by the same request is not made again, so an interrupted call may be repeated. frames, size, fps: the
    suite's where it has pictures, else those that the model was trained with. steps, guidance, temperature, strength,
    device: as in `facevid.generate`. overwrite: replace videos of another request. on_progress: called with videos done
    and to do. on_note: called with sentences that a person should know, such as words that the model does not.

    Raises BenchError where the folder holds videos of another suite; GenerateError for what the model cannot do or
    where videos of another request are there; StorageError where nothing can be written.
    """
    # Only here: torch takes seconds, which those who read suites need not wait for.
    from facevid.generate.pipeline import generate

    folder = Path(folder)
    if not suite.entries:
        raise BenchError(f"the suite {suite.folder} has no entry, so there is nothing to make.")
    if not overwrite:
        _check_folder(folder, suite)
    shape = suite.shape or {}
    asked: dict[str, Any] = {
        "frames": shape.get("frames") if frames is None else frames,
        "size": (shape["width"], shape["height"]) if size is None and shape else size,
        "fps": shape.get("fps") if fps is None else fps,
        "steps": steps, "guidance": guidance, "temperature": temperature, "device": device, "overwrite": overwrite,
    }  # fmt: skip
    progress = _Progress(suite, folder, on_progress)
    for some in _alike(suite.entries):
        pictures = [suite.folder / e.picture for e in some if e.picture is not None]
        made = generate(
            model,
            [e.prompt for e in some] if some[0].prompt else None,
            image=pictures or None,
            unconditional=not some[0].prompt,
            seed=[e.seed for e in some],
            count=1 if some[0].prompt or pictures else len(some),
            crop=False,
            output=[folder / f"{e.entry}.mp4" for e in some],
            strength=strength if pictures or suite.kind == "prompt" else None,
            on_progress=progress.of_call,
            **asked,
        )
        progress.end_call(len(some))
        if on_note is not None:
            for note in made.notes:
                on_note(note)
    return folder


@dataclass
class _Progress:
    """Tells how far all calls together are, and writes videos.jsonl as soon as there is a video, so that a folder that
    was interrupted says what it lacks."""

    suite: Suite
    folder: Path
    tell: Callable[[int, int], None] | None
    before: int = 0
    told: int = 0

    def of_call(self, done: int, _: int) -> None:
        """So many are done of the present call's."""
        if not self.told:
            write_videos(self.folder, _lines(self.suite, self.folder))
        if self.before + done > self.told:
            self.told = self.before + done
            if self.tell is not None:
                self.tell(self.told, len(self.suite.entries))

    def end_call(self, count: int) -> None:
        """The present call's `count` videos are all there, whether made now or before."""
        self.of_call(count, count)
        self.before += count


def _alike(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """The entries that one call can make: with text or without, from a picture or not."""
    kinds: dict[tuple[bool, bool], list[Entry]] = {}
    for entry in entries:
        kinds.setdefault((bool(entry.prompt), entry.picture is not None), []).append(entry)
    yield from kinds.values()


def _check_folder(folder: Path, suite: Suite) -> None:
    if not (folder / MANIFEST).exists():
        return
    wanted = {entry.entry for entry in suite.entries}
    strange = [v.name for v in read_manifest(folder).entries if v.entry not in wanted]
    if strange:
        raise BenchError(
            f"{folder} holds videos that the suite {suite.name} does not ask for, such as {strange[0]}; name another "
            "folder, or write over what is there with overwrite=True."
        )


def _lines(suite: Suite, folder: Path) -> Iterator[dict[str, Any]]:
    def beside(name: str | None) -> str | None:
        if name is None:
            return None
        return Path(os.path.relpath((suite.folder / name).resolve(), folder.resolve())).as_posix()

    for e in suite.entries:
        yield {
            "file": f"{e.entry}.mp4", "entry": e.entry, "prompt": e.prompt, "seed": e.seed, "clip_id": e.clip_id,
            "person": e.person, "picture": beside(e.picture), "reference": beside(e.reference), "partner": e.partner,
            "asked": e.asked, "groups": e.groups,
        }  # fmt: skip
