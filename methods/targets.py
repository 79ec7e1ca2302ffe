"""What a question asks for, as a noun: the prompt of networks that are told a class and not a sentence."""

from __future__ import annotations

import re

_USUAL = {  # where a question names nothing
    "brain_mri": "tumour",
    "breast_us": "mass",
    "lung_ct": "lungs",
    "lung_xray": "lungs",
    "polyp_endoscopy": "polyp",
    "skin_rgb": "skin lesion",
}
# The longer of two alike first.
_NOUNS = ("skin lesion", "lesion", "tumour", "tumor", "mass", "lungs", "lung", "nodule", "opacity", "polyp")
_NOUN = re.compile(rf"\b({'|'.join(_NOUNS)})\b", re.IGNORECASE)


def target_named(question: str, modality: str) -> str:
    """The first noun of a target in the question, in lower case; else what is usual in the modality, else "lesion".

    Example:
        >>> target_named("Where is the Polyp in this image?", "skin_rgb")
        'polyp'
        >>> target_named("Where is it?", "breast_us")
        'mass'
    """
    found = _NOUN.search(question)
    return found[1].lower() if found else _USUAL.get(modality, "lesion")
