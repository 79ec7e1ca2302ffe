"""The target noun of a question (lesion, polyp, lungs): the prompt of networks that take a class name, not a sentence."""

from __future__ import annotations

import re

_USUAL = {  # if the question names no target
    "brain_mri": "tumour",
    "breast_us": "mass",
    "lung_ct": "lungs",
    "lung_xray": "lungs",
    "polyp_endoscopy": "polyp",
    "skin_rgb": "skin lesion",
}
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
    return match[1].lower() if match else _USUAL.get(modality, "lesion")
