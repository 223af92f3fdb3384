"""Packs clip folders again and again with changing contents, until somebody kills it; for test_pack_kill."""

from __future__ import annotations

import sys
from itertools import cycle
from pathlib import Path

from packing import work

from facevid.curate.pack import pack_dataset

if __name__ == "__main__":
    output, clip_folder = Path(sys.argv[1]), Path(sys.argv[2])
    tables = [work(clip_folder, count) for count in (7, 4, 6)]
    print("ready", flush=True)
    for each in cycle(tables):
        pack_dataset(
            output, tables=each, clip_folder=clip_folder, recipe={}, name="small", shard_bytes=90_000
        )
