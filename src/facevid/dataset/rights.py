"""What may be passed on: the licence and the consent that clips, or else their sources, state."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facevid.dataset.dataset import Dataset

RIGHTS = ("url", "licence", "consent", "collected_by", "language")
NO_CONSENT = frozenset(
    {
        "no",
        "n",
        "none",
        "false",
        "0",
        "not given",
        "refused",
        "denied",
        "withdrawn",
        "revoked",
        "declined",
        "unknown",
        "unclear",
        "pending",
        "null",
        "n/a",
    }
)
"""What a manifest may say of consent that means there is none, in any case; as does saying nothing."""


def has_consent(stated: str | None) -> bool:
    """Whether a statement of consent says that there is one."""
    return stated is not None and stated.strip().casefold() not in NO_CONSENT | {""}


def licence_is(stated: str | None, allowed: Iterable[str]) -> bool:
    """Whether a licence is one of those allowed, which may hold `*`: `CC-BY*`. Case, blanks and `_` do not matter."""
    return stated is not None and any(fnmatchcase(_plain(stated), _plain(a)) for a in allowed)


def rights_of(dataset: Dataset) -> pa.Table:
    """What is stated of the clips, in their order: url, licence, consent, collected_by, language.

    What a clip's own row says, which comes from its span, goes before what its source says.
    """
    return rows_with_rights(dataset).select(list(RIGHTS))


def rows_with_rights(dataset: Dataset, names: Iterable[str] = RIGHTS) -> pa.Table:
    """The clips table of the clips, with what they, or else their sources, state in the columns of these names."""
    rows, sources = dataset.rows(), dataset.to_arrow("sources")
    place = pc.index_in(rows["source_id"], value_set=sources["source_id"]).combine_chunks()
    for name in names:
        stated = sources[name].take(place)
        if name in rows.column_names:
            column = pc.coalesce(rows[name], stated)
            rows = rows.set_column(rows.column_names.index(name), rows.schema.field(name), column)
        else:
            rows = rows.append_column(sources.schema.field(name), stated)
    return rows


def with_rights(
    dataset: Dataset, *, require_consent: bool = False, licences: Iterable[str] | None = None
) -> Dataset:
    """The clips of which consent is stated, and one of the licences; one of which nothing is stated has neither."""
    rights = rights_of(dataset)
    keep = np.ones(len(dataset), bool)
    why = []
    if require_consent:
        keep &= _each(rights["consent"], has_consent)
        why.append("consent stated")
    if licences is not None:
        allowed = list(licences)
        keep &= _each(rights["licence"], lambda stated: licence_is(stated, allowed))
        why.append(f"licence {' or '.join(allowed)}")
    if not why:
        return dataset
    return dataset.select(dataset.ids.filter(pa.array(keep)), "; ".join(why))


def _each(column: pa.ChunkedArray, judge: Callable[[str | None], bool]) -> npt.NDArray[np.bool_]:
    """`judge` of every value; asked once for each that is different."""
    coded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    answers = np.array([judge(value) for value in coded.dictionary.to_pylist()], bool)
    return answers[np.asarray(coded.indices)] if len(coded) else np.zeros(0, bool)


def _plain(licence: str) -> str:
    return "-".join(licence.casefold().replace("_", " ").replace("-", " ").split())
