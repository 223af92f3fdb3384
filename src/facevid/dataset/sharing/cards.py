"""What the card of an export says of how to read it, and what a hub's viewer may show of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_FOLDER = """## How to use it

```python
import json

rows = [json.loads(line) for line in open("clips.jsonl")]
video = f"{rows[0]['folder']}/{rows[0]['clip_id']}.mp4"
```

`clips/` holds per clip `<clip_id>.mp4`, `.flac` (speech, 16 kHz mono; clips with sound), `.json` (its row) and `.txt`
(its caption, if it has one). `clips.jsonl` has one row a clip, `sources.csv` licence and consent of each source.
"""
_WEBDATASET = """## How to use it

```python
import webdataset

for sample in webdataset.WebDataset("{first}", shardshuffle=False).decode():
    sample["mp4"], sample["json"]["clip_id"], sample.get("txt")
```

Members of a clip follow one another: mp4, flac (speech, 16 kHz mono; clips with sound), json (its row), txt (its
caption, if it has one). `sources.csv` has licence and consent of each source.
"""
_HUGGINGFACE = """## How to use it

```python
import datasets

clips = datasets.load_dataset("path/or/name")["{first}"]
clips[0]["video"], clips[0]["speech"], clips[0]["clip_id"]
```

Each row holds the media of a clip and its row: scores, labels, licence and consent. `speech` is 16 kHz mono, null for
clips without sound. `sources.csv` has licence and consent of each source.
"""


def folder_card() -> tuple[list[dict[str, Any]], str]:
    """What a viewer may load of an export as loose files, and how to read it."""
    return [_config([("train", "clips.jsonl")])], _FOLDER


def webdataset_card(splits: Iterable[str]) -> tuple[list[dict[str, Any]], str]:
    """The same for WebDataset shards, whose names begin with the split."""
    names = _in_order(splits)
    first = f"{names[0] if names else 'clips'}-00000.tar"
    return [_config([(_plain(n), f"{n}-*.tar") for n in names])], _WEBDATASET.format(first=first)


def huggingface_card(files: Mapping[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """The same for Parquet files by name, `data/<split>-00000-of-00001.parquet`."""
    names = _in_order({name.removeprefix("data/").rsplit("-", 3)[0] for name in files})
    first = _plain(names[0]) if names else "train"
    return [_config([(_plain(n), f"data/{n}-*.parquet") for n in names])], _HUGGINGFACE.format(first=first)


def _in_order(splits: Iterable[str]) -> list[str]:
    """What people train on first, and the first one is what the example reads."""
    first = ("train", "validation", "test")
    return sorted(splits, key=lambda name: (first.index(name) if name in first else len(first), name))


def _config(files: Iterable[tuple[str, str]]) -> dict[str, Any]:
    return {"config_name": "default", "data_files": [{"split": split, "path": path} for split, path in files]}


def _plain(split: str) -> str:
    """A split as hubs may call it: letters, digits and underscores."""
    return "".join(c if c.isalnum() else "_" for c in split)
