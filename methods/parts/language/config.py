"""Config of the small Llama, the embedded stand-in for a pre-trained language model. Torch-free."""

from __future__ import annotations

from prsbench.harness.contract.config import PartConfig


class SmallLlamaConfig(PartConfig):
    """The embedded stand-in for a pre-trained LLM: a small Llama trained on the training questions and answers, text only."""

    layout_side: int = 6  # masks are laid out as 6 x 6 characters; a method's image tokens use the same grid
    vocabulary: int = 768
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
