"""The videos of a report as VBench (Huang et al. 2024) takes them, and the commands that run it on them."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from facevid.bench.errors import BenchError
from facevid.bench.page.words import count
from facevid.bench.result import RESULT, VIDEOS, Result, read_result
from facevid.bench.running.judged import MADE
from facevid.engine import StorageError, file_sha256, write_json_atomic
from facevid.engine.files import storage_sentence

FOLDER, PROMPTS = "videos", "prompts.json"
DIMENSIONS = (
    "subject_consistency", "background_consistency", "motion_smoothness", "dynamic_degree", "aesthetic_quality",
    "imaging_quality", "temporal_flickering", "overall_consistency",
)  # fmt: skip
"""The six that VBench's README names for videos of one's own, and two that its code (0.1.5) takes beside them. It
refuses six others there; human_action reads the action out of VBench's own prompts, and temporal_style computes what
overall_consistency does."""
_READ = {".mp4", ".gif", ".jpg", ".png"}  # all that VBench takes for a video of its folder
_LONGEST = 255
"""Bytes of a file name on the common file systems."""
_LONG_S = 5.0
"""Seconds from which on VBench's README wants VBench-Long."""


@dataclass
class VBenchFolder:
    """What was written. videos: the folder of the videos, `count` in all, of which `added` were not there yet. prompts:
    the file with the prompt of each. commands: that run VBench, in a checkout of its repository and installed by pip.
    notes: what a person should know."""

    output: str
    videos: str
    prompts: str
    count: int
    added: int
    commands: list[str]
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)


def vbench_folder(report: str | os.PathLike[str], output: str | os.PathLike[str]) -> VBenchFolder:
    """Write the made videos of a report to `output`/videos as VBench names them, and their prompts beside that folder.

    A video is called PROMPT-INDEX.mp4, the index counting videos of one prompt from 0: VBench's standard mode looks for
    such names, and its mode for other people's videos (custom_input) takes a prompt from them. A prompt that can be no
    file name gives a number in its place; prompts.json, which VBench's --prompt_file reads, has the prompt of every
    video. Videos are hard links where the file system has them, else copies. Nothing that is there is replaced, and the
    same again writes nothing.

    Raises BenchError for a report without prompts or whose videos are gone, and where `output` holds anything else;
    StorageError where it cannot be written.
    """
    place, folder = Path(report), Path(output).absolute()
    place = place.parent if place.is_file() else place
    result = read_result(place)
    wanted, notes = _named(place, result)
    videos = folder / FOLDER
    prompts = {name: prompt for name, (_, prompt) in wanted.items()}
    missing = _not_there(videos, wanted)
    _check_prompts(folder / PROMPTS, prompts)
    try:
        videos.mkdir(parents=True, exist_ok=True)
        for name in missing:
            _put(wanted[name][0], videos / name, folder / f".copy-{os.getpid()}")
    except OSError as error:
        plain = f"cannot write in {videos}: {error.strerror}; choose another output"
        raise StorageError(storage_sentence(error, videos) or plain) from error
    write_json_atomic(prompts, folder / PROMPTS)
    return VBenchFolder(
        str(folder), str(videos), str(folder / PROMPTS), len(wanted), len(missing),
        _commands(videos, folder / PROMPTS), [*notes, *_about_length(result)],
    )  # fmt: skip


def vbench_name(prompt: str, index: int) -> str | None:
    """The file name by which VBench knows a video of a prompt; None where a file cannot be called so."""
    name = f"{prompt}-{index}.mp4"
    fits = len(name.encode()) <= _LONGEST and "/" not in name and name.isprintable()
    return name if fits else None


