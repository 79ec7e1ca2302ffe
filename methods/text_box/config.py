"""Config of the SAM rows whose box is put where another method's answer says. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from prsbench.harness.contract.types import Need, PromptSource
from prsbench.methods.cg_reasoner.config import CGReasonerConfig
from prsbench.methods.sam_config import LiteMedSAMConfig


class TextBoxConfig(LiteMedSAMConfig):
    """CG-Reasoner answers the question, Text2Centroid reads its answer, LiteMedSAM gets a box around that point.

    No truth is used, so it is told the question alone. `reasoner` equal to the grid's own row shares that row's training.
    """

    prompt_source: Literal[PromptSource.QUESTION] = PromptSource.QUESTION
    reasoner: CGReasonerConfig = CGReasonerConfig()

    def needs(self) -> Mapping[str, Need]:
        return {
            "reasoner": Need("cg_reasoner", self.reasoner.model_dump()),
            "text2centroid": Need("text2centroid", self.reasoner.text2centroid.model_dump()),
        }
