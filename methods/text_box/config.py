"""Config of the text-box rows: SAM-family networks with a box where CG-Reasoner's answer puts it. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from prsbench.harness.contract.types import Need, PromptSource
from prsbench.methods.cg_reasoner.config import CGReasonerConfig
from prsbench.methods.parts.sam.config import PACKAGED, SamFileConfig
from prsbench.methods.parts.weights.packaged import LITE_MEDSAM, installed
from pydantic import model_validator


class TextBoxConfig(SamFileConfig):
    """CG-Reasoner answers, Text2Centroid reads the answer, a SAM-family network is prompted with a box around that point.

    No truth is used: the prompt source is the question. A `reasoner` equal to the grid's CG-Reasoner shares its training.
    """

    prompt_source: Literal[PromptSource.QUESTION] = PromptSource.QUESTION
    variant: Literal["lite_medsam", "sam_vit_b", "sam_vit_l", "sam_vit_h", "medsam", "sam_med2d", "mobile_sam", "tiny_sam"] = (
        "lite_medsam"  # the others need their `checkpoint`
    )
    reasoner: CGReasonerConfig = CGReasonerConfig()

    @model_validator(mode="after")
    def _has_weights_of_one_place(self) -> TextBoxConfig:
        if self.variant == PACKAGED and self.checkpoint is not None:
            raise ValueError(f"checkpoint: '{PACKAGED}' comes in its package. Set `variant` to the checkpoint's network")
        return self

    @property
    def row(self) -> str:
        return f"{self.family}_text_box"

    @property
    def _weights_are_here(self) -> bool:
        if self.variant == PACKAGED:
            return installed(LITE_MEDSAM) is not None
        return self.checkpoint is not None and Path(self.checkpoint).is_file()

    def needs(self) -> Mapping[str, Need]:
        """Empty if the network's weights are missing: the row will be skipped, so nothing should be trained for it."""
        if not self._weights_are_here:
            return {}
        return {"reasoner": Need("cg_reasoner", self.reasoner.model_dump()), **self.reasoner.text2centroid.trainings()}
