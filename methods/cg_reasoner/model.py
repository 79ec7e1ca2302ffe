"""CG-Reasoner as one network (`CGReasoner.forward`): visual encoder, multimodal LLM, FiLM decoder, Text2Centroid bridge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from prsbench.harness.contract.types import Weights
from prsbench.methods.cg_reasoner.backbone import build_backbone
from prsbench.methods.cg_reasoner.bridge import BridgeOutput, HiddenBridge, SoftTokenBridge
from prsbench.methods.cg_reasoner.config import CGReasonerConfig
from prsbench.methods.cg_reasoner.decoder import MaskDecoder
from prsbench.methods.cg_reasoner.encoder import VisualEncoder
from prsbench.methods.cg_reasoner.losses import distillation_loss, mask_centroid, restrict_gradient_to, spatial_loss
from prsbench.methods.parts.language.image_tokens import alignment_loss
from prsbench.methods.parts.language.llava_med import LlavaBase, PaperMultimodalLLM
from prsbench.methods.parts.language.multimodal_llm import AdaptedLLM, Generated, TeacherForced, TinyMultimodalLLM
from prsbench.methods.parts.language.small_llama import SmallLlama
from prsbench.methods.parts.language.smollm2 import CausalBase, SmallMultimodalLLM
from prsbench.methods.parts.training.lora import is_lora
from prsbench.methods.parts.training.losses import dice_and_bce, weighted
from prsbench.methods.text2centroid.model import CentroidHead
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class Batch:
    """One training step's input: B images and R >= B question-answer pairs.

    row_image_R is each pair's image. The first B pairs, one per image in order, prompt the masks. layout_BNN holds the mask's
    layout characters (`small_llama.layout_of`). centroid_B2 is NaN where the mask is empty. reference_RE, Sentence-BERT's
    embedding of each answer, is None without a bridge.
    """

    image_B3SS: Tensor
    mask_B1SS: Tensor
    layout_BNN: Tensor
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

    def forward(
        self, image_B3SS: Tensor, row_image_R: Tensor, questions: Sequence[str], answers: Sequence[str] | None = None
    ) -> tuple[Tensor, TeacherForced | Generated]:
        """Image -> encoder -> language model -> FiLM decoder -> mask logits, in training and at test.

        Args:
            image_B3SS: in [0, 1]; an image is encoded once for all its questions.
            row_image_R: each question's image.
            questions: R texts.
            answers: the R reference answers, in training; None: the language model generates its own.

        Returns:
            Mask logits (R, 1, S, S), in training (B, 1, S, S) of the first B questions, one per image in order; and the language
            model's states, with its text loss in training or its answers at test. The mask never depends on a reference answer.
        """
        # Only the encoder works channels last, which makes depthwise convolutions and batch norm faster.
        features_BCHW = self.encoder(image_B3SS.contiguous(memory_format=torch.channels_last)).contiguous()
        llm_input = image_B3SS if self.llm.reads_pixels else features_BCHW
        text: TeacherForced | Generated
        if answers is None:
            text = self.llm.generate(llm_input, questions, self._config.answer_tokens, row_image_R)
            features_BCHW, own_answers = features_BCHW[row_image_R], text.answers
        else:
            text = self.llm.teacher_forced(llm_input, row_image_R, questions, answers)
            row_image_R, questions = row_image_R[: len(llm_input)], questions[: len(llm_input)]
            own_answers = self._generate_own(llm_input, questions) if self._config.mask_condition == "generated" else []
        if self._config.mask_condition == "generated":
            own = self.llm.teacher_forced(llm_input, row_image_R, questions, own_answers)
            states_BTD, is_prompt_BT = own.states_BTD, own.is_answer_BT  # at least the answer's end token
        else:
            states_BTD, is_prompt_BT = text.states_BTD[: len(questions)], text.is_question_BT[: len(questions)]
        logits = self.decoder(features_BCHW, states_BTD, is_prompt_BT)
        return F.interpolate(logits, size=image_B3SS.shape[-2:], mode="bilinear", align_corners=False), text

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Unweighted loss terms, each a scalar mean."""
        text: TeacherForced
        logits, text = self(batch.image_B3SS, batch.row_image_R, batch.questions, batch.answers)
        terms = {"segmentation": dice_and_bce(logits.float(), batch.mask_B1SS), "text": text.text_loss}
        if text.image.layout is not None:
            terms["alignment"] = alignment_loss(text.image, batch.layout_BNN, batch.mask_B1SS)
        if self.bridge is not None:
            with torch.autocast(logits.device.type, enabled=False):  # bf16 would move a point by thousandths of the frame
                terms |= self._bridge_terms(self.bridge(text), batch, logits)
        return terms

    def _bridge_terms(self, bridge: BridgeOutput, batch: Batch, logits_B1SS: Tensor) -> dict[str, Tensor]:
        target_R2 = batch.centroid_B2[batch.row_image_R]
        if self._config.spatial_target == "predicted_mask_centroid":  # of images whose true mask is not empty
            predicted_R2 = mask_centroid(logits_B1SS)[batch.row_image_R]
            # An empty prediction costs 0 but still counts, so that the mean does not depend on how a step is split.
            predicted_R2 = torch.where(predicted_R2.isnan(), bridge.point_R2.detach(), predicted_R2)
            target_R2 = predicted_R2.masked_fill(target_R2.isnan(), torch.nan)
        spatial = spatial_loss(bridge.point_R2, target_R2)
        if self._config.spatial_reaches == "lora":
            reached = [p for n, p in self.named_parameters() if p.requires_grad and (is_lora(n) or n.startswith("bridge."))]
            spatial = restrict_gradient_to(reached, spatial)
        if not bridge.is_learned:
            return {"spatial": spatial}
        assert batch.reference_RE is not None  # as there is a bridge
        return {"spatial": spatial, "distillation": distillation_loss(bridge.embedding_RE, batch.reference_RE)}

    @torch.no_grad()
    def answer(self, image_B3SS: Tensor, row_image_R: Tensor, questions: Sequence[str]) -> tuple[Tensor, list[str]]:
        """Float32 mask logits (R, 1, S, S) and generated answers; see `forward`."""
        logits, text = self(image_B3SS, row_image_R, questions)
        return logits.float(), text.answers

    def _generate_own(self, input_BCHW: Tensor, questions: Sequence[str]) -> list[str]:
        """The model's own current answers: greedy, without dropout, as at test time."""
        was_training = self.llm.training
        self.llm.eval()
        answers = self.llm.generate(input_BCHW.detach(), questions, self._config.answer_tokens).answers
        self.llm.train(was_training)
        return answers


