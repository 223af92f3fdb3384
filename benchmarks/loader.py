"""How many windows a second the loader gives, beside other ways to read the same windows in the same torch DataLoader.

    python benchmarks/loader.py DATASET [--windows 240] [--rounds 5] [--workers 2]

Contenders: PyAV, decord and torchcodec reading loose MP4 files (unpacked to a temporary folder first), and a webdataset
pipeline over the shards that decodes with PyAV. Each decodes with one thread a worker, gives uint8 (B, T, 3, H, W), and
reads the same frames of the same clips; the pictures are compared. Who goes first changes from round to round, and
medians are printed, beside the processor time of a window in one process, which other work on the machine moves less.
decord and torchcodec are left out where they cannot be imported.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from av.video.reformatter import Interpolation, VideoReformatter
from torch.utils.data import DataLoader

import facevid

Windows = list[tuple[str, int]]  # clip id and first frame


def with_pyav(source: str | BytesIO, start: int, frames: int, size: int) -> torch.Tensor:
    """As anyone would: seek to the key frame before, decode, scale while converting, stop behind the window."""
    scale = VideoReformatter()
    pictures = []
    with av.open(source) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count, stream.codec_context.thread_type = 1, "SLICE"
        first = round(start / stream.average_rate / stream.time_base)
        container.seek(first, stream=stream)
        for frame in container.decode(stream):
            if frame.pts >= first:
                rgb = scale.reformat(
                    frame,
                    width=size,
                    height=size,
                    format="rgb24",
                    src_colorspace=1,
                    interpolation=Interpolation.AREA,
                )
                pictures.append(rgb.to_ndarray())
                if len(pictures) == frames:
                    break
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()


def with_decord(source: str, start: int, frames: int, size: int) -> torch.Tensor:
    import decord

    reader = decord.VideoReader(source, width=size, height=size, num_threads=1)
    pictures = reader.get_batch(range(start, start + frames)).asnumpy()
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous()


def with_torchcodec(source: str, start: int, frames: int, size: int) -> torch.Tensor:
    from torchcodec.decoders import VideoDecoder
    from torchcodec.transforms import Resize

    decoder = VideoDecoder(source, num_ffmpeg_threads=1, transforms=[Resize((size, size))])
    return decoder.get_frames_in_range(start, start + frames).data


class Loose:
    """Windows of loose files, for torch's DataLoader."""

    def __init__(
        self, folder: Path, windows: Windows, read: Callable[..., torch.Tensor], frames: int, size: int
    ) -> None:
        self.folder, self.windows, self.read, self.frames, self.size = folder, windows, read, frames, size

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, number: int) -> tuple[str, int, torch.Tensor]:
        clip_id, start = self.windows[number]
        return clip_id, start, self.read(str(self.folder / f"{clip_id}.mp4"), start, self.frames, self.size)


def of_loose_files(dataset: Loose, args: argparse.Namespace) -> Iterator[torch.Tensor]:
    loader = DataLoader(
        dataset, batch_size=args.batch, num_workers=args.workers, prefetch_factor=2 if args.workers else None
    )  # type: ignore[arg-type]
    for _, _, video in loader:
        yield video


