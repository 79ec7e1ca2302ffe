"""PRS-Med's configs, each number with its origin. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from prsbench.harness.contract.config import MethodConfig
from prsbench.harness.contract.types import Need, PromptSource
from prsbench.methods.parts.frozen_features.config import LiteMedSAMFeaturesConfig
from prsbench.methods.parts.language.config import SmallLlamaConfig


class PRSMedConfig(MethodConfig):
    """The embedded (`tiny`) size. "paper": stated in the paper or in the public code; "ours": our choice."""

    prompt_source: Literal[PromptSource.QUESTION] = PromptSource.QUESTION
    image_size_px: int = 128  # paper 1024; embedded
    feature_side: int = 16  # paper 64; embedded: the decoder's cost grows with its fourth power

    language: SmallLlamaConfig = SmallLlamaConfig()  # paper: LLaVA-Med v1.5 (Mistral-7B)
    lora_rank: int = 16  # paper
    lora_alpha: int = 16  # paper
    lora_dropout: float = 0.05  # saved adapter 0.05, code 0.1
    answer_tokens: int = 40  # generation limit; ours (public code 512)

    text_weight: float = 1.0  # paper
    modality_weight: float = 0.5  # paper
    modality_epochs: int = 5  # paper: the modality head is trained in the first 5 epochs
    alignment_weight: float = 0.5  # as CG-Reasoner: the embedded language model has to learn what a patch shows

    epochs: int = 7  # ours, two more than CG-Reasoner
    batch_size: int = 8  # as CG-Reasoner
    questions_per_image: int = 3  # as CG-Reasoner
    learning_rate: float = 1e-3  # paper 1e-4; ours for modules trained from scratch
    lora_learning_rate: float = 5e-3  # ours, five times that of CG-Reasoner
    weight_decay: float = 1e-5  # paper
    final_learning_rate: float = 1e-6  # as CG-Reasoner
    gradient_clip: float = 1.0  # as CG-Reasoner
    warmup_steps: int = 20  # as CG-Reasoner
    horizontal_flip: float = 0.5  # as CG-Reasoner; images and mirror images are embedded once

    def needs(self) -> Mapping[str, Need]:
        features = LiteMedSAMFeaturesConfig(image_size_px=self.image_size_px)
        return {"small_llama": Need("small_llama", self.language.model_dump()), "features": features.need()}


class PRSMedOfficialConfig(MethodConfig):
    """The official weights."""

    prompt_source: Literal[PromptSource.QUESTION] = PromptSource.QUESTION
    checkpoint: str | None = None  # the official folder; None: skipped, with instructions
    llava: str | None = None  # a folder with LLaVA-Med v1.5 in transformers' Llava form
    answer_tokens: int = 512  # public code
    precision: Literal["bf16", "fp32"] = "bf16"  # of LLaVA-Med (public code fp16); encoder and decoder stay in float32
    as_released: bool = False  # True: without the LoRA adapter, which the official loader silently leaves out

    def checkpoints(self) -> Mapping[str, Path]:
        named = {"checkpoint": self.checkpoint, "llava": self.llava}
        return {name: Path(path) for name, path in named.items() if path is not None}
