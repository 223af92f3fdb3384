"""Whether a model's videos show what their prompts say, and the person of the picture they start from.

    python benchmarks/follow.py MODEL DATASET [--samples 200] [--pairs 100] [-o follow]

MODEL is a folder that `facevid train` made, DATASET the annotated dataset that it was trained on, or another one.

Text: a probe is trained on real clips at the model's size, plain and behind the model's autoencoder; how well it reads
people whom it never saw is measured, plain and behind the autoencoder. Then SAMPLES prompts ask for every value of hair
colour, glasses, skin tone (groups of the Monk scale) and light (its ends) equally often, worded by the grammar of
captions, and the probe reads the videos. To pass, each attribute is read right 20 points more often than chance, 1 /
number of values.

Picture: PAIRS first pictures of held-out people are given; a video follows its picture where the face in its first and
in its last frame are both nearer to that picture than to the picture of somebody else. To pass, .95 do. The same is
counted for the real clips and for them behind the autoencoder: no model is expected to do better. Since a still picture
would follow too, the report also says how far last frames are from first ones ("motion"), of all three.

Written to the output folder: follow.json, text.png and image.png (samples with what they were given), samples.npz.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from follow_faces import FaceReader, Pair, followed, partners
from follow_probe import Examples, held_out, train_probe
from follow_prompts import ASKED, prompts, value_of, values_met
from follow_score import score
from follow_sheet import write_image_sheet, write_text_sheet

import facevid
from facevid.dataset import Dataset
from facevid.generate.data.reading import PixelReader
from facevid.generate.data.windows import windows_of
from facevid.generate.families.family import Family, Request, Video
from facevid.generate.families.loading import load_family
from facevid.generate.recipe import Bucket, Data, TrainRecipe, read_recipe, usual_bucket
from facevid.generate.shapes import usual_shape
from facevid.generate.training.parts import parts_of

ABOVE_CHANCE, FOLLOWED = 0.20, 0.95
_LOOKS = 4
"""Frames of a video that the probe sees."""


def main() -> None:
    arguments = _arguments()
    begun = time.monotonic()
    torch.set_num_threads(arguments.threads)
    facts = json.loads((arguments.model / "facevid.json").read_text())
    recipe = read_recipe(facts["recipe"])
    data = recipe.data
    bucket = usual_bucket(data.buckets)
    usual = usual_shape(facts)
    assert usual is not None
    for name in ("steps", "guidance", "temperature", "strength"):
        if getattr(arguments, name) is None:
            setattr(arguments, name, getattr(usual, name))
    family = load_family(arguments.model)
    family.to(arguments.device)
    dataset = facevid.open(arguments.dataset)
    arguments.output.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {
        "model": str(arguments.model), "recipe": facts.get("recipe_name"), "step": facts.get("step"),
        "dataset": dataset.name, "size": [bucket.frames, bucket.height, bucket.width], "fps": data.fps,
        "sampling": {
            name: getattr(arguments, name) for name in ("steps", "guidance", "temperature", "strength", "seed")
        },
    }  # fmt: skip
    try:
        if arguments.samples and "t2v" in family.modes:
            report["text"] = follow_text(family, dataset, data, bucket, arguments)
        if arguments.pairs and "i2v" in family.modes:
            held = held_out_clips(dataset, recipe, facts, arguments)
            report["image"] = follow_image(family, held, data, bucket, arguments)
    finally:
        report["seconds"] = round(time.monotonic() - begun)
        (arguments.output / "follow.json").write_text(json.dumps(report, indent=1) + "\n")
    _print(report)


# --- text ---


def follow_text(
    family: Family, dataset: Dataset, data: Data, bucket: Bucket, arguments: argparse.Namespace
) -> dict[str, Any]:
    """What a probe reads off real clips of people it does not know, and off videos of prompts."""
    table = dataset.rows(["clip_id", "identity", "attributes", "actions"]).to_pylist()
    rows, videos = _windows(dataset, data, bucket, each=1)
    people = [str(table[r]["identity"] or table[r]["clip_id"]) for r in rows]
    labels = {name: [value_of(name, table[r]["attributes"]) for r in rows] for name in ASKED}
    values = values_met(labels, people, arguments.least)
    for name, known in values.items():  # rarer values are neither learnt nor asked for
        labels[name] = [v if v in known else None for v in labels[name]]
    plain = np.stack([_looks(v) for v in videos])
    coded = np.stack([_looks(v) for v in reconstructed(family, videos)])
    # Half of what it learns from is behind the autoencoder, since no sample is ever sharper than that.
    examples = Examples(np.concatenate([plain[:, ::2], coded[:, ::2]], axis=1), people, labels)
    settings = {"epochs": arguments.epochs, "seed": arguments.seed, "device": arguments.device}
    told = held_out(examples, values, shown={"real": plain, "autoencoder": coded}, **settings)
    probe = train_probe(examples, values, **settings)

    clips = [(row["attributes"] or {}, row["actions"] or []) for row in table]
    asked = prompts(
        clips, values, count=arguments.samples, length=arguments.length, seed=arguments.seed,
        duration_s=bucket.frames / data.fps,
    )  # fmt: skip
    made = list(_sampled(family, data, bucket, [p.text for p in asked], None, arguments))
    np.savez_compressed(
        arguments.output / "samples.npz", videos=np.stack(made), prompts=[p.text for p in asked]
    )
    read = probe.told(np.stack([_looks(v) for v in made]), arguments.device)
    found: dict[str, Any] = {"people": len(set(people)), "clips": len({*rows}), "prompts": arguments.length}
    for name, known in values.items():
        result = score([p.asked[name] for p in asked], read[name], known)
        result["passes"] = result["accuracy"] >= result["chance"] + ABOVE_CHANCE
        result["probe"] = {
            kind: score(labels[name], by[name], known)["accuracy"] for kind, by in told.items()
        }
        found[name] = result
    write_text_sheet(arguments.output / "text.png", made, asked, read)
    return found


def reconstructed(family: Family, videos: Sequence[Video]) -> list[Video]:
    """The videos behind the model's autoencoder."""
    device = next(iter(family.parts["vae"].parameters())).device
    made = []
    for video in videos:
        pixels = torch.from_numpy(np.ascontiguousarray(video)).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
        with torch.no_grad():
            back = family.decode(family.encode(pixels.to(device)))[0].permute(1, 2, 3, 0)
        made.append(((back.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu().numpy())
    return made


# --- picture ---


def follow_image(
    family: Family, held: Dataset, data: Data, bucket: Bucket, arguments: argparse.Namespace
) -> dict[str, Any]:
    """How many videos show the person of the picture they start from, and not somebody else."""
    reader = FaceReader()
    table = held.rows(["clip_id", "identity", "captions"]).to_pylist()
    rows, videos = _windows(held, data, bucket, each=-(-arguments.pairs // max(1, len(table))))
    order = np.random.default_rng([arguments.seed, 8103]).permutation(len(rows))
    given, real, people, said, unseen = [], [], [], [], 0
    for k in order:
        if len(given) == arguments.pairs:
            break
        vector = reader.embed(videos[k][0])
        if vector is None:
            unseen += 1
            continue
        row = table[rows[k]]
        given.append(vector)
        real.append(videos[k])
        people.append(str(row["identity"] or row["clip_id"]))
        said.append(_caption(row["captions"]) if arguments.picture_prompt == "own" else "")
    other = partners(people, arguments.seed)
    pictures = [video[0] for video in real]
    made = list(_sampled(family, data, bucket, said, pictures, arguments))
    shown = {"real": real, "autoencoder": reconstructed(family, real), "model": made}
    found: dict[str, Any] = {
        "people": len(set(people)),
        "no_face_in_picture": unseen,
        "prompts": arguments.picture_prompt,
    }
    for kind, some in shown.items():
        pairs = [
            Pair(given[k], given[other[k]], reader.embed(video[0]), reader.embed(video[-1]))
            for k, video in enumerate(some)
        ]
        found[kind] = followed(pairs) | {"motion": motion(some)}
    found["passes"] = found["model"]["followed"] >= FOLLOWED
    write_image_sheet(
        arguments.output / "image.png",
        pictures,
        made,
        [pictures[k] for k in other],
        [p.followed for p in pairs],
    )
    return found


def motion(videos: Sequence[Video]) -> float:
    """How far the last frames are from the first, mean absolute difference of values of 0 to 255."""
    return round(
        float(np.mean([np.abs(v[-1].astype(np.float32) - v[0].astype(np.float32)).mean() for v in videos])), 2
    )


def held_out_clips(
    dataset: Dataset, recipe: TrainRecipe, facts: Mapping[str, Any], arguments: Any
) -> Dataset:
    """The clips of people whom the model was not trained on: those that its training held out, or those named."""
    if arguments.held_out is not None:
        return dataset.subset(arguments.held_out)
    about = facts["data"]
    parts, _ = parts_of(
        dataset, recipe, where=arguments.where, subset=about.get("subset"), split=about.get("split")
    )
    found = parts[1]
    if len(found) != about["validation_clips"]:
        raise SystemExit(
            f"The training of {arguments.model} held out {about['validation_clips']} clips, and {len(found)} are held "
            f"out of {dataset.location} by its recipe: it is another dataset, or was trained with --where. Give the "
            "same --where, or name a saved subset of people it was not trained on: --held-out."
        )
    return found


# --- clips and samples ---


def _windows(dataset: Dataset, data: Data, bucket: Bucket, *, each: int) -> tuple[list[int], list[Video]]:
    """Up to `each` windows of every clip that is long enough: the clip's number, and its frames."""
    wanted = data.model_copy(update={"buckets": [bucket], "windows": each})
    windows = windows_of(dataset, wanted, captions=False)
    reader = PixelReader(windows)
    return [int(r) for r in windows.row], [
        np.ascontiguousarray(reader.read(k).transpose(0, 2, 3, 1)) for k in range(len(windows))
    ]


def _looks(video: Video) -> Video:
    """A few frames of a video, evenly spread."""
    return video[np.linspace(0, len(video) - 1, _LOOKS).round().astype(int)]


def _sampled(
    family: Family,
    data: Data,
    bucket: Bucket,
    texts: Sequence[str],
    pictures: Sequence[Video] | None,
    arguments: argparse.Namespace,
) -> Iterator[Video]:
    begun = time.monotonic()
    for first in range(0, len(texts), arguments.batch):
        some = range(first, min(first + arguments.batch, len(texts)))
        yield from family.sample(
            Request(
                prompts=[texts[k] for k in some],
                frames=bucket.frames,
                height=bucket.height,
                width=bucket.width,
                fps=data.fps,
                seeds=[arguments.seed * 1_000_003 + k for k in some],
                images=None if pictures is None else [pictures[k] for k in some],
                steps=arguments.steps,
                guidance=arguments.guidance,
                temperature=arguments.temperature,
                strength=arguments.strength,
            )
        )
        print(f"{some.stop} of {len(texts)} videos, {time.monotonic() - begun:.0f} s", flush=True)


def _caption(captions: Sequence[Mapping[str, Any]] | None) -> str:
    by_length = {c["length"]: c["text"] for c in reversed(captions or [])}
    return str(by_length.get("medium") or next(iter(by_length.values()), ""))


def _print(report: Mapping[str, Any]) -> None:
    for name, found in report.get("text", {}).items():
        if isinstance(found, dict):
            low, high = found["interval"]
            print(
                f"{name:16} {found['accuracy']:.3f} ({low:.3f} to {high:.3f}, chance {found['chance']:.3f})  "
                f"{'passes' if found['passes'] else 'FAILS'}; the probe reads real clips {found['probe']['real']:.3f}, "
                f"behind the autoencoder {found['probe']['autoencoder']:.3f}"
            )
    if image := report.get("image"):
        for kind in ("real", "autoencoder", "model"):
            print(f"picture, {kind:12} {image[kind]}")
        print("picture", "passes" if image["passes"] else "FAILS")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("dataset")
    parser.add_argument("-o", "--output", type=Path, default=Path("follow"))
    parser.add_argument("--samples", type=int, default=200, help="prompts; 0 leaves text out")
    parser.add_argument("--pairs", type=int, default=100, help="pictures; 0 leaves them out")
    parser.add_argument(
        "--length", choices=("medium", "long"), default="long", help="of the prompts, as captions have it"
    )
    parser.add_argument(
        "--picture-prompt",
        choices=("none", "own"),
        default="none",
        help="beside a picture: its clip's caption",
    )
    parser.add_argument("--where", help="the one that the model was trained with, if any")
    parser.add_argument(
        "--held-out", help="saved subset of people whom it was not trained on; else the training's own"
    )
    parser.add_argument(
        "--least", type=int, default=3, help="people who must have a value for it to be asked for"
    )
    parser.add_argument("--epochs", type=int, default=30, help="of the probe")
    for name, kind in (
        ("--steps", int), ("--guidance", float), ("--temperature", float), ("--strength", float),
    ):  # fmt: skip
        parser.add_argument(name, type=kind, help="of sampling; else as the model's recipe has it")
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


if __name__ == "__main__":
    main()
