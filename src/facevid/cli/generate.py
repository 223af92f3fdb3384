"""`facevid generate`: videos from a trained model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from facevid.cli.endings import OK
from facevid.cli.progress import ProgressDisplay
from facevid.cli.steps import Json


def generate(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Folder that `facevid train` or diffusers made, or a hub id.",
            show_default=False,
        ),
    ],
    *,
    prompt: Annotated[
        list[str] | None,
        typer.Option("--prompt", metavar="TEXT", help="What is to be seen; may be given several times."),
    ] = None,
    prompts: Annotated[
        Path | None, typer.Option("--prompts", metavar="FILE", help="Text file with a prompt a line.")
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option("--image", metavar="PICTURE", help="The first picture; it is cut to its face."),
    ] = None,
    unconditional: Annotated[
        bool, typer.Option("--unconditional", help="Make videos without a prompt.")
    ] = False,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="OUT",
            help="An .mp4, or a folder for several.",
            show_default=False,
        ),
    ],
    seed: Annotated[
        int,
        typer.Option("--seed", metavar="N", min=0, help="Seed of the first video; the next has the next."),
    ] = 0,
    count: Annotated[
        int, typer.Option("--count", metavar="N", min=1, help="How many videos of each prompt.")
    ] = 1,
    frames: Annotated[
        int | None, typer.Option("--frames", metavar="N", help="Frames of a video; else as trained.")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option("--size", metavar="WxH", help="Pixels, or one side of a square; else as trained."),
    ] = None,
    fps: Annotated[
        float | None, typer.Option("--fps", metavar="N", help="Frames a second; else as trained.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", metavar="N", help="Steps of sampling; more take longer.")
    ] = None,
    guidance: Annotated[
        float | None,
        typer.Option("--guidance", metavar="G", help="How closely the prompt is followed; 1 is no guidance."),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            "--temperature",
            metavar="T",
            help="Deviation of the noise at the beginning; below 1 videos vary and break less.",
        ),
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(
            "--strength",
            metavar="S",
            help="With --image: how much noise covers copies of it at the beginning; below 1 videos keep to it.",
        ),
    ] = None,
    no_crop: Annotated[
        bool, typer.Option("--no-crop", help="Take the picture as it is instead of cutting it to its face.")
    ] = False,
    sheet: Annotated[
        Path | None,
        typer.Option("--sheet", metavar="PNG", help="Also write one picture with frames of every video."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace videos that another request made.")
    ] = False,
    device: Annotated[
        str | None,
        typer.Option("--device", metavar="D", help="cpu, cuda or cuda:N; else a GPU if there is one."),
    ] = None,
    as_json: Json = False,
) -> int:
    """Make videos with a model: from text, from a picture, or from neither."""
    import facevid
    from facevid.generate.errors import GenerateError

    if prompt and prompts:
        raise GenerateError("--prompt and --prompts exclude each other. Leave one out.")
    with ProgressDisplay(quiet=as_json) as display:
        made = facevid.generate(
            model,
            (prompt[0] if len(prompt) == 1 else prompt) if prompt else prompts,
            image=image,
            unconditional=unconditional,
            seed=seed,
            count=count,
            frames=frames,
            size=size,
            fps=fps,
            steps=steps,
            guidance=guidance,
            temperature=temperature,
            strength=strength,
            crop=not no_crop,
            output=output,
            sheet=sheet,
            overwrite=overwrite,
            device=device,
            on_progress=display.counting("generate"),
        ).to_dict()
    if as_json:
        typer.echo(json.dumps(made, ensure_ascii=False))
        return OK
    for line in _lines(made):
        typer.echo(line)
    return OK


def _lines(made: dict[str, Any]) -> list[str]:
    videos, shape = made["videos"], made["shape"]
    what = f"{shape['frames']} frames of {shape['width']}x{shape['height']} at {shape['fps']:g} fps"
    reused = sum(video["reused"] for video in videos)
    new = len(videos) - reused
    lines = list(made["notes"])
    if reused:
        lines.append(f"{reused} of {len(videos)} videos were there already, made by the same request.")
    if new == 1 and len(videos) == 1:
        lines.append(
            f"Made {videos[0]['path']}: {what}, seed {videos[0]['seed']}, in {made['seconds']:.1f} s."
        )
    elif new:
        folder = Path(videos[0]["path"]).parent
        lines.append(f"Made {new} videos in {folder}: {what} each, in {made['seconds']:.1f} s.")
    if made["sheet"]:
        lines.append(f"Wrote {made['sheet']}.")
    return lines
