"""The Text2Centroid bridge, through which the spatial loss reaches the language model's LoRA. The paper leaves open how.

`hidden` and `soft_tokens` end in the frozen T2C head; with `bridge: none` there is no bridge.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from prsbench.methods.cg_reasoner.decoder import masked_mean
from prsbench.methods.parts.language.multimodal_llm import TeacherForced
from prsbench.methods.parts.language.sentence_bert import WIDTH, SentenceEncoder, sentence_encoder
from torch import Tensor, nn
from torch.nn import functional as F

WORD_BEGINS = ("Ġ", "▁")  # how byte-level BPE and SentencePiece mark a token that begins a word


@dataclass(frozen=True, slots=True)
class BridgeOutput:
    """Unit sentence embeddings and the points predicted from them. is_learned: whether the embeddings need distillation."""

    embedding_RE: Tensor
    point_R2: Tensor
    is_learned: bool


class HiddenBridge(nn.Module):
    """Masked mean of the answer's states, one linear map into Sentence-BERT space (distilled), T2C head."""

    def __init__(self, width: int, head: nn.Module):
        super().__init__()
        self.linear = nn.Linear(width, WIDTH)
        self.head = head.requires_grad_(False)

    def forward(self, text: TeacherForced) -> BridgeOutput:
        answer_RD = masked_mean(text.states_BTD, text.is_answer_BT).float()
        embedding_RE = F.normalize(self.linear(answer_RD), dim=1)
        return BridgeOutput(embedding_RE, self.head(embedding_RE), is_learned=True)


class SoftTokenBridge(nn.Module):
    """The model's likeliest answer, read by Sentence-BERT, T2C head. Nothing here is trained.

    Forward: each answer token is the likeliest one after the reference before it, and Sentence-BERT reads the text they spell.
    Backward: a word piece passes its gradient to the tokens that spell it, as if it were their expected embedding under the
    model's distribution (straight-through). The end token spells nothing.
    """

    def __init__(self, tokenizer, head: nn.Module):
        super().__init__()
        self.head = head.requires_grad_(False)
        self._tokenizer = tokenizer
        self._vocabulary: Vocabulary | None = None  # frozen, from packages: not saved, and not needed to predict

    def forward(self, text: TeacherForced) -> BridgeOutput:
        encoder = sentence_encoder(str(text.logits_AV.device))
        if self._vocabulary is None:
            self._vocabulary = Vocabulary(self._tokenizer, text.logits_AV.shape[1], encoder)
        rows = text.logits_AV.float().split(text.is_answer_BT.sum(1).tolist())
        embedding_RE = encoder.encode_words([self._vocabulary.spell(logits_TV[:-1]) for logits_TV in rows])
        return BridgeOutput(embedding_RE, self.head(embedding_RE), is_learned=False)


class Vocabulary:
    """A language model's tokens as Sentence-BERT reads them: the text of each, and the mean embedding of its word pieces.

    Special tokens and ids without a token spell nothing; a text without word pieces has the embedding of an unknown word.
    """

    def __init__(self, tokenizer, size: int, encoder: SentenceEncoder):
        self._encoder = encoder
        self._text = [""] * size
        for i, token in enumerate(tokenizer.convert_ids_to_tokens(list(range(min(size, len(tokenizer)))))):
            if i not in tokenizer.all_special_ids:
                begins_word = token.startswith(WORD_BEGINS)
                self._text[i] = begins_word * " " + tokenizer.decode([i]).strip()
        unknown_1E, _ = encoder.read(encoder.unknown)
        pieces = [encoder.read(text)[0] for text in self._text]
        self._mean_VE = torch.stack([(piece_PE if len(piece_PE) else unknown_1E).mean(0) for piece_PE in pieces])

    def spell(self, logits_TV: Tensor) -> Tensor:
        """The word embeddings (P, E) of the text that the likeliest tokens spell, with the expected embeddings' gradient."""
        text, token_of_letter = "", []
        for t, token in enumerate(logits_TV.argmax(-1).tolist()):
            text += self._text[token]
            token_of_letter += [t] * len(self._text[token])
        piece_PE, spans = self._encoder.read(text)
        share_PT = torch.zeros(len(spans), len(logits_TV))
        for p, (start, stop) in enumerate(spans):
            for t in token_of_letter[start:stop]:
                share_PT[p, t] += 1 / (stop - start)
        expected_PE = share_PT.to(logits_TV.device) @ (logits_TV.softmax(-1) @ self._mean_VE)
        return piece_PE + expected_PE - expected_PE.detach()
