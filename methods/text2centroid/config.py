"""Config of Text2Centroid (T2C). Torch-free."""

from __future__ import annotations

from prsbench.harness.contract.config import PartConfig


class Text2CentroidConfig(PartConfig):
    """Frozen sentence encoder -> MLP -> (x, y); trained alone (CG-Reasoner, Text2Centroid)."""

    hidden: tuple[int, ...] = (256, 64)  # open in the paper; ours
    steps: int = 600  # ours: full-batch, seconds
    learning_rate: float = 2e-3  # ours
    weight_decay: float = 1e-4  # ours
