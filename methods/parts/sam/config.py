"""What the configs of all rows with a frozen network of the SAM family have in common. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, Self

from prsbench.harness.contract.config import GivenPath, MethodConfig
from prsbench.harness.contract.types import PromptSource
from pydantic import model_validator

PACKAGED: Final = "lite_medsam"
OFFICIAL_FILES = {  # file names of the official checkpoints
    "sam_vit_b": "sam_vit_b_01ec64.pth",
    "sam_vit_l": "sam_vit_l_0b3195.pth",
    "sam_vit_h": "sam_vit_h_4b8939.pth",
    "medsam": "medsam_vit_b.pth",
    "sam_med2d": "sam-med2d_b.pth",
    "mobile_sam": "mobile_sam.pt",
    "tiny_sam": "tinysam_42.3.pth",
}


class SamConfig(MethodConfig):
    """A frozen network of the family."""

    variant: str  # a key of `variants.VARIANTS`
    amp: bool = True  # bf16 autocast of the encoder, on CUDA only


class SamFileConfig(SamConfig):
    """Weights from the user's copy of the official checkpoint."""

    checkpoint: GivenPath | None = None  # path; None: the row is skipped, with instructions
    preprocessing: Literal["predictor", "test_set"] = "predictor"  # SAM-Med2D's published figures used its test-set loader

    @model_validator(mode="after")
    def _has_a_test_set_loader(self) -> Self:
        if self.preprocessing == "test_set" and (self.variant != "sam_med2d" or self.prompt_source == PromptSource.AUTOMATIC):
            raise ValueError(
                f"preprocessing: 'test_set' is for SAM-Med2D with a box or a point, got variant '{self.variant}' with the "
                f"{self.prompt_source}. Leave it out"
            )
        return self

    def checkpoints(self) -> Mapping[str, Path]:
        return {} if self.checkpoint is None else {"checkpoint": Path(self.checkpoint)}

    @property
    def family(self) -> str:
        """The first part of its rows' names in the catalog."""
        return "sam" if self.variant.startswith("sam_vit") else self.variant

    @property
    def row(self) -> str:
        """The row's name in the catalog."""
        raise NotImplementedError
