"""What the language model of a release reads, and which of its states ask for a mask."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from prsbench.harness.contract.errors import PrsbenchError
from transformers import PreTrainedTokenizerBase

IMAGE = -200  # stands for all patches of the image until they are put in its place
_SYSTEM = (  # the conversation "llava_v1"
    "A chat between a curious human and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the human's questions."
)


def prompt_ids(tokenizer: PreTrainedTokenizerBase, question: str) -> list[int]:
    """The conversation up to the place where the answer begins, with one IMAGE in it."""
    before = tokenizer(f"{_SYSTEM} USER: <im_start>", add_special_tokens=True).input_ids
    return [*before, IMAGE, *tokenizer(f"<im_end>\n{question} ASSISTANT:", add_special_tokens=False).input_ids]


def mask_token_ids(tokenizer: PreTrainedTokenizerBase, tokens: Sequence[str], row: str) -> list[int]:
    """The tokens that ask for a mask."""
    unknown = [token for token in tokens if token not in tokenizer.get_vocab()]
    if unknown:
        raise PrsbenchError(
            f"{row}: its tokenizer must know {', '.join(tokens)}, this one lacks {', '.join(unknown)}. "
            f"Set methods.{row}.checkpoint to the release, not to the LLaVA it was trained from."
        )
    return tokenizer.convert_tokens_to_ids(list(tokens))


def asking_states(ids: Sequence[int], mask_tokens: Collection[int], patches: int) -> list[int]:
    """Positions, once IMAGE has become `patches` tokens, of the states that predict a mask token; [] if there is none.

    With 256 patches a token at index p lies at p + 255 and is predicted at p + 254. One in the question counts too, as released.

    Args:
        ids: question and answer, one IMAGE before any mask token.
    """
    return [index + patches - 2 for index, token in enumerate(ids) if token in mask_tokens and index > 0]
