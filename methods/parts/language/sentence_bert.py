"""Sentence-BERT (all-MiniLM-L6-v2), frozen: sentences to 384 numbers, for Text2Centroid, its bridge and PRScore's S_sem."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from functools import cache
from typing import Any

import torch
from prsbench.methods.parts.language.sentence_cache import SentenceCache
from prsbench.methods.parts.weights.packaged import MINILM, locate
from torch import Tensor

WIDTH = 384
_BATCH = 16
_MOST_HASHED = 256  # words, as many as MiniLM reads word pieces
_MOST_KNOWN = 20_000  # sentences in memory, 40 MB; the others are in the disk cache, or are encoded again to the same numbers


class SentenceEncoder:
    """Encodes each distinct sentence once: embeddings are cached in the process and, on a CPU, on disk by `SentenceCache`.

    unknown: the token for words outside the vocabulary.
    is_random: True if the package with the weights is missing; the architecture then has random weights, and every row that
    depends on it must say so.
    """

    unknown = "[UNK]"

    def __init__(self, device: str = "cpu"):
        from sentence_transformers import SentenceTransformer

        path = locate(MINILM)
        self.is_random = path is None
        self.network: Any
        self._ends: tuple[list[int], list[int]] = [], []  # token ids around a sentence
        if path is None:
            self.network = _RandomMiniLM().to(device)
            self._bert = self.network.bert
        else:
            self.network = SentenceTransformer(str(path.parent), device=device, local_files_only=True)
            self._bert, self._tokenizer = self.network[0].model, self.network[0].tokenizer
            self._ends = [self._tokenizer.cls_token_id], [self._tokenizer.sep_token_id]
        self.network.eval().requires_grad_(False)
        self.checksum = MINILM.sha256 if path else "random"
        self.known: dict[str, Tensor] = {}
        self._cache = SentenceCache(self.checksum, WIDTH) if path and device == "cpu" else None

    def encode(self, sentences: Sequence[str]) -> Tensor:
        """(N, 384) float32 on the CPU, unit length, detached. The empty list gives (0, 384)."""
        new = sorted(set(sentences) - self.known.keys())
        if new and self._cache:
            self.known.update({text: torch.from_numpy(vector.copy()) for text, vector in self._cache.get(new).items()})
            new = [text for text in new if text not in self.known]
        if new:
            encoded = {text: vector for group in self._groups(new) for text, vector in self._encoded(group)}
            self.known.update(encoded)
            if self._cache:
                self._cache.put({text: vector.numpy() for text, vector in encoded.items()})
        embedding_NE = torch.stack([self.known[s] for s in sentences]) if sentences else torch.zeros(0, WIDTH)
        if len(self.known) > _MOST_KNOWN:
            self.known.clear()
        return embedding_NE

    def _groups(self, sentences: list[str]) -> Iterator[list[str]]:
        """Sentences that may share a batch: those with the same number of tokens.

        Padding would change last digits, and numbers would depend on the order of cells. A GPU may change them even without
        padding, so without a disk cache each sentence is encoded alone.
        """
        if not self._cache:
            yield from ([sentence] for sentence in sentences)
            return
        by_length: dict[int, list[str]] = {}
        for sentence in sentences:
            by_length.setdefault(len(self.network.tokenizer(sentence)["input_ids"]), []).append(sentence)
        for group in by_length.values():
            yield from (group[start : start + _BATCH] for start in range(0, len(group), _BATCH))

    def _encoded(self, group: list[str]) -> Iterator[tuple[str, Tensor]]:
        encoded = self.network.encode(
            group, batch_size=len(group), convert_to_tensor=True, normalize_embeddings=True, show_progress_bar=False
        )
        return zip(group, encoded.float().cpu().clone(), strict=True)  # inference tensors cannot be trained on: clone

    def is_cut(self, sentences: Sequence[str]) -> list[bool]:
        """Whether each sentence has more word pieces than the encoder reads: it is encoded by its beginning alone."""
        if self.is_random:
            return [len(sentence.split()) > _MOST_HASHED for sentence in sentences]
        return [len(self._tokenizer(sentence)["input_ids"]) > self.network.max_seq_length for sentence in sentences]

    @torch.no_grad()
    def token_states(self, sentences: Sequence[str], layers: int) -> list[Tensor]:
        """(T, 384) float32 states of each sentence's word pieces after the first layers, with those of [CLS] and [SEP]; detached.

        The sentences are one padded batch: pass one alone where its last digits must not depend on the others.
        """
        if self.is_random:
            ids = [_hashed(sentence, self._bert.config.vocab_size) for sentence in sentences]
        else:
            ids = self._tokenizer(list(sentences), truncation=True, max_length=self.network.max_seq_length)["input_ids"]
        rows = [torch.tensor(row, device=self._bert.device) for row in ids]
        padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        is_token = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
        states = self._first(layers)(input_ids=padded, attention_mask=is_token).last_hidden_state.float()
        return [state[: len(row)] for state, row in zip(states, rows, strict=True)]

    @cache  # noqa: B019 - encoders live as long as the process
    def _first(self, layers: int) -> torch.nn.Module:
        """The network without its last layers; it shares the weights of the others."""
        first = copy(self._bert)
        first._modules = {**self._bert._modules, "encoder": copy(self._bert.encoder)}
        first.encoder._modules = {**self._bert.encoder._modules, "layer": self._bert.encoder.layer[:layers]}
        return first

    @torch.no_grad()
    def embed_batch(self, sentences: Sequence[str]) -> Tensor:
        """(N, 384) like `encode`, but as one padded batch and without the caches: for many sentences, each needed once."""
        encoded = self.network.encode(list(sentences), batch_size=len(sentences), convert_to_tensor=True,
                                      normalize_embeddings=True, show_progress_bar=False)  # fmt: skip
        return encoded.float().cpu().clone()

    def encode_words(self, sentences: Sequence[Tensor]) -> Tensor:
        """Sentences as word embeddings, (T, 384) each with T >= 0, to (N, 384) of unit length; differentiable.

        With the embeddings that `read` returns for the sentences it equals `encode`.
        """
        begin, end = (self._embed(ids) for ids in self._ends)
        rows = [torch.cat([begin, words_TE, end]) for words_TE in sentences]
        lengths = torch.tensor([[len(row)] for row in rows], device=begin.device)
        is_word = torch.arange(int(lengths.max()), device=begin.device)[None] < lengths
        padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        states = self._bert(inputs_embeds=padded, attention_mask=is_word.long()).last_hidden_state
        return torch.nn.functional.normalize((states * is_word[..., None]).sum(1) / lengths, dim=1)

    def read(self, text: str) -> tuple[Tensor, list[tuple[int, int]]]:
        """(T, 384) input embeddings of a text's word pieces, and the characters [start, stop) of each."""
        if self.is_random:
            spans = [match.span() for match in re.finditer(r"\S+", text)] or [(0, 0)]
            return self._embed(_hashed(text, self._bert.config.vocab_size)), spans
        pieces = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        return self._embed(pieces["input_ids"]), pieces["offset_mapping"]

    def _embed(self, ids: Sequence[int]) -> Tensor:
        table_VE = self._bert.get_input_embeddings().weight
        return table_VE[torch.tensor(ids, dtype=torch.long, device=table_VE.device)]