def of_webdataset(shards: list[Path], windows: Windows, args: argparse.Namespace) -> Iterator[torch.Tensor]:
    """Samples in the order of the shards, each with the same windows; workers take turns, as shards may be few."""
    import webdataset

    starts: dict[str, list[int]] = {}
    for clip_id, start in windows:
        starts.setdefault(clip_id, []).append(start)

    def turns(samples: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        worker = torch.utils.data.get_worker_info()
        return itertools.islice(samples, worker.id, None, worker.num_workers) if worker else iter(samples)

    def decoded(samples: Iterable[dict[str, Any]]) -> Iterator[torch.Tensor]:
        for sample in samples:
            for start in starts.get(sample["__key__"], ()):
                yield with_pyav(BytesIO(sample["mp4"]), start, args.frames, args.size)

    pipeline = webdataset.DataPipeline(
        webdataset.SimpleShardList([str(s) for s in shards]),
        webdataset.tarfile_to_samples(),
        turns,
        decoded,
        webdataset.batched(args.batch, collation_fn=torch.stack),
    )
    ahead = 2 if args.workers else None
    yield from DataLoader(pipeline, batch_size=None, num_workers=args.workers, prefetch_factor=ahead)


def of_facevid(batches: Iterable[dict[str, Any]], args: argparse.Namespace) -> Iterator[torch.Tensor]:
    """Epoch after epoch until there are enough windows."""
    given = 0
    while given < args.windows:
        for batch in batches:
            yield batch["video"]
            given += len(batch["video"])
            if given >= args.windows:
                return


def options_of(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "frames": args.frames, "fps": None, "size": args.size, "batch_size": args.batch, "num_workers": args.workers,
        "drop_last": False,
    }  # fmt: skip


def made(ds: facevid.Dataset, args: argparse.Namespace, **options: Any) -> Any:
    return ds.loader(**{**options_of(args), **options})


def windows_of(ds: facevid.Dataset, args: argparse.Namespace) -> tuple[Windows, list[torch.Tensor]]:
    """The windows that the loader will give, and the first few pictures of them."""
    windows: Windows = []
    pictures: list[torch.Tensor] = []
    loader = made(ds, args)
    while len(windows) < args.windows:
        for batch in loader:
            windows += list(zip(batch["clip_id"], batch["start"].tolist(), strict=True))
            pictures += list(batch["video"][:, 0]) if len(pictures) < 24 else []
            if len(windows) >= args.windows:
                break
    return windows, pictures


def speed(batches: Iterator[torch.Tensor]) -> tuple[float, float]:
    """Windows a second from the start on, and seconds until the first batch."""
    began = time.perf_counter()
    first, count = 0.0, 0
    for video in batches:
        first = first or time.perf_counter() - began
        count += len(video)
    return count / (time.perf_counter() - began), first


def resumes(ds: facevid.Dataset, args: argparse.Namespace) -> bool:
    """True if an epoch stopped in the middle goes on bitwise the same in another process layout."""
    whole = [b["video"] for b in made(ds, args, num_workers=0)]
    stopped = made(ds, args)
    head = [b["video"] for b in itertools.islice(stopped, len(whole) // 2)]
    again = made(ds, args)
    again.load_state_dict(stopped.state_dict())
    both = [*head, *(b["video"] for b in again)]
    return len(both) == len(whole) and all(torch.equal(a, b) for a, b in zip(both, whole, strict=True))


def contenders(
    ds: facevid.Dataset, loose: Path, windows: Windows, args: argparse.Namespace
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "facevid": lambda: of_facevid(made(ds, args), args),
        "facevid, stream": lambda: of_facevid(ds.stream(**options_of(args)), args),
    }
    for name, read, module in (
        ("PyAV, loose files", with_pyav, "av"),
        ("decord, loose files", with_decord, "decord"),
        ("torchcodec, loose files", with_torchcodec, "torchcodec"),
    ):
        try:
            importlib.import_module(module)
        except (ImportError, OSError, RuntimeError) as error:
            print(f"{name}: left out, it cannot be imported here ({str(error).splitlines()[0]})")
            continue
        dataset = Loose(loose, windows, read, args.frames, args.size)
        found[name] = lambda dataset=dataset: of_loose_files(dataset, args)
    found["webdataset, our shards"] = lambda: of_webdataset(ds.shards(), windows, args)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path)
    for name, value in (
        ("windows", 240),
        ("rounds", 5),
        ("workers", 2),
        ("batch", 8),
        ("frames", 16),
        ("size", 256),
    ):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument(
        "--lengths", type=int, nargs="*", default=[1, 8, 16, 32, 48], help="windows also tried"
    )
    args = parser.parse_args()
    ds = facevid.open(args.dataset)
    torch.set_num_threads(1)
    print(
        f"{ds}\n{args.windows} windows of {args.frames} frames at {args.size} pixels, {args.workers} workers"
    )
    with tempfile.TemporaryDirectory() as folder:
        loose = Path(folder)
        for clip in ds:
            (loose / f"{clip.clip_id}.mp4").write_bytes(clip.read("mp4"))
        windows, pictures = windows_of(ds, args)
        ways = contenders(ds, loose, windows, args)
        compare(loose, windows, pictures, args)
        race(ways, args, args.rounds)
        print(
            f"resumed in the middle of an epoch: {'the same, bitwise' if resumes(ds, args) else 'NOT THE SAME'}"
        )
        for length in args.lengths:
            args.frames, args.windows = length, min(len(windows), 120)
            some, _ = windows_of(ds, args)
            both = [("facevid", lambda: of_facevid(made(ds, args), args))]
            dataset = Loose(loose, some[: args.windows], with_pyav, length, args.size)
            both.append(("PyAV, loose files", lambda dataset=dataset: of_loose_files(dataset, args)))
            race(dict(both), args, min(3, args.rounds), title=f"{length} frames")


def compare(loose: Path, windows: Windows, pictures: list[torch.Tensor], args: argparse.Namespace) -> None:
    """Say how far PyAV's first frame of a window is from ours: scaling differs, frames may not."""
    off = [
        float(
            (with_pyav(str(loose / f"{clip_id}.mp4"), start, 1, args.size)[0].float() - ours.float())
            .abs()
            .mean()
        )
        for (clip_id, start), ours in zip(windows, pictures, strict=False)
    ]
    next_off = [
        float(
            (with_pyav(str(loose / f"{c}.mp4"), s + 1, 1, args.size)[0].float() - ours.float()).abs().mean()
        )
        for (c, s), ours in zip(windows, pictures, strict=False)
    ]
    print(
        f"pictures of PyAV differ from ours by {statistics.mean(off):.2f} of 255 on average (chroma is scaled "
        f"otherwise), those one frame later by {statistics.mean(next_off):.2f}"
    )


def race(
    ways: dict[str, Callable[[], Iterator[torch.Tensor]]],
    args: argparse.Namespace,
    rounds: int,
    title: str = "",
) -> None:
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    names = list(ways)
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            results[name].append(speed(ways[name]()))
    cost = costs(ways, args)
    ours = [rate for rate, _ in results["facevid"]]
    for name, found in results.items():
        rate = statistics.median(r for r, _ in found)
        ratio = statistics.median(o / r for o, (r, _) in zip(ours, found, strict=True))
        print(
            f"{title:>9} {name:<23} {rate:6.1f} windows/s (facevid {ratio:4.2f} x); {cost[name]:6.1f} ms of processor "
            f"a window ({cost[name] / cost['facevid']:4.2f} x facevid's); first batch after "
            f"{statistics.median(f for _, f in found):.2f} s",
            flush=True,
        )


def costs(
    ways: dict[str, Callable[[], Iterator[torch.Tensor]]], args: argparse.Namespace
) -> dict[str, float]:
    """Milliseconds of processor time that a window takes in one process, the least of two runs."""
    workers, args.workers = args.workers, 0
    found: dict[str, list[float]] = {name: [] for name in ways}
    for name in [*ways, *reversed(ways)]:
        began, count = time.process_time(), 0
        for video in ways[name]():
            count += len(video)
        found[name].append((time.process_time() - began) / count * 1e3)
    args.workers = workers
    return {name: min(times) for name, times in found.items()}


if __name__ == "__main__":
    main()
