"""Config of the small Llama, the embedded stand-in for a pre-trained language model. Torch-free."""

from __future__ import annotations

from typing import ClassVar, Literal

from prsbench.methods.parts.training.config import PretrainedPartConfig
from pydantic import model_validator

PRETRAINING_ROWS = 597_275  # of the packaged weights


class SmallLlamaConfig(PretrainedPartConfig):
    """The embedded stand-in for a pre-trained LLM: a small Llama that has read sentences and layouts of masks, no image.

    The keys below `token_side` are those of a training here.
    """

    part: ClassVar[str] = "small_llama"
    keys_of_both: ClassVar[tuple[str, ...]] = ("weights", "layout_side", "token_side")

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
    def _sides_fit(self) -> SmallLlamaConfig:
        if self.layout_side % self.token_side:
            raise ValueError(f"layout_side: {self.layout_side} is not a multiple of token_side, {self.token_side}. Set both")
        return self

    @property
    def note(self) -> str:
        """What the language model has read, for a row's footnotes."""
        if self.weights == "packaged":
            return (
                f"language model: small Llama, pre-trained on {PRETRAINING_ROWS:,} questions and answers of a grammar, no images"
            )
        return "language model: small Llama, trained here on the train split's questions, answers and mask layouts, no images"
