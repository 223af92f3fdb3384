"""Speech recognition: what it makes of what faster-whisper returns, and what it says without a model.

Where faster-whisper is installed it also runs on a Whisper model of one layer with random weights, made here.
"""

from __future__ import annotations

import importlib.util
import struct
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from facevid import backends

HAVE_WHISPER = importlib.util.find_spec("faster_whisper") is not None


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty models folder and an empty cache."""
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("FACEVID_MODELS", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


class WhisperStandIn:
    """A module with the names of faster_whisper: it hears two segments wherever there is sound."""

    def __init__(self) -> None:
        self.made: dict[str, Any] = {}
        self.asked: dict[str, Any] = {}
        self.fetched: list[str] = []
        outer = self

        class WhisperModel:
            supported_languages = ("en", "de")

            def __init__(self, path: str, **options: Any) -> None:
                if (Path(path) / "model.bin").read_bytes() == b"broken":
                    raise RuntimeError("File model.bin is incomplete")
                outer.made = {"path": path, **options}

            def transcribe(self, samples: Any, **options: Any) -> Any:
                outer.asked = options
                info = SimpleNamespace(language=options["language"] or "de", language_probability=0.75)
                if not np.abs(samples).max() > 0:
                    return iter(()), info
                segments = [
                    SimpleNamespace(start=0.0, end=1.0, text=" Hello there.", avg_logprob=np.log(0.9)),
                    SimpleNamespace(start=1.0, end=1.2, text="  ", avg_logprob=np.log(0.1)),
                    SimpleNamespace(start=1.5, end=4.5, text=" How are you?", avg_logprob=np.log(0.5)),
                ]
                return iter(segments), info

        self.WhisperModel = WhisperModel

    def download_model(self, size: str, output_dir: str) -> None:
        if size == "huge":
            raise ValueError("Invalid model size 'huge'")
        self.fetched.append(size)
        whisper_files(Path(output_dir))


def whisper_files(folder: Path, **files: bytes) -> None:
    folder.mkdir(parents=True)
    for name in ("config.json", "model.bin", "tokenizer.json", "vocabulary.json"):
        (folder / name).write_bytes(files.get(name.split(".")[0], b"{}"))


@pytest.fixture
def whisper(monkeypatch: pytest.MonkeyPatch) -> WhisperStandIn:
    made = WhisperStandIn()
    monkeypatch.setitem(sys.modules, "faster_whisper", made)  # type: ignore[arg-type]
    return made


def test_speech_becomes_text_with_times_and_confidence(models: Path, whisper: WhisperStandIn) -> None:
    whisper_files(models / "faster-whisper-base")
    model = backends.load("speech_recognizer", "faster-whisper", threads=2)
    heard = model.transcribe(np.full(16000 * 5, 0.1, np.float32))
    assert heard.text == "Hello there. How are you?"
    assert (heard.language, heard.language_confidence) == ("de", 0.75)
    assert [(s.start_s, s.end_s) for s in heard.segments] == [(0.0, 1.0), (1.5, 4.5)]
    assert [round(s.confidence, 6) for s in heard.segments] == [0.9, 0.5]
    # exp((1 * ln .9 + 3 * ln .5) / 4)
    assert heard.confidence == pytest.approx((0.9 * 0.5**3) ** 0.25)
    assert whisper.made["path"] == str(models / "faster-whisper-base")
    assert (whisper.made["cpu_threads"], whisper.made["local_files_only"]) == (2, True)
    assert whisper.asked["temperature"] == 0.0


def test_sound_without_speech_gives_an_empty_transcript(models: Path, whisper: WhisperStandIn) -> None:
    whisper_files(models / "faster-whisper-tiny")
    for language in ("en", None):
        model = backends.load("speech_recognizer", "faster-whisper", size="tiny", language=language)
        for silence in (np.zeros(16000, np.float32), np.zeros(0, np.float32)):
            heard = model.transcribe(silence)
            assert (heard.text, heard.confidence, heard.segments) == ("", 0.0, ())
            assert heard.language == (language or "")


def test_times_stay_within_the_sound(models: Path, whisper: WhisperStandIn) -> None:
    whisper_files(models / "faster-whisper-base")
    model = backends.load("speech_recognizer", "faster-whisper")
    short = model.transcribe(np.full(16000 * 2, 0.1, np.float32))
    assert [(s.start_s, s.end_s) for s in short.segments] == [(0.0, 1.0), (1.5, 2.0)]
    assert model.transcribe(np.full(16000, 0.1, np.float32)).text == "Hello there."


def test_a_missing_whisper_model_is_a_sentence_and_no_download(models: Path, whisper: WhisperStandIn) -> None:
    with pytest.raises(backends.BackendError) as raised:
        backends.load("speech_recognizer", "faster-whisper")
    sentence = str(raised.value)
    assert "The Whisper model base is not on this machine" in sentence
    assert "tokenizer.json" in sentence and "FACEVID_MODELS" in sentence and "download=True" in sentence
    assert whisper.fetched == []


def test_an_incomplete_whisper_model_names_what_it_lacks(models: Path, whisper: WhisperStandIn) -> None:
    whisper_files(models / "faster-whisper-base")
    (models / "faster-whisper-base" / "tokenizer.json").unlink()
    with pytest.raises(backends.BackendError, match=r"lacks tokenizer\.json"):
        backends.load("speech_recognizer", "faster-whisper", download=True)
    assert whisper.fetched == []


def test_a_download_that_is_allowed_is_kept(models: Path, whisper: WhisperStandIn) -> None:
    for _ in range(2):
        backends.load("speech_recognizer", "faster-whisper", size="tiny", download=True)
    assert whisper.fetched == ["tiny"]
    backends.load("speech_recognizer", "faster-whisper", size="tiny")
    with pytest.raises(backends.BackendError, match=r"huge could not be fetched .*FACEVID_MODELS"):
        backends.load("speech_recognizer", "faster-whisper", size="huge", download=True)


def test_a_broken_whisper_model_and_an_unknown_language_are_named(
    models: Path, whisper: WhisperStandIn
) -> None:
    whisper_files(models / "faster-whisper-base", model=b"broken")
    with pytest.raises(
        backends.BackendError, match=r"does not load on cpu \(File model\.bin is incomplete\)"
    ):
        backends.load("speech_recognizer", "faster-whisper")
    whisper_files(models / "faster-whisper-tiny")
    with pytest.raises(backends.BackendError, match=r"does not know the language 'xx'; it knows: en, de"):
        backends.load("speech_recognizer", "faster-whisper", size="tiny", language="xx")


@pytest.mark.skipif(not HAVE_WHISPER, reason="needs faster-whisper, which is not installed")
def test_faster_whisper_itself_says_why_a_file_is_no_model(models: Path) -> None:
    whisper_files(models / "faster-whisper-base", model=struct.pack("<I", 6))
    with pytest.raises(backends.BackendError, match="does not load on cpu"):
        backends.load("speech_recognizer", "faster-whisper")


@pytest.mark.skipif(not HAVE_WHISPER, reason="needs faster-whisper, which is not installed")
def test_faster_whisper_itself_offline_becomes_a_sentence(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(backends.BackendError, match=r"tiny could not be fetched"):
        backends.load("speech_recognizer", "faster-whisper", size="tiny", download=True)


def random_whisper(folder: Path) -> None:
    """A Whisper model of one layer and 16 dimensions with random weights, in CTranslate2's format."""
    from ctranslate2.specs import whisper_spec
    from faster_whisper.tokenizer import _LANGUAGE_CODES
    from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE

    words = sorted(pre_tokenizers.ByteLevel.alphabet())
    words += [f"word{i}" for i in range(len(words), 50257)]
    tokenizer = Tokenizer(BPE(vocab={word: i for i, word in enumerate(words)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    languages = [f"<|{code}|>" for code in _LANGUAGE_CODES[:99]]
    special = ["<|endoftext|>", "<|startoftranscript|>", *languages, "<|translate|>", "<|transcribe|>"]
    special += ["<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    special += [f"<|{i * 0.02:.2f}|>" for i in range(1501)]
    tokenizer.add_special_tokens([AddedToken(word, special=True) for word in special])

    random, width, hidden = np.random.default_rng(0), 16, 32

    def draw(*shape: int) -> Any:
        return (random.standard_normal(shape) * 0.3).astype(np.float32)

    def linear(spec: Any, out: int, into: int) -> None:
        spec.weight, spec.bias = draw(out, into), np.zeros(out, np.float32)

    def norm(spec: Any) -> None:
        spec.gamma, spec.beta = np.ones(width, np.float32), np.zeros(width, np.float32)

    def attention(spec: Any, *sizes: int) -> None:
        norm(spec.layer_norm)
        for k, size in enumerate(sizes):
            linear(spec.linear[k], size * width, width)

    def feed_forward(spec: Any) -> None:
        norm(spec.layer_norm)
        linear(spec.linear_0, hidden, width)
        linear(spec.linear_1, width, hidden)

    spec = whisper_spec.WhisperSpec(1, 1, 1, 1)
    encoder, decoder = spec.encoder, spec.decoder
    for conv, channels in ((encoder.conv1, 80), (encoder.conv2, width)):
        conv.weight, conv.bias = draw(width, channels, 3), np.zeros(width, np.float32)
    encoder.position_encodings.encodings = draw(1500, width)
    decoder.position_encodings.encodings = draw(448, width)
    decoder.embeddings.weight = draw(tokenizer.get_vocab_size(), width)
    decoder.projection.weight = decoder.embeddings.weight
    norm(encoder.layer_norm)
    norm(decoder.layer_norm)
    attention(encoder.layer[0].self_attention, 3, 1)
    attention(decoder.layer[0].self_attention, 3, 1)
    attention(decoder.layer[0].attention, 1, 2, 1)
    feed_forward(encoder.layer[0].ffn)
    feed_forward(decoder.layer[0].ffn)
    by_id = sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])
    spec.register_vocabulary([word for word, _ in by_id])
    spec.config.lang_ids = [tokenizer.token_to_id(code) for code in languages]
    spec.config.suppress_ids, spec.config.suppress_ids_begin = [], [220]
    spec.config.alignment_heads = [(0, 0)]
    spec.validate()
    spec.optimize()
    folder.mkdir()
    spec.save(str(folder))
    tokenizer.save(str(folder / "tokenizer.json"))


@pytest.mark.skipif(not HAVE_WHISPER, reason="needs faster-whisper, which is not installed")
def test_faster_whisper_itself_runs_a_model_from_the_models_folder(models: Path) -> None:
    random_whisper(models / "faster-whisper-tiny")
    noise = (np.random.default_rng(0).standard_normal(48000) * 0.1).astype(np.float32)
    model = backends.load("speech_recognizer", "faster-whisper", size="tiny", vad=False)
    heard = model.transcribe(noise)
    assert heard.text.startswith("word") and heard.segments
    # Random weights are sure of nothing: one of 51,865 words, all about as likely.
    assert 0 < heard.confidence < 0.1
    assert all(0 <= s.start_s <= s.end_s <= 3 for s in heard.segments)
    assert model.transcribe(noise) == heard
    listening = backends.load("speech_recognizer", "faster-whisper", size="tiny")
    assert listening.transcribe(noise).text == "", "Silero VAD hears no speech in noise"
