"""PixelLM's configs, official and at the embedded size. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from prsbench.methods.parts.seg_token.config import OfficialConfig, SegTokenLossesConfig, TinyConfig


class PixelLMConfig(OfficialConfig):
    """The official model."""

    family: ClassVar[str] = "pixellm"
    official_folders: ClassVar[Mapping[str, str]] = {"7b": "maverickrzw/PixelLM-7B", "13b": "maverickrzw/PixelLM-13B"}
    official_vision_tower: ClassVar[str] = "openai/clip-vit-large-patch14-336"


class PixelLMTinyConfig(TinyConfig):
    """The embedded size, trained here."""

    # Official 2.0, counted twice: the weights of its refinement loss are never applied.
    losses: SegTokenLossesConfig = SegTokenLossesConfig(bce_weight=4.0)
