"""CG-Reasoner as one network: the visual encoder, the multimodal LLM, the FiLM decoder and the Text2Centroid bridge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from prsbench.harness.contract.types import Weights
from prsbench.methods.cg_reasoner.backbone import build_backbone
from prsbench.methods.cg_reasoner.bridge import HiddenBridge, SoftTokenBridge
from prsbench.methods.cg_reasoner.config import CGReasonerConfig
from prsbench.methods.cg_reasoner.decoder import MaskDecoder
from prsbench.methods.cg_reasoner.encoder import VisualEncoder
from prsbench.methods.cg_reasoner.losses import (
    distillation_loss,
    mask_centroid,
    restrict_gradient_to,
    segmentation_loss,
    spatial_loss,
)
from prsbench.methods.parts.language.image_tokens import alignment_loss
from prsbench.methods.parts.language.llava_med import LlavaBase, LlavaLLM
from prsbench.methods.parts.language.multimodal_llm import AdaptedLLM, MultimodalLLM, TeacherForced
from prsbench.methods.parts.language.small_llama import SmallLlama
from prsbench.methods.parts.language.smollm2 import CausalBase, CausalLLM
from prsbench.methods.parts.training.losses import weighted
from prsbench.methods.text2centroid.model import CentroidHead
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class Batch:
    """One training step's input: B images and R >= B question-answer pairs.

    row_image_R is each pair's image. The first B pairs, one per image in order, prompt the masks. drawing_BNN holds the mask's
    layout characters (`small_llama.draw`). centroid_B2 is NaN where the mask is empty. reference_RE, Sentence-BERT's embedding
    of each answer, is None without a bridge.
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
    """The paper's four modules, passed to the constructor so that the network's structure is visible here."""

    def __init__(
        self,
        encoder: VisualEncoder,
        llm: AdaptedLLM,
        decoder: MaskDecoder,
        bridge: HiddenBridge | SoftTokenBridge | None,
        config: CGReasonerConfig,
    ):
        super().__init__()
        self.encoder = encoder
        self.llm = llm
        self.decoder = decoder
        self.bridge = bridge
        self._config = config

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Unweighted loss terms. The mask is conditioned on states that exist at test time, never the reference answer's."""
        features_BCHW = self._features(batch.image_B3SS)
        seen = batch.image_B3SS if self.llm.reads_pixels else features_BCHW
        text = self.llm.teacher_forced(seen, batch.row_image_R, batch.questions, batch.answers)
        first = slice(len(features_BCHW))
        size = batch.image_B3SS.shape[-2:]
        if self._config.mask_condition == "generated":
            states, is_prompt = self._own_answer_states(seen, batch.questions[first])
        else:
            states, is_prompt = text.states_BTD[first], text.is_question_BT[first]
        logits = self._mask_logits(features_BCHW, states, is_prompt, size)
        terms = {"segmentation": segmentation_loss(logits.float(), batch.mask_B1SS), "text": text.text_loss}
        if text.image.reading is not None:
            terms["alignment"] = alignment_loss(text.image.reading, batch.drawing_BNN, batch.mask_B1SS)
        if self.bridge is not None:
            with torch.autocast(logits.device.type, enabled=False):  # bf16 would move a point by thousandths of the frame
                terms |= self._bridge_terms(text, batch, logits)
        return terms

    def _bridge_terms(self, text: TeacherForced, batch: Batch, logits_B1SS: Tensor) -> dict[str, Tensor]:
        bridged = self.bridge(text)
        target_R2 = batch.centroid_B2[batch.row_image_R]
        if self._config.spatial_target == "predicted_mask_centroid":  # of images whose true mask is not empty
            predicted_R2 = mask_centroid(logits_B1SS)[batch.row_image_R]
            # An empty prediction costs 0 but still counts, so that the mean does not depend on how a step is split.
            predicted_R2 = torch.where(predicted_R2.isnan(), bridged.point_R2.detach(), predicted_R2)
            target_R2 = predicted_R2.masked_fill(target_R2.isnan(), torch.nan)
        spatial = spatial_loss(bridged.point_R2, target_R2)
        if self._config.spatial_reaches == "lora":
            spatial = restrict_gradient_to(
                [p for name, p in self.named_parameters() if _is_adapter(name) and p.requires_grad], spatial
            )
        if not bridged.is_learned:
            return {"spatial": spatial}
        return {"spatial": spatial, "distillation": distillation_loss(bridged.embedding_RE, batch.reference_RE)}

    @torch.no_grad()
    def answer(
        self, image_B3SS: Tensor, row_image_R: Tensor, questions: Sequence[str], answer_tokens: int
    ) -> tuple[Tensor, list[str]]:
        """Mask logits (R, 1, S, S) and generated answers, from one prefill (`generated`: plus one pass over the answer).

        row_image_R is each question's image; an image is encoded once for all its questions.
        """
        features_BCHW = self._features(image_B3SS)
        seen = image_B3SS if self.llm.reads_pixels else features_BCHW
        text = self.llm.generate(seen, questions, answer_tokens, row_image_R)
        states, is_prompt = text.states_BTD, text.is_question_BT
        if self._config.mask_condition == "generated":
            states, is_prompt = self._states_of(text.answers, seen, row_image_R, questions)
        return self._mask_logits(features_BCHW[row_image_R], states, is_prompt, image_B3SS.shape[-2:]).float(), text.answers

    def _features(self, image_B3SS: Tensor) -> Tensor:
        """Only the encoder works channels last, which makes depthwise convolutions and batch norm faster."""
        return self.encoder(image_B3SS.contiguous(memory_format=torch.channels_last)).contiguous()

    def _own_answer_states(self, seen_BCHW: Tensor, questions: Sequence[str]) -> tuple[Tensor, Tensor]:
        """The states of the model's own current answers: greedy, without dropout, as at test time."""
        was_training = self.llm.training
        self.llm.eval()
        answers = self.llm.generate(seen_BCHW.detach(), questions, self._config.answer_tokens).answers
        self.llm.train(was_training)
        return self._states_of(answers, seen_BCHW, torch.arange(len(questions), device=seen_BCHW.device), questions)

    def _states_of(
        self, answers: Sequence[str], seen_BCHW: Tensor, row_image_R: Tensor, questions: Sequence[str]
    ) -> tuple[Tensor, Tensor]:
        """States of the text after the image, and which of them belong to the answer (at least its end token)."""
        text = self.llm.teacher_forced(seen_BCHW, row_image_R, questions, answers)
        return text.states_BTD, text.is_answer_BT

    def _mask_logits(self, features_BCHW: Tensor, states_BTD: Tensor, is_question_BT: Tensor, size: Sequence[int]) -> Tensor:
        logits = self.decoder(features_BCHW, states_BTD, is_question_BT)
        return F.interpolate(logits, size=tuple(size), mode="bilinear", align_corners=False)


