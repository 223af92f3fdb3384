"""Kills takedowns with SIGKILL at random moments, runs each again, and searches every byte of what is left.

    python benchmarks/takedown_kill.py DATASET [--runs 20] [--seed 1] [--keep DIR]

DATASET is copied for every run and not touched; some verdicts and subsets are laid beside the copy. In turn a source, a
person and a clip are taken down. Each run is killed at a moment drawn uniformly from the length of an undisturbed one,
then the same command is run again. After that no file may hold an id, a name or a hash of what went, nor any of 60
pieces of 4 KiB drawn from its media, also not in the decoded values of tables and databases; and every published file
and every subset must have the bytes that the undisturbed takedown gives. Exit code 1 where one of that is not so.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "dataset"))

from searching import found_in, windows

import facevid
from facevid.dataset.choosing.subset_file import SubsetFile
from facevid.web.review_store import ReviewStore

COMPARED = (
    "dataset.json",
    "README.md",
    "croissant.json",
    "tombstones.json",
    "*/part-*.parquet",
    "media/*",
    "subsets/*",
)
PIECES = 60
"""Pieces of 4 KiB of media looked for after each run, drawn from all."""
CHILD = """
import json, sys
import facevid
from facevid.curate.takedown import takedown
print("ready", flush=True)
takedown(sys.argv[1], **json.loads(sys.argv[2]))
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder to leave the runs in")
    given = parser.parse_args()
    chance = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as place:
        base = given.keep or Path(place)
        original = prepared(given.dataset, base / "original")
        known: dict[str, tuple[float, dict[str, str], int]] = {}
        faults = 0
        for number in range(given.runs):
            named, gone, words = target(original, number % 3, chance)
            told = json.dumps(named)
            if told not in known:
                known[told] = undisturbed(original, base / "undisturbed", named)
            seconds, wanted, _ = known[told]
            moment = chance.uniform(0, seconds)
            copy = Path(shutil.copytree(original, base / f"run-{number:02d}"))
            state = killed(copy, named, moment)
            again(copy, named)
            found = problems(original, copy, gone, words, wanted)
            faults += bool(found)
            print(
                f"{number + 1:2d} {next(iter(named)):6s} of {len(gone):3d} clips killed after {moment:5.2f} of "
                f"{seconds:5.2f} s ({state}): {'; '.join(found[:3]) or 'sound'}",
                flush=True,
            )
            if not given.keep:
                shutil.rmtree(copy)
    print(f"{given.runs - faults} of {given.runs} takedowns were sound after a kill and a second run.")
    return 1 if faults else 0


def prepared(dataset: Path, copy: Path) -> Path:
    """A copy with verdicts about every clip and two subsets."""
    shutil.copytree(dataset, copy)
    ids = facevid.open(copy).sql("select clip_id from clips order by 1").fetchnumpy()["clip_id"].tolist()
    store = ReviewStore(copy)
    for number, clip_id in enumerate(ids):
        store.record(
            task="keep", clip_id=clip_id, annotator="a", verdict="accept", client_id=f"client-{number:06}"
        )
    name = facevid.open(copy).manifest.about["name"]
    SubsetFile("some", name, {"how": "every third"}, ids=tuple(ids[::3])).write(
        copy / "subsets" / "some.json"
    )
    parts = {"train": tuple(ids[1::2]), "test": tuple(ids[::2])}
    SubsetFile("halves", name, {"how": "split"}, parts=parts).write(copy / "subsets" / "halves.json")
    return copy


