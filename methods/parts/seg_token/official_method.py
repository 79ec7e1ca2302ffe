"""The official LISA and PixelLM as a `Method`: image and question to a sentence, and a mask for each of its [SEG] prompts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from prsbench.harness.contract.types import FitContext, Labels, Prediction, Query, Sample, TextSource, Weights
from prsbench.methods.parts.seg_token.config import ReleaseConfig
from prsbench.methods.parts.seg_token.llama import MaskTokenLlama
from prsbench.methods.parts.seg_token.official_weights import load_tokenizer, load_vision
from prsbench.methods.parts.seg_token.prompt import IMAGE, asking_states, mask_token_ids, prompt_ids
from prsbench.methods.parts.weights.checkpoints import Matched
from prsbench.methods.parts.weights.exposure import exposure_note
from torch import Tensor
from transformers import CLIPVisionModel


@dataclass(frozen=True, slots=True)
class Patches:
    """CLIP's patches of an image. is_seen_P: those the language model reads, None: all; levels_LPC: for the mask decoder."""

    patch_PC: Tensor
    is_seen_P: Tensor | None = None
    levels_LPC: Tensor | None = None


class OfficialMethod:
    """A subclass names its [SEG] tokens (`tokens`) and row notes (`notes`), builds the network, reads images, decodes masks.

    The sentence is returned without the [SEG] tokens, which are not words.
    """

    tokens: tuple[str, ...]
    notes: tuple[str, ...]

    def __init__(self, config: ReleaseConfig):
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

    def fit(self, train: Sequence[Sample], val: Sequence[Sample], context: FitContext) -> None:
        """Nothing to train."""

    def save(self, folder: Path) -> None:
        """Nothing to save: the weights stay in the user's folder."""

    def load(self, folder: Path, device: str) -> None:
        """Build the frozen network on `device`; `folder` is ignored. See `mask_tokens.release` for errors."""
        self._tokenizer = load_tokenizer(self.config)
        self._asking = mask_token_ids(self._tokenizer, self.tokens, self.config.row)
        self._device = device
        self._vision = self._adapt(load_vision(self.config, device))
        self._network, self.matched = self._load(device)

    @torch.inference_mode()
    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """One prediction per query, computed one by one: padding could change numbers."""
        return [self._predict_one(query) for query in queries]

    def _predict_one(self, query: Query) -> Prediction:
        start = time.perf_counter()
        patches = self._see(query.image)
        answer, prompts_NC = self._say(query, patches)
        probability = self._probability(query.image, patches, prompts_NC)
        return Prediction(probability, answer, time.perf_counter() - start)

    def _say(self, query: Query, patches: Patches) -> tuple[str, Tensor]:
        """The sentence, and a prompt (N, 256) for each [SEG] token in question and answer."""
        ids = prompt_ids(self._tokenizer, f"{query.question} {self.config.request}")
        image = ids.index(IMAGE)
        end = self._tokenizer.eos_token_id
        answer = self._network.say(
            ids[:image], patches.patch_PC, ids[image + 1 :], self.config.answer_tokens, end, patches.is_seen_P
        )
        states = asking_states(ids + answer.ids, self._asking, len(patches.patch_PC))
        words = [token for token in answer.ids if token not in self._asking]
        text = self._tokenizer.decode(words, skip_special_tokens=True).strip()
        return text, self._network.text_prompts(answer.states_TD[states])

    def _probability(self, image: NDArray[np.uint8], patches: Patches, prompts_NC: Tensor) -> NDArray[np.float32]:
        """(H, W): the union of all prompted masks; zeros if there is none."""
        maps = self._masks(image, patches, prompts_NC)
        return torch.stack(maps).amax(0).cpu().numpy() if maps else np.zeros(image.shape[:2], np.float32)

    def _load(self, device: str) -> tuple[MaskTokenLlama, Matched]:
        raise NotImplementedError

    def _adapt(self, vision: CLIPVisionModel) -> CLIPVisionModel:
        return vision

    def _see(self, image: NDArray[np.uint8]) -> Patches:
        raise NotImplementedError

    def _masks(self, image: NDArray[np.uint8], patches: Patches, prompts_NC: Tensor) -> list[Tensor]:
        """One probability map (H, W) per mask."""
        raise NotImplementedError
