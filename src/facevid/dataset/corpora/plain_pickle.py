"""Reads a pickle that holds nothing but builtin containers, text and numbers; anything else is refused unopened.

A pickle is a program: loading one blindly runs whatever its writer wished.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from facevid.dataset.corpora.entry import CorpusError

# Old protocols write these two by name; all other containers, text and numbers have codes of their own.
_ALLOWED = {("builtins", "set"): set, ("builtins", "frozenset"): frozenset, ("__builtin__", "set"): set,
            ("__builtin__", "frozenset"): frozenset}  # fmt: skip


class _Refused(Exception):
    """The pickle names something to call."""


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str, /) -> Any:
        if (module, name) not in _ALLOWED:
            raise _Refused(f"{module}.{name}")
        return _ALLOWED[module, name]

    def persistent_load(self, pid: Any, /) -> Any:
        raise _Refused("an object that is kept elsewhere")


def read_pickle(path: Path) -> Any:
    """What the pickle holds; raises CorpusError where it is broken or asks for more than plain data."""
    try:
        with path.open("rb") as file:
            return _Plain(file).load()
    except _Refused as refused:
        raise CorpusError(
            f"{path} is not plain data: it asks Python to load {refused}, which could run anything. It was not "
            "opened; get the file from the corpus's own page, or do without it."
        ) from None
    except OSError as error:
        raise CorpusError(f"{path} cannot be read ({error.strerror}).") from None
    except (
        pickle.UnpicklingError, EOFError, ValueError, KeyError, IndexError, TypeError, AttributeError, MemoryError,
        OverflowError,
    ) as error:  # fmt: skip
        raise CorpusError(
            f"{path} is a broken pickle ({type(error).__name__}); fetch it again from the corpus's page."
        ) from None
