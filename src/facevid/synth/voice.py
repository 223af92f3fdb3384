"""Speech with phoneme times from espeak-ng (through its C interface), and the mouth shapes that go with it."""

from __future__ import annotations

import _ctypes
import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import espeakng_loader
import numpy as np

from facevid.synth.noise import Array
from facevid.synth.person import Voice

RATE = 22050
_SYNCHRONOUS, _PHONEME_EVENTS, _PHONEME, _END, _UTF8 = 2, 1, 7, 0, 1
_PARAMETER = {"rate": 1, "pitch": 3, "range": 4}


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user", ctypes.c_void_p),
        ("id", _Id),
    ]


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(frozen=True)
class Speech:
    """`samples` float32 in [-1, 1] at RATE, and (start_s, phoneme) in espeak-ng's mnemonics."""

    text: str
    samples: Array
    phonemes: tuple[tuple[float, str], ...]

    @property
    def seconds(self) -> float:
        return len(self.samples) / RATE


@contextmanager
def _library() -> Iterator[ctypes.CDLL]:
    """espeak-ng, unloaded afterwards: its generators keep state between sentences that nothing else resets."""
    lib = ctypes.CDLL(espeakng_loader.get_library_path())
    try:
        yield lib
    finally:
        lib.espeak_Terminate()
        handle = lib._handle
        del lib
        if hasattr(_ctypes, "dlclose"):
            _ctypes.dlclose(handle)


def speak(text: str, voice: Voice) -> Speech:
    """Says `text`; the same samples for the same arguments (the library's random state is reset every time).

    Raises RuntimeError when the library cannot start or does not know the voice.
    """
    blocks: list[bytes] = []
    phonemes: list[tuple[float, str]] = []

    def collect(wave: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]) -> int:
        if wave and count > 0:
            blocks.append(ctypes.string_at(wave, count * 2))
        i = 0
        while events[i].type != _END:
            if events[i].type == _PHONEME:
                name = bytes(events[i].id.string).decode("utf-8", "replace")
                phonemes.append((events[i].sample / RATE, name.strip("',%=_:|").rstrip("#")))
            i += 1
        return 0

    callback = _CALLBACK(collect)
    with _library() as lib:
        _start(lib, voice)
        lib.espeak_SetSynthCallback(callback)
        data = text.encode()
        lib.espeak_Synth(data, ctypes.c_size_t(len(data) + 1), 0, 1, 0, _UTF8, None, None)
    samples = np.frombuffer(b"".join(blocks), np.int16).astype(np.float32) / 32768
    return Speech(text, samples, tuple(phonemes))


def _start(lib: ctypes.CDLL, voice: Voice) -> None:
    folder = os.fsencode(Path(espeakng_loader.get_data_path()).parent)
    rate = lib.espeak_Initialize(_SYNCHRONOUS, 0, folder, _PHONEME_EVENTS)
    if rate != RATE:
        raise RuntimeError(
            f"espeak-ng did not start (answered {rate}); its data should lie in {os.fsdecode(folder)}."
        )
    ctypes.CDLL(None).srand(1)
    lib.espeak_ng_SetRandSeed(ctypes.c_long(1))
    name = f"{voice.language}+{voice.variant}"
    if lib.espeak_SetVoiceByName(name.encode()) != 0:
        raise RuntimeError(f"espeak-ng has no voice {name!r}.")
    for key, value in (("rate", voice.rate), ("pitch", voice.pitch), ("range", voice.range)):
        lib.espeak_SetParameter(_PARAMETER[key], value, 0)


# Mouth shapes: jaw opening, wide (-1 round .. 1 spread), lips pressed, upper lip up, lower lip down.
VISEMES: dict[str, tuple[float, float, float, float, float]] = {
    "rest": (0.02, 0.0, 0.1, 0.0, 0.0),
    "open": (0.62, 0.15, 0.0, 0.25, 0.4),  # a as in father
    "front": (0.42, 0.45, 0.0, 0.3, 0.45),  # e
    "spread": (0.18, 0.75, 0.0, 0.3, 0.5),  # i
    "back": (0.5, -0.55, 0.0, 0.1, 0.25),  # o
    "round": (0.22, -0.95, 0.0, 0.05, 0.15),  # u, w
    "middle": (0.34, 0.05, 0.0, 0.2, 0.3),  # schwa
    "closed": (0.0, 0.0, 1.0, 0.0, 0.0),  # p b m
    "bite": (0.08, 0.15, 0.15, 0.35, -0.5),  # f v
    "tongue": (0.2, 0.15, 0.0, 0.25, 0.4),  # t d n l th
    "hiss": (0.08, 0.35, 0.0, 0.35, 0.55),  # s z
    "pout": (0.14, -0.65, 0.0, 0.4, 0.5),  # sh ch r
    "throat": (0.26, 0.05, 0.0, 0.2, 0.3),  # k g h
}
_BY_FIRST = (
    ("pbm", "closed"),
    ("fv", "bite"),
    ("szZ", "hiss"),
    ("SrRjJ", "pout"),
    ("tdnlTDL", "tongue"),
    ("kgxhNqGC", "throat"),
    ("wuUyWY", "round"),
    ("oO0Q", "back"),
    ("iI", "spread"),
    ("eE&", "front"),
    ("aAVl", "open"),
    ("@3", "middle"),
)


def viseme(phoneme: str) -> str:
    """The name in VISEMES of an espeak-ng phoneme mnemonic."""
    if not phoneme or phoneme[0] == "(":  # silence, or a change of language
        return "rest"
    if phoneme.startswith(("tS", "dZ")):
        return "pout"
    return next((shape for letters, shape in _BY_FIRST if phoneme[0] in letters), "middle")


def mouth_track(
    phonemes: tuple[tuple[float, str], ...], seconds: float, n: int, fps: float, start_s: float
) -> Array:
    """(n, 5) mouth shapes (columns of VISEMES) for frames at `fps`, speech beginning at `start_s`.

    Neighbouring sounds shape each other: targets are held on a 5 ms line and smoothed over about 90 ms; closed lips
    and bitten lips are pressed through afterwards, as they are heard only when they are really made.
    """
    step = 0.005
    count = int(seconds / step) + 1
    line = np.tile(np.array(VISEMES["rest"], np.float32), (count, 1))
    firm = np.zeros(count, np.float32)
    for k, (begin, name) in enumerate(phonemes):
        end = phonemes[k + 1][0] if k + 1 < len(phonemes) else seconds
        shape = viseme(name)
        a, b = max(0, int((begin - 0.03) / step)), max(0, int((end - 0.03) / step))
        line[a:b] = VISEMES[shape]
        if shape in ("closed", "bite"):
            firm[a:b] = 1.0
    kernel = np.hanning(19)
    kernel /= kernel.sum()
    smooth = np.stack([np.convolve(c, kernel, "same") for c in line.T], 1)
    narrow = np.hanning(9)
    firm = np.minimum(np.convolve(firm, narrow / narrow.sum(), "same") * 1.3, 1.0)
    smooth = smooth * (1 - firm[:, None]) + line * firm[:, None]
    times = np.arange(n) / fps - start_s
    out = [
        np.interp(times, np.arange(count) * step, c, left=VISEMES["rest"][i], right=VISEMES["rest"][i])
        for i, c in enumerate(smooth.T)
    ]
    return np.asarray(np.stack(out, 1), np.float32)
