"""The official LISA and PixelLM as a `Method`: image and question to a sentence, and a mask for each of its [SEG] prompts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import torch
from numpy.typing import NDArray
from prsbench.harness.contract.types import Labels, Prediction, Query, TextSource, Weights
from prsbench.methods.feature_cache import cached_features
from prsbench.methods.frozen import FrozenMethod
from prsbench.methods.images import distinct_images
from prsbench.methods.parts.language.continuation import Answer, batch_note, batched, continued
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


class OfficialMethod(FrozenMethod):
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
            *batch_note(self.config.llm_batch_size),
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
        self._identity = f"{self.config.row} {uuid4()}"  # of these weights in the cache

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """One prediction per query; those of a batch take equal times. An image is encoded once for all its questions.

        They stand together: those of an image that begins at the end of a batch find its features in the cache in the next.
        """
        start = time.perf_counter()
        images, numbers = distinct_images(queries)
        with torch.inference_mode():
            cached = cached_features(self._identity, images, lambda new: [self._read(image) for image in new], self._device)
            read = [image.features for image in cached]
            asked = [(query.question, read[number]) for query, number in zip(queries, numbers, strict=True)]
            answers = [answer for batch in batched(asked, self.config.llm_batch_size) for answer in self._answers(batch)]
            maps = [
                _union(decode(prompts_NC), query.image.shape[:2])
                for query, (_, (_, decode)), (_, prompts_NC) in zip(queries, asked, answers, strict=True)
            ]
        seconds = (time.perf_counter() - start) / max(1, len(queries))
        return [Prediction(union, text, seconds) for union, (text, _) in zip(maps, answers, strict=True)]

    def _answers(self, asked: Sequence[tuple[str, tuple[Patches, Decode]]]) -> list[tuple[str, Tensor]]:
        """To each question the sentence, and a prompt (N, 256) for each [SEG] token in question and answer."""
        prompts, all_ids = [], [prompt_ids(self._tokenizer, f"{question} {self.config.request}") for question, _ in asked]
        for ids, (_, (patches, _)) in zip(all_ids, asked, strict=True):
            image = ids.index(IMAGE)
            prompts.append(self._network.prompt(ids[:image], patches.patch_PC, ids[image + 1 :], patches.is_seen_P))
        answers = continued(self._network, prompts, self.config.answer_tokens, self._tokenizer.eos_token_id)
        return [
            (self._text(answer), self._mask_prompts(ids, patches, answer))
            for ids, (_, (patches, _)), answer in zip(all_ids, asked, answers, strict=True)
        ]

    def _text(self, answer: Answer) -> str:
        words = [token for token in answer.ids if token not in self._mask_tokens]
        return str(self._tokenizer.decode(words, skip_special_tokens=True)).strip()

    def _mask_prompts(self, ids: list[int], patches: Patches, answer: Answer) -> Tensor:
        states = mask_token_states(ids + answer.ids, self._mask_tokens, len(patches.patch_PC))
        return self._network.text_prompts(answer.states_TD[states])

    def _load(self, device: str) -> tuple[MaskTokenLlama, Matched]:
        raise NotImplementedError

    def _adapt(self, vision: CLIPVisionModel) -> CLIPVisionModel:
        return vision

    def _read(self, image: NDArray[np.uint8]) -> tuple[Patches, Decode]:
        """The patches for the language model, and the function that decodes its prompts on this image."""
        raise NotImplementedError


def _union(maps: Sequence[Tensor], shape: tuple[int, ...]) -> NDArray[np.float32]:
    return torch.stack(list(maps)).amax(0).cpu().numpy() if len(maps) else np.zeros(shape, np.float32)
