"""LISA's configs, official and at the embedded size. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from prsbench.methods.parts.seg_token.config import OfficialConfig, TinyConfig


class LISAConfig(OfficialConfig):
    """The official model."""

    family: ClassVar[str] = "lisa"
    official_folders: ClassVar[Mapping[str, str]] = {"7b": "xinlai/LISA-7B-v1", "13b": "xinlai/LISA-13B-llama2-v1"}
    official_vision_tower: ClassVar[str] = "openai/clip-vit-large-patch14"


class LISATinyConfig(TinyConfig):
    """The embedded size, trained here."""
