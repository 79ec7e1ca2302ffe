"""Configs of LISA and PixelLM, whose [SEG] tokens prompt a mask decoder: official weights and embedded size. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from prsbench.harness.contract.config import AnswerTokens, BatchSize, Factor, GivenPath, MethodConfig, Rate, Side
from prsbench.harness.contract.types import Need, PromptSource
from prsbench.methods.parts.frozen_features.config import MultimodalConfig
from prsbench.methods.parts.language.config import SmallLlamaConfig
from prsbench.methods.parts.training.config import Clip, Epochs, Group, LoRAConfig

WIDTHS = {"7b": 4096, "13b": 5120}  # of the language model; distinguishes the two sizes


class OfficialConfig(MethodConfig):
    """An official model, from folders that the user names. "official": the value in its demo."""

    family: ClassVar[str]  # row name without the size
    official_folders: ClassVar[Mapping[str, str]]
    official_vision_tower: ClassVar[str]

    prompt_source: Literal[PromptSource.QUESTION] = PromptSource.QUESTION
    size: Literal["7b", "13b"]
    checkpoint: GivenPath | None = None  # folder with weights, config.json and tokenizer; None: skipped, with instructions
    vision_tower: GivenPath | None = None  # folder with CLIP, which the official checkpoint leaves out
    request: str = "Please output segmentation mask and explain why."  # official training template; follows every question
    answer_tokens: AnswerTokens = 512  # official
    llm_batch_size: BatchSize = 1  # ours: questions that the language model reads at once; several may move last digits
    precision: Literal["bf16", "fp32"] = "bf16"  # official; of the language model and CLIP, mask modules stay in float32
    load_in: Literal["8bit", "4bit"] | None = None  # official option; quantises the language model with bitsandbytes

    def checkpoints(self) -> Mapping[str, Path]:
        named = {"checkpoint": self.checkpoint, "vision_tower": self.vision_tower}
        return {name: Path(path) for name, path in named.items() if path is not None}

    @property
    def row(self) -> str:
        """The row's name in the catalog."""
        return f"{self.family}_{self.size}"


class SegTokenLossesConfig(Group):
    """Weights of the loss terms."""

    text_weight: Factor = 1.0  # official
    bce_weight: Factor = 2.0  # official
    dice_weight: Factor = 0.5  # official
    alignment_weight: Factor = 0.5  # as CG-Reasoner: the embedded language model has to learn what a patch shows


class TinyConfig(MultimodalConfig):
    """The embedded size. "official": the value in the code that LISA and PixelLM share; "ours": our choice."""

    image_size_px: Side = 128  # official 1024 (LISA), 448 (PixelLM); as CG-Reasoner
    feature_side: Side = 16  # official 64, 32; as PRS-Med here

    language: SmallLlamaConfig = SmallLlamaConfig()  # official: LLaVA (Vicuna or Llama 2)
    lora: LoRAConfig = LoRAConfig(  # its learning rate is the word embedding's too, which is trained as officially
        rank=8,  # official
        alpha=16,  # official
        dropout=0.05,  # official
    )
    answer_tokens: AnswerTokens = 48  # generation limit; ours (official 512)
    losses: SegTokenLossesConfig = SegTokenLossesConfig()

    epochs: Epochs = 7  # as PRS-Med here
    learning_rate: Rate = 3e-3  # official 3e-4; for modules trained from scratch, chosen by `prsbench tune` (results/tuning.csv)
    decoder_learning_rate: Rate = 3e-3  # official 3e-4; tuned like the others
    weight_decay: Factor = 1e-5  # as PRS-Med here (official 0)
    gradient_clip: Clip = 1.0  # official

    def needs(self) -> Mapping[str, Need]:
        features = self.features().model_copy(update={"stages_side": self.feature_side})
        return {**self.language.trainings(), "features": features.need()}
