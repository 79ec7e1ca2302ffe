"""CG-Reasoner's configs, each number with its origin, and the defaults of its sizes (`SIZES`). Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from prsbench.harness.contract.config import (
    AnswerTokens,
    Count,
    Factor,
    GivenPath,
    MethodConfig,
    Number,
    Rate,
    Share,
    Width,
    merged,
)
from prsbench.harness.contract.types import Need
from prsbench.methods.parts.language.config import SmallLlamaConfig
from prsbench.methods.parts.training.config import AugmentationConfig, Epochs, Group, LoRAConfig, Questions, TrainingConfig
from prsbench.methods.parts.training.recipe import Recipe
from prsbench.methods.parts.weights.packaged import SMOLLM2, installed
from prsbench.methods.text2centroid.config import Text2CentroidConfig
from pydantic import Field, model_validator

Stage = Annotated[int, Field(ge=0, le=100)]


class BackboneConfig(Group):
    """The visual encoder's timm backbone."""

    name: str = "tf_efficientnet_lite0"  # paper convnext_tiny; embedded stand-in with ImageNet weights
    weights: GivenPath | None = "packaged"  # or a path to a state dict, or null for random
    stages: tuple[Stage, Stage, Stage] = (1, 3, 4)  # paper "early, mid, final"; which ones is open; strides 4, 16, 32 here
    feature_channels: Width = 64  # paper 256; embedded: outlines gain more from the finer stride, at the same cost
    learning_rate: Rate = 9e-4  # tuned


class LossesConfig(Group):
    """Weights of the loss terms; that of the segmentation loss is 1."""

    text_weight: Factor = 1.0  # lambda_txt, open
    spatial_weight: Factor = 0.5  # lambda_sp, open
    spatial_start: Share = 0.5  # ours: share of the steps without L_spatial; too early, it teaches the mean place for every image
    alignment_weight: Factor = 0.5  # ours: image tokens towards layout characters (LLaVA's feature alignment)
    distil_weight: Factor = 0.5  # hidden bridge alone: towards Sentence-BERT(reference); ours


