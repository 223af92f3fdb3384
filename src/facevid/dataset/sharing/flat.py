"""A clip as one flat row: what the clips table and its source say, for readers that know nothing of facevid."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facevid.dataset.published import MEMBERS, schema
from facevid.dataset.rights import RIGHTS, rows_with_rights
from facevid.dataset.sharing.choose import Choice
from facevid.dataset.statements import CAPTION_LENGTHS, LABEL_COLUMNS
from facevid.dataset.vocabulary import ATTRIBUTES

_BATCH = 1000
_HERE_ONLY = frozenset(
    {"shard"} | {f"{m}_{w}" for m in MEMBERS for w in ("offset", "size")} | {"json_sha256"}
)
_PLACES = ["clip_id", "shard", *(f"{m}_{w}" for m in MEMBERS for w in ("offset", "size", "sha256"))]
_S, _F, _D = pa.string(), pa.float32(), pa.float64()
_NUMBERS = frozenset(name for name, attribute in ATTRIBUTES.items() if attribute.kind == "number")


@dataclass(frozen=True)
class FlatColumn:
    """A column of the flat rows; its kind is that of its Arrow type."""

    name: str
    type: pa.DataType
    about: str


class FlatRows:
    """The chosen clips as flat rows, in its order.

    Columns: those of the clips table but for where its members lie; what its source states; per attribute that any clip
    has `<name>`, `<name>_confidence`, `<name>_by`; captions by length; transcript and its language; `actions`, a list.
    No column holds anything by which a face could be recognised: a dataset has no embeddings, and columns that are no
    part of the format do not travel unless they are scores. `table` holds the rows of the clips table.
    """

    def __init__(self, choice: Choice) -> None:
        rows = rows_with_rights(choice.dataset)
        place = rows.column_names.index("split")
        self.table = rows.set_column(place, rows.schema.field(place), choice.splits())
        self._plain = [f for f in self.table.schema if _travels(f)]
        self._labelled = LABEL_COLUMNS.issubset(self.table.column_names)
        self._attributes = _known_attributes(self.table) if self._labelled else []
        self.columns = self._columns()

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Each clip as a dict of `columns`; unknown values are None, numbers are Python numbers.

        Scores, which are float32, have the seven digits that those hold.
        """
        return (flat for flat, _ in self.with_places())

    def with_places(
        self, numbers: Sequence[int] | None = None
    ) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Each flat row beside where its members lie (the storage columns of clips); all, or those numbered."""
        rows = self.table if numbers is None else self.table.take(pa.array(numbers, pa.int64()))
        names = [c.name for c in self.columns]
        for start in range(0, len(rows), _BATCH):
            batch = rows.slice(start, _BATCH).combine_chunks()
            columns = [_values(column) for column in self._flat(batch)]
            places = batch.select(_PLACES).to_pylist()
            for values, place in zip(zip(*columns, strict=True), places, strict=True):
                yield dict(zip(names, values, strict=True)), place

    def _columns(self) -> list[FlatColumn]:
        known = {f.name: f for f in schema("clips")} | {f.name: f for f in schema("sources")}
        columns = []
        for field in self._plain:
            told = known.get(field.name, field).metadata or {}
            columns.append(FlatColumn(field.name, field.type, told.get(b"description", b"").decode()))
        if not self._labelled:
            return columns
        for name in self._attributes:
            columns += [
                FlatColumn(name, _D if name in _NUMBERS else _S, f"attribute {name}"),
                FlatColumn(f"{name}_confidence", _F, f"how sure {name} is, 0 to 1"),
                FlatColumn(
                    f"{name}_by", _S, f"who said {name}: self, annotator, model:NAME or measured:NAME"
                ),
            ]
        columns.append(FlatColumn("caption", _S, "the caption shown"))
        columns += [FlatColumn(f"caption_{n}", _S, f"the {n} caption") for n in CAPTION_LENGTHS]
        columns += [
            FlatColumn("transcript", _S, "what is said"),
            FlatColumn("transcript_language", _S, "the language of the transcript"),
            FlatColumn("review", _S, "keep or reject where somebody looked at the clip"),
            FlatColumn("actions", schema("clips").field("actions").type, "actions by their start in seconds"),
        ]
        return columns

    def _flat(self, rows: pa.Table) -> list[pa.Array]:
        """The columns of some rows, in the order of `columns`."""
        columns = [_chunk(rows[f.name]) for f in self._plain]
        if not self._labelled:
            return columns
        said = _chunk(rows["attributes"])
        for name in self._attributes:
            value, *others = (pc.struct_field(said, [name, part]) for part in ("value", "confidence", "by"))
            columns += [value.cast(_D) if name in _NUMBERS else value, *others]
        columns.append(_chunk(rows["caption"]))
        columns += [_first_captions(_chunk(rows["captions"]), length) for length in CAPTION_LENGTHS]
        heard = _chunk(rows["transcript"])
        columns += [pc.struct_field(heard, "text"), pc.struct_field(heard, "language")]
        return [*columns, _chunk(rows["review"]), _chunk(rows["actions"])]


def as_json(flat: Mapping[str, Any]) -> str:
    """A flat row as one line of JSON."""
    return json.dumps(flat, ensure_ascii=False, allow_nan=False)


def as_text(value: Any) -> str:
    """A value of a flat row as a cell of a CSV file: empty where unknown, a list as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else repr(value)


