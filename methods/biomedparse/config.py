"""BiomedParse's config and the vocabulary of its text prompts. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from prsbench.harness.contract.config import GivenPath, MethodConfig, Side
from prsbench.harness.contract.types import PromptSource

# Its training prompts read "<object> in <site and imaging>". These objects, and the sites in `contract.modalities`, are the words
# of its official demo images' names and list of targets. The prompts of the published comparison are unknown.
NOUNS = {"tumour": "tumor", "mass": "tumor", "lungs": "lung", "skin lesion": "lesion", "opacity": "lung opacity"}


class BiomedParseConfig(MethodConfig):
    """`checkpoint` is the folder of the user's export: model.ts and tokenizer/ (see `biomedparse.method`)."""

    prompt_source: Literal[PromptSource.QUESTION] = PromptSource.QUESTION
    checkpoint: GivenPath | None = None  # None: skipped, with instructions
    image_size_px: Side = 1024  # official

    def checkpoints(self) -> Mapping[str, Path]:
        return {} if self.checkpoint is None else {"checkpoint": Path(self.checkpoint)}
