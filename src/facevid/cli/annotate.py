"""`facevid annotate`: attributes, actions and captions for every clip of a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from facevid.cli.progress import ProgressDisplay
from facevid.cli.steps import (
    Address,
    DatasetPlace,
    DryRun,
    Executor,
    Json,
    RecipeOption,
    RetryFailed,
    Workers,
    finish,
)
from facevid.cli.summary import print_step

Faces = Annotated[
    str | None,
    typer.Option(
        "--faces", metavar="BACKEND", help="Also ask a model for age, gender, ethnicity, emotion: uniface."
    ),
]
Transcribe = Annotated[
    str | None,
    typer.Option(
        "--transcribe", metavar="SIZE", help="Also write down the speech: size of the Whisper model."
    ),
]
Vlm = Annotated[
    str | None,
    typer.Option(
        "--vlm", metavar="URL", help="Also ask a vision-language model: base of an OpenAI-compatible API."
    ),
]
VlmModel = Annotated[str | None, typer.Option("--vlm-model", metavar="NAME", help="The model's name there.")]
VlmKey = Annotated[
    str, typer.Option("--vlm-key-env", metavar="VARIABLE", help="Environment variable that holds the key.")
]
VlmFrames = Annotated[
    int, typer.Option("--vlm-frames", metavar="N", min=1, help="Pictures it gets of a clip.")
]
VlmConcurrency = Annotated[
    int, typer.Option("--vlm-concurrency", metavar="N", min=1, help="Requests at a time.")
]
VlmRate = Annotated[
    float | None,
    typer.Option("--vlm-rate", metavar="N", help="Requests a minute at most. Default: no limit."),
]
VlmPrice = Annotated[
    tuple[float, float] | None,
    typer.Option(
        "--vlm-price", metavar="IN OUT", help="Price of a million tokens in and out, for --dry-run."
    ),
]


def annotate(
    dataset: DatasetPlace,
    *,
    recipe: RecipeOption = None,
    workers: Workers = None,
    executor: Executor = "local",
    address: Address = None,
    dry_run: DryRun = False,
    retry_failed: RetryFailed = False,
    faces: Faces = None,
    transcribe: Transcribe = None,
    vlm: Vlm = None,
    vlm_model: VlmModel = None,
    vlm_key_env: VlmKey = "OPENAI_API_KEY",
    vlm_frames: VlmFrames = 4,
    vlm_concurrency: VlmConcurrency = 4,
    vlm_rate: VlmRate = None,
    vlm_price: VlmPrice = None,
    as_json: Json = False,
) -> int:
    """Say what can be seen and heard in every clip: attributes, actions, captions, each with who says so."""
    from facevid import backends
    from facevid.annotate import annotate as annotate_dataset
    from facevid.annotate.vlm import VlmSettings

    if (vlm is None) != (vlm_model is None):
        raise typer.BadParameter(
            "--vlm and --vlm-model go together: where the endpoint is, and which model of it."
        )
    prices = vlm_price or (None, None)
    captioner = (
        VlmSettings(
            url=vlm,
            model=vlm_model,
            api_key_env=vlm_key_env,
            frames=vlm_frames,
            concurrency=vlm_concurrency,
            requests_per_minute=vlm_rate,
            price_per_million_input=prices[0],
            price_per_million_output=prices[1],
        )
        if vlm is not None and vlm_model is not None
        else None
    )
    with ProgressDisplay(quiet=as_json) as display:
        summary = annotate_dataset(
            dataset,
            recipe=recipe,
            workers=workers,
            executor=executor,
            address=address,
            dry_run=dry_run,
            retry_failed=retry_failed,
            face_attributes=backends.load("face_attributes", faces) if faces and not dry_run else None,
            speech_recognizer=(
                backends.load("speech_recognizer", "faster-whisper", size=transcribe)
                if transcribe and not dry_run
                else None
            ),
            captioner=captioner,
            on_progress=display.update,
        )
    return finish(summary, as_json=as_json, show=_show)


def _show(summary: Mapping[str, Any]) -> None:
    print_step(summary)
    total = summary["total"]
    if summary["answered"]:
        shares = [f"{name} {count / total:.0%}" for name, count in summary["answered"].items()]
        typer.echo("Share of clips with an answer: " + ", ".join(shares) + ".")
