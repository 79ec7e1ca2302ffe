"""Configs of the reference rows (floors and ceilings); each row's prompt source is fixed. Torch-free."""

from __future__ import annotations

from typing import Literal

from prsbench.harness.contract.config import MethodConfig
from prsbench.harness.contract.types import PromptSource


class CeilingConfig(MethodConfig):
    """A row made from the truth."""

    prompt_source: Literal[PromptSource.TRUTH] = PromptSource.TRUTH


class ShuffledAnswerConfig(CeilingConfig):
    """Oracle masks with shuffled answers."""

    shuffle_seed: int = 0


class FloorConfig(MethodConfig):
    """A row that looks at neither image nor question."""

    prompt_source: Literal[PromptSource.NONE] = PromptSource.NONE


class MeanMaskConfig(FloorConfig):
    """The mean training mask of a modality."""

    grid_px: int = 64  # side of the square the masks are averaged on; finer detail averages out anyway
