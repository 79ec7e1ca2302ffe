"""How a row is trained, in words that can be compared, and the note that says where it differs from CG-Reasoner. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prsbench.methods.parts.training.config import TrainingConfig

Recipe = Mapping[str, str]
NEW_VIEWS = "a new one of each image at every step"
NOTHING = "none"
# `CGReasonerConfig().recipe()`: no method imports another's config, so a test compares the two.
CG_REASONER: Recipe = {
    "image encoder": "trained, from ImageNet-1k",
    "views": NEW_VIEWS,
    "augmentation": "horizontal_flip 0.5, shift 0.3, zoom 0.2, intensity_jitter 0.2",
    "word dropout": "0.4",
    "questions": "3 an image and step",
    "LoRA": "rank 16, alpha 16, dropout 0.05",
    "image size": "128 px",
    "batch": "8 images",
    "optimizer": "AdamW, weight decay 1e-05, eps 1e-06, clip 1, 20 warm-up steps, cosine to 1e-06",
}


def difference_note(config: TrainingConfig) -> str:
    """The note of a row: every part of its recipe that is not that of CG-Reasoner's defaults, whose value follows in brackets."""
    own = config.recipe()
    different = [f"{name} {own[name]} ({theirs})" for name, theirs in CG_REASONER.items() if own[name] != theirs]
    return f"differs from CG-Reasoner in: {'; '.join(different)}" if different else "recipe as CG-Reasoner's"
