"""Base classes of every method's and part's config: unknown keys are refused, values are frozen, dependencies are declared.

Config modules import no torch, so that a grid is validated before anything heavy loads. pydantic may be imported here for that.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args

from prsbench.harness.contract.types import Need, PromptSource
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

# Fields of several configs. A value beyond the bounds is a slip: it would fail in the middle of a run, or be computed in silence.
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Number = Annotated[int, Field(ge=0, le=1_000_000)]  # of things that may be left out
Width = Annotated[int, Field(ge=1, le=65_536)]  # of a network
BatchSize = Annotated[int, Field(ge=1, le=10_000)]
Side = Annotated[int, Field(ge=1, le=8192)]  # of a picture or a map
Rate = Annotated[float, Field(ge=1e-9, le=100)]  # of learning; at 0, first weights would pass for trained ones
Factor = Annotated[float, Field(ge=0, le=1e6)]  # of a term of a loss, or of weight decay
Share = Annotated[float, Field(ge=0, le=1)]
AnswerTokens = Annotated[int, Field(ge=1, le=10_000)]  # limit of a generated answer
GivenPath = Annotated[str, Field(min_length=1, max_length=4096)]


class GivenConfig(BaseModel):
    """Keys that a user sets: unknown ones, numbers that are not finite, and yes or no in place of a number are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_yes_as_a_number(cls, value: Any, field: ValidationInfo) -> Any:
        if any(isinstance(item, bool) for item in (value if isinstance(value, list | tuple) else [value])):
            types = _types_in(cls.model_fields[field.field_name or ""].annotation)
            if not types.isdisjoint((int, float)) and types.isdisjoint((bool, Any)):
                raise ValueError("expected a number")  # pydantic would read yes as 1
        return value


def _types_in(annotation: Any) -> set[Any]:
    """The types that an annotation names: of `tuple[int, ...] | None`, int and None."""
    inner = get_args(annotation)
    return (
        {kind for each in inner for kind in _types_in(each)} if inner else {annotation} if isinstance(annotation, type) else set()
    )


class PartConfig(GivenConfig):
    """Config of one trainable part or method."""

    def needs(self) -> Mapping[str, Need]:
        """The trainings this one depends on, by role."""
        return {}

    def checkpoints(self) -> Mapping[str, Path | tuple[Path, ...]]:
        """The user's files and folders whose content affects the numbers, by the config key that names each ("group.key").

        The content enters the identity in place of the path. If one is missing, loading skips the cell, with instructions.
        """
        return {}

    def gpu_gib(self) -> float | None:
        """GiB of GPU memory that a job with this config needs; None: as its catalog entry says."""
        return None

    def note_on(self, sample_ids: Collection[str]) -> str:  # noqa: ARG002 (for those that know their samples)
        """What the user should know before these samples are predicted; "" for most methods."""
        return ""


def merged(config: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The config with changes: a group of keys that both have is merged, any other value is replaced."""
    groups = [key for key in changes if isinstance(config.get(key), Mapping) and isinstance(changes[key], Mapping)]
    return {**config, **changes, **{key: merged(config[key], changes[key]) for key in groups}}


class MethodConfig(PartConfig):
    """Config of one method. The engine puts a box into the query only if prompt_source is an oracle or jittered box."""

    prompt_source: PromptSource = PromptSource.QUESTION
    box_jitter_fraction: Share = 0.1  # of the box's side, each edge; used by jittered boxes only
    batch_size: BatchSize = 8  # samples per predict call; part of the cell's identity because it can move last digits
