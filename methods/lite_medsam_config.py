"""LiteMedSAM's config. Torch-free."""

from __future__ import annotations

from typing import Literal

from prsbench.harness.contract.config import MethodConfig
from prsbench.harness.contract.types import PromptSource


class LiteMedSAMConfig(MethodConfig):
    """The prompt source has no default: each catalog entry says its own, and rows of different sources are not comparable."""

    prompt_source: Literal[PromptSource.ORACLE_BOX, PromptSource.JITTERED_BOX, PromptSource.AUTOMATIC]
    amp: bool = True  # bf16 autocast, on CUDA only
