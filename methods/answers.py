"""The sentence of a method that has no language model: one fixed form around the official words for a place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.position import NO_MASK, position_of, position_phrase

_LUNGS = ("lung_ct", "lung_xray")  # their masks outline the lungs, all others a lesion


def answer_from_mask(probability: NDArray[np.floating], modality: str) -> str:
    """Say where the method's own mask is; rows that speak like this carry `TextSource.OWN_MASK`.

    Args:
        probability: (H, W) in [0, 1] at native size; foreground where >= 0.5.
        modality: one of `contract.types.MODALITIES`; it picks the official rule and the noun.

    Returns:
        One sentence; without foreground it says that nothing is visible.
    """
    return sentence_for(*position_of(probability >= 0.5, modality), modality)


def sentence_for(position: tuple[str, ...], near_centre: bool, modality: str) -> str:
    """The sentence for an official label (`contract.position.position_of`).

    Example:
        >>> sentence_for(("top left",), True, "skin_rgb")
        'The lesion is located in the top left and near the center.'
    """
    subject, plural = ("lungs", True) if modality in _LUNGS else ("lesion", False)
    verb = "are" if plural else "is"
    if position == (NO_MASK,):
        return f"No {subject} {verb} visible."
    return f"The {subject} {verb} located in the {position_phrase(position, near_centre)}."
