"""LLaVA-style multimodal language model: image tokens through a projector, a frozen base, LoRA on the attention projections.

One pass per step serves the text loss, the mask's prompt embeddings and the Text2Centroid bridge: attention is causal, so the
states of image and question cannot depend on the answer that follows them.
"""

# B batch, N image tokens, T text tokens, A answer tokens of all rows, D language width, V vocabulary

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from prsbench.methods.language_base import LanguageBase, TextRows, answer_ids, pad_right, question_ids
from prsbench.methods.llama_reader import LlamaReader, refuse_other_forms, weights_seen
from torch import Tensor, nn
from torch.nn import functional as F

FINE = 8  # points along a place's side at which foreground is predicted
LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj")  # CG-Reasoner, PRS-Med


@dataclass(frozen=True, slots=True)
class Reading:
    """The projector's reading of images as layouts, for `alignment_loss`.

    level_logits_BNK: the layout character predicted for each place. foreground_logits_B1FF: the foreground it is predicted from,
    on a grid of `FINE` x `FINE` points per place.
    """

    level_logits_BNK: Tensor
    foreground_logits_B1FF: Tensor


@dataclass(frozen=True, slots=True)
class ImageTokens:
    """Image tokens of B images.

    token_BND: used like word embeddings. reading: the layout they were made from; None if there is nothing to align.
    """

    token_BND: Tensor
    reading: Reading | None


class ImageProjector(nn.Module):
    """Feature map to N image tokens of language width, one per place of the base's layouts: pool, two-layer MLP (LLaVA 1.5).

    Added to the MLP's output is the layout character of the place, blended over the predicted levels of foreground (ours): the
    base can read layouts, so only the position of the foreground is left to learn.
    """

    def __init__(self, channels: int, character_NKD: Tensor):
        super().__init__()
        places, levels, width = character_NKD.shape
        self.side = math.isqrt(places)
        self.character_NKD = nn.Parameter(character_NKD.detach().clone(), requires_grad=False)
        self.foreground = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.GELU(), nn.Conv2d(width, 1, 1))
        self.level = nn.Sequential(nn.Linear(2, 32), nn.GELU(), nn.Linear(32, levels))
        self.mlp = nn.Sequential(nn.Linear(channels, width), nn.GELU(), nn.Linear(width, width))
        nn.init.zeros_(self.mlp[-1].weight), nn.init.zeros_(self.mlp[-1].bias)

    def forward(self, features_BCHW: Tensor) -> ImageTokens:
        logits_B1FF = self._enlarged(self.foreground(features_BCHW))
        share_B1FF = logits_B1FF.sigmoid()
        # Mean and peak: a place is empty only if it has no foreground at all, however little.
        seen_B2NN = torch.cat([F.avg_pool2d(share_B1FF, FINE), F.max_pool2d(share_B1FF, FINE)], dim=1)
        level_BNK = self.level(6 * _as_sequence(seen_B2NN) - 3)  # widened to -3..3, as a level is only a third of a share
        character_BND = torch.einsum("bnk,nkd->bnd", level_BNK.softmax(-1), self.character_NKD)
        pooled_BNC = _as_sequence(F.avg_pool2d(self._enlarged(features_BCHW, 2), 2))
        return ImageTokens(character_BND + self.mlp(pooled_BNC), Reading(level_BNK, logits_B1FF))

    def _enlarged(self, x_BCHW: Tensor, points: int = FINE) -> Tensor:
        """Resized to `points` x `points` per place, so that pooling stays within a place whatever the map's size."""
        side = points * self.side
        return F.interpolate(x_BCHW, size=(side, side), mode="bilinear", align_corners=False)


def alignment_loss(reading: Reading, layout_BNN: Tensor, mask_B1SS: Tensor) -> Tensor:
    """LLaVA's feature alignment, here to layouts: cross-entropy of the places' characters plus that of the foreground."""
    share_B1FF = F.adaptive_avg_pool2d(mask_B1SS, reading.foreground_logits_B1FF.shape[-1])
    characters = F.cross_entropy(reading.level_logits_BNK.float().flatten(0, 1), layout_BNN.flatten())
    return characters + F.binary_cross_entropy_with_logits(reading.foreground_logits_B1FF.float(), share_B1FF)


def _as_sequence(x_BCNN: Tensor) -> Tensor:
    return x_BCNN.flatten(2).transpose(1, 2)


@dataclass(frozen=True, slots=True)
class TeacherForced:
    """One training pass.

    text_loss: scalar mean cross-entropy over answer tokens (end token included).
    logits_AV: the predictions for these A tokens, row by row.
    image: the image tokens.
    states_BTD: last hidden states of the text tokens; is_question_BT and is_answer_BT mark them, padding is in neither.
    """

    text_loss: Tensor
    logits_AV: Tensor
    image: ImageTokens
    states_BTD: Tensor
    is_question_BT: Tensor
    is_answer_BT: Tensor


@dataclass(frozen=True, slots=True)
class Generated:
    """Greedy answers, and the question's states from the same prefill (is_question_BT marks the real tokens).

    ids_BA: the answers' tokens, padded after their end. answer_states_BAD: the state that predicted each of them.
    """

    answers: list[str]
    states_BTD: Tensor
    is_question_BT: Tensor
    ids_BA: Tensor
    answer_states_BAD: Tensor


