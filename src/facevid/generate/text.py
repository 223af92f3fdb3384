"""A tokenizer trained on a dataset's captions, for a text encoder that is trained along with its model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

PAD, END, UNKNOWN = "<pad>", "</s>", "<unk>"
VOCABULARY = 2048
"""Most tokens. Captions of one grammar have some 500 words, so nearly every word is one token."""


def train_tokenizer(captions: Iterable[str], *, length: int, vocabulary: int = VOCABULARY) -> Any:
    """A byte-level BPE tokenizer (Sennrich et al. 2016; Radford et al. 2019), a PreTrainedTokenizerFast.

    Case is folded. No text is unknown to it: what captions lack is spelt in bytes. length: tokens of a caption, the
    end token included. The same captions give the same tokenizer; none give one of bytes alone.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    said = sorted({text for text in captions if text})
    inner = Tokenizer(models.BPE(unk_token=UNKNOWN))
    inner.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    inner.decoder = decoders.ByteLevel()
    inner.train_from_iterator(
        said,
        trainers.BpeTrainer(
            vocab_size=vocabulary,
            special_tokens=[PAD, END, UNKNOWN],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    inner.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", special_tokens=[(END, inner.token_to_id(END))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token=PAD, eos_token=END, unk_token=UNKNOWN, model_max_length=length
    )
