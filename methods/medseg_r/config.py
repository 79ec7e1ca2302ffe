"""MedSeg-R-style's config. Only the abstract (arXiv 2506.18669) is public: every number is ours. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping

from prsbench.harness.contract.config import Count, Rate, Side, Width
from prsbench.harness.contract.types import Need
from prsbench.methods.parts.frozen_features.config import FrozenFeaturesConfig
from prsbench.methods.parts.training.config import Epochs


class MedSegRConfig(FrozenFeaturesConfig):
    """Trained here on LiteMedSAM's frozen features at a reduced size, with the recipe of all rows trained here."""

    feature_side: Side = 32  # LiteMedSAM's at 128 px
    width: Width = 128  # of the three priors and of all maps after the frozen encoder
    kernels: Count = 4  # mixed by the dynamic convolution
    points: Count = 8  # read by the deformable sampling around each position

    epochs: Epochs = 7  # two more than CG-Reasoner
    learning_rate: Rate = 1.7e-3  # chosen by `prsbench tune` (results/tuning.csv)

    def needs(self) -> Mapping[str, Need]:
        return {"features": self.features().need()}
