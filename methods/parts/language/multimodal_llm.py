"""LLaVA-style multimodal language model: image tokens, a frozen language model, LoRA on the attention projections.

One pass per step serves the text loss, the mask's prompt embeddings and the Text2Centroid bridge: attention is causal, so the
states of image and question cannot depend on the answer that follows them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from prsbench.methods.parts.language.image_tokens import ImageProjector, ImageTokens
from prsbench.methods.parts.language.shared_prefix import SharedPrefixDecoder, refuse_other_forms, weights_version
from prsbench.methods.parts.language.text_rows import TextRows, answer_ids, pad_right, question_ids
from torch import Tensor, nn

LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj")  # CG-Reasoner, PRS-Med


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
    """Generated answers, and the question's states from the same prefill (is_question_BT marks the real tokens).

    ids_BA: the answers' tokens, padded after their end. answer_states_BAD: the state that predicted each of them.
    """

    answers: list[str]
    states_BTD: Tensor
    is_question_BT: Tensor
    ids_BA: Tensor
    answer_states_BAD: Tensor

    def ids(self, end: int) -> list[list[int]]:
        """Each answer's token ids, up to its end token if it has one."""
        rows = self.ids_BA.tolist()
        return [row[: row.index(end) + 1] if end in row else row for row in rows]


