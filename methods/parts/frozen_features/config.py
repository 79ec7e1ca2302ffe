"""Config of the features that LiteMedSAM's frozen encoder computes, and of the methods trained on them. Torch-free."""

from __future__ import annotations

from typing import Annotated

from prsbench.harness.contract.config import AnswerTokens, PartConfig, Side
from prsbench.harness.contract.types import Need
from prsbench.methods.parts.language.config import SmallLlamaConfig
from prsbench.methods.parts.training.config import (
    AugmentationConfig,
    ImageAugmentationConfig,
    LoRAConfig,
    Questions,
    TrainingConfig,
)
from prsbench.methods.parts.training.recipe import Recipe
from pydantic import Field

# Of each image: the original, its mirror image and four random ones. At 128 px a view of an image costs 0.4 s of a core and
# 0.85 MB of disk: 24 minutes and 3 GB for 600 images, once for all methods and seeds.
VIEWS = 6
Views = Annotated[int, Field(ge=1, le=1000)]


class LiteMedSAMFeaturesConfig(PartConfig):
    """LiteMedSAM's frozen features of the training images, each in a few views: computed once per grid."""

    image_size_px: Side = 128  # as CG-Reasoner
    stages_side: Side = 16  # the two stages before the neck are averaged down to this side; the neck's features are not
    views: Views = VIEWS
    augmentation: ImageAugmentationConfig = ImageAugmentationConfig()

    def need(self) -> Need:
        """The views are sampled with a fixed seed, so that the same features serve every seed."""
        return Need("lite_medsam_features", self.model_dump(), seed=0)


class FrozenFeaturesConfig(TrainingConfig):
    """What the methods on LiteMedSAM's frozen features have in common. `views` replaces CG-Reasoner's new view at every step."""

    feature_side: Side
    views: Views = VIEWS  # ours: 1 is the original alone
    augmentation: AugmentationConfig = AugmentationConfig()

    def recipe(self) -> Recipe:
        return {
            **super().recipe(),
            "image encoder": "LiteMedSAM's, frozen",
            "views": f"{self.views} fixed ones of each image",
            "word dropout": f"{self.augmentation.word_dropout:g}",
            "questions": "1 an image and step",
        }

    def features(self) -> LiteMedSAMFeaturesConfig:
        """The part's config; it has the same views for every method whose augmentation is the same."""
        augmentation = ImageAugmentationConfig.model_validate(self.augmentation.model_dump(exclude={"word_dropout"}))
        return LiteMedSAMFeaturesConfig(image_size_px=self.image_size_px, views=self.views, augmentation=augmentation)


class MultimodalConfig(FrozenFeaturesConfig):
    """What PRS-Med and small LISA and PixelLM have in common: a small language model that reads frozen features."""

    language: SmallLlamaConfig
    lora: LoRAConfig
    answer_tokens: AnswerTokens  # generation limit
    questions_per_image: Questions = 3  # as CG-Reasoner

    def recipe(self) -> Recipe:
        return {**super().recipe(), "questions": f"{self.questions_per_image} an image and step", "LoRA": self.lora.recipe()}
