"""Speech recognition by Whisper models in CTranslate2's format, run by faster-whisper."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from .errors import BackendError, import_part, package_version
from .protocols import Floats, Spoken, Transcript
from .weights import cache_folder, weights_tag

RATE = 16_000
USED_FOR = "the speech recognizer (faster-whisper)"
# Without tokenizer.json faster-whisper would fetch one by itself.
NEEDED = ("config.json", "model.bin", "tokenizer.json", "vocabulary.*")


class FasterWhisperRecognizer:
    """Whisper, one recording at a time; the same sound gives the same text on one machine.

    size: "tiny", "base", "small", "medium", "large-v3", "turbo", ... . The model is the folder
    faster-whisper-<size> in FACEVID_MODELS, else in the cache; only with download=True it is fetched from its home on
    the Hugging Face Hub. language: code such as "en", None to detect it. device: "cpu" or "cuda". Raises
    BackendError naming the missing files when there is no model. Where it fails: Whisper can invent words over music
    and noise (stretches that Silero VAD hears no speech in are left out first), its times are good to some tenths of a
    second, and it does not tell speakers apart.
    """

    name = "faster-whisper"

    def __init__(
        self,
        *,
        threads: int = 1,
        size: str = "base",
        language: str | None = None,
        device: str = "cpu",
        compute_type: str = "default",
        vad: bool = True,
        download: bool = False,
    ) -> None:
        package = import_part(
            "faster_whisper", package="faster-whisper", used_for=USED_FOR, install="'facevid[models]'"
        )
        folder = _model_folder(size, package if download else None)
        try:
            self._model: Any = package.WhisperModel(
                str(folder),
                device=device,
                compute_type=compute_type,
                cpu_threads=threads,
                local_files_only=True,
            )
        except (RuntimeError, ValueError) as error:
            raise BackendError(
                f"The Whisper model in {folder} does not load on {device} ({error}); "
                "replace its files, or choose another device or compute_type."
            ) from error
        known = self._model.supported_languages
        if language is not None and language not in known:
            raise BackendError(
                f"The Whisper model {size} does not know the language {language!r}; it knows: {', '.join(known)}."
            )
        self._language, self._vad = language, vad
        tag = weights_tag(folder / "model.bin")
        self.version = f"faster-whisper {package_version('faster-whisper')} {size} weights {tag}"

    def transcribe(self, samples: Floats) -> Transcript:
        """(n,) float32 samples at 16 kHz in [-1, 1] to text with times.

        confidence: exp of the mean log-probability of the words' tokens, by the segments' length: their geometric
        mean probability. Sound without speech gives an empty text with confidence 0, and
        an empty language where none was given.
        """
        if samples.ndim != 1:
            raise BackendError(f"Sound must be mono, shape (n,), not {samples.shape}.")
        if not len(samples):
            return Transcript("", self._language or "", 0.0, 0.0)
        # One temperature: the fallback to higher ones draws at random.
        found, info = self._model.transcribe(
            samples.astype(np.float32, copy=False),
            language=self._language,
            temperature=0.0,
            condition_on_previous_text=False,
            vad_filter=self._vad,
        )
        seconds = len(samples) / RATE
        # Whisper looks at windows of 30 s and may end a segment in the silence it fills them up with.
        spoken = tuple(
            Spoken(
                float(s.start), min(float(s.end), seconds), s.text.strip(), min(math.exp(s.avg_logprob), 1.0)
            )
            for s in found
            if s.text.strip() and s.start < seconds
        )
        if not spoken:
            return Transcript("", self._language or "", 0.0, 0.0)
        lengths = np.array([max(s.end_s - s.start_s, 0.01) for s in spoken])
        logs = np.log([max(s.confidence, 1e-9) for s in spoken])
        return Transcript(
            text=" ".join(s.text for s in spoken),
            language=info.language,
            language_confidence=float(info.language_probability),
            confidence=float(np.exp(lengths @ logs / lengths.sum())),
            segments=spoken,
        )


def _model_folder(size: str, downloader: Any) -> Path:
    """The folder of a whole model, fetched with the package `downloader` where that is given."""
    name = f"faster-whisper-{size}"
    given = os.environ.get("FACEVID_MODELS")
    own = Path(given) / name if given else None
    if own is not None and own.is_dir():
        missing = _missing(own)
        if missing:
            raise BackendError(f"The Whisper model {own} lacks {', '.join(missing)}; add what is missing.")
        return own
    cached = cache_folder() / name
    if not _missing(cached):
        return cached
    put = f"put {', '.join(NEEDED)} into a folder {name} and set FACEVID_MODELS to the folder that holds it"
    if downloader is None:
        raise BackendError(
            f"The Whisper model {size} is not on this machine; {put}, or allow its download with download=True "
            f"(facevid does not fetch it unasked)."
        )
    try:
        downloader.download_model(size, output_dir=str(cached))
    except (OSError, ValueError) as error:
        raise BackendError(f"The Whisper model {size} could not be fetched ({error}); {put}.") from error
    missing = _missing(cached)
    if missing:
        raise BackendError(f"The Whisper model fetched into {cached} lacks {', '.join(missing)}; {put}.")
    return cached


def _missing(folder: Path) -> list[str]:
    return [pattern for pattern in NEEDED if not any(folder.glob(pattern))]
