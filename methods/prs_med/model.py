"""PRS-Med as one network over image features: the multimodal LLM, the mask decoder, the modality head."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from prsbench.harness.contract.modalities import ALL
from prsbench.methods.parts.frozen_features.batches import FeatureBatch
from prsbench.methods.parts.frozen_features.lite_medsam import CHANNELS, LiteMedSAMEncoder
from prsbench.methods.parts.language.image_tokens import alignment_loss
from prsbench.methods.parts.language.multimodal_llm import TinyMultimodalLLM
from prsbench.methods.parts.language.small_llama import SmallLlama
from prsbench.methods.prs_med.config import PRSMedConfig
from prsbench.methods.prs_med.decoder import MaskDecoder
from prsbench.methods.prs_med.losses import structure_loss
from torch import Tensor, nn
from torch.nn import functional as F

CLASS_IDS = {modality.name: modality.official_class for modality in ALL if modality.official_class is not None}


class PRSMed(nn.Module):
    """The trainable network. A frozen image encoder is outside, as its features are computed once; a trained one is inside."""

    def __init__(
        self, llm: TinyMultimodalLLM, mask_decoder: MaskDecoder, cls: nn.Sequential, encoder: LiteMedSAMEncoder | None, side: int
    ):
        super().__init__()
        self.encoder, self._side = encoder, side
        self.llm = llm
        self.mask_decoder = mask_decoder
        self.cls = cls

    def losses(self, batch: FeatureBatch) -> dict[str, Tensor]:
        """Unweighted loss terms. The mask is conditioned on the question's states alone, as at test time."""
        features = batch.features_BCHW
        if self.encoder is not None:
            features = F.adaptive_avg_pool2d(self.encoder(features), self._side)  # as `embed` at test
        text = self.llm.teacher_forced(features, batch.row_image_R, batch.questions, batch.answers)
        first = slice(len(features))
        modality_B = torch.tensor([CLASS_IDS[modality] for modality in batch.modalities], device=features.device)
        logits = self._mask(features, text.states_BTD[first], text.is_question_BT[first], batch.mask_B1SS.shape[-1])
        return {
            "segmentation": structure_loss(logits, batch.mask_B1SS),
            "text": text.text_loss,
            "alignment": alignment_loss(text.image, batch.layout_BNN, batch.mask_B1SS),
            "modality": F.cross_entropy(self.cls(features), modality_B),
        }

    @torch.no_grad()
    def answer(
        self, features_BCHW: Tensor, questions: Sequence[str], answer_tokens: int, side_px: int
    ) -> tuple[Tensor, list[str]]:
        """Mask logits (B, 1, S, S) and generated answers, from one prefill."""
        text = self.llm.generate(features_BCHW, questions, answer_tokens)
        return self._mask(features_BCHW, text.states_BTD, text.is_question_BT, side_px), text.answers

    def _mask(self, features_BCHW: Tensor, states_BTD: Tensor, is_question_BT: Tensor, side_px: int) -> Tensor:
        logits = self.mask_decoder(features_BCHW, states_BTD, is_question_BT)
        return F.interpolate(logits, size=(side_px, side_px), mode="bilinear", align_corners=False)


def build(config: PRSMedConfig, base: SmallLlama, encoder: LiteMedSAMEncoder | None = None) -> PRSMed:
    """The network at a config's size. The modality head has the tensor names of the public `cls.pth`.

    encoder: to be trained with it; None: features come from outside.
    """
    if encoder is not None:
        encoder.requires_grad_(True)
    llm = TinyMultimodalLLM(base, CHANNELS, config.lora.rank, config.lora.alpha, config.lora.dropout)
    return PRSMed(llm, MaskDecoder(llm.width, CHANNELS), modality_head(), encoder, config.feature_side)


def modality_head() -> nn.Sequential:
    """Features to the logits of the six modalities."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, len(CLASS_IDS)))
