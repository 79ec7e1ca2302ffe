"""The numbers of MedSeg-R-style. Only the abstract (arXiv 2506.18669) is public: every number is ours. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from prsbench.harness.contract.config import MethodConfig
from prsbench.harness.contract.types import Need, PromptSource
from prsbench.methods.parts import LiteMedSAMFeaturesConfig


class MedSegRConfig(MethodConfig):
    """Trained here on LiteMedSAM's frozen features at a reduced size. The budget is CG-Reasoner's."""

    prompt_source: Literal[PromptSource.QUESTION] = PromptSource.QUESTION
    image_size_px: int = 128  # as CG-Reasoner
    feature_side: int = 32  # LiteMedSAM's own at 128 px
    width: int = 128  # of the three priors and of all maps behind the frozen encoder
    kernels: int = 4  # that the dynamic convolution mixes
    points: int = 8  # that a deformable sampling reads around each place

    epochs: int = 7  # ours, two more than CG-Reasoner; the numbers below are its own, but for the learning rate
    batch_size: int = 8
    learning_rate: float = 1e-3
    weight_decay: float = 1e-5
    final_learning_rate: float = 1e-6
    gradient_clip: float = 1.0
    warmup_steps: int = 20
    horizontal_flip: float = 0.5  # both ways round are embedded once

    def needs(self) -> Mapping[str, Need]:
        return {"features": LiteMedSAMFeaturesConfig(image_size_px=self.image_size_px).need()}
