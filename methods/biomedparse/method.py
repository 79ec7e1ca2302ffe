"""BiomedParse as a `Method`, from a TorchScript export that the user makes.

The official code needs detectron2, and the official checkpoint is a pickle. The export folder holds tokenizer/ (BiomedParse's
CLIP tokenizer in transformers' form) and model.ts, made with `torch.jit.trace` in an environment where BiomedParse runs. The
program takes one image, (1, 3, S, S) float32 RGB from 0 to 255, and the prompt's token ids and attention mask, (1, 77) int64
each, and returns the prompt's mask logits (1, 1, h, w); it contains normalisation and text encoder. The format is TorchScript
because its reader builds tensors and never runs pickled Python, which the reader of `torch.export` may do.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from uuid import uuid4

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from prsbench.harness.contract.errors import ContractError, PrsbenchError
from prsbench.harness.contract.modalities import BY_NAME
from prsbench.harness.contract.types import Labels, Prediction, Query, TextSource, Weights
from prsbench.methods.answers import answer_from_mask
from prsbench.methods.biomedparse.config import NOUNS, BiomedParseConfig
from prsbench.methods.feature_cache import cached_features
from prsbench.methods.frozen import FrozenNetwork
from prsbench.methods.parts.weights.checkpoints import Matched, required_folder
from prsbench.methods.parts.weights.exposure import exposure_note, seen_by
from prsbench.methods.targets import target_named
from torch import Tensor
from transformers import AutoTokenizer

PROGRAM, TOKENIZER = "model.ts", "tokenizer"
CONTEXT = 77  # tokens per prompt, as in CLIP


class BiomedParseMethod(FrozenNetwork):
    """Image and question to a mask of the target that the question names; the sentence is templated from the mask."""

    def __init__(self, config: BiomedParseConfig):
        self.config = config

    @property
    def labels(self) -> Labels:
        notes = (
            "prompted with the question's target and the modality, for example 'polyp in colon endoscope'",
            exposure_note("biomedparse"),
        )
        return Labels(self.config.prompt_source, Weights.OFFICIAL, TextSource.OWN_MASK, notes, seen_by("biomedparse"))

    def load(self, folder: Path, device: str) -> None:  # noqa: ARG002 (the weights are the user's)
        """Load the exported program onto `device`; `folder` is ignored.

        Raises:
            MissingPrerequisite: there is no export.
            PrsbenchError: model.ts is not a TorchScript program.
        """
        what = "a folder with your export of microsoft/BiomedParse, made as methods/biomedparse/method.py describes"
        export = required_folder("biomedparse", "checkpoint", self.config.checkpoint, what, PROGRAM, TOKENIZER)
        self._tokenizer = AutoTokenizer.from_pretrained(export / TOKENIZER, local_files_only=True)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # the suggested torch.export may run pickled code
                self._network = torch.jit.load(export / PROGRAM, map_location=device).eval()
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[0]
            raise PrsbenchError(f"{export / PROGRAM}: expected a TorchScript program, got: {reason} Export it again.") from None
        count = len(self._network.state_dict())
        self.matched, self._device = Matched(count, count), device  # a program contains its tensors: none can be missing
        self._identity = f"BiomedParse {uuid4()}"  # of this program in the cache

    def _predict_one(self, query: Query) -> Prediction:
        prompt = prompt_of(query)  # the same for all questions about an image that name one target
        identity = f"{self._identity} {prompt}"
        [cached] = cached_features(identity, [query.image], lambda images: [self._logits(images[0], prompt)], self._device)
        start = time.perf_counter()
        size = query.image.shape[:2]
        native = torch.nn.functional.interpolate(cached.features, size=size, mode="bilinear", align_corners=False)
        probability = native[0, 0].sigmoid().cpu().numpy()
        answer = answer_from_mask(probability, query.modality)
        return Prediction(probability, answer, cached.seconds + time.perf_counter() - start)

    def _logits(self, image: NDArray[np.uint8], prompt: str) -> Tensor:
        """(1, 1, h, w) float32."""
        side = self.config.image_size_px
        resized = np.array(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC), np.float32)
        pixels = torch.from_numpy(resized).permute(2, 0, 1)[None].to(self._device)
        words = self._tokenizer(prompt, padding="max_length", truncation=True, max_length=CONTEXT, return_tensors="pt")
        words = words.to(self._device)
        logits = self._network(pixels, words["input_ids"], words["attention_mask"])
        if logits.ndim != 4 or logits.shape[:2] != (1, 1):
            raise ContractError(f"{PROGRAM} must return (1, 1, h, w) mask logits, got {tuple(logits.shape)}. Export it again.")
        return logits.float()


def prompt_of(query: Query) -> str:
    """The question's target in the words of BiomedParse's training data.

    Raises:
        ContractError: BiomedParse has no words for the query's modality.
    """
    if query.modality not in BY_NAME:
        raise ContractError(f"BiomedParse has no words for modality '{query.modality}'. Known: {', '.join(BY_NAME)}.")
    noun = target_named(query.question, query.modality)
    return f"{NOUNS.get(noun, noun)} in {BY_NAME[query.modality].site}"