def _values(column: pa.Array) -> list[Any]:
    """A column as Python values; numbers that are not finite are unknown."""
    if not pa.types.is_floating(column.type):
        values: list[Any] = column.to_pylist()
        return [_rounded_within(v) for v in values] if pa.types.is_nested(column.type) else values
    numbers = np.asarray(column.cast(pa.float64()).fill_null(np.nan), np.float64)
    if column.type != pa.float64():
        numbers = _seven_digits(numbers)
    finite = np.isfinite(numbers).tolist()
    return [v if known else None for v, known in zip(numbers.tolist(), finite, strict=True)]


def _seven_digits(numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Numbers that were float32 to the digits that those hold: 0.1, not 0.10000000149011612."""
    known = np.isfinite(numbers) & (numbers != 0)
    digits = np.zeros(len(numbers))
    digits[known] = 6 - np.floor(np.log10(np.abs(numbers[known])))
    up, down = 10.0 ** np.maximum(digits, 0), 10.0 ** np.maximum(-digits, 0)
    # Dividing a whole number by a power of ten gives the nearest double there is, up to 10 to the 22nd.
    return np.where(known & (np.abs(digits) <= 22), np.round(numbers * up / down) * down / up, numbers)


def _rounded_within(values: Any) -> Any:
    """The same for numbers in lists and structs, of which only times are more exact."""
    if isinstance(values, float):
        return float(f"{values:.7g}")
    if isinstance(values, list):
        return [_rounded_within(v) for v in values]
    if isinstance(values, dict):
        return {k: v if k.endswith("_s") else _rounded_within(v) for k, v in values.items()}
    return values


def _first_captions(captions: pa.Array, length: str) -> pa.Array:
    """Of each clip the first caption of a length, or null."""
    texts, parents = pc.list_flatten(captions), np.asarray(pc.list_parent_indices(captions))
    right = np.asarray(pc.fill_null(pc.equal(pc.struct_field(texts, "length"), length), False), bool)
    clips, first = np.unique(parents[right], return_index=True)
    place = np.full(len(captions), -1, np.int64)
    place[clips] = np.flatnonzero(right)[first]
    return pc.struct_field(texts, "text").take(pa.array(place, mask=place < 0))


def _chunk(column: pa.ChunkedArray) -> pa.Array:
    whole = column.combine_chunks()
    return whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole


def _known_attributes(rows: pa.Table) -> list[str]:
    """The attributes of which any clip has a value."""
    known: set[str] = set()
    for chunk in rows["attributes"].chunks:
        known |= {f.name for f in chunk.type if pc.struct_field(chunk, f.name).null_count < len(chunk)}
    return [f.name for f in rows.schema.field("attributes").type if f.name in known]


def _travels(field: pa.Field) -> bool:
    if field.name in _HERE_ONLY or field.name in LABEL_COLUMNS:
        return False
    return field.name in schema("clips").names or field.name in RIGHTS or pa.types.is_floating(field.type)