def sentence_encoder(device: str = "cpu") -> SentenceEncoder:
    """The encoder that all callers in this process share on this device."""
    return _encoder(device)  # `cache` alone would treat f() and f("cpu") as different and load the weights twice


@cache
def _encoder(device: str) -> SentenceEncoder:
    _encoders.append(SentenceEncoder(device))
    return _encoders[-1]


_encoders: list[SentenceEncoder] = []


@contextmanager
def fresh_sentences() -> Iterator[None]:
    """Inside the context sentences are encoded anew; afterwards the encoders' caches are restored."""
    saved = [(encoder, encoder.known, encoder._cache) for encoder in _encoders]
    for encoder, *_ in saved:
        encoder.known, encoder._cache = {}, None
    try:
        yield
    finally:
        for encoder, known, cache_ in saved:
            encoder.known, encoder._cache = known, cache_


class _RandomMiniLM(torch.nn.Module):
    """MiniLM's architecture with seeded random weights and words hashed to tokens, for machines without the package."""

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
            ids = _hashed(sentence, self.bert.config.vocab_size)
            pooled.append(self.bert(torch.tensor([ids], device=self.bert.device)).last_hidden_state.mean(1)[0])
        return torch.nn.functional.normalize(torch.stack(pooled), dim=1)


def _hashed(text: str, vocabulary: int) -> list[int]:
    return [zlib.crc32(word.encode()) % vocabulary for word in text.lower().split()[:_MOST_HASHED]] or [0]
