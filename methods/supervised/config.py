"""Config of the supervised references (U-Nets, nnU-Net, Swin-UNet), trained with CG-Reasoner's recipe. Torch-free."""

from __future__ import annotations

from typing import Literal

from prsbench.harness.contract.config import Rate, Width
from prsbench.methods.parts.training.config import Epochs, TrainingConfig
from prsbench.methods.parts.training.recipe import Recipe


class SupervisedConfig(TrainingConfig):
    """A segmentation network without text, trained on all modalities together. It ignores the question."""

    network: Literal["unet", "unet_imagenet", "nnunet", "swin_unet"]
    base_features: Width = 16  # nnU-Net 32; embedded. Swin-UNet's must be divisible by 12
    max_features: Width = 256  # nnU-Net 512 in 2-D; embedded
    encoder_learning_rate: Rate | None = None  # of the ImageNet encoder, which only unet_imagenet has

    epochs: Epochs = 7  # ours, two more than CG-Reasoner; the other numbers are CG-Reasoner's
    learning_rate: Rate = 2e-3  # nnunet's; the catalog has the other networks'; chosen by `prsbench tune` (results/tuning.csv)
    amp: bool = True  # bf16 autocast, on CUDA only

    def recipe(self) -> Recipe:
        start = {"image encoder": "trained, from ImageNet-1k"} if self.network == "unet_imagenet" else {}
        return {**super().recipe(), **start}