class AdaptedLLM(nn.Module):
    """A frozen transformers model with LoRA. A subclass defines `_image_tokens`, `_question_ids` and `_decoder`.

    language: peft's model around the frozen one.

    reads_pixels: whether `seen_BCHW` is the image itself (B, 3, S, S) in [0, 1], or a visual encoder's features (B, C, H, W).
    """

    reads_pixels = False

    def __init__(self, tokenizer: Any, base: Any, rank: int, alpha: int, dropout: float):
        super().__init__()
        from peft import LoraConfig, get_peft_model

        self.tokenizer = tokenizer
        lora = LoraConfig(
            r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=list(LORA_TARGETS), task_type="CAUSAL_LM"
        )
        self.language: Any = get_peft_model(base.requires_grad_(False), lora)
        self.width = base.config.get_text_config().hidden_size
        refuse_other_forms(self._decoder)  # fail here, before training
        self._merged: tuple[object, SharedPrefixDecoder] | None = None  # the weights' version, and the decoder made of them

    def teacher_forced(
        self, seen_BCHW: Tensor, row_image_R: Tensor, questions: Sequence[str], answers: Sequence[str | Sequence[int]]
    ) -> TeacherForced:
        """Read image, question and answer at once; loss on answer tokens only.

        row_image_R: each row's image. An answer is a text or its token ids; () reads the question alone.
        """
        ids = [answer_ids(self.tokenizer, answer) if isinstance(answer, str) else list(answer) for answer in answers]
        pairs = [(self._question_ids(question), row) for question, row in zip(questions, ids, strict=True)]
        text = TextRows.of(pairs, self.tokenizer.pad_token_id, seen_BCHW.device)
        image = self._image_tokens(seen_BCHW)
        decoder = SharedPrefixDecoder(self._decoder)
        states_BTD = decoder.read(image.token_BND, self._embed(text.ids_BT), text.is_text_BT, row_image_R)
        loss, logits_AV = text.answers_loss(states_BTD, self._head)
        return TeacherForced(loss, logits_AV, image, states_BTD.float(), text.is_question_BT, text.is_answer_BT)

    @torch.no_grad()
    def generate(
        self,
        seen_BCHW: Tensor,
        questions: Sequence[str],
        answer_tokens: int,
        row_image_R: Tensor | None = None,
        is_sampled: bool = False,
    ) -> Generated:
        """Decoding with a KV cache from image and question alone, until every row has ended.

        row_image_R: index of each question's image, which is encoded once for all its questions; None: one question per image.
        is_sampled: every token is sampled from the model's distribution, by torch's generator; otherwise the likeliest is taken.
        """
        image_BND = self._image_tokens(seen_BCHW).token_BND
        question_RT, is_question_RT = pad_right([self._question_ids(q) for q in questions], self.tokenizer.pad_token_id)
        question_RT, is_question_RT = question_RT.to(image_BND.device), is_question_RT.to(image_BND.device)
        row_R = torch.arange(len(questions), device=image_BND.device)
        row_image_R = row_R if row_image_R is None else row_image_R
        decoder = self._merged_decoder()
        states_RTD, cache = decoder.prefill(image_BND, self._embed(question_RT), is_question_RT, row_image_R, answer_tokens - 1)
        states = [states_RTD[row_R, is_question_RT.sum(1) - 1]]
        ids_RA = question_RT.new_empty(len(questions), 0)
        while True:
            ended = (ids_RA == self.tokenizer.eos_token_id).any(1)
            logits_BV = self._head(states[-1])
            token_B = logits_BV.float().softmax(-1).multinomial(1)[:, 0] if is_sampled else self._choose(logits_BV)
            token_B = token_B.masked_fill(ended, self.tokenizer.pad_token_id)
            ids_RA = torch.cat([ids_RA, token_B[:, None]], dim=1)
            if ids_RA.shape[1] == answer_tokens or (ids_RA == self.tokenizer.eos_token_id).any(1).all():
                break
            states.append(decoder.decode(self._embed(token_B), cache))
        answers = [a.strip() for a in self.tokenizer.batch_decode(ids_RA, skip_special_tokens=True)]
        return Generated(answers, states_RTD.float(), is_question_RT, ids_RA, torch.stack(states, dim=1).float())

    def _merged_decoder(self) -> SharedPrefixDecoder:
        """Cached from one batch of questions to the next, until a weight changes. Autocast would round a merged LoRA away."""
        if torch.is_autocast_enabled(next(self._decoder.parameters()).device.type):
            return SharedPrefixDecoder(self._decoder)
        version = weights_version(self._decoder)
        if self._merged is None or self._merged[0] != version:
            self._merged = version, SharedPrefixDecoder(self._decoder, merged=True)
        return self._merged[1]

    def train(self, mode: bool = True) -> AdaptedLLM:
        if mode:  # the weights will change, so the copies would only take memory
            self._merged = None
        return super().train(mode)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_merged": None}

    def _choose(self, logits_BV: Tensor) -> Tensor:
        """Each row's next token."""
        return logits_BV.argmax(-1)

    def _embed(self, ids: Tensor) -> Tensor:
        return self.language.get_input_embeddings()(ids)

    def _after(self, ids: Sequence[int], image: ImageTokens) -> ImageTokens:
        """Put words before the image's tokens; the text follows the image."""
        words_TD = self._embed(torch.tensor(ids, device=image.token_BND.device))
        token_BND = torch.cat([words_TD.expand(len(image.token_BND), -1, -1), image.token_BND], dim=1)
        return ImageTokens(token_BND, image.layout)

    def _image_tokens(self, seen_BCHW: Tensor) -> ImageTokens:
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


class LanguageModel(Protocol):
    """A language model with layout characters, read as token_side x token_side tokens: `SmallLlama`, `CausalBase`."""

    tokenizer: Any
    model: Any
    character_NKD: Tensor
    token_side: int


class TinyMultimodalLLM(AdaptedLLM):
    """The tiny (embedded) size: a `SmallLlama` and a projector, trained here on a visual encoder's features."""

    def __init__(self, base: LanguageModel, channels: int, rank: int, alpha: int, dropout: float):
        super().__init__(base.tokenizer, base.model, rank, alpha, dropout)
        self.projector = ImageProjector(channels, base.character_NKD, base.token_side)

    def _image_tokens(self, seen_BCHW: Tensor) -> ImageTokens:
        return self.projector(seen_BCHW)

    def _question_ids(self, question: str) -> list[int]:
        return question_ids(self.tokenizer, question)

    @property
    def _decoder(self) -> nn.Module:
        return self.language.get_base_model().model
