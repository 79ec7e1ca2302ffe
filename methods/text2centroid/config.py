"""Config of Text2Centroid (T2C). Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from prsbench.harness.contract.config import PartConfig
from prsbench.harness.contract.types import Need
from pydantic import model_validator


class Text2CentroidConfig(PartConfig):
    """Frozen sentence encoder -> MLP -> (x, y); trained alone (CG-Reasoner, Text2Centroid).

    The keys below `hidden` are those of a training here.
    """

    weights: Literal["packaged", "retrain"] = "retrain"  # ours: shipped, trained on grammar sentences; or trained here (paper)
    hidden: tuple[int, ...] = (256, 64)  # open in the paper; ours
    steps: int = 600  # ours: full-batch, seconds
    learning_rate: float = 2e-3  # ours
    weight_decay: float = 1e-4  # ours

    @model_validator(mode="after")
    def _keys_fit(self) -> Text2CentroidConfig:
        fields = {key: field for key, field in type(self).model_fields.items() if key != "weights"}
        changed = [key for key, field in fields.items() if getattr(self, key) != field.default]
        if self.weights == "packaged" and changed:
            raise ValueError(f"{', '.join(changed)}: no effect on packaged weights. Set `weights: retrain`, or leave it out")
        return self

    def trainings(self) -> Mapping[str, Need]:
        """The trainings that a method with this T2C depends on: none with packaged weights."""
        return {} if self.weights == "packaged" else {"text2centroid": Need("text2centroid", self.model_dump())}
