"""LISA's numbers, each with its origin. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from prsbench.harness.contract.config import MethodConfig
from prsbench.harness.contract.types import PromptSource

OFFICIAL_FOLDERS = {"7b": "xinlai/LISA-7B-v1", "13b": "xinlai/LISA-13B-llama2-v1"}
WIDTHS = {"7b": 4096, "13b": 5120}  # of the language model: what tells the two sizes apart


class LISAConfig(MethodConfig):
    """The released model. "official": its public demo."""

    prompt_source: Literal[PromptSource.QUESTION] = PromptSource.QUESTION
    size: Literal["7b", "13b"]
    checkpoint: str | None = None  # folder of the release: weights, config.json, tokenizer; None: skipped with the cure
    vision_tower: str | None = None  # folder of openai/clip-vit-large-patch14, which the release leaves out
    request: str = "Please output segmentation mask and explain why."  # in its training templates; follows every question
    answer_tokens: int = 512  # official
    precision: Literal["bf16", "fp32"] = "bf16"  # official; of the language model and CLIP, SAM's part stays in float32

    def checkpoints(self) -> Mapping[str, Path]:
        named = {"checkpoint": self.checkpoint, "vision_tower": self.vision_tower}
        return {name: Path(path) for name, path in named.items() if path is not None}

    @property
    def row(self) -> str:
        """What the catalog calls the row."""
        return f"lisa_{self.size}"
