"""Configs of the parts that several methods share. Torch-free, so that a grid is validated before torch is imported."""

from __future__ import annotations

from prsbench.harness.contract.config import PartConfig
from prsbench.harness.contract.types import Need


class Text2CentroidConfig(PartConfig):
    """Frozen sentence encoder -> MLP -> (x, y); trained alone (CG-Reasoner, Text2Centroid)."""

    hidden: tuple[int, ...] = (256, 64)  # open in the paper; ours
    steps: int = 600  # ours: full-batch, seconds
    learning_rate: float = 2e-3  # ours
    weight_decay: float = 1e-4  # ours


class LiteMedSAMFeaturesConfig(PartConfig):
    """LiteMedSAM's frozen features of the training images, original and mirrored: computed once per grid."""

    image_size_px: int = 128  # as CG-Reasoner
    stages_side: int = 16  # the two stages before the neck are averaged down to this side; the neck's features are not

    def need(self) -> Need:
        """Nothing is random, so the same features serve every seed."""
        return Need("lite_medsam_features", self.model_dump(), seed=0)


class LanguageBaseConfig(PartConfig):
    """The embedded stand-in for a pre-trained LLM: a small Llama trained on the training questions and answers, text only."""

    drawing_side: int = 6  # masks are laid out as 6 x 6 characters; a method's image tokens use the same grid
    vocabulary: int = 768
    width: int = 128
    layers: int = 2
    heads: int = 4
    feed_forward: int = 384
    steps: int = 2000  # ours: below 600 it learns the sentences but not to read the layouts
    batch_size: int = 24
    learning_rate: float = 2e-3
    shift: float = 0.4  # ours: layouts are moved by up to this much (the frame is 2 wide), and their answers adapted
    zoom: float = 0.3  # ours: layouts are scaled by 1 - zoom to 1 + zoom
    word_dropout: float = 0.4  # of the words of every second question, against overfitting to the wording
