"""Measures `facevid explore` over 270,043 clips: start, the first page, a filter, scrolling, memory.

The tables are made up (labels, captions and scores of plausible shares); the media are one small shard that all clips
share. What is measured is what a browser waits for: requests to the running server, over a real connection.

    python benchmarks/explore_speed.py --clips 270043 --output explore.json
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from facevid.dataset.published import MEDIA, TABLES, Manifest, PublishedFile, schema
from facevid.dataset.vocabulary import ACTIONS, ATTRIBUTES
from facevid.recipe import SCORES, load_recipe

PART = 100_000
SEED = 5
FACETS = "a.gender,a.hair_colour,a.eyeglasses,a.emotion,action,s.sharpness"
FILTERS = (
    "a.hair_colour=black",
    "a.hair_colour=black,brown&a.gender=female&s.sharpness=1..",
    "action=smile,nod",
    "q=black+hair+smiles",
    "s.pose_extreme=..20&s.speech_share=.8..",
    "identity=p000123",
    "a.emotion=unknown",
    "table=rejected&s.sharpness=..0.5",
)
_USUAL = {"sharpness": (2.0, 0.8), "face_px": (320, 60), "brightness": (120, 30), "pose_extreme": (22, 12),
          "speech_share": (0.8, 0.15), "yaw": (0, 15), "pitch": (0, 8), "roll": (0, 5)}  # fmt: skip


def main() -> int:
    """Make the dataset unless it is there, start the server, ask, print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=270_043)
    parser.add_argument("--dataset", type=Path, help="Where the made-up dataset is or will be.")
    parser.add_argument("--output", type=Path, help="JSON file for the figures.")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.dataset or Path(scratch) / "dataset"
        if not (folder / "dataset.json").is_file():
            make_dataset(folder, args.clips)
        figures = measure(folder)
    print(json.dumps(figures, indent=1))
    if args.output:
        args.output.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