Base = SmallLlama | CausalBase | LlavaBase  # the frozen language model of the tiny, the small and the paper's size


def build(config: CGReasonerConfig, base: Base, head: CentroidHead | None) -> tuple[CGReasoner, str]:
    """The network at a config's size, and a sentence that names the source of the backbone's weights."""
    backbone, source, source_note = build_backbone(config.backbone.name, config.backbone.stages, config.backbone.weights)
    channels = config.backbone.feature_channels
    encoder = VisualEncoder(backbone, backbone.feature_info.channels(), channels, keeps_statistics=source != Weights.RANDOM)
    lora = config.lora.rank, config.lora.alpha, config.lora.dropout
    llm: AdaptedLLM
    if isinstance(base, LlavaBase):
        llm = PaperMultimodalLLM(base, *lora, config.gradient_checkpointing)
    elif isinstance(base, CausalBase):
        llm = SmallMultimodalLLM(base, channels, *lora)
    else:
        llm = TinyMultimodalLLM(base, channels, *lora)
    decoder = MaskDecoder(llm.width, channels)
    return CGReasoner(encoder, llm, decoder, _bridge(config, llm, head), config), source_note


def _bridge(config: CGReasonerConfig, llm: AdaptedLLM, head: CentroidHead | None) -> HiddenBridge | SoftTokenBridge | None:
    if head is None:
        return None
    return SoftTokenBridge(llm.tokenizer, head) if config.bridge == "soft_tokens" else HiddenBridge(llm.width, head)


def weighted_sum(terms: Mapping[str, Tensor], config: CGReasonerConfig) -> Tensor:
    """L = L_seg + l_txt * CE + l_sp * L_spatial, plus our alignment and distillation losses."""
    weight = {
        "segmentation": 1.0,
        "text": config.losses.text_weight,
        "alignment": config.losses.alignment_weight,
        "spatial": config.losses.spatial_weight,
        "distillation": config.losses.distil_weight,
    }
    return weighted(terms, weight)
