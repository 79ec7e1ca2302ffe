"""The prompt of the official LISA and PixelLM, and which hidden states predict their [SEG] tokens."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from prsbench.harness.contract.errors import PrsbenchError
from transformers import PreTrainedTokenizerBase

IMAGE = -200  # placeholder for all patches of the image
_SYSTEM = (  # conversation template "llava_v1"
    "A chat between a curious human and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the human's questions."
)


def prompt_ids(tokenizer: PreTrainedTokenizerBase, question: str) -> list[int]:
    """The conversation up to where the answer begins, with one IMAGE in it."""
    before = tokenizer(f"{_SYSTEM} USER: <im_start>", add_special_tokens=True).input_ids
    return [*before, IMAGE, *tokenizer(f"<im_end>\n{question} ASSISTANT:", add_special_tokens=False).input_ids]


def mask_token_ids(tokenizer: PreTrainedTokenizerBase, tokens: Sequence[str], row: str) -> list[int]:
    """Ids of the [SEG] tokens.

    Raises:
        PrsbenchError: the tokenizer lacks one of them.
    """
    vocabulary = tokenizer.get_vocab()
    unknown = [token for token in tokens if token not in vocabulary]
    if unknown:
        raise PrsbenchError(
            f"{row}: its tokenizer must know {', '.join(tokens)}, this one lacks {', '.join(unknown)}. "
            f"Set methods.{row}.checkpoint to the official checkpoint, not to the LLaVA it was trained from."
        )
    return [vocabulary[token] for token in tokens]


def mask_token_states(ids: Sequence[int], mask_tokens: Collection[int], patches: int) -> list[int]:
    """Positions of the states that predict a [SEG] token, after IMAGE is replaced by `patches` tokens; [] if there is none.

    With 256 patches a token at index p moves to p + 255 and is predicted at p + 254. As in the official code, a [SEG] token in
    the question counts too.

    Args:
        ids: question and answer, one IMAGE before any [SEG] token.
    """
    return [index + patches - 2 for index, token in enumerate(ids) if token in mask_tokens and index > 0]