class AdaptedLLM(nn.Module):
    """Frozen base + LoRA. `language` is peft's wrapped model. A subclass defines `_see`, `_question_ids` and `_decoder`.

    reads_pixels: whether `seen_BCHW` is the image itself (B, 3, S, S) in [0, 1], or a visual encoder's features (B, C, H, W).
    """

    reads_pixels = False

    def __init__(self, tokenizer, base: nn.Module, rank: int, alpha: int, dropout: float):
        super().__init__()
        from peft import LoraConfig, get_peft_model

        self.tokenizer = tokenizer
        lora = LoraConfig(
            r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=list(LORA_TARGETS), task_type="CAUSAL_LM"
        )
        self.language = get_peft_model(base.requires_grad_(False), lora)
        self.width = base.config.get_text_config().hidden_size
        refuse_other_forms(self._decoder)  # fail here, before training
        self._answering: tuple[object, LlamaReader] | None = None  # reader with LoRA merged, and the state of the merged weights

    def teacher_forced(
        self, seen_BCHW: Tensor, row_image_R: Tensor, questions: Sequence[str], answers: Sequence[str]
    ) -> TeacherForced:
        """Read image, question and reference answer at once; loss on answer tokens only. row_image_R: each row's image."""
        pairs = [(self._question_ids(q), answer_ids(self.tokenizer, a)) for q, a in zip(questions, answers, strict=True)]
        text = TextRows.of(pairs, self.tokenizer.pad_token_id, seen_BCHW.device)
        image = self._see(seen_BCHW)
        states_BTD = LlamaReader(self._decoder).read(image.token_BND, self._embed(text.ids_BT), text.is_text_BT, row_image_R)
        loss, logits_AV = text.answers_loss(states_BTD, self._head)
        return TeacherForced(loss, logits_AV, image, states_BTD.float(), text.is_question_BT, text.is_answer_BT)

    @torch.no_grad()
    def generate(
        self, seen_BCHW: Tensor, questions: Sequence[str], answer_tokens: int, row_image_R: Tensor | None = None
    ) -> Generated:
        """Greedy decoding with a KV cache from image and question alone, until every row has ended.

        row_image_R: index of each question's image, which is encoded once for all its questions; None: one question per image.
        """
        image_BND = self._see(seen_BCHW).token_BND
        question_RT, is_question_RT = pad_right([self._question_ids(q) for q in questions], self.tokenizer.pad_token_id)
        question_RT, is_question_RT = question_RT.to(image_BND.device), is_question_RT.to(image_BND.device)
        row_R = torch.arange(len(questions), device=image_BND.device)
        row_image_R = row_R if row_image_R is None else row_image_R
        reader = self._merged_reader()
        states_RTD, memory = reader.begin(image_BND, self._embed(question_RT), is_question_RT, row_image_R, answer_tokens - 1)
        states = [states_RTD[row_R, is_question_RT.sum(1) - 1]]
        ids_RA = question_RT.new_empty(len(questions), 0)
        while True:
            ended = (ids_RA == self.tokenizer.eos_token_id).any(1)
            token_B = self._choose(self._head(states[-1])).masked_fill(ended, self.tokenizer.pad_token_id)
            ids_RA = torch.cat([ids_RA, token_B[:, None]], dim=1)
            if ids_RA.shape[1] == answer_tokens or (ids_RA == self.tokenizer.eos_token_id).any(1).all():
                break
            states.append(reader.go_on(self._embed(token_B), memory))
        answers = [a.strip() for a in self.tokenizer.batch_decode(ids_RA, skip_special_tokens=True)]
        return Generated(answers, states_RTD.float(), is_question_RT, ids_RA, torch.stack(states, dim=1).float())

    def _merged_reader(self) -> LlamaReader:
        """Cached from one batch of questions to the next, until a weight changes. Autocast would round a merged LoRA away."""
        if torch.is_autocast_enabled(next(self._decoder.parameters()).device.type):
            return LlamaReader(self._decoder)
        weights = weights_seen(self._decoder)
        if self._answering is None or self._answering[0] != weights:
            self._answering = weights, LlamaReader(self._decoder, merged=True)
        return self._answering[1]

    def train(self, mode: bool = True) -> AdaptedLLM:
        if mode:  # the weights will change, so the copies would only take memory
            self._answering = None
        return super().train(mode)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_answering": None}

    def _choose(self, logits_BV: Tensor) -> Tensor:
        """Each row's next token."""
        return logits_BV.argmax(-1)

    def _embed(self, ids: Tensor) -> Tensor:
        return self.language.get_input_embeddings()(ids)

    def _after(self, ids: Sequence[int], image: ImageTokens) -> ImageTokens:
        """Put words before the image's tokens; the text follows the image."""
        words_TD = self._embed(torch.tensor(ids, device=image.token_BND.device))
        token_BND = torch.cat([words_TD.expand(len(image.token_BND), -1, -1), image.token_BND], dim=1)
        return ImageTokens(token_BND, image.reading)

    def _see(self, seen_BCHW: Tensor) -> ImageTokens:
        raise NotImplementedError

    def _question_ids(self, question: str) -> list[int]:
        raise NotImplementedError

    @property
    def _decoder(self) -> nn.Module:
        """The module that turns embeddings into last hidden states."""
        raise NotImplementedError

    @property
    def _head(self) -> nn.Module:
        return self.language.get_base_model().lm_head


class MultimodalLLM(AdaptedLLM):
    """The embedded size: a `LanguageBase` and a projector, trained here on a visual encoder's features."""

    def __init__(self, base: LanguageBase, channels: int, rank: int, alpha: int, dropout: float):
        super().__init__(base.tokenizer, base.model, rank, alpha, dropout)
        self.projector = ImageProjector(channels, base.character_NKD)

    def _see(self, seen_BCHW: Tensor) -> ImageTokens:
        return self.projector(seen_BCHW)

    def _question_ids(self, question: str) -> list[int]:
        return question_ids(self.tokenizer, question)

    @property
    def _decoder(self) -> nn.Module:
        return self.language.get_base_model().model