class CGReasonerConfig(TrainingConfig):
    """The embedded (`tiny`) size by default; for another `size`, keys that are not set get its defaults from `SIZES`.

    "paper": stated in the paper; "open": not stated there; "ours": our choice; "tuned": chosen by `prsbench tune`, see
    results/tuning.csv.
    """

    size: Literal["tiny", "small", "paper"] = "tiny"  # which language model: `language`, a causal LM, LLaVA-Med
    bridge: Literal["hidden", "soft_tokens", "sampled", "none"] = "sampled"  # open: what the loss reads (bridge.py)
    bridge_samples: int = Field(default=4, ge=2, le=1000)  # ours: answers that the sampled bridge samples for an image in a step
    spatial_target: Literal["true_centroid", "predicted_mask_centroid"] = "true_centroid"  # paper; or the predicted mask's
    spatial_reaches: Literal["lora", "image_path"] = "lora"  # paper: LoRA (and the bridge)
    mask_condition: Literal["question", "generated"] = "question"  # open: whose states prompt the mask

    language: SmallLlamaConfig = SmallLlamaConfig()  # tiny; its `layout_side` also holds for the small size
    language_model: GivenPath | None = None  # small: "packaged" SmolLM2 or a causal LM's folder; paper: LLaVA-Med v1.5's
    language_dtype: Literal["bfloat16", "float32"] = "float32"  # paper size: of frozen weights; trained weights stay float32
    gradient_checkpointing: bool = True  # ours, paper size only: recomputes activations in the backward pass
    answer_tokens: AnswerTokens = 40  # generation limit; ours
    answered_share: float = Field(default=1.0, gt=0, le=1)  # ours: of each modality's images; the others give only masks
    text2centroid: Text2CentroidConfig = Text2CentroidConfig(weights="packaged")
    backbone: BackboneConfig = BackboneConfig()
    lora: LoRAConfig = LoRAConfig()
    losses: LossesConfig = LossesConfig()
    augmentation: AugmentationConfig = AugmentationConfig()

    epochs: Epochs = 5  # paper 20; ours at the embedded size
    accumulate: Count = 1  # ours: batches per optimizer step
    questions_per_image: Questions = 3  # ours: question-answer pairs read per image and step; image features are computed once
    projector_warmup_steps: Number = 0  # small: steps on images before LoRA; 0: no warm-up at all (`warm_up.py`)
    learning_rate: Rate = 6e-3  # paper 1e-4 at 1024 px with a 7B model; tuned, for modules trained from scratch
    amp: bool = True  # bf16 autocast, on CUDA only
    keep: Literal["best", "last"] = "last"  # open; "best": the epoch with the lowest loss on the val split
    data_parallel_workers: Count = 1  # paper 2 GPUs; see `methods/parts/training/data_parallel.py` for what the grid must reserve

    def recipe(self) -> Recipe:
        start = {"packaged": "ImageNet-1k", None: "random weights"}.get(self.backbone.weights, "the user's weights")
        return {
            **super().recipe(),
            "image encoder": f"trained, from {start}",
            "word dropout": f"{self.augmentation.word_dropout:g}",
            "questions": f"{self.questions_per_image} an image and step",
            "LoRA": self.lora.recipe(),
        }

    def checkpoints(self) -> Mapping[str, Path]:
        given = {"backbone.weights": self.backbone.weights, "language_model": self.language_model}
        files = {name: Path(path) for name, path in given.items() if path not in (None, "packaged")}
        if self.language_model == "packaged":
            files["language_model"] = installed(SMOLLM2) or Path(SMOLLM2.path)
        return files

    @classmethod
    def _completed(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        return super()._completed(merged(SIZES.get(str(given.get("size")), {}), given))

    @classmethod
    def _places_of_old_keys(cls, given: Mapping[str, Any]) -> dict[str, str]:
        is_old = isinstance(given.get("backbone"), str)  # once a timm name, now a group
        return super()._places_of_old_keys(given) | ({"backbone": "backbone.name"} if is_old else {})

    @model_validator(mode="after")
    def _language_model_fits(self) -> CGReasonerConfig:
        if self.size == "tiny" and self.language_model is not None:
            raise ValueError(
                "language_model: the tiny size has its own, `language`. Set `size: small` or `size: paper`, or leave it out"
            )
        if self.size != "paper" and self.language_dtype != "float32":
            raise ValueError(f"language_dtype: the {self.size} size supports only float32. Leave it out, or set `size: paper`")
        trained = [name for name in self.needs() if self.answered_share < 1]
        if trained:
            raise ValueError(f"answered_share: {', '.join(trained)} would read all answers. Set their `weights: packaged`")
        return self

    @property
    def size_note(self) -> str:
        """The size as the row's notes say it: "paper size" only if no key of PAPER has another value."""
        given = self.model_dump()
        other = [key for key, value in PAPER.items() if merged(given, {key: value}) != given] if self.size == "paper" else []
        return f"size paper with another {', '.join(other)}" if other else f"{self.size} size"

    def gpu_gib(self) -> float | None:
        return 60.0 if self.size == "paper" else None

    def needs(self) -> Mapping[str, Need]:
        needs: dict[str, Need] = {}
        if self.size == "tiny":
            needs.update(self.language.trainings())
        if self.bridge != "none":
            needs.update(self.text2centroid.trainings())
        return needs


# Keys that the paper leaves open keep their default.
SMALL: Mapping[str, object] = {
    "language_model": "packaged",
    "language": {"layout_side": 3, "token_side": 3},  # ours: fewer image tokens, one for each pair of words ("top", "left")
    "questions_per_image": 1,  # ours: the language model's pass takes most of a step
    "projector_warmup_steps": 200,  # ours
    "learning_rate": 2e-3,  # ours, not tuned at this size, like the next two
    "backbone": {"learning_rate": 3e-4},
    "lora": {"learning_rate": 2e-3},
    "epochs": 2,  # ours
}
# All but the two paths that only the user can set: `language_model` and `backbone.weights`.
PAPER: Mapping[str, object] = {
    "image_size_px": 1024,
    "questions_per_image": 1,  # ours: a batch of 4 is 4 pairs, as in the paper
    "backbone": {
        "name": "convnext_tiny",
        "stages": (1, 2, 3),  # strides 8, 16, 32: at 1024 px finer than the embedded size's
        "feature_channels": 256,
        "learning_rate": 1e-4,
    },
    "language_dtype": "bfloat16",  # paper
    "lora": {"dropout": 0.1, "learning_rate": 1e-4},
    "epochs": 20,
    "batch_size": 4,  # per GPU
    "learning_rate": 1e-4,
}
SIZES: Mapping[str, Mapping[str, object]] = {"small": SMALL, "paper": PAPER}


class CGReasonerCheckpointConfig(MethodConfig):
    """A trained CG-Reasoner from its folder (`methods/cg_reasoner/public_folder.py`)."""

    checkpoint: GivenPath | None = None  # the folder; None: the row is skipped, with instructions
    language_model: GivenPath | None = None  # overrides the folder's config.yaml, whose path may be another machine's
    amp: bool = True  # bf16 autocast, on CUDA only

    def checkpoints(self) -> Mapping[str, Path]:
        given = {"checkpoint": self.checkpoint, "language_model": self.language_model}
        return {name: Path(path) for name, path in given.items() if path is not None}
