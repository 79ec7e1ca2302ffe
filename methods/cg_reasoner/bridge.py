"""The Text2Centroid bridges: from words to the point that the spatial loss compares with the mask. The paper leaves them open.

All end in the frozen T2C head; with `bridge: none` there is no bridge. They differ in whose words they read:

- `hidden` reads the language model's states at the reference answer's tokens, not what the model would say by itself.
- `soft_tokens` and `sampled` read answers that the model generates, so their loss reaches what decides the words.

`gate.py` tells whether a trained bridge follows the words or the image.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from prsbench.methods.cg_reasoner.decoder import masked_mean
from prsbench.methods.parts.language.multimodal_llm import TeacherForced
from prsbench.methods.parts.language.sentence_bert import WIDTH, SentenceEncoder, sentence_encoder
from torch import Tensor, nn
from torch.nn import functional as F

WORD_BEGINS = ("Ġ", "▁")  # how byte-level BPE and SentencePiece mark a token that begins a word


class HiddenBridge(nn.Module):
    """Masked mean of an answer's states, one linear map into Sentence-BERT space, T2C head.

    It FAILS its gate (`gate.py`): a state predicts the next word from the image, so the point follows the image, whatever words
    are given. A map that is distilled on answers to other images too still does, and one that read the words alone would give
    LoRA no gradient.
    """

    def __init__(self, width: int, head: nn.Module):
        super().__init__()
        self.linear = nn.Linear(width, WIDTH)
        self.head = head.requires_grad_(False)

    def forward(self, text: TeacherForced) -> tuple[Tensor, Tensor]:
        """Unit sentence embeddings (R, 384) and points (R, 2) of the answers read; a row without one has no meaning."""
        answer_RD = masked_mean(text.states_BTD, text.is_answer_BT).float()
        embedding_RE = F.normalize(self.linear(answer_RD), dim=1)
        return embedding_RE, self.head(embedding_RE)


class SampledBridge(nn.Module):
    """T2C of generated answers, as PRScore reads them. Nothing here is trained; see `losses.sampled_spatial_loss`."""

    def __init__(self, head: nn.Module):
        super().__init__()
        self.head = head.requires_grad_(False)

    @torch.no_grad()
    def forward(self, answers: Sequence[str], device: str | torch.device) -> Tensor:
        """Points (R, 2), without gradient."""
        return self.head(sentence_encoder(str(device)).encode(answers).to(device))


class SoftTokenBridge(SampledBridge):
    """The model's likeliest answer, read by Sentence-BERT with a gradient, T2C head. Nothing here is trained.

    Backward, a word piece passes its gradient to the tokens that spell it, as if it were their expected embedding under the
    model's distribution (straight-through). The end token spells nothing.
    """

    def __init__(self, tokenizer, head: nn.Module):
        super().__init__(head)
        self._tokenizer = tokenizer
        self._vocabulary: Vocabulary | None = None  # frozen, from packages: not saved, and not needed to predict

    def soft_points(self, text: TeacherForced, ids: Sequence[Sequence[int]]) -> Tensor:
        """The points (R, 2) of the answers with these token ids, whose pass through the model is `text`."""
        encoder = sentence_encoder(str(text.logits_AV.device))
        if self._vocabulary is None:
            self._vocabulary = Vocabulary(self._tokenizer, text.logits_AV.shape[1], encoder)
        logits_of_rows = text.logits_AV.float().split([len(row) for row in ids])
        spelled = [self._vocabulary.spell(row, logits_TV) for row, logits_TV in zip(ids, logits_of_rows, strict=True)]
        return self.head(encoder.encode_words(spelled))


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

    def spell(self, ids: Sequence[int], logits_TV: Tensor) -> Tensor:
        """The word embeddings (P, E) of the text that these T tokens spell, with the gradient of the expected embeddings."""
        text, token_of_letter = "", []
        for t, token in enumerate(ids):
            text += self._text[token]
            token_of_letter += [t] * len(self._text[token])
        piece_PE, spans = self._encoder.read(text)
        share_PT = torch.zeros(len(spans), len(logits_TV))
        for p, (start, stop) in enumerate(spans):
            for t in token_of_letter[start:stop]:
                share_PT[p, t] += 1 / (stop - start)
        expected_PE = share_PT.to(logits_TV.device) @ (logits_TV.softmax(-1) @ self._mean_VE)
        return piece_PE + expected_PE - expected_PE.detach()


Bridge = HiddenBridge | SampledBridge
