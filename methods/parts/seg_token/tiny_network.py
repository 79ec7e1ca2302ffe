"""LISA and PixelLM at the embedded size: a small language model's [SEG] tokens, whose states prompt a mask decoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.losses import DiceLoss
from prsbench.methods.parts.frozen_features.batches import FeatureBatch
from prsbench.methods.parts.language.image_tokens import alignment_loss
from prsbench.methods.parts.language.multimodal_llm import TeacherForced, TinyMultimodalLLM
from prsbench.methods.parts.language.small_llama import SmallLlama
from prsbench.methods.parts.seg_token.config import TinyConfig
from prsbench.methods.parts.seg_token.llama import text_hidden_fcs
from torch import Tensor, nn
from torch.nn import functional as F

_dice = DiceLoss(sigmoid=True, smooth_nr=1e-3, smooth_dr=1e-3)  # official: 1e-6, with sums divided by 1000


class PromptedDecoder(nn.Module):
    """A mask decoder: features (B, C, H, W) of the frozen encoder and prompts (B, K, C) to mask logits (B, 1, L, L)."""

    tokens: tuple[str, ...]  # [SEG] tokens, in the order of the answer
    language_channels: int  # how many of the last feature channels the language model reads

    def forward(self, features_BCHW: Tensor, prompt_BKC: Tensor) -> Tensor:
        raise NotImplementedError


class MaskTokenLLM(TinyMultimodalLLM):
    """The multimodal language model with [SEG] tokens in its vocabulary. As officially, its embedding is trained too."""

    def __init__(self, base: SmallLlama, channels: int, tokens: Sequence[str], config: TinyConfig):
        base.tokenizer.add_special_tokens({"additional_special_tokens": [*tokens]}, replace_extra_special_tokens=False)
        base.model.resize_token_embeddings(len(base.tokenizer), mean_resizing=False)
        super().__init__(base, channels, config.lora.rank, config.lora.alpha, config.lora.dropout)
        self.language.get_input_embeddings().weight.requires_grad_(True)


class MaskTokenSegmenter(nn.Module):
    """The trainable network; the frozen image encoder is outside, as its features are computed once."""

    def __init__(self, llm: MaskTokenLLM, decoder: PromptedDecoder):
        super().__init__()
        self.llm = llm
        self.text_hidden_fcs = text_hidden_fcs(llm.width)
        self.decoder = decoder
        self._ids = llm.tokenizer.convert_tokens_to_ids(list(decoder.tokens))

    def losses(self, batch: FeatureBatch) -> dict[str, Tensor]:
        """Unweighted loss terms. The states that predict the [SEG] tokens prompt the mask; they see the answer up to there.

        Answers end with the [SEG] tokens, except for images without foreground.
        """
        has_mask_B = batch.mask_B1SS.flatten(1).any(1)
        pairs = zip(batch.answers, has_mask_B[batch.row_image_R].tolist(), strict=True)
        answers = [with_mask_tokens(answer, self.decoder.tokens) if has_mask else answer for answer, has_mask in pairs]
        text = self.llm.teacher_forced(self._language_features(batch.features_BCHW), batch.row_image_R, batch.questions, answers)
        terms = {"text": text.text_loss, "alignment": alignment_loss(text.image, batch.layout_BNN, batch.mask_B1SS)}
        if not has_mask_B.any():
            return terms | {"bce": text.text_loss * 0, "dice": text.text_loss * 0}
        states_BKD = _mask_token_states(text, len(self._ids))[: len(has_mask_B)][has_mask_B]
        mask = batch.mask_B1SS[has_mask_B]
        logits = self._mask(batch.features_BCHW[has_mask_B], states_BKD, mask.shape[-1])
        return terms | {"bce": F.binary_cross_entropy_with_logits(logits, mask), "dice": _dice(logits, mask)}

    @torch.no_grad()
    def answer(
        self, features_BCHW: Tensor, questions: Sequence[str], answer_tokens: int, side_px: int
    ) -> tuple[list[Tensor | None], list[str]]:
        """Mask logits (1, S, S) per image, None where the answer lacks the [SEG] tokens in their order; and the answers."""
        text = self.llm.generate(self._language_features(features_BCHW), questions, answer_tokens)
        masks: list[Tensor | None] = []
        for features, ids, states_AD in zip(features_BCHW, text.ids_BA.tolist(), text.answer_states_BAD, strict=True):
            start = _start_of(self._ids, ids)
            states_1KD = None if start is None else states_AD[None, start : start + len(self._ids)]
            masks.append(None if states_1KD is None else self._mask(features[None], states_1KD, side_px)[0])
        return masks, text.answers

    def _language_features(self, features_BCHW: Tensor) -> Tensor:
        return features_BCHW[:, -self.decoder.language_channels :]

    def _mask(self, features_BCHW: Tensor, states_BKD: Tensor, side_px: int) -> Tensor:
        logits = self.decoder(features_BCHW, self.text_hidden_fcs[0](states_BKD))
        return F.interpolate(logits, size=(side_px, side_px), mode="bilinear", align_corners=False)


def segmenter(language: SmallLlama, decoder: PromptedDecoder, config: TinyConfig) -> MaskTokenSegmenter:
    """The network before training."""
    return MaskTokenSegmenter(MaskTokenLLM(language, decoder.language_channels, decoder.tokens, config), decoder)


def with_mask_tokens(answer: str, tokens: Sequence[str]) -> str:
    """A training answer followed by its [SEG] tokens."""
    return f"{answer} {''.join(tokens)}"


def _mask_token_states(text: TeacherForced, count: int) -> Tensor:
    """(R, K, D): the states that predict the last `count` tokens before the end token; meaningless without [SEG] tokens."""
    end_R = (text.is_question_BT | text.is_answer_BT).sum(1) - 1
    place_RK = (end_R[:, None] - 1 - count + torch.arange(count, device=end_R.device)).clamp(min=0)
    return text.states_BTD.gather(1, place_RK[..., None].expand(-1, -1, text.states_BTD.shape[-1]))


def _start_of(tokens: Sequence[int], ids: Sequence[int]) -> int | None:
    count = len(tokens)
    return next((n for n in range(len(ids) - count + 1) if list(ids[n : n + count]) == list(tokens)), None)
