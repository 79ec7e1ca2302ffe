"""Configs of the parts several methods share. Torch-free, so that a grid is validated before anything heavy loads."""

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
    """What LiteMedSAM's frozen encoder makes of the training images, each as it is and flipped: embedded once a grid."""

    image_size_px: int = 128  # as CG-Reasoner
    stages_side: int = 16  # the two stages before the neck are kept averaged down to this; the neck's features as they are

    def need(self) -> Need:
        """Nothing is drawn at random: one embedding serves every seed."""
        return Need("lite_medsam_features", self.model_dump(), seed=0)


class LanguageBaseConfig(PartConfig):
    """The embedded stand-in for a pre-trained LLM: a small Llama trained on the training questions and answers, text only."""

    drawing_side: int = 6  # masks are drawn as 6 x 6 characters; a method's image tokens take the same places
    vocabulary: int = 768
    width: int = 128
    layers: int = 2
    heads: int = 4
    feed_forward: int = 384
    steps: int = 2000  # ours: below 600 it knows the sentences but does not read the drawings
    batch_size: int = 24
    learning_rate: float = 2e-3
    shift: float = 0.4  # ours: drawings are moved by up to this much (the frame is 2 wide); their answers follow
    zoom: float = 0.3  # ours: and scaled by 1 - zoom to 1 + zoom
    word_dropout: float = 0.4  # of the words of every second question, so that test wording does not surprise it
