"""Videos from a model: text-to-video, image-to-video and unconditional, each with a record that makes it again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from facevid.generate.asking import Image, check_modes, device_of, what_is_asked
from facevid.generate.errors import GenerateError
from facevid.generate.families.family import Family, Request, Video, modules
from facevid.generate.grids import SHOWN, write_rows
from facevid.generate.images import Picture, PictureReader
from facevid.generate.model_folder import ModelFolder, check_weights, open_model, weights_sha256
from facevid.generate.outputs import (
    check_sheet,
    check_writable,
    is_there,
    output_paths,
    tools,
    write_video,
)
from facevid.generate.prompts import prompt_notes
from facevid.generate.quiet import without_bars
from facevid.generate.shapes import Shape, shape_of

_AT_ONCE, _PIXELS_AT_ONCE = 16, 1 << 24
"""Most videos of a batch, and most pixels of all its frames: 16 videos of 16 frames at 256 x 256."""


@dataclass
class Generated:
    """One video. path: its MP4. prompt: "" is unconditional. frames: uint8 (T, H, W, 3), where no output was named.

    reused: it was there already, made by the same request.
    """

    prompt: str
    seed: int
    path: str | None = None
    reused: bool = False
    frames: Video | None = field(default=None, repr=False)


@dataclass
class GenerateSummary:
    """What was made. sheet: path of the contact sheet. seconds: of sampling. notes: what a person should know."""

    model: str
    family: str
    device: str
    shape: Shape
    videos: list[Generated]
    sheet: str | None = None
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON, without the frames."""
        videos = [{k: v for k, v in vars(video).items() if k != "frames"} for video in self.videos]
        return {**vars(self), "shape": asdict(self.shape), "videos": videos}


