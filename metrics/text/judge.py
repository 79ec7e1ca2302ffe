"""A language model as judge: does the answer name the reference's position? And its agreement (kappa) with the rule parser.

PRS-Med scores text this way; its prompt is not public, so this one is ours. Any local causal language model can be the judge.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import nan
from typing import Protocol

from prsbench.harness.contract.records import Record, SampleStatus
from prsbench.metrics.text.placed_texts import has_text, is_placed
from prsbench.metrics.text.position import parse

_PROMPT = (
    "Two sentences say where something lies in a medical image.\n"
    "Reference: {reference}\n"
    "Answer: {answer}\n"
    "Question: Do both sentences name the same position? Reply with yes or no.\n"
    "Reply:"
)
_VERDICT = re.compile(r"\b(yes|no)\b", re.IGNORECASE)


class LanguageModel(Protocol):
    """The judge: one continuation per prompt, the same for the same prompt."""

    def complete(self, prompts: Sequence[str]) -> list[str]: ...


def verdicts(records: Sequence[Record], model: LanguageModel) -> list[bool | None]:
    """For each record: True for yes, False for no, None where the judge replied neither or there is nothing to judge.

    A missing answer is False without a call of the judge. Each distinct pair of sentences is judged once.
    """
    pairs = [(r.answer, r.reference_answer) if r.status == SampleStatus.OK and is_placed(r) else None for r in records]
    distinct = sorted({pair for pair in pairs if pair and has_text(pair[0])})
    replies = model.complete([_PROMPT.format(answer=answer, reference=reference) for answer, reference in distinct])
    known = {pair: _read(reply) for pair, reply in zip(distinct, replies, strict=True)}
    return [None if pair is None else known.get(pair, False) for pair in pairs]


def parser_verdict(record: Record) -> bool | None:
    """The rule parser's verdict: whether the zones are equal. None where the reference is missing or names no zone."""
    if record.status != SampleStatus.OK or not is_placed(record) or not parse(record.reference_answer).zones:
        return None
    return parse(record.answer).zones == parse(record.reference_answer).zones


def kappa(first: Sequence[bool | None], second: Sequence[bool | None]) -> float:
    """Cohen's kappa of two judges over the samples both judged: 1 is full agreement, 0 is chance. NaN if chance alone gives 1."""
    both = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    if not both:
        return nan
    n = len(both)
    observed = sum(a == b for a, b in both) / n
    yes_first, yes_second = sum(a for a, _ in both) / n, sum(b for _, b in both) / n
    by_chance = yes_first * yes_second + (1 - yes_first) * (1 - yes_second)
    return (observed - by_chance) / (1 - by_chance) if by_chance < 1 else nan


def _read(reply: str) -> bool | None:
    match = _VERDICT.search(reply)
    return match[1].lower() == "yes" if match else None
