"""CLIP score: how well the frames of a video show what its prompt says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from facevid.backends.errors import import_part
from facevid.bench.errors import BenchError
from facevid.bench.learned.computing import (
    Floats,
    Video,
    check_video,
    device_of,
    import_torch,
    running,
    vectors,
)
from facevid.bench.learned.files import Needed, find, weights_sha256
from facevid.bench.measures.metric import Metric

CLIP_B32 = Needed(
    "clip-vit-base-patch32", "https://huggingface.co/openai/clip-vit-base-patch32", is_folder=True
)
CLIP_L14 = Needed(
    "clip-vit-large-patch14", "https://huggingface.co/openai/clip-vit-large-patch14", is_folder=True
)

MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of red, green and blue, values from 0 to 1, as CLIP was trained (Radford et al. 2021, the code that came with it)."""

_NAMES = {CLIP_B32.name: "clip_b32", CLIP_L14.name: "clip_l14"}
_FRAMES = 32
"""Frames that are in the network at once."""


class ClipScore:
    """100 x the mean over all frames of the cosine between CLIP's vectors of frame and prompt (Radford et al. 2021).

    Not clipped at 0 and not Hessel et al.'s CLIPScore (2021), which is 2.5 x max(cosine, 0) of one picture and a text
    that begins "A photo depicts". needed: the backbone, looked for by `files.find`; path: a folder of transformers'
    CLIPModel and its tokenizer instead. threads: of the CPU. Raises BenchError where it is missing, lacks weights or a
    tokenizer, BackendError without torch or transformers.
    """

    frames = 1

    def __init__(
        self, needed: Needed = CLIP_B32, *, path: Path | None = None, device: str = "cpu", threads: int = 1
    ) -> None:
        import_torch("the CLIP score")
        self._path, self._threads = find(needed) if path is None else path, threads
        self._device = device_of(device)
        self.backbone = self._path.name
        self._model, self._tokenizer = _read(self._path)
        self._model = self._model.to(self._device)
        self._size = int(self._model.config.vision_config.image_size)
        self.tokens = int(self._model.config.text_config.max_position_embeddings)
        self.dimensions = int(self._model.config.projection_dim)
        self.version = weights_sha256(self._path)
        self.name = _NAMES.get(self.backbone, f"clip_{self.backbone}")
        self.about = (
            f"100 x mean cosine of the vectors that CLIP ({self.backbone}) gives to the prompt and to every frame: the "
            f"shorter side resized to {self._size} (bicubic, smoothed), the middle cut out, normalised as CLIP was "
            f"trained; of a prompt the first {self.tokens} tokens count."
        )

    @property
    def metric(self) -> Metric:
        """The score as a column of videos.parquet, with the backbone in its name: scores of two are not comparable."""
        return Metric(self.name, f"prompt and frames ({self.backbone})", "of 100", "higher", self.about)

    def score(self, video: Video, prompt: str) -> float:
        """From -100 to 100, of a video (T, H, W, 3) of any length; raises BenchError as `features` and `text` do."""
        return 100 * float(self.features(video).astype(float) @ self.text(prompt).astype(float))

    def features(self, video: Video) -> Floats:
        """Mean (d,) of the unit vectors of a video's frames: its product with `text` of a prompt is the mean cosine.

        Raises BenchError for anything but uint8 (T, H, W, 3).
        """
        check_video(video, "the CLIP score")
        total: Any = 0
        for start in range(0, len(video), _FRAMES):
            with running(self._threads):
                pictures = self._pictures(video[start : start + _FRAMES])
                seen = self._model.vision_model(pixel_values=pictures).pooler_output
                total = total + _unit(self._model.visual_projection(seen)).sum(dim=0)
        return np.asarray(vectors(total[None] / len(video), (1, self.dimensions), self._path)[0], np.float32)

    def text(self, prompt: str) -> Floats:
        """The unit vector (d,) of a prompt; raises BenchError for an empty one."""
        if not prompt.strip():
            raise BenchError(
                "the CLIP score was given an empty prompt; leave out videos that were made without one."
            )
        with running(self._threads):
            words = self._tokenizer(prompt, truncation=True, max_length=self.tokens, return_tensors="pt")
            read = self._model.text_model(
                input_ids=words["input_ids"].to(self._device),
                attention_mask=words["attention_mask"].to(self._device),
            )
            found = _unit(self._model.text_projection(read.pooler_output))
        return np.asarray(vectors(found, (1, self.dimensions), self._path)[0], np.float32)

    def _pictures(self, frames: Video) -> Any:
        """Normalised float32 (n, 3, size, size)."""
        import torch
        from torch.nn.functional import interpolate

        pixels = torch.from_numpy(frames.transpose(0, 3, 1, 2).copy())
        size, height, width = self._size, frames.shape[1], frames.shape[2]
        short = min(height, width)
        to = (int(size * height / short), int(size * width / short))
        # In uint8 on the CPU this is Pillow's bicubic, with which CLIP was trained, to the rounding.
        pixels = interpolate(pixels, size=to, mode="bicubic", align_corners=False, antialias=True)
        top, left = ((side - size) // 2 for side in to)
        pixels = pixels[:, :, top : top + size, left : left + size].to(self._device).float() / 255
        mean, deviation = (torch.tensor(v, device=self._device)[:, None, None] for v in (MEAN, DEVIATION))
        return (pixels - mean) / deviation


def _unit(x: Any) -> Any:
    return x / x.norm(dim=-1, keepdim=True)


def _read(folder: Path) -> tuple[Any, Any]:
    """Model and tokenizer of a folder, with nothing made up for what it lacks."""
    transformers = import_part(
        "transformers", package="transformers", used_for="the CLIP score", install="'facevid[generate]'"
    )
    words = {"tokenizer.json"}, {"vocab.json", "merges.txt"}
    if not any(all((folder / name).is_file() for name in some) for some in words):
        raise BenchError(
            f"{folder} holds no tokenizer: it lacks tokenizer.json, or vocab.json and merges.txt; fetch all its files."
        )
    try:
        with _without_bars(transformers):
            model, about = transformers.CLIPModel.from_pretrained(
                folder, local_files_only=True, output_loading_info=True
            )
            tokenizer = transformers.CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise BenchError(
            f"{folder} is no CLIP model that transformers reads ({error}); fetch it again."
        ) from error
    missing = sorted(about["missing_keys"])
    if missing:
        raise BenchError(
            f"{folder} lacks {len(missing)} weights of a CLIP model, such as {missing[0]}; fetch it again."
        )
    return model.float().eval(), tokenizer


@contextmanager
def _without_bars(transformers: Any) -> Iterator[None]:
    log = transformers.utils.logging
    shown = log.is_progress_bar_enabled()
    log.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            log.enable_progress_bar()
