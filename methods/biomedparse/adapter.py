"""BiomedParse as a `Method`, from an export of the user's: its own code needs detectron2, and its checkpoint is a pickle.

The folder holds tokenizer/ (its CLIP tokenizer, in transformers' form) and model.ts, a TorchScript program made with
`torch.jit.trace` in an environment where BiomedParse runs. The program takes one image (1, 3, S, S) float32, RGB 0 to 255, and
the prompt's token ids and attention mask (1, 77) int64, and returns the mask logits (1, 1, h, w) of that prompt; normalisation
and text encoder are inside. TorchScript, because its reader builds tensors and never runs pickled Python, as that of
`torch.export` may.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from prsbench.harness.contract.errors import ContractError, MissingPrerequisite, PrsbenchError
from prsbench.harness.contract.types import FitContext, Labels, Prediction, Query, Sample, TextSource, Weights
from prsbench.methods.answers import answer_from_mask
from prsbench.methods.biomedparse.config import NOUNS, SITES, BiomedParseConfig
from prsbench.methods.checkpoints import Matched
from prsbench.methods.exposure import exposure_note
from prsbench.methods.targets import target_named
from transformers import AutoTokenizer

PROGRAM, TOKENIZER = "model.ts", "tokenizer"
CONTEXT = 77  # tokens of a prompt, as CLIP


class BiomedParseMethod:
    """Image and question to the mask of the question's target; the sentence is templated from the mask."""

    def __init__(self, config: BiomedParseConfig):
        self.config = config

    @property
    def labels(self) -> Labels:
        notes = (
            "prompted with the question's target and the modality, such as 'polyp in colon endoscope'",
            exposure_note("biomedparse"),
        )
        return Labels(self.config.prompt_source, Weights.OFFICIAL, TextSource.OWN_MASK, notes)

    def fit(self, train: Sequence[Sample], val: Sequence[Sample], context: FitContext) -> None:
        """Nothing to train."""

    def save(self, folder: Path) -> None:
        """Nothing to keep: the weights stay where they are."""

    def load(self, folder: Path, device: str) -> None:
        """Read the exported program onto `device`; `folder` is not read.

        Raises:
            MissingPrerequisite: there is no export.
            PrsbenchError: model.ts is no TorchScript program.
        """
        place = self._folder()
        self._tokenizer = AutoTokenizer.from_pretrained(place / TOKENIZER, local_files_only=True)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # its successor's reader may run pickled code
                self._network = torch.jit.load(place / PROGRAM, map_location=device).eval()
        except RuntimeError as error:
            said = str(error).strip().splitlines()[0]
            raise PrsbenchError(f"{place / PROGRAM}: expected a TorchScript program, got: {said} Export it again.") from None
        count = len(self._network.state_dict())
        self.matched, self._device = Matched(count, count), device  # a program brings its own tensors: none can be missing

    @torch.inference_mode()
    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """One prediction a query, one by one."""
        return [self._predict_one(query) for query in queries]

    def _predict_one(self, query: Query) -> Prediction:
        start = time.perf_counter()
        side = self.config.image_size_px
        resized = np.array(Image.fromarray(query.image).resize((side, side), Image.Resampling.BICUBIC), np.float32)
        image = torch.from_numpy(resized).permute(2, 0, 1)[None].to(self._device)
        words = self._tokenizer(
            prompt_of(query), padding="max_length", truncation=True, max_length=CONTEXT, return_tensors="pt"
        ).to(self._device)
        logits = self._network(image, words["input_ids"], words["attention_mask"])
        if logits.ndim != 4 or logits.shape[:2] != (1, 1):
            raise ContractError(f"{PROGRAM} must return (1, 1, h, w) mask logits, got {tuple(logits.shape)}. Export it again.")
        size = query.image.shape[:2]
        native = torch.nn.functional.interpolate(logits.float(), size=size, mode="bilinear", align_corners=False)
        probability = native[0, 0].sigmoid().cpu().numpy()
        return Prediction(probability, answer_from_mask(probability, query.modality), time.perf_counter() - start)

    def _folder(self) -> Path:
        path = self.config.checkpoint
        if path is not None and (Path(path) / PROGRAM).is_file() and (Path(path) / TOKENIZER).is_dir():
            return Path(path)
        where = "no checkpoint is set" if path is None else f"no {PROGRAM} and {TOKENIZER}/ in {path}"
        raise MissingPrerequisite(
            f"biomedparse: skipped, {where}. Export microsoft/BiomedParse as methods/biomedparse/adapter.py says and set "
            "methods.biomedparse.checkpoint to the folder, or leave it out with --only."
        )


def prompt_of(query: Query) -> str:
    """The question's target in the words of BiomedParse's training data.

    Raises:
        ContractError: a modality it has no words for.
    """
    if query.modality not in SITES:
        raise ContractError(f"BiomedParse has no words for modality '{query.modality}'. Known: {', '.join(SITES)}.")
    noun = target_named(query.question, query.modality)
    return f"{NOUNS.get(noun, noun)} in {SITES[query.modality]}"
