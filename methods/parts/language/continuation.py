"""Greedy continuation of embedded prompts by a frozen transformers model, with its last hidden states: the official 7B models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class Prompt:
    """embedded_TD: words and image patches as the model's inputs. is_seen_T: which are attended to; None: all."""

    embedded_TD: Tensor
    is_seen_T: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """ids: the tokens generated, up to the end token if there is one. states_TD: of all tokens but the last, prompt included."""

    ids: list[int]
    states_TD: Tensor


T = TypeVar("T")


def batched(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items in their order, `size` at a time."""
    return (items[start : start + size] for start in range(0, len(items), size))


def batch_note(size: int) -> tuple[str, ...]:
    """The note of a row whose language model reads several prompts at once; none if it reads one."""
    return (f"the language model reads {size} questions at once, which can change last digits",) if size > 1 else ()


def continued(model: Any, prompts: Sequence[Prompt], answer_tokens: int, end: int) -> list[Answer]:
    """The answer to each prompt. Several are read as one batch, padded on the left, which can change last digits."""
    longest = max(len(prompt.embedded_TD) for prompt in prompts)
    pads = [longest - len(prompt.embedded_TD) for prompt in prompts]
    embedded_BTD = torch.stack([F.pad(p.embedded_TD, (0, 0, pad, 0)) for p, pad in zip(prompts, pads, strict=True)])
    device = embedded_BTD.device
    place_BT = torch.arange(longest, device=device) - torch.tensor(pads, device=device)[:, None]
    is_read_BT = (place_BT >= 0).long()
    for row, (prompt, pad) in enumerate(zip(prompts, pads, strict=True)):
        if prompt.is_seen_T is not None:
            is_read_BT[row, pad:] = prompt.is_seen_T.long()
    out = model.generate(
        inputs_embeds=embedded_BTD,
        attention_mask=is_read_BT,
        position_ids=place_BT.clamp(min=0),
        max_new_tokens=answer_tokens,
        do_sample=False,
        eos_token_id=end,
        pad_token_id=end,
        return_dict_in_generate=True,
        output_hidden_states=True,
    )
    states_BTD = torch.cat([step[-1] for step in out.hidden_states], dim=1)
    answers = []
    for ids, states_TD, pad in zip(out.sequences.tolist(), states_BTD, pads, strict=True):
        ids = ids[: ids.index(end) + 1] if end in ids else ids
        answers.append(Answer(ids, states_TD[pad : longest + len(ids) - 1]))
    return answers
