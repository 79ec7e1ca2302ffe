"""Questions and answers as token ids, and their padded batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PAD, BEGIN, END, ANSWER = "<pad>", "<s>", "</s>", "<answer>"


def question_ids(tokenizer: Any, question: str) -> list[int]:
    """`<s> question <answer>`: the text that exists at test time."""
    return [
        tokenizer.bos_token_id,
        *tokenizer.encode(question, add_special_tokens=False),
        tokenizer.convert_tokens_to_ids(ANSWER),
    ]


def answer_ids(tokenizer: Any, answer: str) -> list[int]:
    """`answer </s>`."""
    return [*tokenizer.encode(answer, add_special_tokens=False), tokenizer.eos_token_id]


def pad_right(rows: Sequence[Sequence[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """(B, T) token ids and the (B, T) bool mask of real tokens."""
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[pad_id] * (longest - len(row))] for row in rows])
    return ids, torch.arange(longest)[None] < torch.tensor([len(row) for row in rows])[:, None]


@dataclass(frozen=True, slots=True)
class TextRows:
    """Questions followed by their answers, padded on the right; padding is neither question nor answer."""

    ids_BT: Tensor
    is_question_BT: Tensor
    is_answer_BT: Tensor

    @classmethod
    def of(cls, pairs: Sequence[tuple[list[int], list[int]]], pad_id: int, device: str | torch.device) -> TextRows:
        ids_BT, is_text_BT = (t.to(device) for t in pad_right([q + a for q, a in pairs], pad_id))
        length_B1 = torch.tensor([[len(q)] for q, _ in pairs], device=device)
        is_question_BT = torch.arange(ids_BT.shape[1], device=device) < length_B1
        return cls(ids_BT, is_question_BT, is_text_BT & ~is_question_BT)

    @property
    def is_text_BT(self) -> Tensor:
        return self.is_question_BT | self.is_answer_BT

    def answers_loss(self, states_BTD: Tensor, head: nn.Module) -> tuple[Tensor, Tensor]:
        """Mean cross-entropy over the answers' A tokens, end tokens included, and the logits (A, V) that predict them.

        Token t is predicted from the state before it; logits are computed at those positions only. Without answers the loss is 0.
        """
        predicts = self.is_answer_BT[:, 1:]
        logits_AV = head(states_BTD[:, :-1][predicts])
        if not len(logits_AV):
            return states_BTD.sum() * 0.0, logits_AV
        return F.cross_entropy(logits_AV.float(), self.ids_BT[:, 1:][predicts]), logits_AV
