"""The packaged judge: text models for PRScore whose weights are shipped, so that PRScores of different runs can be compared.

Sentence embeddings, for S_sem, are frozen MiniLM's; points come from the `TokenReader` that `pretraining` trained on grammar
sentences and random masks, of no data set. It reads numbers ("30 % from the left") only roughly, degrees ("slightly", "extreme")
too weakly and some typing errors not at all; of several places in one sentence it gives a point between.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import numpy as np
import torch
from numpy.typing import NDArray
from prsbench.methods.parts.language.sentence_bert import sentence_encoder
from prsbench.methods.parts.language.sentence_cache import SentenceCache
from prsbench.methods.parts.weights.packaged import JUDGE, shipped
from prsbench.methods.text2centroid.model import INSTEAD, random_notes
from prsbench.methods.text2centroid.token_reader import LAYERS, load_reader

_MOST_KNOWN = 200_000  # points in memory

Point = NDArray[np.float32]


class PackagedJudge:
    """The text models that scoring uses; name holds the version, how many sentences trained it, and its checksum."""

    def __init__(self, device: str):
        self._encoder = sentence_encoder(device)
        self._reader, version, n_sentences = load_reader(shipped(JUDGE, INSTEAD))
        self._reader.to(device)
        self.name = f"packaged {version} (sentences: {n_sentences:,}, sha256 {JUDGE.sha256[:8]})"
        self.checksum = sha256(f"{self._encoder.checksum}/{JUDGE.sha256}".encode()).hexdigest()
        self.notes = random_notes()
        self._known: dict[str, Point] = {}
        self._cache = SentenceCache(self.checksum, width=2) if device == "cpu" and not self._encoder.is_random else None

    def embed(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """(N, 384) unit sentence embeddings."""
        return self._encoder.encode(sentences).numpy()

    def is_cut(self, sentences: Sequence[str]) -> list[bool]:
        """Whether each sentence is longer than the encoder reads."""
        return self._encoder.is_cut(sentences)

    def locate(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """(N, 2) points in the image frame. One sentence at a time, so that no point depends on the other sentences."""
        if len(self._known) > _MOST_KNOWN:
            self._known.clear()
        new = sorted(set(sentences) - self._known.keys())
        if self._cache:
            self._known |= self._cache.get(new)
        read = {sentence: self._read(sentence) for sentence in new if sentence not in self._known}
        if self._cache:
            self._cache.put(read)
        self._known |= read
        return np.array([self._known[sentence] for sentence in sentences], np.float32).reshape(-1, 2)

    @torch.no_grad()
    def _read(self, sentence: str) -> Point:
        return self._reader(self._encoder.token_states([sentence], LAYERS))[0].cpu().numpy()


def load_packaged(folder: None, device: str) -> PackagedJudge:  # noqa: ARG001 (the protocol's)
    """The shipped judge, which has no folder in a run."""
    return PackagedJudge(device)
