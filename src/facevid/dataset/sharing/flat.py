"""A clip as one flat row: what the clips table and its source say, for readers that know nothing of facevid."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from facevid.dataset.published import MEMBERS, schema
from facevid.dataset.rights import RIGHTS, rows_with_rights
from facevid.dataset.sharing.choose import Choice
from facevid.dataset.statements import CAPTION_LENGTHS, LABEL_COLUMNS

_BATCH = 1000
_HERE_ONLY = frozenset(
    {"shard"} | {f"{m}_{w}" for m in MEMBERS for w in ("offset", "size")} | {"json_sha256"}
)
_S, _F = pa.string(), pa.float32()


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
        """Each clip as a dict of `columns`; unknown values are None, numbers are Python numbers."""
        return (flat for flat, _ in self.with_places())

    def with_places(
        self, numbers: Sequence[int] | None = None
    ) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Each flat row beside its row of the clips table, which says where the members lie; all, or those numbered."""
        rows = self.table if numbers is None else self.table.take(pa.array(numbers, pa.int64()))
        for batch in rows.to_batches(_BATCH):
            for row in batch.to_pylist():
                yield self._flat(row), row

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
                FlatColumn(name, _S, f"attribute {name}"),
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

    def _flat(self, row: Mapping[str, Any]) -> dict[str, Any]:
        flat = {f.name: row[f.name] for f in self._plain}
        if not self._labelled:
            return flat
        said = row["attributes"] or {}
        for name in self._attributes:
            one = said.get(name) or {}
            flat[name] = one.get("value")
            flat[f"{name}_confidence"], flat[f"{name}_by"] = one.get("confidence"), one.get("by")
        flat["caption"] = row["caption"]
        for length in CAPTION_LENGTHS:
            texts = [c["text"] for c in row["captions"] or () if c["length"] == length]
            flat[f"caption_{length}"] = texts[0] if texts else None
        heard = row["transcript"] or {}
        flat["transcript"], flat["transcript_language"] = heard.get("text"), heard.get("language")
        flat["review"], flat["actions"] = row["review"], row["actions"]
        return flat


def as_json(flat: Mapping[str, Any]) -> str:
    """A flat row as one line of JSON; float32 scores to the seven digits that they hold."""
    return json.dumps({k: _short(k, v) for k, v in flat.items()}, ensure_ascii=False, allow_nan=False)


def as_text(name: str, value: Any) -> str:
    """A value of a flat row as a cell of a CSV file: empty where unknown, a list as JSON."""
    value = _short(name, value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else str(value)


_EXACT = frozenset(f.name for f in schema("clips") if f.type == pa.float64())


def _short(name: str, value: Any) -> Any:
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return value if name in _EXACT else float(f"{value:.7g}")
    if isinstance(value, list):
        return [_short("", v) for v in value]
    if isinstance(value, dict):
        return {k: v if k.endswith("_s") else _short("", v) for k, v in value.items()}
    return value


def _known_attributes(rows: pa.Table) -> list[str]:
    """The attributes of which any clip has a value."""
    column = rows["attributes"].combine_chunks()
    return [f.name for f in column.type if pc.any(pc.struct_field(column, f.name).is_valid()).as_py()]


def _travels(field: pa.Field) -> bool:
    if field.name in _HERE_ONLY or field.name in LABEL_COLUMNS:
        return False
    return field.name in schema("clips").names or field.name in RIGHTS or pa.types.is_floating(field.type)
