"""Config of the supervised references (U-Net, nnU-Net, Swin-UNet), with CG-Reasoner's budget for fairness. Torch-free."""

from __future__ import annotations

from typing import Literal

from prsbench.methods.parts.training.config import AugmentationConfig, TrainingConfig


class SupervisedConfig(TrainingConfig):
    """A segmentation network without text, trained on all modalities together. It ignores the question."""

    network: Literal["unet", "nnunet", "swin_unet"]
    base_features: int = 16  # nnU-Net 32; embedded. Swin-UNet's must be divisible by 12
    max_features: int = 256  # nnU-Net 512 in 2-D; embedded

    epochs: int = 7  # ours, two more than CG-Reasoner; the other numbers are CG-Reasoner's
    learning_rate: float = 2e-3
    adam_eps: float = 1e-6
    augmentation: AugmentationConfig = AugmentationConfig(horizontal_flip=0.5, shift=0.3, zoom=0.2, intensity_jitter=0.2)
    amp: bool = True  # bf16 autocast, on CUDA only
