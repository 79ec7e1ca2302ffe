"""Word overlap of answer and reference: BLEU-1 to BLEU-4 (sacrebleu) and ROUGE-L.

They reward the reference's wording, not its position: "top left" and "bottom left" differ by one word. Read them together with
the position accuracy.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache

ORDERS = (1, 2, 3, 4)


@lru_cache(maxsize=8192)  # answers and references repeat
def word_overlap(answer: str, reference: str) -> dict[str, float]:
    """bleu_1 to bleu_4 and rouge_l of one sentence, each in [0, 1]. An answer without text: 0.

    Sentence BLEU with sacrebleu's defaults (13a tokens, case-sensitive, exponential smoothing) and a lower order for shorter
    sentences; ROUGE-L is the F1 of lower-cased words without stemming.
    """
    if not answer.strip():
        return dict.fromkeys([*(f"bleu_{order}" for order in ORDERS), "rouge_l"], 0.0)
    bleu = {f"bleu_{order}": scorer(answer, reference) for order, scorer in _bleu_scorers().items()}
    return bleu | {"rouge_l": _rouge_l(answer, reference)}


@cache
def _bleu_scorers() -> dict[int, Callable[[str, str], float]]:
    from sacrebleu.metrics import BLEU

    def scorer(order: int) -> Callable[[str, str], float]:
        bleu = BLEU(max_ngram_order=order, effective_order=True)
        return lambda answer, reference: min(1.0, bleu.sentence_score(answer, [reference]).score / 100)

    return {order: scorer(order) for order in ORDERS}


def _rouge_l(answer: str, reference: str) -> float:
    """F1 of the longest common subsequence of words, as rouge-score computes it without stemming.

    rouge-score itself is not used because it imports nltk and scikit-learn, which takes seconds in every worker.
    """
    answer_words, reference_words = (re.findall(r"[a-z0-9]+", text.lower()) for text in (answer, reference))
    length = [0] * (len(reference_words) + 1)  # of the longest common subsequence with each prefix of the reference
    for word in answer_words:
        before = 0
        for i, other in enumerate(reference_words, 1):
            before, length[i] = length[i], before + 1 if word == other else max(length[i], length[i - 1])
    return 2 * length[-1] / (len(answer_words) + len(reference_words)) if length[-1] else 0.0
