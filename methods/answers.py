"""The sentence of a method that has no language model: one fixed form around the official words for a place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.position import NO_MASK, position_of, position_phrase


def answer_from_mask(probability: NDArray[np.floating], modality: str) -> str:
    """Say where the method's own mask is; rows that speak like this carry `TextSource.OWN_MASK`.

    Args:
        probability: (H, W) in [0, 1] at native size; foreground where >= 0.5.
        modality: one of `contract.types.MODALITIES`; it picks the official rule.

    Returns:
        One sentence; without foreground it says that nothing is visible.
    """
    return sentence_for(*position_of(probability >= 0.5, modality))


def sentence_for(position: tuple[str, ...], near_centre: bool) -> str:
    """The sentence for an official label (`contract.position.position_of`).

    It says "lesion" of everything: the same modality outlines the lungs in one data set and a lesion in another.

    Example:
        >>> sentence_for(("top left",), True)
        'The lesion is located in the top left and near the center.'
    """
    if position == (NO_MASK,):
        return "No lesion is visible."
    return f"The lesion is located in the {position_phrase(position, near_centre)}."
