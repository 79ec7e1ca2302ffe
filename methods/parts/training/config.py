"""Base configs of trained methods (epochs, optimizer, LoRA, augmentation) and of parts that may come trained. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from prsbench.harness.contract.config import (
    BatchSize,
    Factor,
    GivenConfig,
    MethodConfig,
    Number,
    PartConfig,
    Rate,
    Share,
    Side,
    merged,
)
from prsbench.harness.contract.types import Need, PromptSource
from prsbench.methods.parts.training.recipe import NEW_VIEWS, NOTHING, Recipe
from pydantic import BaseModel, Field, model_validator

Clip = Annotated[float, Field(ge=1e-6, le=1e6)]  # of the gradient's norm
Epochs = Annotated[int, Field(ge=1, le=100_000)]  # with none, first weights would pass for trained ones
Questions = Annotated[int, Field(ge=1, le=1000)]  # read per image and step
Shift = Annotated[float, Field(ge=0, le=2)]  # in units of which the frame is 2 wide
Part = Annotated[float, Field(ge=0, lt=1)]  # a share that leaves something


class Group(GivenConfig):
    """Keys of a method's config that belong together, such as `lora.rank`."""


class PretrainedPartConfig(PartConfig):
    """A part whose weights are shipped (`packaged`) or trained in the run (`retrain`)."""

    part: ClassVar[str]  # its name in the catalog
    keys_of_both: ClassVar[tuple[str, ...]] = ("weights",)  # all others are of a training, and refused with packaged weights

    weights: Literal["packaged", "retrain"]

    @model_validator(mode="after")
    def _refuse_idle_keys(self) -> Self:
        fields = {key: field for key, field in type(self).model_fields.items() if key not in self.keys_of_both}
        changed = [key for key, field in fields.items() if getattr(self, key) != field.default]
        if self.weights == "packaged" and changed:
            raise ValueError(f"{', '.join(changed)}: no effect on packaged weights. Set `weights: retrain`, or leave it out")
        return self

    def trainings(self) -> Mapping[str, Need]:
        """The trainings that a method with this part depends on: none with packaged weights."""
        return {} if self.weights == "packaged" else {self.part: Need(self.part, self.model_dump())}


class LoRAConfig(Group):
    """LoRA on the language model's attention projections. The defaults are CG-Reasoner's."""

    rank: Annotated[int, Field(ge=1, le=4096)] = 16  # paper
    alpha: Annotated[int, Field(ge=1, le=65_536)] = 16  # paper
    dropout: Part = 0.05  # saved adapter 0.05, paper text 0.1
    learning_rate: Rate = 1e-3  # ours: at 5e-3 the language model forgets part of its reading

    def recipe(self) -> str:
        return f"rank {self.rank}, alpha {self.alpha}, dropout {self.dropout:g}"


class ImageAugmentationConfig(Group):
    """How training images vary, in every method trained here; masks and answers follow. All numbers are ours."""

    horizontal_flip: Share = 0.5  # probability; the words left and right are exchanged with the image's sides
    shift: Shift = 0.3  # images are moved by up to this much (the frame is 2 wide)
    zoom: Part = 0.2  # images are scaled by 1 - zoom to 1 + zoom
    intensity_jitter: Part = 0.2  # brightness, contrast, gamma


class AugmentationConfig(ImageAugmentationConfig):
    """How training images and questions vary, in every method that reads questions."""

    word_dropout: Part = 0.4  # ours: share of words dropped from every second question, against learning forms by heart


NO_AUGMENTATION = AugmentationConfig(horizontal_flip=0.0, shift=0.0, zoom=0.0, intensity_jitter=0.0, word_dropout=0.0)


class TrainingConfig(MethodConfig):
    """The recipe of all methods trained here: CG-Reasoner's numbers, unless a method's config states another.

    A group that is set in part keeps the defaults of its other keys.
    """

    prompt_source: Literal[PromptSource.QUESTION] = PromptSource.QUESTION
    image_size_px: Side = 128  # CG-Reasoner's paper 1024; embedded
    epochs: Epochs
    batch_size: BatchSize = 8  # CG-Reasoner's paper 4 per GPU, 2 GPUs
    balance_modalities: bool = False  # ours: draw batches evenly from the modalities, however many images each has
    learning_rate: Rate
    weight_decay: Factor = 1e-5  # CG-Reasoner's paper
    final_learning_rate: Annotated[float, Field(ge=0, le=100)] = 1e-6  # CG-Reasoner's paper
    gradient_clip: Clip = 1.0  # CG-Reasoner's paper
    warmup_steps: Number = 20  # ours
    adam_eps: Annotated[float, Field(ge=1e-16, le=1)] = 1e-6  # CG-Reasoner's paper
    augmentation: ImageAugmentationConfig = ImageAugmentationConfig()

    def recipe(self) -> Recipe:
        """How it is trained, by the names in `recipe.CG_REASONER`; here as a row without questions and without LoRA.

        Not in it: learning rates, which are tuned for every row, and epochs, with which a grid gives rows equal minutes.
        """
        image = ImageAugmentationConfig.model_fields
        optimizer = f"AdamW, weight decay {self.weight_decay:g}, eps {self.adam_eps:g}, clip {self.gradient_clip:g}"
        return {
            "image encoder": "trained, from random weights",
            "views": NEW_VIEWS,
            "augmentation": ", ".join(f"{name} {getattr(self.augmentation, name):g}" for name in image),
            **dict.fromkeys(("word dropout", "questions", "LoRA"), NOTHING),
            "image size": f"{self.image_size_px} px",
            "batch": f"{self.batch_size} images{', evenly from the modalities' if self.balance_modalities else ''}",
            "optimizer": f"{optimizer}, {self.warmup_steps} warm-up steps, cosine to {self.final_learning_rate:g}",
        }

    @model_validator(mode="before")
    @classmethod
    def _complete_groups(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        places = cls._places_of_old_keys(given)
        if moved := [f"{key} is now {places[key]}" for key in given if key in places]:
            raise ValueError("; ".join(moved))
        return cls._completed(given)

    @classmethod
    def _completed(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """The keys in `given`, their groups with the defaults of the keys that are not set."""
        fields = cls.model_fields.items()
        return merged({name: f.default.model_dump() for name, f in fields if isinstance(f.default, BaseModel)}, given)

    @classmethod
    def _places_of_old_keys(cls, given: Mapping[str, Any]) -> dict[str, str]:  # noqa: ARG003 (for a subclass)
        """Keys without their group, as in earlier versions (`lora_rank`, `text_weight`), and where they are now."""
        groups = {name: field.default for name, field in cls.model_fields.items() if isinstance(field.default, Group)}
        return {
            old: f"{name}.{key}"
            for name, group in groups.items()
            for key in type(group).model_fields
            for old in (key, f"{name}_{key}")
            if old not in cls.model_fields
        }