def generate(
    model: str | Path,
    prompt: str | Path | Sequence[str] | None = None,
    *,
    image: Image | Sequence[Image] | None = None,
    unconditional: bool = False,
    seed: int | Sequence[int] = 0,
    count: int = 1,
    frames: int | None = None,
    size: int | tuple[int, int] | str | None = None,
    fps: float | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    temperature: float | None = None,
    strength: float | None = None,
    crop: bool = True,
    output: str | Path | Sequence[str | Path] | None = None,
    sheet: str | Path | None = None,
    overwrite: bool = False,
    device: str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> GenerateSummary:
    """Sample videos from a model: `count` of each prompt, the k-th of all with the seed `seed + k`, or the k-th of
    several seeds.

    model: folder that `facevid train` made, folder of diffusers of a known family, or hub id. prompt: text, several
    texts, or the Path of a text file with one a line. image: first picture (file or RGB array) of every video, or one
    for each prompt; cut around its face as clips are, unless `crop` is False. unconditional: without a prompt.
    frames, size ((width, height), "WxH" or the side of a square), fps, steps, guidance, temperature, strength: those
    that the model was trained with unless given; guidance 1 is none, temperature scales the noise at the beginning, of
    which a strength below 1 leaves copies of the picture under it. output: an .mp4, a folder for several, or an .mp4
    for each; a JSON beside each says how to make it again, and what is there already is not made again. sheet: PNG with
    frames of each video. overwrite: replace videos of another request. device: "cuda" where there is one, else "cpu".
    on_progress: called with videos done and to do.

    A video depends on its own prompt, seed and image alone. Raises GenerateError for what the model cannot do, with
    what it can; StorageError where the output cannot be written.
    """
    prompts, pictures = what_is_asked(prompt, image, unconditional, count)
    wanted = list(zip(prompts, pictures, _seeds(seed, len(prompts)), strict=True))
    if strength is not None and image is None:
        raise GenerateError(f"strength is {strength}, which is for videos from a picture. Give --image too.")
    paths = None if output is None else _paths(output, len(wanted))
    for path in {path.parent: path for path in paths or ()}.values():
        check_writable(path)
    if sheet is not None:
        check_sheet(Path(sheet))

    found = open_model(model)
    where = device_of(device)
    family = _loaded(found, where)
    check_modes(family, found, text=not unconditional, image=image is not None)
    shape = shape_of(
        found,
        family,
        frames=frames,
        size=size,
        fps=fps,
        steps=steps,
        guidance=guidance,
        temperature=temperature, strength=strength,
    )  # fmt: skip

    summary = GenerateSummary(found.name, family.name, str(where), shape, [])
    read = _pictures([i for _, i, _ in wanted], found.facts, shape, crop, summary.notes)
    summary.notes += _prompt_notes(family, found.facts, prompts)
    about = _about(found, family, where) if paths is not None else {}
    rows: dict[int, Video] = {}
    todo: list[int] = []
    for k, (text, _, number) in enumerate(wanted):
        made = Generated(text, number, None if paths is None else str(paths[k]))
        summary.videos.append(made)
        if paths is not None and is_there(
            paths[k], _record(made, read[k], shape, about), overwrite=overwrite
        ):
            made.reused = True
            if sheet is not None:
                rows[k] = _shown(_played(paths[k], shape))
        else:
            todo.append(k)

    started = time.monotonic()
    if todo:
        for module in modules(family).values():
            module.requires_grad_(False).eval()
        family.to(where, _precision(where))
    for batch, videos in _sampled(family, summary.videos, read, todo, shape):
        for k, video in zip(batch, videos, strict=True):
            made = summary.videos[k]
            if paths is None:
                made.frames = video
            else:
                write_video(paths[k], video, shape.fps, _record(made, read[k], shape, about))
            if sheet is not None:
                rows[k] = _shown(video)
        if on_progress is not None:
            on_progress(len(wanted) - len(todo) + todo.index(batch[-1]) + 1, len(wanted))
    summary.seconds = round(time.monotonic() - started, 3)
    if sheet is not None:
        Path(sheet).parent.mkdir(parents=True, exist_ok=True)
        write_rows(Path(sheet), [rows[k] for k in range(len(wanted))])
        summary.sheet = str(sheet)
    return summary


def _seeds(seed: int | Sequence[int], count: int) -> list[int]:
    """The seed of each of `count` videos."""
    seeds = list(seed) if isinstance(seed, Sequence) else [seed + k for k in range(count)]
    if len(seeds) != count:
        raise GenerateError(f"{count} videos and {len(seeds)} seeds: give one seed, or one for each video.")
    for number in seeds:
        if number < 0:
            raise GenerateError(f"The seed is {number}; it is a whole number from 0.")
    return seeds


def _paths(output: str | Path | Sequence[str | Path], count: int) -> list[Path]:
    """The MP4 of each of `count` videos."""
    if isinstance(output, str | Path):
        return output_paths(Path(output), count)
    paths = [path for one in output for path in output_paths(Path(one), 1)]
    if len(paths) != count or len(set(paths)) != count:
        raise GenerateError(
            f"{count} videos and {len(set(paths))} outputs: name a folder, or another .mp4 for each."
        )
    return paths


def _loaded(found: ModelFolder, where: Any) -> Family:
    from facevid.generate.families.loading import load_family

    check_weights(found.path)
    with without_bars():
        return load_family(found.path, dtype=_precision(where))


def _pictures(
    sources: Sequence[Image | None], facts: Mapping[str, Any], shape: Shape, crop: bool, notes: list[str]
) -> list[Picture | None]:
    """The picture of each video; one that serves several is read once."""
    if sources[0] is None:
        return [None] * len(sources)
    reader = PictureReader(crop=(facts.get("data") or {}).get("crop"), cut=crop)
    read: dict[int, Picture] = {}
    for source in sources:
        if source is not None and id(source) not in read:
            read[id(source)] = reader.read(source, width=shape.width, height=shape.height)
            notes += [note for note in read[id(source)].notes if note not in notes]
    return [None if source is None else read[id(source)] for source in sources]


def _prompt_notes(family: Family, facts: Mapping[str, Any], prompts: Sequence[str]) -> list[str]:
    made = (facts.get("recipe") or {}).get("model") or {}
    # Our own family's text encoder learns from the captions, unless the recipe names a pretrained one.
    own = made.get("family") == "facevid" and "text_encoder" not in (made.get("config") or {})
    return prompt_notes(
        family.parts.get("tokenizer"),
        prompts,
        length=getattr(family, "text_length", None),
        learnt=own or "text_encoder" in family.trained,
    )


def _about(found: ModelFolder, family: Family, where: Any) -> dict[str, Any]:
    import torch

    named = torch.cuda.get_device_name(where) if where.type == "cuda" else where.type
    return {
        "model": {
            "name": found.name,
            "family": family.name,
            "weights_sha256": weights_sha256(found.path),
            "step": found.facts.get("step"),
        },
        "device": named,
        "precision": str(_precision(where)).removeprefix("torch."),
        "tools": tools(),
    }


def _record(
    made: Generated, picture: Picture | None, shape: Shape, about: Mapping[str, Any]
) -> dict[str, Any]:
    image = None if picture is None else {"sha256": picture.sha256, "box": list(picture.box)}
    return {
        "request": {"prompt": made.prompt or None, "seed": made.seed, **asdict(shape), "image": image},
        **about,
    }


def _precision(where: Any) -> Any:
    import torch

    return torch.bfloat16 if where.type == "cuda" else torch.float32


def _sampled(
    family: Family, videos: Sequence[Generated], read: Sequence[Picture | None], todo: list[int], shape: Shape
) -> Any:
    """Batches of places in `videos` with what was sampled; halved where they do not fit the GPU's memory."""
    import torch

    most = max(1, min(_AT_ONCE, _PIXELS_AT_ONCE // (shape.frames * shape.width * shape.height)))
    at = 0
    while at < len(todo):
        batch = todo[at : at + most]
        images = [p.image for k in batch if (p := read[k]) is not None]
        request = Request(
            prompts=[videos[k].prompt for k in batch],
            frames=shape.frames,
            height=shape.height,
            width=shape.width,
            fps=shape.fps,
            seeds=[videos[k].seed for k in batch],
            images=images or None,
            steps=shape.steps,
            guidance=shape.guidance,
            temperature=shape.temperature,
            strength=shape.strength,
        )
        try:
            sampled = family.sample(request)
        except torch.OutOfMemoryError:
            if len(batch) == 1:
                raise GenerateError(
                    f"The GPU's memory does not hold {shape.frames} frames of {shape.width}x{shape.height} of this "
                    "model. Ask for fewer frames (--frames) or a smaller size (--size), or use --device cpu."
                ) from None
            torch.cuda.empty_cache()
            most = (len(batch) + 1) // 2
            continue
        yield batch, sampled
        at += len(batch)


def _shown(video: Video) -> Video:
    """The pictures of a video that a sheet shows; the others need not be kept."""
    return video[np.unique(np.linspace(0, len(video) - 1, min(SHOWN, len(video))).round().astype(int))]


def _played(path: Path, shape: Shape) -> Video:
    from facevid.media import VideoReader

    with VideoReader(path, fps=shape.fps) as reader:
        return np.stack([frame.image for frame in reader])
