"""The embedded size of a model that asks for a mask: a small language model says mask tokens, their states prompt a decoder."""

# B images, R question-answer rows, A answer tokens, K mask tokens a mask, S image side, D language width, C prompt width

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from monai.losses import DiceLoss
from prsbench.methods.language_base import LanguageBase
from prsbench.methods.mask_tokens.config import TinyConfig
from prsbench.methods.mask_tokens.llama import text_hidden_fcs
from prsbench.methods.multimodal_llm import MultimodalLLM, TeacherForced, alignment_loss
from torch import Tensor, nn
from torch.nn import functional as F

_dice = DiceLoss(sigmoid=True, smooth_nr=1e-3, smooth_dr=1e-3)  # official: 1e-6 beside sums a thousandth as large


@dataclass(frozen=True, slots=True)
class Batch:
    """B images, R >= B rows about them; the first B rows are one per image, in order: the mask is asked for by those.

    The answer to an image without foreground asks for no mask; the others end with the mask tokens (`asking`).
    """

    features_BCHW: Tensor
    mask_B1SS: Tensor
    drawing_BNN: Tensor
    row_image_R: Tensor
    questions: Sequence[str]
    answers: Sequence[str]


class PromptedDecoder(nn.Module):
    """What makes masks: features (B, C, H, W) of the frozen encoder and prompts (B, K, C) to logits (B, 1, L, L)."""

    tokens: tuple[str, ...]  # that ask for a mask, in the order they are said
    language_channels: int  # of the features, the last so many are the language model's

    def forward(self, features_BCHW: Tensor, prompt_BKC: Tensor) -> Tensor:
        raise NotImplementedError


class MaskTokenLLM(MultimodalLLM):
    """The multimodal language model with mask tokens in its vocabulary. Its embedding is trained too, as officially."""

    def __init__(self, base: LanguageBase, channels: int, tokens: Sequence[str], config: TinyConfig):
        base.tokenizer.add_special_tokens({"additional_special_tokens": [*tokens]}, replace_extra_special_tokens=False)
        base.model.resize_token_embeddings(len(base.tokenizer), mean_resizing=False)
        super().__init__(base, channels, config.lora_rank, config.lora_alpha, config.lora_dropout)
        self.language.get_input_embeddings().weight.requires_grad_(True)


class MaskTokenSegmenter(nn.Module):
    """The frozen image encoder is outside: its features are computed once."""

    def __init__(self, llm: MaskTokenLLM, decoder: PromptedDecoder):
        super().__init__()
        self.llm = llm
        self.text_hidden_fcs = text_hidden_fcs(llm.width)
        self.decoder = decoder
        self._ids = llm.tokenizer.convert_tokens_to_ids(list(decoder.tokens))

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Unweighted loss terms. A mask is asked for by the states that predict the mask tokens, which see the answer so far."""
        text = self.llm.teacher_forced(self._seen(batch.features_BCHW), batch.row_image_R, batch.questions, batch.answers)
        found = batch.mask_B1SS.flatten(1).any(1)
        terms = {"text": text.text_loss, "alignment": alignment_loss(text.image.reading, batch.drawing_BNN, batch.mask_B1SS)}
        if not found.any():
            return terms | {"bce": text.text_loss * 0, "dice": text.text_loss * 0}
        states_BKD = _asking(text, len(self._ids))[: len(found)][found]
        mask = batch.mask_B1SS[found]
        logits = self._mask(batch.features_BCHW[found], states_BKD, mask.shape[-1])
        return terms | {"bce": F.binary_cross_entropy_with_logits(logits, mask), "dice": _dice(logits, mask)}

    @torch.no_grad()
    def answer(
        self, features_BCHW: Tensor, questions: Sequence[str], answer_tokens: int, side_px: int
    ) -> tuple[list[Tensor | None], list[str]]:
        """Mask logits (1, S, S) an image, None where the answer does not say all mask tokens in their order; and the answers."""
        text = self.llm.generate(self._seen(features_BCHW), questions, answer_tokens)
        masks: list[Tensor | None] = []
        for features, ids, states_AD in zip(features_BCHW, text.ids_BA.tolist(), text.answer_states_BAD, strict=True):
            place = _place_of(self._ids, ids)
            asked = None if place is None else states_AD[None, place : place + len(self._ids)]
            masks.append(None if asked is None else self._mask(features[None], asked, side_px)[0])
        return masks, text.answers

    def _seen(self, features_BCHW: Tensor) -> Tensor:
        return features_BCHW[:, -self.decoder.language_channels :]

    def _mask(self, features_BCHW: Tensor, states_BKD: Tensor, side_px: int) -> Tensor:
        logits = self.decoder(features_BCHW, self.text_hidden_fcs[0](states_BKD))
        return F.interpolate(logits, size=(side_px, side_px), mode="bilinear", align_corners=False)


def asking(answer: str, tokens: Sequence[str]) -> str:
    """A training answer that asks for its mask."""
    return f"{answer} {''.join(tokens)}"


def _asking(text: TeacherForced, count: int) -> Tensor:
    """(R, K, D): the states that predict the last `count` tokens before the end token; no sense where none were asked for."""
    end_R = (text.is_question_BT | text.is_answer_BT).sum(1) - 1
    place_RK = (end_R[:, None] - 1 - count + torch.arange(count, device=end_R.device)).clamp(min=0)
    return text.states_BTD.gather(1, place_RK[..., None].expand(-1, -1, text.states_BTD.shape[-1]))


def _place_of(tokens: Sequence[int], ids: Sequence[int]) -> int | None:
    count = len(tokens)
    return next((n for n in range(len(ids) - count + 1) if list(ids[n : n + count]) == list(tokens)), None)
