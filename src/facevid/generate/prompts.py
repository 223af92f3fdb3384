"""Prompts: read from a file, and held against what the model's text encoder knows and takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from facevid.generate.errors import GenerateError

_WORD = re.compile(r"[^\W\d_]+")
_UNBOUNDED = 1_000_000
"""Tokenizers that know no limit give a number far above this as theirs."""


def read_prompts(path: Path) -> list[str]:
    """The prompts of a text file, one a line; empty lines are none.

    Raises GenerateError for a file that is not there, is no UTF-8 text or holds no prompt.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise GenerateError(f"There is no file of prompts {path}. Check the path.") from None
    except UnicodeDecodeError:
        raise GenerateError(f"{path} is no text: prompts are UTF-8, one a line.") from None
    except OSError as error:
        raise GenerateError(f"The prompts in {path} cannot be read: {error.strerror}.") from None
    prompts = [line.strip() for line in lines if line.strip()]
    if not prompts:
        raise GenerateError(f"{path} holds no prompt. Write one a line.")
    return prompts


def prompt_notes(
    tokenizer: Any, prompts: Iterable[str], *, length: int | None = None, learnt: bool = False
) -> list[str]:
    """Sentences on words that a model does not know, and on prompts that are longer than what is read of them.

    tokenizer: of transformers; None knows everything. length: tokens that the text encoder is given, special ones
    among them; None: as many as the tokenizer says. learnt: the text encoder learnt from the captions alone, so a word
    that is no token of its own was not, or hardly, among them.
    """
    distinct = list(dict.fromkeys(p for p in prompts if p))
    if tokenizer is None or not distinct:
        return []
    notes = []
    if unknown := unknown_words(tokenizer, distinct, learnt=learnt):
        listed = ", ".join(repr(word) for word in unknown[:20]) + (", ..." if len(unknown) > 20 else "")
        notes.append(
            f"The captions that the model learnt from do not have {listed}: it cannot know what is meant."
            if learnt
            else f"The model's tokenizer does not know {listed}: it reads no more than that there is something."
        )
    limit = length or getattr(tokenizer, "model_max_length", None)
    if limit and limit < _UNBOUNDED:
        notes += [note for prompt in distinct if (note := _too_long(tokenizer, prompt, int(limit)))]
    return notes


def unknown_words(tokenizer: Any, prompts: Sequence[str], *, learnt: bool = False) -> list[str]:
    """Words of the prompts in which the tokenizer finds something unknown, or with `learnt` pieces, in their order."""
    if learnt:
        return list(dict.fromkeys(word for prompt in prompts for word in _in_pieces(tokenizer, prompt)))
    unknown = getattr(tokenizer, "unk_token_id", None)
    words = dict.fromkeys(word for prompt in prompts for word in _WORD.findall(prompt))
    return [
        word
        for word in words
        if unknown is not None
        and unknown in tokenizer(word, add_special_tokens=False, verbose=False)["input_ids"]
    ]


def _in_pieces(tokenizer: Any, prompt: str) -> list[str]:
    """Words that are several tokens where they stand: after a hyphen a word is another token than after a space."""
    spans = tokenizer(prompt, return_offsets_mapping=True, add_special_tokens=False, verbose=False)[
        "offset_mapping"
    ]
    return [
        found[0]
        for found in _WORD.finditer(prompt)
        if sum(begin < found.end() and end > found.start() for begin, end in spans) > 1
    ]


def _too_long(tokenizer: Any, prompt: str, limit: int) -> str | None:
    whole = len(tokenizer(prompt, verbose=False)["input_ids"])
    if whole <= limit:
        return None
    begin = prompt if len(prompt) <= 40 else prompt[:37] + "..."
    note = f"The prompt {begin!r} has {whole} tokens and the model reads {limit}"
    if not getattr(tokenizer, "is_fast", False):
        return note + ": its end is not read."
    kept = tokenizer(prompt, truncation=True, max_length=limit, return_offsets_mapping=True, verbose=False)
    end = max(last for _, last in kept["offset_mapping"])
    return note + f": what it does not read begins with {prompt[end:].strip()[:40]!r}."
