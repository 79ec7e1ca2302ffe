"""PRS-Med as a `Method`, from its official folder and the user's LLaVA-Med: image and question to mask and sentence."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from prsbench.harness.contract.types import Labels, Prediction, Query, TextSource, Weights
from prsbench.methods.feature_cache import cached_features
from prsbench.methods.frozen import FrozenMethod
from prsbench.methods.images import IMAGENET_MEAN, IMAGENET_STD, distinct_images
from prsbench.methods.parts.language.continuation import Answer, Prompt, batch_note, batched, continued
from prsbench.methods.parts.language.llava_med import LlavaBase
from prsbench.methods.parts.weights.checkpoints import Matched, required_folder
from prsbench.methods.parts.weights.exposure import exposure_note, seen_by
from prsbench.methods.prs_med.config import PRSMedOfficialConfig
from prsbench.methods.prs_med.official_weights import load_decoder, load_encoder, load_tokenizer, merge_adapter
from torch import Tensor
from torch.nn import functional as F
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

ROW = "prs_med_official"
OFFICIAL_FOLDER = "the official PRS-Med folder (image_encoder.pth, mask_decoder.pth, lora_adapter/)"
SIDE_PX = 1024  # of the image that the mask is predicted from
PROMPT = "\n### User: As a doctor, and you are seeing the image, {question}\n"  # follows the image tokens


class PRSMedOfficialMethod(FrozenMethod):
    """One prompt gives both: its last hidden states, image tokens included, prompt the mask; its continuation is the sentence."""

    def __init__(self, config: PRSMedOfficialConfig):
        self.config = config

    @property
    def labels(self) -> Labels:
        lora = "without its LoRA adapter, as the official loader runs it" if self.config.as_released else "LoRA adapter applied"
        notes = (
            f"official weights, {self.config.precision}; {lora}; greedy decoding (the official code samples, temperature 0.7)",
            *batch_note(self.config.llm_batch_size),
            exposure_note("prs_med"),
        )
        return Labels(self.config.prompt_source, Weights.OFFICIAL, TextSource.GENERATED, notes, seen_by("prs_med"))

    def load(self, folder: Path, device: str) -> None:  # noqa: ARG002 (the weights are the user's)
        """Build the frozen networks on `device`; `folder` is ignored. See `official_weights` for errors."""
        official = required_folder(ROW, "checkpoint", self.config.checkpoint, OFFICIAL_FOLDER)
        llava = required_folder(ROW, "llava", self.config.llava, "a folder with LLaVA-Med v1.5 in transformers' Llava form")
        dtype = {"bf16": "bfloat16", "fp32": "float32"}[self.config.precision]
        self._device, self._llava = device, LlavaBase.read(llava, dtype, device).model.requires_grad_(False).eval()
        self._tokenizer = load_tokenizer(official, llava)
        self._encoder, encoder = load_encoder(official)
        self._decoder, decoder = load_decoder(official, self._llava.config.get_text_config().hidden_size)
        matches = [encoder, decoder, *([] if self.config.as_released else [merge_adapter(self._llava, official)])]
        self.matched = Matched(sum(match.found for match in matches), sum(match.expected for match in matches))
        self._encoder.to(device), self._decoder.to(device)
        self._identity = f"{ROW} {uuid4()}"  # of these weights in the cache

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """One prediction per query; those of a batch take equal times. An image is encoded once for all its questions."""
        start = time.perf_counter()
        images, numbers = distinct_images(queries)
        with torch.inference_mode():
            read = cached_features(self._identity, images, lambda new: [self._read(image) for image in new], self._device)
            features, tokens = zip(*(image.features for image in read), strict=True) if read else ((), ())
            prompts = [self._prompt(query.question, tokens[n]) for query, n in zip(queries, numbers, strict=True)]
            answers = [answer for batch in batched(prompts, self.config.llm_batch_size) for answer in self._continued(batch)]
            maps = [
                self._map(features[n], answer.states_TD[: len(prompt.embedded_TD)], query.image.shape[:2])
                for query, n, prompt, answer in zip(queries, numbers, prompts, answers, strict=True)
            ]
        texts = [parsed(str(self._tokenizer.decode(answer.ids, skip_special_tokens=True))) for answer in answers]
        seconds = (time.perf_counter() - start) / max(1, len(queries))
        return [Prediction(native, text, seconds) for native, text in zip(maps, texts, strict=True)]

    def _read(self, image: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
        """The features of the image for the mask decoder, and its tokens for LLaVA-Med."""
        return self._encoder(encoder_input(image)[None].to(self._device)), self._image_tokens(image)

    def _image_tokens(self, image: NDArray[np.uint8]) -> Tensor:
        """(P, D): CLIP's patches of the image as LLaVA-Med's projector gives them."""
        pixels = clip_input(image, self._llava.config.vision_config.image_size)[None].to(self._device, self._llava.dtype)
        return self._llava.get_image_features(pixel_values=pixels, return_dict=True).pooler_output[0]

    def _prompt(self, question: str, image_PD: Tensor) -> Prompt:
        text = self._tokenizer(PROMPT.format(question=question), add_special_tokens=False).input_ids
        embed = self._llava.get_input_embeddings()
        words_TD = embed(torch.tensor([self._tokenizer.bos_token_id, *text], device=self._device))
        return Prompt(torch.cat([words_TD[:1], image_PD.to(words_TD), words_TD[1:]]))

    def _continued(self, prompts: Sequence[Prompt]) -> list[Answer]:
        return continued(self._llava, prompts, self.config.answer_tokens, self._tokenizer.eos_token_id)

    def _map(self, features: Tensor, states_TD: Tensor, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """The mask prompted by the last hidden states of the prompt, image tokens included."""
        logits = self._decoder(features, states_TD[None].float())
        # As the official evaluation enlarges its maps to the mask's size.
        return F.interpolate(logits, size=shape, mode="nearest")[0, 0].sigmoid().cpu().numpy()


def parsed(generated: str) -> str:
    """The assistant's turn of the generated text, on one line, as the official code reads it."""
    _, found, turn = generated.partition("### Assistant:")
    return " ".join((turn if found else generated).split("### Student:")[0].replace("### User:", " ").split())


def encoder_input(image: NDArray[np.uint8]) -> Tensor:
    """(H, W, 3) uint8 to (3, S, S): resized bilinearly, aspect not kept; ImageNet statistics."""
    resized = np.array(Image.fromarray(image).resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR), np.float32)
    return normalise(torch.from_numpy(resized / 255).permute(2, 0, 1))


def clip_input(image: NDArray[np.uint8], side_px: int) -> Tensor:
    """(H, W, 3) uint8 to (3, S, S): padded to a square with CLIP's mean colour, as LLaVA-Med v1.5 does, then resized."""
    height, width = image.shape[:2]
    side = max(height, width)
    square = np.tile((np.array(OPENAI_CLIP_MEAN) * 255).astype(np.uint8), (side, side, 1))
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = image
    resized = np.array(Image.fromarray(square).resize((side_px, side_px), Image.Resampling.BICUBIC), np.float32) / 255
    mean, std = (np.array(values, np.float32) for values in (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD))
    return torch.from_numpy((resized - mean) / std).permute(2, 0, 1)


def normalise(image_B3HW: Tensor) -> Tensor:
    """Float RGB in [0, 1], normalised with the ImageNet statistics."""
    mean, std = (image_B3HW.new_tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (image_B3HW - mean) / std
