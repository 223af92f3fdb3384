"""Checks the saved subsets and splits of a dataset: their hash, clips that are gone, people on two sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from facevid.dataset.choosing.subset_file import SUBSETS, SubsetFile, parse_subset
from facevid.dataset.published import DatasetError
from facevid.dataset.verifying.faults import Fault
from facevid.dataset.verifying.place import Checked


def subset_faults(files: Checked, clips: pa.Table) -> Iterator[Fault]:
    """What is wrong with the files in `subsets`. clips: columns clip_id and identity."""
    people = dict(zip(clips["clip_id"].to_pylist(), clips["identity"].to_pylist(), strict=True))
    for name in files.inside(SUBSETS):
        where = f"{SUBSETS}/{name}"
        if not name.endswith(".json"):
            continue
        try:
            subset = parse_subset(files.beside(where) or b"", f"{files.location}/{where}")
        except DatasetError as error:
            yield Fault("subset_damaged", where, str(error))
            continue
        yield from _ids(where, subset, people, clips["clip_id"])
        yield from _sides(where, subset, people)


def _ids(
    where: str, subset: SubsetFile, people: Mapping[str, str | None], clips: pa.ChunkedArray
) -> Iterator[Fault]:
    every = [i for ids in (subset.parts or {"": subset.ids or ()}).values() for i in ids]
    gone = (
        pc.sum(pc.invert(pc.is_in(pa.array(every, pa.string()), value_set=clips.combine_chunks()))).as_py()
        or 0
    )
    if gone:
        first = next(i for i in every if i not in people)
        yield Fault(
            "subset_stranger", where, f"{gone:,} of its clips are not in the dataset, such as {first}."
        )
    twice = [i for i, n in Counter(every).items() if n > 1]
    if twice:
        yield Fault("subset_twice", where, f"{len(twice):,} clips stand in it twice, such as {min(twice)}.")


def _sides(where: str, subset: SubsetFile, people: Mapping[str, str | None]) -> Iterator[Fault]:
    sides: dict[str, set[str]] = {}
    for part, ids in (subset.parts or {}).items():
        for clip_id in ids:
            if (person := people.get(clip_id)) is not None:
                sides.setdefault(person, set()).add(part)
    for person, of in sorted(sides.items()):
        if len(of) > 1:
            yield Fault("split_person", f"{where} {person}", f"The person is in {' and '.join(sorted(of))}.")
