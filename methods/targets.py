"""The target noun of a question (lesion, polyp, lungs): the prompt of networks that take a class name, not a sentence."""

from __future__ import annotations

import re

from prsbench.harness.contract.modalities import BY_NAME

# Longer alternatives first.
_NOUNS = ("skin lesion", "lesion", "tumour", "tumor", "mass", "lungs", "lung", "nodule", "opacity", "polyp")
_NOUN = re.compile(rf"\b({'|'.join(_NOUNS)})\b", re.IGNORECASE)


def target_named(question: str, modality: str) -> str:
    """The first target noun in the question, in lower case; else the modality's usual target, else "lesion".

    Example:
        >>> target_named("Where is the Polyp in this image?", "skin_rgb")
        'polyp'
        >>> target_named("Where is it?", "breast_us")
        'mass'
    """
    match = _NOUN.search(question)
    if match:
        return match[1].lower()
    return BY_NAME[modality].target if modality in BY_NAME else "lesion"
