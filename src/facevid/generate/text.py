"""A tokenizer trained on a dataset's captions, and a small text encoder with random weights that goes with it."""

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


def new_text_encoder(tokenizer: Any, *, width: int, depth: int) -> Any:
    """A T5EncoderModel with random weights: `width` channels, heads of 32 of them, `depth` layers."""
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=width,
            d_kv=32,
            d_ff=2 * width,
            num_heads=max(1, width // 32),
            num_layers=depth,
            feed_forward_proj="gated-gelu",
            dropout_rate=0.0,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
