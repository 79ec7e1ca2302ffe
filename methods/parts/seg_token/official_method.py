"""The official LISA and PixelLM as a `Method`: image and question to a sentence, and a mask for each of its [SEG] prompts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from prsbench.harness.contract.types import Labels, Prediction, Query, TextSource, Weights
from prsbench.methods.frozen import FrozenNetwork
from prsbench.methods.parts.seg_token.config import OfficialConfig
from prsbench.methods.parts.seg_token.llama import MaskTokenLlama
from prsbench.methods.parts.seg_token.official_weights import load_tokenizer, load_vision
from prsbench.methods.parts.seg_token.prompt import IMAGE, mask_token_ids, mask_token_states, prompt_ids
from prsbench.methods.parts.weights.checkpoints import Matched
from prsbench.methods.parts.weights.exposure import exposure_note
from torch import Tensor
from transformers import CLIPVisionModel

Decode = Callable[[Tensor], Sequence[Tensor]]  # prompts (N, 256) to a probability map (H, W) per mask


@dataclass(frozen=True, slots=True)
class Patches:
    """CLIP's patches of an image, for the language model. is_seen_P: those that it attends to, None: all."""

    patch_PC: Tensor
    is_seen_P: Tensor | None = None


class OfficialMethod(FrozenNetwork):
    """A subclass names its [SEG] tokens (`tokens`) and row notes (`notes`), builds the network and reads images.

    The sentence is returned without the [SEG] tokens, which are not words.
    """

    tokens: tuple[str, ...]
    notes: tuple[str, ...]
    _network: Any  # of the type that the subclass's `_load` gives

    def __init__(self, config: OfficialConfig):
        self.config = config

    @property
    def labels(self) -> Labels:
        loaded = f", loaded in {self.config.load_in}" if self.config.load_in else ""
        notes = (
            f"{self.config.row}, {self.config.precision}{loaded}",
            *self.notes,
            f"every question is followed by: {self.config.request}",
            exposure_note(self.config.row),
        )
        return Labels(self.config.prompt_source, Weights.OFFICIAL, TextSource.GENERATED, notes)

    def load(self, folder: Path, device: str) -> None:  # noqa: ARG002 (the weights are the user's)
        """Build the frozen network on `device`; `folder` is ignored. See `official_weights` for errors."""
        self._tokenizer = load_tokenizer(self.config)
        self._mask_tokens = mask_token_ids(self._tokenizer, self.tokens, self.config.row)
        self._device = device
        self._vision = self._adapt(load_vision(self.config, device))
        self._network, self.matched = self._load(device)

    def _predict_one(self, query: Query) -> Prediction:
        start = time.perf_counter()
        patches, decode = self._read(query.image)
        answer, prompts_NC = self._answer(query, patches)
        maps = decode(prompts_NC)
        union = torch.stack(list(maps)).amax(0).cpu().numpy() if len(maps) else np.zeros(query.image.shape[:2], np.float32)
        return Prediction(union, answer, time.perf_counter() - start)

    def _answer(self, query: Query, patches: Patches) -> tuple[str, Tensor]:
        """The sentence, and a prompt (N, 256) for each [SEG] token in question and answer."""
        ids = prompt_ids(self._tokenizer, f"{query.question} {self.config.request}")
        image = ids.index(IMAGE)
        end = self._tokenizer.eos_token_id
        answer = self._network.answer(
            ids[:image], patches.patch_PC, ids[image + 1 :], self.config.answer_tokens, end, patches.is_seen_P
        )
        states = mask_token_states(ids + answer.ids, self._mask_tokens, len(patches.patch_PC))
        words = [token for token in answer.ids if token not in self._mask_tokens]
        text = str(self._tokenizer.decode(words, skip_special_tokens=True)).strip()
        return text, self._network.text_prompts(answer.states_TD[states])

    def _load(self, device: str) -> tuple[MaskTokenLlama, Matched]:
        raise NotImplementedError

    def _adapt(self, vision: CLIPVisionModel) -> CLIPVisionModel:
        return vision

    def _read(self, image: NDArray[np.uint8]) -> tuple[Patches, Decode]:
        """The patches for the language model, and the function that decodes its prompts on this image."""
        raise NotImplementedError
