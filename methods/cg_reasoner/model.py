"""CG-Reasoner as one network (`CGReasoner.forward`): visual encoder, multimodal LLM, FiLM decoder, Text2Centroid bridge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from prsbench.harness.contract.errors import PrsbenchError
from prsbench.harness.contract.types import Weights
from prsbench.methods.cg_reasoner.bridge import Bridge, HiddenBridge, SampledBridge, SoftTokenBridge
from prsbench.methods.cg_reasoner.config import CGReasonerConfig
from prsbench.methods.cg_reasoner.decoder import MaskDecoder
from prsbench.methods.cg_reasoner.encoder import VisualEncoder
from prsbench.methods.cg_reasoner.losses import (
    distillation_loss,
    mask_centroid,
    restrict_gradient_to,
    sampled_spatial_loss,
    spatial_loss,
)
from prsbench.methods.parts.language.image_tokens import alignment_loss
from prsbench.methods.parts.language.llava_med import LlavaBase, PaperMultimodalLLM
from prsbench.methods.parts.language.multimodal_llm import AdaptedLLM, Generated, TeacherForced, TinyMultimodalLLM
from prsbench.methods.parts.language.small_llama import SmallLlama
from prsbench.methods.parts.language.smollm2 import CausalBase, SmallMultimodalLLM
from prsbench.methods.parts.training.lora import is_lora
from prsbench.methods.parts.training.losses import dice_and_bce, weighted
from prsbench.methods.parts.weights.timm_backbone import build_backbone
from prsbench.methods.text2centroid.model import CentroidHead
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class Batch:
    """One training step's input: B images and R >= B question-answer pairs.

    row_image_R is each pair's image. The first B pairs, one per image in order, prompt the masks. layout_BNN holds the mask's
    layout characters (`small_llama.layout_of`). centroid_B2 is NaN where the mask is empty. names_zones_R: whether the pair is
    of a family of questions whose answers name zones; of others there is no spatial loss. An answer is None where it is not to
    be read (`answered_share`). reference_RE, Sentence-BERT's embedding of each answer (of "" for None), is None without a hidden
    bridge.
    """

    image_B3SS: Tensor
    mask_B1SS: Tensor
    layout_BNN: Tensor
    centroid_B2: Tensor
    row_image_R: Tensor
    names_zones_R: Tensor
    reference_RE: Tensor | None
    questions: Sequence[str]
    answers: Sequence[str | None]

    @property
    def has_lesion_B(self) -> Tensor:
        return self.centroid_B2.isfinite().all(1)

    @property
    def is_placed_R(self) -> Tensor:
        """Whether the pair's answer has a point that it should name."""
        return self.has_lesion_B[self.row_image_R] & self.names_zones_R


