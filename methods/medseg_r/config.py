"""MedSeg-R-style's config. Only the abstract (arXiv 2506.18669) is public: every number is ours. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from prsbench.harness.contract.config import MethodConfig
from prsbench.harness.contract.types import Need, PromptSource
from prsbench.methods.parts.frozen_features.config import LiteMedSAMFeaturesConfig


class MedSegRConfig(MethodConfig):
    """Trained here on LiteMedSAM's frozen features at a reduced size. The budget is CG-Reasoner's."""

    prompt_source: Literal[PromptSource.QUESTION] = PromptSource.QUESTION
    image_size_px: int = 128  # as CG-Reasoner
    feature_side: int = 32  # LiteMedSAM's at 128 px
    width: int = 128  # of the three priors and of all maps after the frozen encoder
    kernels: int = 4  # mixed by the dynamic convolution
    points: int = 8  # read by the deformable sampling around each position

    epochs: int = 7  # two more than CG-Reasoner, which shares all numbers below except the learning rate
    batch_size: int = 8
    learning_rate: float = 1e-3
    weight_decay: float = 1e-5
    final_learning_rate: float = 1e-6
    gradient_clip: float = 1.0
    warmup_steps: int = 20
    horizontal_flip: float = 0.5  # images and mirror images are embedded once

    def needs(self) -> Mapping[str, Need]:
        return {"features": LiteMedSAMFeaturesConfig(image_size_px=self.image_size_px).need()}
