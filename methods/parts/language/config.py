"""Config of the small Llama, the embedded stand-in for a pre-trained language model. Torch-free."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from prsbench.harness.contract.config import BatchSize, Count, Rate, Width
from prsbench.methods.parts.training.config import Part, PretrainedPartConfig, Shift
from pydantic import Field, model_validator

PRETRAINING_ROWS = 998_201  # of the packaged weights

Squares = Annotated[int, Field(ge=1, le=64)]


class SmallLlamaConfig(PretrainedPartConfig):
    """The embedded stand-in for a pre-trained LLM: a small Llama that has read sentences and layouts of masks, no image.

    The keys below `token_side` are those of a training here.
    """

    part: ClassVar[str] = "small_llama"
    keys_of_both: ClassVar[tuple[str, ...]] = ("weights", "layout_side", "token_side")

    weights: Literal["packaged", "retrain"] = "packaged"  # ours: pre-trained by `pretraining`, or here on the train split's texts
    layout_side: Squares = 12  # ours: masks are laid out as 12 x 12 characters; 6 x 6 leave one label in twenty open
    token_side: Squares = 6  # ours: read as 6 x 6 tokens, each the sum of its 2 x 2 characters, as are a method's image tokens
    vocabulary: Annotated[int, Field(ge=260, le=200_000)] = 1024  # at least the 256 bytes and 4 marks
    width: Width = 128
    layers: Annotated[int, Field(ge=1, le=256)] = 2
    heads: Annotated[int, Field(ge=1, le=1024)] = 4
    feed_forward: Width = 384
    steps: Count = 2000  # ours: below 600 it learns the sentences but not to read the layouts
    batch_size: BatchSize = 24
    learning_rate: Rate = 2e-3
    shift: Shift = 0.4  # ours: layouts are moved by up to this much (the frame is 2 wide), and their answers adapted
    zoom: Part = 0.3  # ours: layouts are scaled by 1 - zoom to 1 + zoom
    word_dropout: Part = 0.4  # of the words of every second question, against overfitting to the wording

    @model_validator(mode="after")
    def _sides_fit(self) -> SmallLlamaConfig:
        if self.layout_side % self.token_side:
            raise ValueError(f"layout_side: {self.layout_side} is not a multiple of token_side, {self.token_side}. Set both")
        if self.width % (2 * self.heads):
            raise ValueError(f"width: {self.width} is not a multiple of twice the number of heads, {self.heads}. Set both")
        return self

    @property
    def note(self) -> str:
        """What the language model has read, for a row's footnotes."""
        if self.weights == "packaged":
            return (
                f"language model: small Llama, pre-trained on {PRETRAINING_ROWS:,} questions and answers of a grammar, no images"
            )
        return "language model: small Llama, trained here on the train split's questions, answers and mask layouts, no images"
