"""Makes the small datasets that the tests of the server look at."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from starlette.testclient import TestClient

from facevid.dataset.published import PublishedFile, read_manifest, schema
from facevid.dataset.statements import Statement, to_table, with_labels
from facevid.dataset.tables import described
from facevid.web.server import create_app

sys.path.insert(0, str(Path(__file__).parents[1] / "curate"))

from packing import clip_name, work

TOKEN = "open-sesame"
RECIPE = {
    "fps": 25.0,
    "select": {
        "min_s": 0.2,
        "rules": [{"reason": "sharpness", "score": "sharpness", "min": 0.5, "max": None}],
    },
}
COUNT = 12


def publish(output: Path, clip_folder: Path, *, count: int = COUNT) -> Path:
    """A dataset of clips 0 to count - 1, all of 8 frames at 25 frames/s; sharpness of clip k is .1 + k."""
    from facevid.curate.pack import pack_dataset

    pack_dataset(
        output, tables=work(clip_folder, count), clip_folder=clip_folder, recipe=RECIPE, name="small",
        shard_bytes=60_000,
    )  # fmt: skip
    return output


def annotate(folder: Path) -> None:
    """Clips 0 to 3 have black hair, 4 to 6 brown; ages 20, 30, ...; even clips smile; captions say the hair."""
    said = []
    for k in range(COUNT):
        by: dict[str, Any] = {"clip_id": clip_name(k), "by": "measured:test", "confidence": 0.9}
        if k < 7:
            hair = "black" if k < 4 else "brown"
            said.append(Statement(kind="attribute", name="hair_colour", value=hair, **by))
            said.append(
                Statement(kind="caption", name="medium", value=f"O'Hara's {hair} hair; 100% real", **by)
            )
        if k < 3:
            said.append(Statement(kind="attribute", name="age", value=str(20 + 10 * k), **by))
        said.append(Statement(kind="action", name="talk", value="", start_s=0.0, end_s=0.3, **by))
        if k % 2 == 0:
            said.append(Statement(kind="action", name="smile", value="", start_s=0.0, end_s=0.1, **by))
    annotations = to_table(said)
    manifest = read_manifest(folder)
    clips = pa.concat_tables([pq.ParquetFile(folder / f.stored_as).read() for f in manifest.of("clips")])
    labelled = with_labels(clips, annotations)
    files = [_stored(folder, "clips", labelled), _stored(folder, "annotations", annotations)]
    write_manifest(folder, replaced=files)


def write_manifest(folder: Path, *, replaced: list[PublishedFile]) -> None:
    """`dataset.json` with other files for some tables."""
    manifest = read_manifest(folder)
    tables = {f.path.split("/")[0] for f in replaced}
    kept = [f for f in manifest.files if f.path.split("/")[0] not in tables]
    text = type(manifest)(manifest.about, (*kept, *replaced)).dumps()
    partial = folder / "dataset.json.partial"
    partial.write_text(text)
    partial.replace(folder / "dataset.json")


def _stored(folder: Path, table: str, content: pa.Table) -> PublishedFile:
    path = f"{table}/part-00000.parquet"
    pq.write_table(content, folder / path)
    return described(folder, path, content.num_rows)


def browser(folder: Path, *, token: str | None = TOKEN, **options: Any) -> TestClient:
    """A client of a server over the dataset; with the token unless it is None."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return TestClient(
        create_app(folder, token=TOKEN, **options), base_url="http://127.0.0.1:8765", headers=headers,
        follow_redirects=False, raise_server_exceptions=True,
    )  # fmt: skip


def said(answer: Any, status: int) -> str:
    """The sentence of an error, which must have this status and read like one."""
    assert answer.status_code == status, answer.text
    sentence = json.loads(answer.text)["error"]
    assert sentence.endswith((".", "'.")) and len(sentence) > 20, sentence
    return str(sentence)


def ids(answer: Any) -> list[int]:
    """The numbers of the clips listed, in order."""
    assert answer.status_code == 200, answer.text
    names = {clip_name(k): k for k in range(COUNT)}
    return [names[row["clip_id"]] for row in answer.json()["rows"]]


__all__ = ["COUNT", "TOKEN", "annotate", "browser", "clip_name", "ids", "publish", "said", "schema"]
