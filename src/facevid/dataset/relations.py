"""The tables of a dataset, or of a choice of its clips, as DuckDB views that are made when a query names them."""

from __future__ import annotations

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from facevid.dataset.published import TABLES, DatasetError, schema
from facevid.dataset.reading import Reading

Numbers = npt.NDArray[np.int64]

OF_CLIPS = ("keypoints", "annotations")
"""Tables that a choice of clips narrows beside `clips`."""
_ANNOTATED = ("attributes", "actions", "captions", "caption", "transcript")  # columns of annotated clips only


class Relations:
    """A DuckDB connection with the published tables; `clips` and `OF_CLIPS` are those of the rows `chosen`."""

    def __init__(self, reading: Reading, chosen: Numbers | None) -> None:
        self._reading = reading
        self._chosen = chosen
        self._connection = duckdb.connect()
        self._viewed: set[str] = set()

    def view(self, table: str) -> duckdb.DuckDBPyRelation:
        """One table."""
        self._make(table)
        return self._connection.view(table)

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """A query over the tables."""
        self._make_those_in(query)
        return self._connection.sql(query)

    def matching(self, condition: str) -> Numbers:
        """The numbers of the rows of the whole clips table for which an SQL condition is true, in no order.

        Raises DatasetError, with DuckDB's hint, where the condition cannot be used.
        """
        parts = [
            f"select {start} + clips.file_row_number from read_parquet({path}, file_row_number = true) clips "
            f"where ({condition}\n)"
            for path, start in self._reading.numbered()
        ]
        if not parts:
            return np.zeros(0, np.int64)
        try:
            self._make_those_in(condition)
            found = self._connection.sql(" union all ".join(parts)).fetchnumpy()
        except duckdb.Error as error:
            raise DatasetError(
                f"The condition {condition!r} cannot be used: {self._reason(condition, error)}"
            ) from error
        return np.asarray(next(iter(found.values())), np.int64)

    def _reason(self, condition: str, error: duckdb.Error) -> str:
        for name in _ANNOTATED:
            if name in condition and name not in self._reading.columns:
                return (
                    f"{self._reading.storage.location} has no {name} yet; `facevid annotate` gives it some."
                )
        return " ".join(str(error).split())

    def _make_those_in(self, query: str) -> None:
        for table in TABLES:
            if table in query.lower():
                self._make(table)

    def _make(self, table: str) -> None:
        if table in self._viewed:
            return
        connection, files = self._connection, self._reading.paths(table)
        if not files:
            connection.from_arrow(schema(table).empty_table()).create_view(table)
        elif self._chosen is None or table not in (*OF_CLIPS, "clips"):
            connection.read_parquet(files).create_view(table)
        elif table == "clips":
            connection.register("_chosen", pa.table({"_row": self._chosen}))
            parts = (
                f"select p.* exclude (file_row_number) from read_parquet({path}, file_row_number = true) p "
                f"semi join _chosen on _row = {start} + p.file_row_number"
                for path, start in self._reading.numbered()
            )
            connection.sql(" union all ".join(parts)).create_view(table)
        else:
            connection.register("_ids", pa.table({"clip_id": self._reading.ids.take(pa.array(self._chosen))}))
            connection.read_parquet(files).create_view(f"_{table}")
            connection.sql(f"select t.* from _{table} t semi join _ids using (clip_id)").create_view(table)
        self._viewed.add(table)
