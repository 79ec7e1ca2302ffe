"""Grounding-DINO + SAM-Med2D's config: the detector's folder and thresholds. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from prsbench.harness.contract.config import GivenPath, Share
from prsbench.harness.contract.types import PromptSource
from prsbench.methods.parts.sam.config import SamFileConfig


class GroundingDinoConfig(SamFileConfig):
    """`checkpoint` is SAM-Med2D's. "official": the value behind the result files in PRS-Med's official code."""

    prompt_source: Literal[PromptSource.QUESTION] = PromptSource.QUESTION
    variant: Literal["sam_med2d"] = "sam_med2d"
    detector: GivenPath | None = None  # folder of Grounding-DINO in transformers' form; None: skipped, with instructions
    box_threshold: Share = 0.35  # official
    text_threshold: Share = 0.25  # official

    def checkpoints(self) -> Mapping[str, Path]:
        return {**super().checkpoints(), **({} if self.detector is None else {"detector": Path(self.detector)})}

    @property
    def row(self) -> str:
        return "grounding_dino_sam_med2d"
