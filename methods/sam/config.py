"""Configs of the rows of the SAM family (SAM, MedSAM, SAM-Med2D, MobileSAM, TinySAM, LiteMedSAM). Torch-free."""

from __future__ import annotations

from typing import Literal

from prsbench.harness.contract.types import PromptSource
from prsbench.methods.parts.sam.config import PACKAGED, SamConfig, SamFileConfig


class LiteMedSAMConfig(SamConfig):
    """LiteMedSAM, whose weights come in a package; it was trained with boxes only."""

    prompt_source: Literal[PromptSource.ORACLE_BOX, PromptSource.JITTERED_BOX, PromptSource.AUTOMATIC]
    variant: Literal["lite_medsam"] = PACKAGED


class SamCheckpointConfig(SamFileConfig):
    """A network of the SAM family with the user's copy of its official checkpoint.

    The prompt source has no default: each catalog entry sets it, and rows of different sources are not comparable.
    """

    prompt_source: Literal[PromptSource.ORACLE_BOX, PromptSource.JITTERED_BOX, PromptSource.ORACLE_POINT, PromptSource.AUTOMATIC]
    variant: Literal["sam_vit_b", "sam_vit_l", "sam_vit_h", "medsam", "sam_med2d", "mobile_sam", "tiny_sam"]

    @property
    def row(self) -> str:
        return f"{self.family}_{self.prompt_source.name.lower()}"
