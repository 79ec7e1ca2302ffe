"""Configs of the reference rows (floors and ceilings); each row's prompt source is fixed. Torch-free."""

from __future__ import annotations

from typing import Annotated, Literal

from prsbench.harness.contract.config import MethodConfig, Side
from prsbench.harness.contract.types import PromptSource
from pydantic import Field


class CeilingConfig(MethodConfig):
    """A row made from the truth."""

    prompt_source: Literal[PromptSource.TRUTH] = PromptSource.TRUTH


class ShuffledAnswerConfig(CeilingConfig):
    """Oracle masks with shuffled answers."""

    shuffle_seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


class FloorConfig(MethodConfig):
    """A row that looks at neither image nor question."""

    prompt_source: Literal[PromptSource.NONE] = PromptSource.NONE


class MeanMaskConfig(FloorConfig):
    """The mean training mask of a modality."""

    grid_px: Side = 64  # side of the square the masks are averaged on; finer detail averages out anyway
