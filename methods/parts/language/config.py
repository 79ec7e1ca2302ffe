"""Config of the small Llama, the embedded stand-in for a pre-trained language model. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from prsbench.harness.contract.config import PartConfig
from prsbench.harness.contract.types import Need
from pydantic import model_validator

PRETRAINING_ROWS = 597_275  # of the packaged weights


class SmallLlamaConfig(PartConfig):
    """The embedded stand-in for a pre-trained LLM: a small Llama that has read sentences and layouts of masks, no image.

    The keys below `token_side` are those of a training here.
    """

    weights: Literal["packaged", "retrain"] = "packaged"  # ours: pre-trained by `pretraining`, or here on the train split's texts
    layout_side: int = 12  # ours: masks are laid out as 12 x 12 characters; 6 x 6 leave one label in twenty open
    token_side: int = 6  # ours: read as 6 x 6 tokens, each the sum of its 2 x 2 characters; a method's image tokens use the same
    vocabulary: int = 1024
    width: int = 128
    layers: int = 2
    heads: int = 4
    feed_forward: int = 384
    steps: int = 2000  # ours: below 600 it learns the sentences but not to read the layouts
    batch_size: int = 24
    learning_rate: float = 2e-3
    shift: float = 0.4  # ours: layouts are moved by up to this much (the frame is 2 wide), and their answers adapted
    zoom: float = 0.3  # ours: layouts are scaled by 1 - zoom to 1 + zoom
    word_dropout: float = 0.4  # of the words of every second question, against overfitting to the wording

    @model_validator(mode="after")
    def _keys_fit(self) -> SmallLlamaConfig:
        if self.layout_side % self.token_side:
            raise ValueError(f"layout_side: {self.layout_side} is not a multiple of token_side, {self.token_side}. Set both")
        shared = ("weights", "layout_side", "token_side")
        fields = {key: field for key, field in type(self).model_fields.items() if key not in shared}
        changed = [key for key, field in fields.items() if getattr(self, key) != field.default]
        if self.weights == "packaged" and changed:
            raise ValueError(f"{', '.join(changed)}: no effect on packaged weights. Set `weights: retrain`, or leave it out")
        return self

    @property
    def note(self) -> str:
        """What the language model has read, for a row's footnotes."""
        if self.weights == "packaged":
            return (
                f"language model: small Llama, pre-trained on {PRETRAINING_ROWS:,} questions and answers of a grammar, no images"
            )
        return "language model: small Llama, trained here on the train split's questions, answers and mask layouts, no images"

    def trainings(self) -> Mapping[str, Need]:
        """The trainings that a method with this language model depends on: none with packaged weights."""
        return {} if self.weights == "packaged" else {"small_llama": Need("small_llama", self.model_dump())}
