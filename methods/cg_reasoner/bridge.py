"""How the spatial loss crosses from the language model to Text2Centroid: which way is open in the paper, so there are two.

Either ends in the frozen T2C head; the third reading, `none`, is no bridge at all.
"""

# R rows, T places of a sentence, A answer tokens of all rows, V vocabulary, D language width, E sentence width

from __future__ import annotations

from dataclasses import dataclass

import torch
from prsbench.methods.cg_reasoner.decoder import masked_mean
from prsbench.methods.multimodal_llm import TeacherForced
from prsbench.methods.sentence_encoder import WIDTH, SentenceEncoder, sentence_encoder
from torch import Tensor, nn
from torch.nn import functional as F

WORD_BEGINS = ("Ġ", "▁")  # how byte-level BPE and SentencePiece mark a token that begins a word


@dataclass(frozen=True, slots=True)
class Bridged:
    """Unit sentence embeddings and the points they speak of. is_learned: whether the embedding has to be distilled first."""

    embedding_RE: Tensor
    point_R2: Tensor
    is_learned: bool


class HiddenBridge(nn.Module):
    """Masked mean of the answer's states, one linear map into Sentence-BERT space (distilled), head."""

    def __init__(self, width: int, head: nn.Module):
        super().__init__()
        self.linear = nn.Linear(width, WIDTH)
        self.head = head.requires_grad_(False)

    def forward(self, text: TeacherForced) -> Bridged:
        answer_RD = masked_mean(text.states_BTD, text.is_answer_BT).float()
        embedding_RE = F.normalize(self.linear(answer_RD), dim=1)
        return Bridged(embedding_RE, self.head(embedding_RE), is_learned=True)


class SoftTokenBridge(nn.Module):
    """The answer's token distributions through Sentence-BERT itself, head. Nothing here is trained.

    Each place reads the likeliest token's word embedding (what would be said), and the gradient is that of the expected
    embedding under the distribution (straight-through). The end token's place is no word and is left out.
    """

    def __init__(self, tokenizer, head: nn.Module):
        super().__init__()
        self.head = head.requires_grad_(False)
        self._tokenizer = tokenizer
        self._word_VE: Tensor | None = None  # frozen, from packages: neither trained nor saved, and not needed to predict

    def forward(self, text: TeacherForced) -> Bridged:
        encoder = sentence_encoder(str(text.logits_AV.device))
        lengths = text.is_answer_BT.sum(1).tolist()
        words = [row[:-1] for row in self._words(text.logits_AV.float(), encoder).split(lengths)]
        embedding_RE = encoder.encode_words(words)
        return Bridged(embedding_RE, self.head(embedding_RE), is_learned=False)

    def _words(self, logits_AV: Tensor, encoder: SentenceEncoder) -> Tensor:
        if self._word_VE is None:
            self._word_VE = word_embeddings(self._tokenizer, logits_AV.shape[1], encoder).to(logits_AV.device)
        expected_AE = logits_AV.softmax(-1) @ self._word_VE
        return expected_AE + (self._word_VE[logits_AV.argmax(-1)] - expected_AE).detach()


def word_embeddings(tokenizer, size: int, encoder: SentenceEncoder) -> Tensor:
    """What Sentence-BERT would read for each of a language model's tokens: (size, E).

    The mean of the word pieces that spell the token; one that goes on with a word is the piece `##...` where there is one.
    What spells nothing (special tokens, parts of a character, ids without a token) is its unknown word.
    """
    texts = [""] * size
    tokens = tokenizer.convert_ids_to_tokens(list(range(min(size, len(tokenizer)))))
    for i, token in enumerate(tokens):
        text = "" if i in tokenizer.all_special_ids else tokenizer.decode([i]).strip()
        begins = token.startswith(WORD_BEGINS) or not text.isalnum()  # word pieces keep punctuation apart from the word before
        texts[i] = text if begins or not encoder.knows_piece(f"##{text.lower()}") else f"##{text.lower()}"
    return torch.stack([encoder.piece_embeddings(text).mean(0) for text in texts])
