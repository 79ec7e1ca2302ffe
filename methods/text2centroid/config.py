"""Config of Text2Centroid (T2C). Torch-free."""

from __future__ import annotations

from typing import ClassVar, Literal

from prsbench.harness.contract.config import Count, Factor, Rate, Width
from prsbench.methods.parts.training.config import PretrainedPartConfig


class Text2CentroidConfig(PretrainedPartConfig):
    """Frozen sentence encoder -> MLP -> (x, y); trained alone (CG-Reasoner, Text2Centroid).

    The keys below `weights` are those of a training here.
    """

    part: ClassVar[str] = "text2centroid"

    weights: Literal["packaged", "retrain"] = "retrain"  # ours: shipped, trained on grammar sentences; or trained here (paper)
    hidden: tuple[Width, ...] = (256, 64)  # open in the paper; ours
    steps: Count = 600  # ours: full-batch, seconds
    learning_rate: Rate = 2e-3  # ours
    weight_decay: Factor = 1e-4  # ours