def measure(folder: Path) -> dict[str, Any]:
    """Seconds and MiB; a filter's seconds are those of its facets and its clips, asked for at once."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "facevid", "explore", str(folder), "--port", "0", "--no-browser"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        if server.stdout is None:
            raise RuntimeError("The server has no output to read its address from.")
        found = re.search(r"(http://\S+)/\?token=(\S+)", server.stdout.readline())
        if found is None:
            raise RuntimeError("The server did not print its address; run the command by hand to see why.")
        start_s = time.perf_counter() - started
        headers = {"Authorization": f"Bearer {found[2]}"}
        with httpx.Client(base_url=found[1], headers=headers, timeout=60) as client:
            begun = {"start_s": round(start_s, 2), "start_cpu_s": cpu_s(server.pid)}
            return begun | _asked(client, server.pid)
    finally:
        server.terminate()
        server.wait(30)


def _asked(client: httpx.Client, pid: int) -> dict[str, Any]:
    first = timed(lambda: page(client, "", info=True))
    filters = {f: timed(lambda f=f: page(client, f)) for f in FILTERS}
    again = {f: timed(lambda f=f: page(client, f"{f}&sort=sharpness&desc=1")) for f in FILTERS}
    scrolls = [
        timed(lambda k=k: get(client, f"/api/clips?offset={k}&limit=60")) for k in range(0, 250_000, 12_500)
    ]
    everything = ",".join(f"a.{name}" for name in ATTRIBUTES)
    clip_id = get(client, "/api/clips?offset=1234&limit=1")["rows"][0]["clip_id"]
    return {
        "clips": get(client, "/api/info")["clips"],
        "first_page_s": first,
        "filter_s": filters,
        "filter_sorted_s": again,
        "filter_slowest_s": max(*filters.values(), *again.values()),
        "scroll_median_s": round(statistics.median(scrolls), 4),
        "scroll_slowest_s": max(scrolls),
        "all_attributes_s": timed(lambda: get(client, f"/api/facets?fields={everything}")),
        "all_scores_s": timed(
            lambda: get(client, f"/api/facets?fields={','.join(f's.{s}' for s in SCORES)}")
        ),
        "what_if_s": timed(lambda: get(client, "/api/whatif?score=sharpness&min=1")),
        "clip_s": timed(lambda: get(client, f"/api/clip/{clip_id}?a.hair_colour=black")),
        "memory_mib": _resident_mib(pid),
        "machine": {"cores": os.cpu_count(), "load_1min": round(os.getloadavg()[0], 1)},
    }


def page(client: httpx.Client, query: str, *, info: bool = False) -> None:
    """What a page asks for, at once as a browser does."""
    joined = f"&{query}" if query else ""
    paths = [f"/api/clips?limit=60{joined}", f"/api/facets?fields={facets_of(query)}{joined}"]
    if info:
        paths.append("/api/info")
    with ThreadPoolExecutor(len(paths)) as pool:
        list(pool.map(lambda path: get(client, path), paths))


def facets_of(query: str) -> str:
    """Six fields to count by, of the table that the query is about."""
    rejected = "reason,source,s.sharpness,s.face_px,s.brightness,s.speech_share"
    return rejected if "table=rejected" in query else FACETS


def get(client: httpx.Client, path: str) -> Any:
    answer = client.get(path)
    if answer.status_code != 200:
        raise RuntimeError(f"{path}: {answer.status_code} {answer.text}")
    return answer.json()


def timed(call: Any) -> float:
    before = time.perf_counter()
    call()
    return round(time.perf_counter() - before, 4)


def make_dataset(folder: Path, clips: int) -> None:
    """A dataset of made-up rows: as many rejected stretches as clips, six statements a clip."""
    rng = np.random.default_rng(SEED)
    for name in (*TABLES, MEDIA):
        (folder / name).mkdir(parents=True, exist_ok=True)
    shard = folder / MEDIA / "shard-00000.tar"
    shard.write_bytes(bytes(10_240))
    files = [_described(folder, shard, clips)]
    sources = -(-clips // 10)
    ids = np.array([f"{k:016x}" for k in range(sources)])
    files += _write(folder, "sources", [_sources(ids)])
    made = [_clips(rng, ids, k, min(PART, clips - k)) for k in range(0, clips, PART)]
    files += _write(folder, "clips", made)
    files += _write(folder, "annotations", [_annotations(t) for t in made])
    files += _write(
        folder, "rejected", [_rejected(rng, ids, min(PART, clips - k)) for k in range(0, clips, PART)]
    )
    files += _write(folder, "failed", [schema("failed").empty_table()])
    files += _write(folder, "keypoints", [schema("keypoints").empty_table()])
    about = {
        "name": "made up", "licence": None, "counts": {"clips": clips},
        "recipe": load_recipe().model_dump(mode="json"), "tools": {},
    }  # fmt: skip
    (folder / "dataset.json").write_text(Manifest(about, tuple(files)).dumps())


def _scores(rng: np.random.Generator, count: int) -> dict[str, np.ndarray[Any, Any]]:
    out = {}
    for name, (low, high) in SCORES.items():
        mean, spread = _USUAL.get(name, ((low + min(high, low + 1)) / 2, 0.2))
        out[name] = np.clip(rng.normal(mean, spread, count), low, high).astype(np.float32)
        out[name][rng.random(count) < 0.01] = np.nan
    return out


def _clips(rng: np.random.Generator, sources: np.ndarray[Any, Any], start: int, count: int) -> pa.Table:
    at = (start + np.arange(count)) // 10
    first = (start + np.arange(count)) % 10 * 400
    seconds = rng.uniform(3, 10, count)
    labels = {name: _values(rng, name, count) for name in ATTRIBUTES}
    talks = rng.integers(0, len(ACTIONS), (count, 3))
    names = np.array(ACTIONS)[talks]
    said = [
        f"A {g or 'person'} with {h or 'covered'} hair {a}s, {b}s and {c}s in a {light or 'plain'} room, looking at us."
        for g, h, light, (a, b, c) in zip(
            labels["gender"], labels["hair_colour"], labels["light"], names.tolist(), strict=True
        )
    ]
    plain = {
        "clip_id": [f"{sources[s]}_{f:06d}_{f + 120:06d}_0" for s, f in zip(at, first, strict=True)],
        "source_id": sources[at], "source_name": [f"talk_{s:06d}.mp4" for s in at.tolist()],
        "track": np.zeros(count, np.int32), "shot": np.zeros(count, np.int32), "start_s": first / 25.0,
        "end_s": first / 25.0 + seconds, "fps": np.full(count, 25.0), "frames": (seconds * 25).astype(np.int32),
        "width": np.full(count, 512, np.int32), "height": np.full(count, 512, np.int32),
        "audio": np.ones(count, bool), "identity": [f"p{k:06d}" for k in rng.integers(0, 20_000, count).tolist()],
        "shard": ["shard-00000.tar"] * count, "caption": said,
        **{f"{m}_offset": np.zeros(count, np.int64) for m in ("mp4", "flac", "json")},
        **{f"{m}_size": np.full(count, 512, np.int64) for m in ("mp4", "flac", "json")},
        **{f"{m}_sha256": [hashlib.sha256(bytes(512)).hexdigest()] * count for m in ("mp4", "flac", "json")},
    }  # fmt: skip
    columns = plain | _scores(rng, count) | {"attributes": _struct(labels), "actions": _acts(names)}
    return _shaped("clips", columns, count)


def _values(rng: np.random.Generator, name: str, count: int) -> list[str | None]:
    attribute = ATTRIBUTES[name]
    unknown = rng.random(count) < 0.3
    if attribute.kind == "number":
        numbers = rng.uniform(attribute.low, attribute.high, count)
        return [None if u else f"{v:.0f}" for v, u in zip(numbers, unknown, strict=True)]
    share = 1 / np.arange(1, len(attribute.choices) + 1)
    chosen = rng.choice(np.array(attribute.choices), count, p=share / share.sum())
    return [None if u else str(v) for v, u in zip(chosen, unknown, strict=True)]


def _struct(labels: dict[str, list[str | None]]) -> pa.Array:
    fields = []
    for values in labels.values():
        count = len(values)
        known = np.array([v is None for v in values])
        parts = [
            pa.array(values, pa.string()),
            pa.array(np.full(count, 0.9, np.float32)),
            pa.array(["measured:mesh"] * count),
        ]
        fields.append(pa.StructArray.from_arrays(parts, ["value", "confidence", "by"], mask=pa.array(known)))
    return pa.StructArray.from_arrays(fields, list(labels))


def _acts(names: np.ndarray[Any, Any]) -> pa.Array:
    flat, count = names.reshape(-1), names.size
    parts = [
        pa.array(flat.tolist(), pa.string()), pa.array(np.zeros(count)), pa.array(np.ones(count)),
        pa.array(np.full(count, 0.8, np.float32)), pa.array(["measured:mesh"] * count),
    ]  # fmt: skip
    inner = pa.StructArray.from_arrays(parts, ["name", "start_s", "end_s", "confidence", "by"])
    return pa.ListArray.from_arrays(pa.array(np.arange(0, count + 1, 3), pa.int32()), inner)


def _annotations(clips: pa.Table) -> pa.Table:
    count = clips.num_rows
    columns = {
        "clip_id": np.repeat(clips["clip_id"].to_numpy(zero_copy_only=False), 6),
        "kind": ["attribute"] * (6 * count), "name": ["light", "age", "gender", "gaze", "emotion", "head_pose"] * count,
        "value": ["normal", "30", "female", "camera", "happy", "frontal"] * count,
        "by": ["measured:mesh"] * (6 * count),
    }  # fmt: skip
    return _shaped("annotations", columns, 6 * count)


def _rejected(rng: np.random.Generator, sources: np.ndarray[Any, Any], count: int) -> pa.Table:
    rules = load_recipe().select.rules
    failed = rng.integers(0, len(rules), count)
    at = rng.integers(0, len(sources), count)
    start = rng.uniform(0, 600, count)
    columns = {
        "source_id": sources[at], "source_name": [f"talk_{s:06d}.mp4" for s in at.tolist()], "start_s": start,
        "end_s": start + rng.uniform(0.4, 8, count), "reason": [rules[k].reason for k in failed.tolist()],
        "score": [rules[k].score for k in failed.tolist()], "value": rng.uniform(0, 1, count),
        "threshold": np.ones(count),
    }  # fmt: skip
    return _shaped("rejected", columns | _scores(rng, count), count)


def _sources(ids: np.ndarray[Any, Any]) -> pa.Table:
    columns = {"source_id": ids, "source_name": [f"talk_{k:06d}.mp4" for k in range(len(ids))]}
    return _shaped("sources", columns, len(ids))


def _shaped(table: str, columns: dict[str, Any], count: int) -> pa.Table:
    target = schema(table, list(SCORES) if table in ("clips", "rejected") else ())
    arrays = [
        columns[f.name].cast(f.type)
        if isinstance(columns.get(f.name), pa.Array)
        else pa.array(columns[f.name], f.type)
        if f.name in columns
        else pa.nulls(count, f.type)
        for f in target
    ]
    return pa.Table.from_arrays(arrays, schema=target)


def _write(folder: Path, table: str, parts: list[pa.Table]) -> list[PublishedFile]:
    out = []
    for k, part in enumerate(parts):
        path = folder / table / f"part-{k:05d}.parquet"
        pq.write_table(part, path, compression="zstd")
        out.append(_described(folder, path, part.num_rows))
    return out


def _described(folder: Path, path: Path, rows: int) -> PublishedFile:
    content, name = path.read_bytes(), path.relative_to(folder).as_posix()
    return PublishedFile(name, len(content), hashlib.sha256(content).hexdigest(), rows, name)


def cpu_s(pid: int) -> float | None:
    """Seconds of processor time that a process has used, None where the system does not say (no /proc)."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.is_file():
        return None
    user, system = stat.read_text().rpartition(")")[2].split()[11:13]
    return round((int(user) + int(system)) / os.sysconf("SC_CLK_TCK"), 2)


def _resident_mib(pid: int) -> int | None:
    """Resident memory of a process, None where the system does not say (no /proc)."""
    status = Path(f"/proc/{pid}/status")
    if not status.is_file():
        return None
    found = re.search(r"VmRSS:\s+(\d+) kB", status.read_text())
    return int(found[1]) // 1024 if found else None


if __name__ == "__main__":
    sys.exit(main())
