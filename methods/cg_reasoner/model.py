"""CG-Reasoner as one network: the visual encoder, the multimodal LLM, the FiLM decoder and the Text2Centroid bridge."""

# B images, R question-answer rows, S image side, C feature channels, T text tokens, D language width, E sentence width

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from prsbench.methods.cg_reasoner.config import CGReasonerConfig
from prsbench.methods.cg_reasoner.decoder import MaskDecoder, masked_mean
from prsbench.methods.cg_reasoner.encoder import VisualEncoder
from prsbench.methods.cg_reasoner.losses import HiddenBridge, distillation_loss, segmentation_loss, spatial_loss
from prsbench.methods.language_base import LanguageBase
from prsbench.methods.llava import LlavaBase, LlavaLLM
from prsbench.methods.multimodal_llm import AdaptedLLM, MultimodalLLM, alignment_loss
from prsbench.methods.text2centroid import CentroidHead
from prsbench.methods.training_images import weighted
from prsbench.methods.vision_backbone import build_backbone
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class Batch:
    """One training step's input: B images, R >= B question-answer rows about them.

    row_image_R is each row's image. The first B rows are one row per image, in order: the mask is asked for by those.
    drawing_BNN holds the mask's characters (`language_base.draw`). centroid_B2 is NaN where the mask is empty.
    reference_RE is None without a bridge.
    """

    image_B3SS: Tensor
    mask_B1SS: Tensor
    drawing_BNN: Tensor
    centroid_B2: Tensor
    row_image_R: Tensor
    reference_RE: Tensor | None
    questions: Sequence[str]
    answers: Sequence[str]


class CGReasoner(nn.Module):
    """The paper's four parts, given to the constructor so that the whole network can be read here."""

    def __init__(self, encoder: VisualEncoder, llm: AdaptedLLM, decoder: MaskDecoder, bridge: HiddenBridge | None):
        super().__init__()
        self.encoder = encoder
        self.llm = llm
        self.decoder = decoder
        self.bridge = bridge

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Unweighted loss terms. The mask is conditioned on question states only: what exists at test time."""
        features_BCHW = self.encoder(batch.image_B3SS)
        seen = batch.image_B3SS if self.llm.reads_pixels else features_BCHW
        text = self.llm.teacher_forced(seen, batch.row_image_R, batch.questions, batch.answers)
        asks = slice(len(features_BCHW))
        size = batch.image_B3SS.shape[-2:]
        logits = self._mask_logits(features_BCHW, text.states_BTD[asks], text.is_question_BT[asks], size)
        terms = {"segmentation": segmentation_loss(logits.float(), batch.mask_B1SS), "text": text.text_loss}
        if text.image.reading is not None:
            terms["alignment"] = alignment_loss(text.image.reading, batch.drawing_BNN, batch.mask_B1SS)
        if self.bridge is not None:
            embedding_RE, point_R2 = self.bridge(masked_mean(text.states_BTD, text.is_answer_BT).float())
            terms["spatial"] = spatial_loss(point_R2, batch.centroid_B2[batch.row_image_R])
            terms["distillation"] = distillation_loss(embedding_RE, batch.reference_RE)
        return terms

    @torch.no_grad()
    def answer(self, image_B3SS: Tensor, questions: Sequence[str], answer_tokens: int) -> tuple[Tensor, list[str]]:
        """Mask logits (B, 1, S, S) and generated answers, from one prefill."""
        features_BCHW = self.encoder(image_B3SS)
        text = self.llm.generate(image_B3SS if self.llm.reads_pixels else features_BCHW, questions, answer_tokens)
        size = image_B3SS.shape[-2:]
        return self._mask_logits(features_BCHW, text.states_BTD, text.is_question_BT, size).float(), text.answers

    def _mask_logits(self, features_BCHW: Tensor, states_BTD: Tensor, is_question_BT: Tensor, size: Sequence[int]) -> Tensor:
        logits = self.decoder(features_BCHW, states_BTD, is_question_BT)
        return F.interpolate(logits, size=tuple(size), mode="bilinear", align_corners=False)


def build(config: CGReasonerConfig, base: LanguageBase | LlavaBase, head: CentroidHead | None) -> tuple[CGReasoner, str]:
    """The network at a config's size, and the sentence that says where its backbone's weights come from."""
    backbone, _, said = build_backbone(config.backbone, config.backbone_stages, config.backbone_weights)
    channels = config.feature_channels
    encoder = VisualEncoder(backbone, backbone.feature_info.channels(), channels)
    lora = config.lora_rank, config.lora_alpha, config.lora_dropout
    if isinstance(base, LlavaBase):
        llm: AdaptedLLM = LlavaLLM(base, *lora, config.gradient_checkpointing)
    else:
        llm = MultimodalLLM(base, channels, *lora)
    decoder = MaskDecoder(llm.width, channels)
    bridge = HiddenBridge(llm.width, head) if head is not None else None
    return CGReasoner(encoder, llm, decoder, bridge), said


def weighted_sum(terms: Mapping[str, Tensor], config: CGReasonerConfig) -> Tensor:
    """L = L_seg + l_txt * CE + l_sp * L_spatial, plus our alignment and distillation."""
    weight = {
        "segmentation": 1.0,
        "text": config.text_weight,
        "alignment": config.alignment_weight,
        "spatial": config.spatial_weight,
        "distillation": config.distil_weight,
    }
    return weighted(terms, weight)
