"""The section of a model's card that shows how to use it, with diffusers and with facevid: code that runs as it is."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facevid.generate.model_folder import INDEX
from facevid.generate.shapes import usual_shape

_PROMPT = "A young woman with long black hair smiles and nods."


def how_to_use(folder: Path, facts: Mapping[str, Any]) -> str:
    """Code for whoever stands in the model's folder. folder: with its model_index.json, or config.json."""
    if facts.get("kind") == "autoencoder":
        return _of_autoencoder(folder)
    if facts.get("kind") == "text":
        return _of_text(facts)
    arguments = _arguments(_class_name(folder / INDEX), facts)
    shape = usual_shape(facts)
    begun = ""
    if shape and shape.temperature != 1:
        begun += (
            f"\nfacevid begins with noise of deviation {shape.temperature:g}, as its record says; pipelines of "
            "diffusers take such noise as `latents`, and begin with 1 where they are given none.\n"
        )
    if shape and shape.strength != 1:
        begun += (
            f"\nWith a picture facevid begins from copies of it under {shape.strength:g} of the noise (`--strength`); "
            "diffusers begins with noise alone, so its videos move more and keep less to their picture.\n"
        )
    fps = f", fps={shape.fps:g}" if shape else ""
    prompt = _PROMPT if "t2v" in (facts.get("modes") or ["t2v"]) else ""
    asked = f'--prompt "{prompt}"' if prompt else "--unconditional"
    picture = f"facevid generate . {asked} --image face.jpg -o from-picture.mp4\n"
    return f"""## How to use it

In this folder, with diffusers:

```python
import torch
from diffusers import DiffusionPipeline
from diffusers.utils import export_to_video

pipeline = DiffusionPipeline.from_pretrained(".")
generator = torch.Generator().manual_seed(0)
made = pipeline(
    {json.dumps(prompt)},
{"".join(f"    {name}={value!r},{chr(10)}" for name, value in arguments.items())}    generator=generator,
)
export_to_video(made.frames[0], "out.mp4"{fps})
```
{begun}
With facevid, which also writes down how to make the same video again:

```bash
facevid generate . {asked} -o out.mp4
{picture if "i2v" in (facts.get("modes") or []) else ""}```
"""


def _arguments(pipeline: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What the model was trained with, by the names that the pipeline's class has for it."""
    import diffusers

    shape = usual_shape(facts)
    taken = inspect.signature(getattr(diffusers, pipeline).__call__).parameters
    if shape is None:
        return {}
    config = ((facts.get("recipe") or {}).get("model") or {}).get("config") or {}
    wanted = {
        "height": shape.height,
        "width": shape.width,
        "num_frames": shape.frames,
        "video_length": shape.frames,
        "frame_rate": shape.fps,
        "num_inference_steps": shape.steps,
        "guidance_scale": shape.guidance,
        "max_sequence_length": config.get("text_length"),
    }
    return {name: value for name, value in wanted.items() if value is not None and name in taken}


def _of_autoencoder(folder: Path) -> str:
    inside = not (folder / "config.json").is_file()
    name = _class_name(folder / ("vae/config.json" if inside else "config.json"))
    return f"""## How to use it

In this folder, with diffusers:

```python
import torch
from diffusers import {name}

autoencoder = {name}.from_pretrained("."{', subfolder="vae"' if inside else ""})
video = torch.rand(1, 3, 9, 64, 64) * 2 - 1  # (batch, colours, frames, height, width) in [-1, 1]
latents = autoencoder.encode(video).latent_dist.mode()
```

With facevid: name this folder as `model.autoencoder` in the recipe of a model, and run `facevid train`.
"""


def _of_text(facts: Mapping[str, Any]) -> str:
    length = facts["recipe"]["text"]["length"]
    return f"""## How to use it

In this folder, with transformers:

```python
import torch
from transformers import AutoTokenizer, T5EncoderModel

tokenizer = AutoTokenizer.from_pretrained(".")
encoder = T5EncoderModel.from_pretrained(".")
# It was trained on captions that are padded to {length} tokens, and sees the padding.
asked = {{"padding": "max_length", "truncation": True, "max_length": {length}, "return_tensors": "pt"}}
ids = tokenizer(["{_PROMPT}"], **asked).input_ids
with torch.no_grad():
    features = encoder(ids)[0]  # (captions, tokens, channels)
```

With facevid: `facevid train RECIPE --data DATASET --autoencoder AUTOENCODER --text .` trains a model that reads by it.
"""


def _class_name(index: Path) -> str:
    return str(json.loads(index.read_text(encoding="utf-8"))["_class_name"])
