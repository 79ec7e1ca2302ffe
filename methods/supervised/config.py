"""Config of the supervised references (U-Net, nnU-Net, Swin-UNet), with CG-Reasoner's budget for fairness. Torch-free."""

from __future__ import annotations

from typing import Literal

from prsbench.harness.contract.config import MethodConfig
from prsbench.harness.contract.types import PromptSource


class SupervisedConfig(MethodConfig):
    """A segmentation network without text, trained on all modalities together. It ignores the question."""

    prompt_source: Literal[PromptSource.QUESTION] = PromptSource.QUESTION
    network: Literal["unet", "nnunet", "swin_unet"]
    base_features: int = 16  # nnU-Net 32; embedded. Swin-UNet's must be divisible by 12
    max_features: int = 256  # nnU-Net 512 in 2-D; embedded

    image_size_px: int = 128  # as CG-Reasoner, like all numbers below except epochs and learning rate
    epochs: int = 7  # ours, two more than CG-Reasoner
    batch_size: int = 8
    learning_rate: float = 2e-3
    weight_decay: float = 1e-5
    adam_eps: float = 1e-6
    final_learning_rate: float = 1e-6
    gradient_clip: float = 1.0
    warmup_steps: int = 20
    horizontal_flip: float = 0.5
    shift: float = 0.3
    zoom: float = 0.2
    intensity_jitter: float = 0.2
    amp: bool = True  # bf16 autocast, on CUDA only