def _named(report: Path, result: Result) -> tuple[dict[str, tuple[Path, str]], list[str]]:
    """File name -> the video and its prompt; and what is to be said of them."""
    table = pq.read_table(report / VIDEOS, columns=["video", "kind", "prompt"])
    rows = table.filter(pc.equal(table["kind"], "made")).to_pylist()
    told = [row for row in rows if row["prompt"]]
    folder = report / MADE if (report / MADE).is_dir() else Path(result.videos["folder"])
    if not told:
        raise BenchError(
            f"no video of {report} has a prompt, so VBench needs no names: give it the folder itself, "
            f"--videos_path {shlex.quote(str(folder))} --mode=custom_input."
        )
    gone = [row["video"] for row in told if not (folder / row["video"]).is_file()]
    if gone:
        raise BenchError(
            f"{len(gone)} of the {len(told)} videos of {report} are not in {folder} (such as {gone[0]}); run facevid "
            f"bench again, or say this where it was run: {RESULT} names the folder as it was given."
        )
    found: dict[str, tuple[Path, str]] = {}
    seen: Counter[str] = Counter()
    numbered = 0
    for number, row in enumerate(told):
        prompt = str(row["prompt"])
        name = vbench_name(prompt, seen[prompt])
        seen[prompt] += 1
        numbered += name is None
        found[name or f"{number:04d}.mp4"] = (folder / row["video"], prompt)
    return found, list(_about_names(len(rows) - len(told), numbered))


def _about_names(without: int, numbered: int) -> Iterator[str]:
    if without:
        yield f"Left out, as they have no prompt: {count(without, 'video')}."
    if numbered:
        yield (
            f"The prompt of {count(numbered, 'video')} can be no file name (it is longer than {_LONGEST} bytes, or has "
            f"a slash or an unprintable sign): a number stands for it, and only {PROMPTS} says what is to be seen."
        )


def _about_length(result: Result) -> Iterator[str]:
    seconds = result.shape["frames"] / result.shape["fps"]
    if seconds >= _LONG_S:
        yield f"The videos last {seconds:.1f} s; VBench's makers judge those of {_LONG_S:g} s or more by VBench-Long."


def _not_there(videos: Path, wanted: Mapping[str, tuple[Path, str]]) -> list[str]:
    """The videos that the folder lacks. Raises BenchError where it holds others, which VBench would judge too."""
    there = {p.name for p in videos.iterdir()} if videos.is_dir() else set()
    strange = sorted(
        name
        for name in there
        if (name not in wanted and Path(name).suffix.lower() in _READ)
        or (name in wanted and not _same(wanted[name][0], videos / name))
    )
    if strange:
        raise BenchError(
            f"{videos} holds {count(len(strange), 'file')} not of this report, such as {strange[0]}; name another "
            "folder."
        )
    return [name for name in wanted if name not in there]


def _same(one: Path, other: Path) -> bool:
    return one.samefile(other) or (
        one.stat().st_size == other.stat().st_size and file_sha256(one) == file_sha256(other)
    )


def _check_prompts(path: Path, prompts: Mapping[str, str]) -> None:
    """Raises BenchError where a file stands there that says anything but these prompts, or some of them."""
    if not path.exists():
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = None
    if not isinstance(before, dict) or not before.items() <= prompts.items():
        raise BenchError(f"{path} holds something else than the prompts of this report; name another folder.")


def _put(source: Path, target: Path, parking: Path) -> None:
    """Give the video its new name, whole or not at all; what is not whole yet lies where VBench does not look."""
    try:
        os.link(source.resolve(), target)
    except OSError:  # another disk, or a file system without hard links
        try:
            shutil.copyfile(source, parking)
            parking.replace(target)
        finally:
            parking.unlink(missing_ok=True)


def _commands(videos: Path, prompts: Path) -> list[str]:
    where, said = shlex.quote(str(videos)), shlex.quote(str(prompts))
    # `vbench evaluate` pastes this path into a line for the shell as it gets it.
    twice = shlex.quote(said)
    return [
        f"python evaluate.py --videos_path {where} --mode=custom_input --prompt_file {said} "
        f"--dimension {' '.join(DIMENSIONS)}",
        f"for dimension in {' '.join(DIMENSIONS)}; do vbench evaluate --videos_path {where} --mode=custom_input "
        f'--prompt_file {twice} --dimension "$dimension"; done',
    ]
