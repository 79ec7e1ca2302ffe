"""Sentence-BERT (all-MiniLM-L6-v2), frozen: sentences to 384 numbers. Used by Text2Centroid, its bridge and PRScore's S_sem."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache

import torch
from prsbench.methods.packaged_weights import MINILM, locate
from torch import Tensor

WIDTH = 384


class SentenceEncoder:
    """Encodes each distinct sentence once per process; the cache belongs to one set of weights.

    is_random is True if the package with the weights is missing: the architecture is built with random weights, and every
    row that depends on it must say so.
    """

    def __init__(self, device: str = "cpu"):
        from sentence_transformers import SentenceTransformer

        path = locate(MINILM)
        self.is_random = path is None
        if path is None:
            self.network = _RandomMiniLM().to(device)
        else:
            self.network = SentenceTransformer(str(path.parent), device=device, local_files_only=True)
        self.network.eval().requires_grad_(False)
        self.checksum = MINILM.sha256 if path else "random"
        self.known: dict[str, Tensor] = {}

    def encode(self, sentences: Sequence[str]) -> Tensor:
        """(N, 384) float32 on the CPU, unit length, detached. The empty list gives (0, 384)."""
        new = sorted(set(sentences) - self.known.keys())
        if new:
            # One at a time: neighbours in a batch move the last digits, and then a number would depend on the order of cells.
            encoded = self.network.encode(
                new, batch_size=1, convert_to_tensor=True, normalize_embeddings=True, show_progress_bar=False
            )
            # Inference tensors cannot be trained on: clone.
            self.known.update(zip(new, encoded.float().cpu().clone(), strict=True))
        return torch.stack([self.known[s] for s in sentences]) if sentences else torch.zeros(0, WIDTH)


def sentence_encoder(device: str = "cpu") -> SentenceEncoder:
    """The one encoder of this process on this device."""
    return _encoder(device)  # `cache` itself would tell f() from f("cpu") and load the weights twice


@cache
def _encoder(device: str) -> SentenceEncoder:
    _encoders.append(SentenceEncoder(device))
    return _encoders[-1]


_encoders: list[SentenceEncoder] = []


@contextmanager
def fresh_sentences() -> Iterator[None]:
    """Inside, sentences are encoded anew; afterwards the encoders of this process know what they knew."""
    kept = [(encoder, encoder.known) for encoder in _encoders]
    for encoder, _ in kept:
        encoder.known = {}
    try:
        yield
    finally:
        for encoder, known in kept:
            encoder.known = known


class _RandomMiniLM(torch.nn.Module):
    """MiniLM's shape with seeded random weights and words hashed to tokens, for machines without the package."""

    def __init__(self):
        super().__init__()
        from transformers import BertConfig, BertModel

        shape = dict(hidden_size=WIDTH, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.bert = BertModel(BertConfig(**shape))

    @torch.no_grad()
    def encode(self, sentences: list[str], **_: object) -> Tensor:
        pooled = []
        for sentence in sentences:
            ids = [zlib.crc32(word.encode()) % self.bert.config.vocab_size for word in sentence.lower().split()] or [0]
            pooled.append(self.bert(torch.tensor([ids], device=self.bert.device)).last_hidden_state.mean(1)[0])
        return torch.nn.functional.normalize(torch.stack(pooled), dim=1)
