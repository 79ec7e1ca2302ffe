"""What LISA's language model reads, and which of its states ask for a mask."""

from __future__ import annotations

from collections.abc import Sequence

from prsbench.harness.contract.errors import PrsbenchError
from transformers import PreTrainedTokenizerBase

IMAGE = -200  # stands for all patches of the image until they are put in its place
SEG = "[SEG]"
_SYSTEM = (  # the conversation "llava_v1"
    "A chat between a curious human and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the human's questions."
)


def prompt_ids(tokenizer: PreTrainedTokenizerBase, question: str) -> list[int]:
    """The conversation up to the place where the answer begins, with one IMAGE in it."""
    before = tokenizer(f"{_SYSTEM} USER: <im_start>", add_special_tokens=True).input_ids
    return [*before, IMAGE, *tokenizer(f"<im_end>\n{question} ASSISTANT:", add_special_tokens=False).input_ids]


def seg_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that asks for a mask."""
    if SEG not in tokenizer.get_vocab():
        raise PrsbenchError(f"LISA's tokenizer must know {SEG}, this one does not. Is the checkpoint folder LLaVA's?")
    return tokenizer.convert_tokens_to_ids(SEG)


def seg_states(ids: Sequence[int], seg: int, patches: int) -> list[int]:
    """Positions, once IMAGE has become `patches` tokens, of the states that predict each [SEG]; [] if there is none.

    With 256 patches a [SEG] at index p lies at p + 255 and is predicted at p + 254. A [SEG] of the question counts too, as
    released.

    Args:
        ids: question and answer, one IMAGE before any [SEG].
    """
    return [index + patches - 2 for index, token in enumerate(ids) if token == seg and index > 0]
