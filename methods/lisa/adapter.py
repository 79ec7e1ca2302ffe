"""LISA as a `Method`, from its official checkpoint: image and question to a sentence, and a mask for each [SEG] in it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from prsbench.harness.contract.types import FitContext, Labels, Prediction, Query, Sample, TextSource, Weights
from prsbench.methods.exposure import exposure_note
from prsbench.methods.lisa.checkpoint import folder_of, load_network, load_tokenizer, load_vision
from prsbench.methods.lisa.config import LISAConfig
from prsbench.methods.lisa.prompt import IMAGE, prompt_ids, seg_id, seg_states
from prsbench.methods.sam_processing import LongestSide
from torch import Tensor
from transformers import CLIPImageProcessorPil

PROCESSING = LongestSide()


class LISAMethod:
    """A sentence without [SEG] gives an empty mask; several give the union of their masks (ours; the demo keeps the first)."""

    def __init__(self, config: LISAConfig):
        self.config = config

    @property
    def labels(self) -> Labels:
        notes = (
            f"LISA-{self.config.size.upper()}, {self.config.precision}",
            "no [SEG] in its answer gives an empty mask, several give the union of their masks",
            f"every question is followed by: {self.config.request}",
            exposure_note(self.config.row),
        )
        return Labels(self.config.prompt_source, Weights.OFFICIAL, TextSource.GENERATED, notes)

    def fit(self, train: Sequence[Sample], val: Sequence[Sample], context: FitContext) -> None:
        """Nothing to train."""

    def save(self, folder: Path) -> None:
        """Nothing to keep: the weights stay where they are."""

    def load(self, folder: Path, device: str) -> None:
        """Build the frozen network on `device`; `folder` is not read. See `lisa.checkpoint` for errors."""
        self._tokenizer = load_tokenizer(self.config)
        self._seg = seg_id(self._tokenizer)
        self._vision = load_vision(self.config, device)
        self._clip = CLIPImageProcessorPil.from_pretrained(folder_of(self.config, "vision_tower"), local_files_only=True)
        self._network, self.matched = load_network(self.config, device)
        self._device = device

    @torch.inference_mode()
    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """One prediction a query, one by one: no padding that could move a number."""
        return [self._predict_one(query) for query in queries]

    def _predict_one(self, query: Query) -> Prediction:
        start = time.perf_counter()
        answer, prompts_NC = self._say(query)
        probability = self._probability(query.image, prompts_NC)
        return Prediction(probability, answer, time.perf_counter() - start)

    def _say(self, query: Query) -> tuple[str, Tensor]:
        """The sentence, [SEG] in it as it was said, and SAM's prompts (N, 256)."""
        asked = prompt_ids(self._tokenizer, f"{query.question} {self.config.request}")
        place = asked.index(IMAGE)
        patches_PC = self._patches(query.image)
        end = self._tokenizer.eos_token_id
        said = self._network.say(asked[:place], patches_PC, asked[place + 1 :], self.config.answer_tokens, end)
        states = seg_states(asked + said.ids, self._seg, len(patches_PC))
        text = self._tokenizer.decode(said.ids, skip_special_tokens=True).strip()
        return text, self._network.text_prompts(said.states_TD[states])

    def _patches(self, image: NDArray[np.uint8]) -> Tensor:
        """(P, C): CLIP's states before its last layer, the class token left out; it sees the central square, as released."""
        pixels = self._clip(image, return_tensors="pt", input_data_format="channels_last")["pixel_values"]
        pixels = pixels.to(self._device, self._vision.dtype)
        return self._vision(pixels, output_hidden_states=True).hidden_states[-2][0, 1:]

    def _probability(self, image: NDArray[np.uint8], prompts_NC: Tensor) -> NDArray[np.float32]:
        if not len(prompts_NC):
            return np.zeros(image.shape[:2], np.float32)
        square, frame = PROCESSING.prepare(image)
        features = self._network.model.visual_model.image_encoder(square[None].to(self._device))
        logits_N1LL, _ = self._network.masks(features, prompts_NC)
        return torch.stack([PROCESSING.probability(mask[0], frame) for mask in logits_N1LL]).amax(0).cpu().numpy()