def target(original: Path, kind: int, chance: random.Random) -> tuple[dict[str, Any], list[str], list[str]]:
    """What is taken down: the call's arguments, the ids that go, and all words that must stand nowhere after."""
    ds = facevid.open(original)
    rows = ds.sql(
        "select clip_id, source_id, c.source_name, identity, sha256 from clips c join sources using (source_id) "
        "order by 1"
    ).fetchall()
    row = chance.choice([r for r in rows if r[3] is not None])
    if kind == 0:
        gone = [r[0] for r in rows if r[1] == row[1]]
        return {"source": row[2]}, gone, [row[1], row[2], row[4], *gone]
    if kind == 1:
        theirs = {r[1] for r in rows if r[3] == row[3]}
        alone = theirs - {r[1] for r in rows if r[3] not in (None, row[3])}
        gone = [r[0] for r in rows if r[3] == row[3] or r[1] in alone]
        return {"person": row[3]}, gone, [row[3], *alone, *gone]
    return {"clip": row[0]}, [row[0]], [row[0]]


def undisturbed(original: Path, copy: Path, named: dict[str, Any]) -> tuple[float, dict[str, str], int]:
    """How long a takedown takes, and the hashes of what it publishes."""
    shutil.copytree(original, copy)
    with start(copy, named) as child:
        assert child.stdout is not None
        child.stdout.readline()
        began = time.monotonic()
        code = child.wait()
        seconds = time.monotonic() - began
    if code:
        raise SystemExit(f"The undisturbed takedown of {named} ended with {code}.")
    hashes = hashes_of(copy)
    shutil.rmtree(copy)
    return seconds, hashes, code


def start(copy: Path, named: dict[str, Any]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(copy), json.dumps(named)], stdout=subprocess.PIPE, text=True
    )


def killed(copy: Path, named: dict[str, Any], moment: float) -> str:
    """Kill a takedown some seconds after its begin; says how far it had come."""
    with start(copy, named) as child:
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(moment)
        child.send_signal(signal.SIGKILL)
        child.wait()
    if list((copy / "receipts").glob("*.json")):
        return "receipt written"
    if not (copy / "takedown-pending.json").exists():
        return "not begun"
    if not (copy / "tombstones.json").exists():
        return "journal written"
    left = len(facevid.open(copy).sql("select 1 from clips").fetchall())
    return f"marked, {left} clips published"


def again(copy: Path, named: dict[str, Any]) -> None:
    """The same command once more, unless the kill came after its end."""
    if (copy / "takedown-pending.json").exists() or not (copy / "receipts").exists():
        facevid.takedown(copy, **named)


def problems(
    original: Path, copy: Path, gone: list[str], words: list[str], wanted: dict[str, str]
) -> list[str]:
    before, after = facevid.open(original), facevid.open(copy)
    pieces = windows(
        [before[c].read(k) for c in gone for k in ("mp4", "flac") if before[c][f"{k}_size"] is not None]
    )
    # Each piece is looked for in every byte of every file, so not more of them than a run has time for.
    found = found_in(copy, sorted(set(words)), random.Random(0).sample(pieces, min(len(pieces), PIECES)))
    now = hashes_of(copy)
    found += [f"{name} differs" for name in sorted({*now, *wanted}) if now.get(name) != wanted.get(name)]
    stay = set(before.sql("select clip_id from clips").fetchnumpy()["clip_id"]) - set(gone)
    if set(after.sql("select clip_id from clips").fetchnumpy()["clip_id"]) != stay:
        found.append("other clips are missing")
    for clip_id in sorted(stay):
        kinds = [k for k in ("mp4", "flac", "json") if before[clip_id][f"{k}_size"] is not None]
        if any(before[clip_id].read(k) != after[clip_id].read(k) for k in kinds):
            found.append(f"media of {clip_id} differ")
    if len(list((copy / "receipts").iterdir())) != 1:
        found.append("there is not one receipt")
    leftovers = [
        p
        for pattern in ("*.tmp-*", "*.partial", "publish-*", "takedown-pending*")
        for p in copy.rglob(pattern)
    ]
    return found + [f"{p.name} is left" for p in leftovers]


def hashes_of(copy: Path) -> dict[str, str]:
    files = sorted(p for pattern in COMPARED for p in copy.glob(pattern))
    return {str(p.relative_to(copy)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


if __name__ == "__main__":
    sys.exit(main())