class CGReasoner(nn.Module):
    """The paper's four modules, passed to the constructor so that the network's structure is visible here."""

    def __init__(
        self,
        encoder: VisualEncoder,
        llm: AdaptedLLM,
        decoder: MaskDecoder,
        bridge: Bridge | None,
        config: CGReasonerConfig,
    ):
        super().__init__()
        self.encoder = encoder
        self.llm = llm
        self.decoder = decoder
        self.bridge = bridge
        self.spatial_is_on = True  # in a training, from `spatial_start` on
        self._config = config

    def forward(
        self,
        image_B3SS: Tensor,
        row_image_R: Tensor,
        questions: Sequence[str],
        answers: Sequence[str | None] | None = None,
        features_BCHW: Tensor | None = None,
    ) -> tuple[Tensor, TeacherForced | Generated]:
        """Image -> encoder -> language model -> FiLM decoder -> mask logits, in training and at test.

        Args:
            image_B3SS: in [0, 1]; an image is encoded once for all its questions.
            row_image_R: each question's image.
            questions: R texts.
            answers: the R reference answers, in training; None: the language model generates its own.
            features_BCHW: `features(image_B3SS)`, if known.

        Returns:
            Mask logits (R, 1, S, S), in training (B, 1, S, S) of the first B questions, one per image in order; and the language
            model's states, with its text loss in training or its answers at test. The mask never depends on a reference answer.
        """
        if features_BCHW is None:
            features_BCHW = self.features(image_B3SS)
        llm_input = image_B3SS if self.llm.reads_pixels else features_BCHW
        text: TeacherForced | Generated
        if answers is None:
            text = self.llm.generate(llm_input, questions, self._config.answer_tokens, row_image_R)
            features_BCHW, own_answers = features_BCHW[row_image_R], text.answers
        else:
            text = self.llm.teacher_forced(llm_input, row_image_R, questions, _readable(answers))
            row_image_R, questions = row_image_R[: len(llm_input)], questions[: len(llm_input)]
            own_answers = self._generated(llm_input, questions).answers if self._config.mask_condition == "generated" else []
        if self._config.mask_condition == "generated":
            own = self.llm.teacher_forced(llm_input, row_image_R, questions, own_answers)
            states_BTD, is_prompt_BT = own.states_BTD, own.is_answer_BT  # at least the answer's end token
        else:
            states_BTD, is_prompt_BT = text.states_BTD[: len(questions)], text.is_question_BT[: len(questions)]
        logits = self.decoder(features_BCHW, states_BTD, is_prompt_BT)
        return F.interpolate(logits, size=image_B3SS.shape[-2:], mode="bilinear", align_corners=False), text

    def features(self, image_B3SS: Tensor) -> Tensor:
        """The visual encoder's features (B, C, H, W)."""
        # Only the encoder works channels last, which makes depthwise convolutions and batch norm faster.
        return self.encoder(image_B3SS.contiguous(memory_format=torch.channels_last)).contiguous()

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Unweighted loss terms, each a scalar mean; NaN for a spatial loss that is not computed yet."""
        text: TeacherForced
        features_BCHW = self.features(batch.image_B3SS)
        logits, text = self(batch.image_B3SS, batch.row_image_R, batch.questions, batch.answers, features_BCHW)
        terms = {"segmentation": dice_and_bce(logits.float(), batch.mask_B1SS), "text": text.text_loss}
        if text.image.layout is not None:
            terms["alignment"] = alignment_loss(text.image, batch.layout_BNN, batch.mask_B1SS)
        llm_input = batch.image_B3SS if self.llm.reads_pixels else features_BCHW
        if isinstance(self.bridge, HiddenBridge):
            terms |= self._given_answer_terms(self.bridge, batch, text, self._target(batch, logits))
        elif self.bridge is not None and self._config.losses.spatial_weight:
            if not self.spatial_is_on:  # generating takes time
                return terms | {"spatial": logits.new_full((), torch.nan)}
            terms["spatial"] = self._own_answer_loss(self.bridge, batch, llm_input, self._target(batch, logits))
        if "spatial" in terms and self._config.spatial_reaches == "lora":
            reached = [p for n, p in self.named_parameters() if p.requires_grad and (is_lora(n) or n.startswith("bridge."))]
            terms["spatial"] = restrict_gradient_to(reached, terms["spatial"])
        return terms

    def _target(self, batch: Batch, logits_B1SS: Tensor) -> Tensor:
        """The point (B, 2) that an answer about each image should name; NaN if its mask is empty."""
        return batch.centroid_B2 if self._config.spatial_target == "true_centroid" else mask_centroid(logits_B1SS)

    def _given_answer_terms(
        self, bridge: HiddenBridge, batch: Batch, text: TeacherForced, target_B2: Tensor
    ) -> dict[str, Tensor]:
        """Spatial loss and distillation of the reference answers."""
        assert batch.reference_RE is not None  # as there is a hidden bridge
        has_answer_R = text.is_answer_BT.any(1)
        with _full_precision(target_B2):
            embedding_RE, point_R2 = bridge(text)
            spatial = spatial_loss(point_R2, target_B2[batch.row_image_R], has_answer_R & batch.is_placed_R)
            distillation = distillation_loss(embedding_RE[has_answer_R], batch.reference_RE[has_answer_R])
        return {"spatial": spatial, "distillation": distillation}

    def _own_answer_loss(self, bridge: SampledBridge, batch: Batch, llm_input: Tensor, target_B2: Tensor) -> Tensor:
        """Spatial loss of answers that the model generates to the first question about each image, without any reference."""
        count, device = len(llm_input), llm_input.device
        is_placed_B = batch.is_placed_R[:count]
        samples = 1 if isinstance(bridge, SoftTokenBridge) else self._config.bridge_samples
        row_image_R = torch.arange(count, device=device).repeat_interleave(samples)
        questions = [question for question in batch.questions[:count] for _ in range(samples)]
        own = self._generated(llm_input, questions, row_image_R, is_sampled=samples > 1)
        ids = own.ids(self.llm.tokenizer.eos_token_id)
        with _evaluated(self.llm):  # the distribution that the answers come from, without dropout
            text = self.llm.teacher_forced(llm_input, row_image_R, questions, ids)
        with _full_precision(llm_input):
            if isinstance(bridge, SoftTokenBridge):
                return spatial_loss(bridge.soft_points(text, ids), target_B2, is_placed_B)
            said_A = torch.tensor([token for row in ids for token in row], device=device)
            log_p_A = -F.cross_entropy(text.logits_AV.float(), said_A, reduction="none")
            log_p_R = torch.stack([row_A.sum() for row_A in log_p_A.split([len(row) for row in ids])])
            point_BK2 = bridge(own.answers, device).view(count, samples, 2)
            return sampled_spatial_loss(point_BK2, target_B2, is_placed_B, log_p_R.view(count, samples))

    @torch.no_grad()
    def points(self, image_B3SS: Tensor, questions: Sequence[str], answers: Sequence[str]) -> Tensor:
        """The points (B, 2) that the bridge reads from these answers to one question about each image.

        Raises:
            PrsbenchError: there is no bridge.
        """
        if self.bridge is None:
            raise PrsbenchError("cg_reasoner: `bridge: none` has no bridge and reads no point. Set another bridge.")
        if isinstance(self.bridge, SampledBridge):
            return self.bridge(answers, image_B3SS.device)
        llm_input = image_B3SS if self.llm.reads_pixels else self.features(image_B3SS)
        rows = torch.arange(len(image_B3SS), device=image_B3SS.device)
        return self.bridge(self.llm.teacher_forced(llm_input, rows, questions, answers))[1]

    @torch.no_grad()
    def answer(self, image_B3SS: Tensor, row_image_R: Tensor, questions: Sequence[str]) -> tuple[Tensor, list[str]]:
        """Float32 mask logits (R, 1, S, S) and generated answers; see `forward`."""
        logits, text = self(image_B3SS, row_image_R, questions)
        return logits.float(), text.answers

    def _generated(
        self, input_BCHW: Tensor, questions: Sequence[str], row_image_R: Tensor | None = None, is_sampled: bool = False
    ) -> Generated:
        """The model's own current answers, without dropout, as at test time."""
        with _evaluated(self.llm):
            return self.llm.generate(input_BCHW.detach(), questions, self._config.answer_tokens, row_image_R, is_sampled)


