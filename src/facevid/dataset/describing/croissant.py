"""`croissant.json`: the dataset as Croissant 1.1 describes one, with the properties of its responsible-AI extension.

Specifications: MLCommons, "Croissant Format Specification" 1.1, and "Croissant RAI specification" 1.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from facevid.dataset.dataset import Dataset
from facevid.dataset.describing.croissant_context import CONTEXT
from facevid.dataset.describing.croissant_rai import responsible_ai
from facevid.dataset.describing.figures import Figures
from facevid.dataset.describing.options import CardOptions, licence_address
from facevid.dataset.describing.sections import citation
from facevid.dataset.published import MEDIA, MEMBERS, TABLES, PublishedFile

CONFORMS_TO = ("http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0")
_PARQUET, _TAR = "application/x-parquet", "application/x-tar"
_MEMBERS = {
    "mp4": ("video/mp4", "sc:VideoObject", "the clip: H.264 with AAC where it has sound"),
    "flac": ("audio/flac", "sc:AudioObject", "the speech: 16 kHz mono, lossless"),
    "json": ("application/json", "sc:Text", "the clip's row as JSON"),
}
_ROWS = {
    "sources": "one row a source",
    "clips": "one row a clip",
    "rejected": "one row a stretch that was left out",
    "failed": "one row an item that could not be processed",
    "keypoints": "one row a clip: mesh, head pose and box of every frame",
    "annotations": "one row a statement about a clip",
}
_KEYS = {"sources": "source_id", "clips": "clip_id", "keypoints": "clip_id"}
_TYPES: dict[pa.DataType, str] = {
    pa.string(): "sc:Text",
    pa.bool_(): "sc:Boolean",
    pa.int32(): "cr:Int32",
    pa.int64(): "cr:Int64",
    pa.float16(): "cr:Float16",
    pa.float32(): "cr:Float32",
    pa.float64(): "cr:Float64",
}


def croissant(ds: Dataset, *, figures: Figures | None = None) -> dict[str, Any]:
    """The content of `croissant.json` of a dataset on disk, in the order in which it is written.

    Every file with its SHA-256; a record set a table, with a field a column and a field an attribute that is known of
    any clip; a record set a kind of member, whose content is read out of the shards. figures: where they were counted
    already. Addresses of files are relative to `croissant.json`.
    """
    found = figures or Figures(ds)
    about, options = ds.manifest.about, CardOptions.of(ds.manifest.about)
    name = str(about.get("name") or "dataset")
    document: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": name,
        "description": (
            f"{found.clips:,} clips of talking faces, {found.seconds / 3600:,.2f} hours, {found.persons:,} people: "
            "video, speech, 478 facial keypoints a frame, scores, labels with who said them, and what was left out."
        ),
        "conformsTo": list(CONFORMS_TO),
        "version": options.version,
        "citeAs": citation(found, options),
        "keywords": ["talking face", "face", "speech", "video", "audio", "facial landmarks"],
    }
    if options.published:
        document["datePublished"] = options.published
    if licence := _licence(about.get("licence"), options):
        document["license"] = licence
    if options.url:
        document["url"] = options.url
    if options.creators:
        document["creator"] = [{"@type": "sc:Organization", "name": creator} for creator in options.creators]
    if languages := sorted({str(p.word) for p in found.by_source("language") if p.word and p.clips}):
        document["inLanguage"] = languages
    document.update(responsible_ai(found, options))
    document["distribution"] = list(_distribution(ds))
    document["recordSet"] = [
        *(_table(ds, found, table) for table in TABLES if ds.manifest.of(table)),
        *(_members(kind) for kind in MEMBERS if ds.manifest.of(MEDIA)),
    ]
    return document


def _licence(licence: str | None, options: CardOptions) -> str | None:
    if not licence:
        return None
    link = options.licence_link or ""
    return licence_address(licence) or (link if "://" in link else licence)


def _distribution(ds: Dataset) -> Iterator[dict[str, Any]]:
    for file in ds.manifest.files:
        yield _file(file)
    for table in TABLES:
        if len(ds.manifest.of(table)) > 1:
            yield {
                "@type": "cr:FileSet",
                "@id": f"{table}-parts",
                "description": f"the parts of the table {table}",
                "encodingFormat": _PARQUET,
                "includes": f"{table}/part-*.parquet",
            }
    shards = ds.manifest.of(MEDIA)
    for kind in MEMBERS if shards else ():
        yield {
            "@type": "cr:FileSet",
            "@id": f"{kind}-members",
            "description": f"{_MEMBERS[kind][2]}, out of the shards",
            "containedIn": [{"@id": file.path} for file in shards],
            "encodingFormat": _MEMBERS[kind][0],
            "includes": f"*.{kind}",
        }


def _file(file: PublishedFile) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path,
        "contentUrl": file.path,
        "contentSize": f"{file.bytes} B",
        "encodingFormat": _TAR if file.path.startswith(f"{MEDIA}/") else _PARQUET,
        "sha256": file.sha256,
    }


def _table(ds: Dataset, figures: Figures, table: str) -> dict[str, Any]:
    files = ds.manifest.of(table)
    source = (
        {"fileObject": {"@id": files[0].path}} if len(files) == 1 else {"fileSet": {"@id": f"{table}-parts"}}
    )
    fields = [f for column in _schema(ds, files[0]) for f in _fields(figures, table, column, source)]
    record: dict[str, Any] = {
        "@type": "cr:RecordSet",
        "@id": table,
        "name": table,
        "description": _ROWS[table],
    }
    if table in _KEYS:
        record["key"] = {"@id": f"{table}/{_KEYS[table]}"}
    return {**record, "field": fields}


def _schema(ds: Dataset, file: PublishedFile) -> pa.Schema:
    with ds.storage.open(file) as opened:
        return pq.read_schema(opened)


def _fields(
    figures: Figures, table: str, column: pa.Field, source: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """The fields of a column: one, or of a struct one a part. Of attributes that nobody knows there is none."""
    about = (column.metadata or {}).get(b"description", b"").decode()
    kind = column.type
    if column.name == "attributes":
        for name in figures.names:
            for part, of in (("value", "sc:Text"), ("confidence", "cr:Float32"), ("by", "sc:Text")):
                yield _field(
                    f"{table}/{name}_{part}",
                    f"{part} of the attribute {name}",
                    of,
                    source,
                    column.name,
                    f"{name}.{part}",
                )
    elif pa.types.is_struct(kind):
        for part in kind:
            path = f"{table}/{column.name}_{part.name}"
            yield _field(path, f"{part.name} of: {about}", _TYPES[part.type], source, column.name, part.name)
    elif pa.types.is_list(kind) and pa.types.is_struct(kind.value_type):
        for part in kind.value_type:
            path = f"{table}/{column.name}_{part.name}"
            field = _field(
                path, f"{part.name} of each of: {about}", _TYPES[part.type], source, column.name, part.name
            )
            yield {**field, "isArray": True, "arrayShape": "-1"}
    elif pa.types.is_list(kind):
        field = _field(f"{table}/{column.name}", about, _TYPES[kind.value_type], source, column.name)
        yield {**field, "isArray": True, "arrayShape": "-1"}
    else:
        yield _field(f"{table}/{column.name}", about, _TYPES[kind], source, column.name)


def _field(
    path: str, about: str, data_type: str, source: dict[str, Any], column: str, json_path: str | None = None
) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": path,
        "name": path.partition("/")[2],
        "description": about,
        "dataType": data_type,
        "source": {
            **source,
            "extract": {"column": column},
            **({"transform": {"jsonPath": json_path}} if json_path else {}),
        },
    }


def _members(kind: str) -> dict[str, Any]:
    source = {"fileSet": {"@id": f"{kind}-members"}}
    _, data_type, about = _MEMBERS[kind]
    return {
        "@type": "cr:RecordSet",
        "@id": kind,
        "name": kind,
        "description": f"{about}, one a clip",
        "key": {"@id": f"{kind}/clip_id"},
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{kind}/clip_id",
                "name": "clip_id",
                "description": "clip",
                "dataType": "sc:Text",
                "source": {
                    **source,
                    "extract": {"fileProperty": "filename"},
                    "transform": {"regex": rf"(.*)\.{re.escape(kind)}"},
                },
            },
            {
                "@type": "cr:Field",
                "@id": f"{kind}/content",
                "name": "content",
                "description": about,
                "dataType": data_type,
                "source": {**source, "extract": {"fileProperty": "content"}},
            },
        ],
    }
