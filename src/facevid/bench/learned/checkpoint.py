"""Tensors of a checkpoint, read without running what a pickle may hold."""

from __future__ import annotations

import argparse
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from facevid.bench.errors import BenchError


class Tensors:
    """Tensors by name. source: the file that they come from, for what is said where one is missing."""

    def __init__(self, held: Mapping[str, Any], source: Path) -> None:
        self._held, self.source = held, source

    def __getitem__(self, name: str) -> Any:
        try:
            return self._held[name]
        except KeyError:
            raise BenchError(
                f"{self.source} holds no tensor {name}; it is not the file that it is named for: fetch it again."
            ) from None

    def __contains__(self, name: str) -> bool:
        return name in self._held

    def under(self, prefix: str) -> Tensors:
        """Those whose names begin with `prefix`, without it."""
        return Tensors(
            {k.removeprefix(prefix): v for k, v in self._held.items() if k.startswith(prefix)}, self.source
        )

    def depth(self, prefix: str) -> int:
        """How many blocks there are, called prefix0, prefix1 and so on."""
        return len({k.removeprefix(prefix).split(".")[0] for k in self._held if k.startswith(prefix)})

    def like(self, name: str, *dimensions: int | None) -> Any:
        """The tensor of that name; raises BenchError unless it has these dimensions, None being any."""
        tensor = self[name]
        shape = tuple(tensor.shape)
        if len(shape) != len(dimensions) or any(
            d not in (None, s) for d, s in zip(dimensions, shape, strict=True)
        ):
            wanted = ", ".join("any" if d is None else str(d) for d in dimensions)
            raise BenchError(
                f"in {self.source} the tensor {name} is {shape}, not ({wanted}); it is another network's."
            )
        return tensor


def read_tensors(path: Path, keys: Sequence[str], device: Any, drop: Sequence[str] = ()) -> Tensors:
    """Tensors of a file that torch.save wrote, as float32 on `device`.

    keys: the tensors stand below the first of these that is there. drop: parts of names that are left out of them.
    Raises BenchError where it cannot be read, none of the keys is there, or it holds more than tensors and plain
    values: those are read with torch's weights_only, which runs nothing.
    """
    import torch

    try:
        # Training arguments stand beside the weights of VideoMAE; a Namespace only holds values.
        with torch.serialization.safe_globals([argparse.Namespace]):
            held = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BenchError(f"{path} cannot be read as weights of torch ({first}); fetch it again.") from error
    key = next((k for k in keys if isinstance(held, dict) and isinstance(held.get(k), dict)), None)
    if key is None:
        raise BenchError(
            f"{path} holds no weights called {' or '.join(keys)}; it is not the file it is named for."
        )
    found: dict[str, Any] = {}
    for name, tensor in held[key].items():
        if not isinstance(tensor, torch.Tensor):
            continue
        short = str(name)
        for part in drop:
            short = short.replace(part, "")
        found[short] = tensor.to(device, torch.float32)
    return Tensors(found, path)
