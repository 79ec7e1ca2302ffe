"""Config of the features that LiteMedSAM's frozen encoder computes, and of the multimodal models trained on them. Torch-free."""

from __future__ import annotations

from prsbench.harness.contract.config import PartConfig
from prsbench.harness.contract.types import Need
from prsbench.methods.parts.language.config import SmallLlamaConfig
from prsbench.methods.parts.training.config import LoRAConfig, MirrorConfig, TrainingConfig


class LiteMedSAMFeaturesConfig(PartConfig):
    """LiteMedSAM's frozen features of the training images, original and mirrored: computed once per grid."""

    image_size_px: int = 128  # as CG-Reasoner
    stages_side: int = 16  # the two stages before the neck are averaged down to this side; the neck's features are not

    def need(self) -> Need:
        """Nothing is random, so the same features serve every seed."""
        return Need("lite_medsam_features", self.model_dump(), seed=0)


class MultimodalConfig(TrainingConfig):
    """What PRS-Med and small LISA and PixelLM have in common: a small language model that reads frozen features."""

    feature_side: int
    language: SmallLlamaConfig
    lora: LoRAConfig
    answer_tokens: int  # generation limit
    questions_per_image: int
    augmentation: MirrorConfig
