"""Reads the weights of dlib's face recognition ResNet from its .dat file, without dlib.

How such a file is laid out was read off its bytes and is held to dlib's own answers by tests. Layers stand from the
input to the output, each after its name: `con_4` (weights and biases as one tensor), `affine_` (factors and offsets
that batch normalisation became), `fc_2`. A whole number is one byte, whose low 4 bits say how many bytes follow (lowest
first) and whose top bit is the sign; a tensor is the number 2, four sizes, and float32, lowest byte first.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facevid.backends.errors import BackendError
from facevid.backends.weights import WEIGHTS, resolve, sha256_of
from facevid.generate.errors import GenerateError

Floats = npt.NDArray[np.float32]
_CON, _AFFINE, _FC = b"\x01\x05con_4", b"\x01\x07affine_", b"\x01\x04fc_2"


@dataclass(frozen=True)
class DlibResNet:
    """convolutions: weights (out, in, k, k) and biases (out,), from the input on, each with the factors and offsets
    that follow it already in them; dense: (256, 128), applied from the right."""

    convolutions: list[tuple[Floats, Floats]]
    dense: Floats


def read_dlib_resnet(path: Path | None = None) -> DlibResNet:
    """The weights in `path`, or where `facevid.backends.weights` finds them.

    Raises GenerateError when they are missing or are not the file that this reader knows by its SHA-256.
    """
    if path is None:
        try:
            path = resolve("dlib-resnet")
        except BackendError as error:
            raise GenerateError(f"The face embedder's features need its weights. {error}") from error
    known = WEIGHTS["dlib-resnet"].sha256
    found = sha256_of(path)
    if found != known:
        raise GenerateError(
            f"{path} has SHA-256 {found}, not {known}: it is not the file of dlib's face embedder that this reader "
            "knows. Take it from the package face_recognition_models."
        )
    file = _Bytes(path.read_bytes())
    convolutions = []
    channels = 3
    while file.seek(_CON):
        flat = file.tensor().reshape(-1)
        filters, rows, columns = (file.integer() for _ in range(3))
        weights = flat[:-filters].reshape(filters, channels, rows, columns)
        file.seek(_AFFINE)
        factors, offsets = file.tensor().reshape(2, filters)
        convolutions.append((weights * factors[:, None, None, None], flat[-filters:] * factors + offsets))
        channels = filters
    file.seek(_FC)
    outputs, inputs = file.integer(), file.integer()
    return DlibResNet(convolutions, file.tensor().reshape(inputs, outputs))


class _Bytes:
    """A place in a file's bytes."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def seek(self, name: bytes) -> bool:
        """Goes behind the next `name`; False, without moving, where there is none."""
        found = self._data.find(name, self._at)
        if found >= 0:
            self._at = found + len(name)
        return found >= 0

    def integer(self) -> int:
        control = self._data[self._at]
        size = control & 0x0F
        value = int.from_bytes(self._data[self._at + 1 : self._at + 1 + size], "little")
        self._at += 1 + size
        return -value if control & 0x80 else value

    def tensor(self) -> Floats:
        if (version := self.integer()) != 2:
            raise GenerateError(f"The face embedder's weights hold a tensor of version {version}, not 2.")
        shape = [self.integer() for _ in range(4)]
        values = np.frombuffer(self._data, "<f4", int(np.prod(shape)), self._at).reshape(shape)
        self._at += values.nbytes
        return values.astype(np.float32)