Base = SmallLlama | CausalBase | LlavaBase  # the frozen language model of the tiny, the small and the paper's size


def build(config: CGReasonerConfig, base: Base, head: CentroidHead | None) -> tuple[CGReasoner, str]:
    """The network at a config's size, and a sentence that names the source of the backbone's weights."""
    backbone, source, source_note = build_backbone(config.backbone, config.backbone_stages, config.backbone_weights)
    channels = config.feature_channels
    encoder = VisualEncoder(backbone, backbone.feature_info.channels(), channels, keeps_statistics=source != Weights.RANDOM)
    lora = config.lora_rank, config.lora_alpha, config.lora_dropout
    if isinstance(base, LlavaBase):
        llm: AdaptedLLM = LlavaLLM(base, *lora, config.gradient_checkpointing)
    else:
        llm = (CausalLLM if isinstance(base, CausalBase) else MultimodalLLM)(base, channels, *lora)
    decoder = MaskDecoder(llm.width, channels)
    return CGReasoner(encoder, llm, decoder, _bridge(config, llm, head), config), source_note


def _bridge(config: CGReasonerConfig, llm: AdaptedLLM, head: CentroidHead | None) -> HiddenBridge | SoftTokenBridge | None:
    if head is None:
        return None
    return SoftTokenBridge(llm.tokenizer, head) if config.bridge == "soft_tokens" else HiddenBridge(llm.width, head)


def _is_adapter(name: str) -> bool:
    return "lora_" in name or name.startswith("bridge.")


def weighted_sum(terms: Mapping[str, Tensor], config: CGReasonerConfig) -> Tensor:
    """L = L_seg + l_txt * CE + l_sp * L_spatial, plus our alignment and distillation losses."""
    weight = {
        "segmentation": 1.0,
        "text": config.text_weight,
        "alignment": config.alignment_weight,
        "spatial": config.spatial_weight,
        "distillation": config.distil_weight,
    }
    return weighted(terms, weight)