@contextmanager
def _evaluated(module: nn.Module) -> Iterator[None]:
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)


def _full_precision(like: Tensor) -> torch.autocast:
    """bf16 would move a point by thousandths of the frame."""
    return torch.autocast(like.device.type, enabled=False)


def _readable(answers: Sequence[str | None]) -> list[str | Sequence[int]]:
    """As the language model takes them: no tokens for an answer that is not to be read."""
    return [() if answer is None else answer for answer in answers]


Base = SmallLlama | CausalBase | LlavaBase  # the frozen language model of the tiny, the small and the paper's size


def build(config: CGReasonerConfig, base: Base, head: CentroidHead | None) -> tuple[CGReasoner, str]:
    """The network at a config's size, and a sentence that names the source of the backbone's weights."""
    backbone, source, source_note = build_backbone(config.backbone.name, config.backbone.stages, config.backbone.weights)
    if source == Weights.PACKAGED:
        source_note += ", stand-in for the paper's ConvNeXt-Tiny"
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


def _bridge(config: CGReasonerConfig, llm: AdaptedLLM, head: CentroidHead | None) -> Bridge | None:
    if head is None:
        return None
    if config.bridge == "hidden":
        return HiddenBridge(llm.width, head)
    return SoftTokenBridge(llm.tokenizer, head) if config.bridge == "soft_tokens" else SampledBridge(head)


def weighted_sum(terms: Mapping[str, Tensor], config: CGReasonerConfig, with_spatial: bool = True) -> Tensor:
    """L = L_seg + l_txt * CE + l_sp * L_spatial, plus our alignment and distillation losses; without L_spatial if so asked."""
    terms = {name: term for name, term in terms.items() if with_spatial or name != "spatial"}
    weight = {
        "segmentation": 1.0,
        "text": config.losses.text_weight,
        "alignment": config.losses.alignment_weight,
        "spatial": config.losses.spatial_weight,
        "distillation": config.losses.distil_weight,
    }
    return weighted(terms, weight)
