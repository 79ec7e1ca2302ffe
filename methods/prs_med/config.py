"""PRS-Med's configs, each number with its origin. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from prsbench.harness.contract.config import AnswerTokens, BatchSize, Factor, GivenPath, MethodConfig, Number, Rate, Side
from prsbench.harness.contract.types import Need, PromptSource
from prsbench.methods.parts.frozen_features.config import MultimodalConfig
from prsbench.methods.parts.language.config import SmallLlamaConfig
from prsbench.methods.parts.training.config import Epochs, Group, LoRAConfig
from prsbench.methods.parts.training.recipe import NEW_VIEWS, Recipe


class PRSMedLossesConfig(Group):
    """Weights of the loss terms; that of the segmentation loss is 1."""

    text_weight: Factor = 1.0  # paper
    modality_weight: Factor = 0.5  # paper
    modality_epochs: Number = 5  # paper: the modality head is trained in the first 5 epochs
    alignment_weight: Factor = 0.5  # as CG-Reasoner: the embedded language model has to learn what a patch shows


class PRSMedConfig(MultimodalConfig):
    """The embedded (`tiny`) size. "paper": stated in the paper or in the official code; "ours": our choice."""

    image_size_px: Side = 128  # paper 1024; embedded
    feature_side: Side = 16  # paper 64; embedded: the decoder's cost grows with its fourth power

    language: SmallLlamaConfig = SmallLlamaConfig()  # paper: LLaVA-Med v1.5 (Mistral-7B)
    lora: LoRAConfig = LoRAConfig(
        rank=16,  # paper
        alpha=16,  # paper
        dropout=0.05,  # saved adapter 0.05, code 0.1
    )
    answer_tokens: AnswerTokens = 40  # generation limit; ours (official code 512)

    losses: PRSMedLossesConfig = PRSMedLossesConfig()

    epochs: Epochs = 7  # ours, two more than CG-Reasoner
    learning_rate: Rate = 3e-3  # paper 1e-4; for modules trained from scratch, chosen by `prsbench tune` (results/tuning.csv)
    decoder_learning_rate: Rate = 1e-3  # of the mask decoder; paper 1e-4; tuned like the others
    encoder_learning_rate: Rate | None = None  # paper 1e-4; None: the encoder is frozen (trained, a step takes 10 s of a core)
    weight_decay: Factor = 1e-5  # paper

    @property
    def trains_encoder(self) -> bool:
        return self.encoder_learning_rate is not None

    def recipe(self) -> Recipe:
        trained = {"image encoder": "trained, from LiteMedSAM's weights", "views": NEW_VIEWS} if self.trains_encoder else {}
        return {**super().recipe(), **trained}

    def needs(self) -> Mapping[str, Need]:
        return {**self.language.trainings(), **({} if self.trains_encoder else {"features": self.features().need()})}


class PRSMedOfficialConfig(MethodConfig):
    """The official weights."""

    prompt_source: Literal[PromptSource.QUESTION] = PromptSource.QUESTION
    checkpoint: GivenPath | None = None  # the official folder; None: skipped, with instructions
    llava: GivenPath | None = None  # a folder with LLaVA-Med v1.5 in transformers' Llava form
    answer_tokens: AnswerTokens = 512  # official code
    llm_batch_size: BatchSize = 1  # ours: questions that LLaVA-Med reads at once; several may move last digits
    precision: Literal["bf16", "fp32"] = "bf16"  # of LLaVA-Med (official code fp16); encoder and decoder stay in float32
    as_released: bool = False  # True: without the LoRA adapter, which the official loader silently leaves out

    def checkpoints(self) -> Mapping[str, Path]:
        named = {"checkpoint": self.checkpoint, "llava": self.llava}
        return {name: Path(path) for name, path in named.items() if path is not None}
