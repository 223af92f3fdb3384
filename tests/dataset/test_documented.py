"""docs/dataset.md names every published column, and docs/scores.md every score."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from facevid.dataset.published import TABLES, schema
from facevid.recipe import SCORES

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize("table", TABLES)
def test_every_column_is_in_the_docs_with_its_meaning(table: str) -> None:
    text = (DOCS / "dataset.md").read_text(encoding="utf-8")
    section = text.split(f"### {table}\n")[1].split("\n### ")[0]
    for field in schema(table):
        kind = "struct" if pa.types.is_struct(field.type) else str(field.type)
        kind = "list of struct" if kind.startswith("list<item: struct") else kind
        assert f"| `{field.name}` | {kind} | " in section


def test_every_score_is_in_the_docs() -> None:
    text = (DOCS / "scores.md").read_text(encoding="utf-8")
    assert [score for score in SCORES if f"`{score}`" not in text] == []
