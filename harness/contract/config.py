"""Base classes of every method's and part's config: unknown keys are refused, values are frozen, dependencies are declared.

Config modules import no torch, so that a grid is validated before anything heavy loads. pydantic may be imported here for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prsbench.harness.contract.types import Need, PromptSource
from pydantic import BaseModel, ConfigDict


class PartConfig(BaseModel):
    """Config of one trainable part or method."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def needs(self) -> Mapping[str, Need]:
        """The trainings this one depends on, by role."""
        return {}

    def checkpoints(self) -> Mapping[str, Path]:
        """The user's files and folders whose content affects the numbers, by the config key that names each ("group.key").

        The content enters the identity in place of the path. If one is missing, loading skips the cell, with instructions.
        """
        return {}


def merged(config: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The config with changes: a group of keys that both have is merged, any other value is replaced."""
    groups = [key for key in changes if isinstance(config.get(key), Mapping) and isinstance(changes[key], Mapping)]
    return {**config, **changes, **{key: merged(config[key], changes[key]) for key in groups}}


class MethodConfig(PartConfig):
    """Config of one method. The engine puts a box into the query only if prompt_source is an oracle or jittered box."""

    prompt_source: PromptSource = PromptSource.QUESTION
    box_jitter_fraction: float = 0.1  # of the box's side, each edge; used by jittered boxes only
    batch_size: int = 8  # samples per predict call; part of the cell's identity because it can move last digits
