"""Template answers for methods without a language model: one fixed sentence around the official position words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.position import NO_MASK, position_of, position_phrase


def answer_from_mask(probability: NDArray[np.floating], modality: str) -> str:
    """Describe the position of the method's own mask; rows that answer this way are labelled `TextSource.OWN_MASK`.

    Args:
        probability: (H, W) in [0, 1] at native size; foreground where >= 0.5.
        modality: one of `contract.modalities`; it selects the official position rule.

    Returns:
        One sentence; if the mask has no foreground, it says that no lesion is visible.
    """
    return sentence_for(*position_of(probability >= 0.5, modality))


def sentence_for(position: tuple[str, ...], near_centre: bool) -> str:
    """The sentence for an official position label (`contract.position.position_of`).

    It always says "lesion", because the same modality outlines the lungs in one data set and a lesion in another.

    Example:
        >>> sentence_for(("top left",), True)
        'The lesion is located in the top left and near the center.'
    """
    if position == (NO_MASK,):
        return "No lesion is visible."
    return f"The lesion is located in the {position_phrase(position, near_centre)}."
