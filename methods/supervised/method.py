"""U-Nets, nnU-Net and Swin-UNet as one `Method`: image to mask; the sentence is templated from the mask."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from prsbench.harness.contract.types import FitContext, Labels, Prediction, Query, Sample, TextSource, Weights
from prsbench.methods.images import distinct_images, prediction_from_logits, resize_to_levels, z_score
from prsbench.methods.parts.training.loop import write_losses
from prsbench.methods.parts.training.recipe import difference_note
from prsbench.methods.parts.weights.exposure import exposure_note, random_start_note
from prsbench.methods.supervised.config import SupervisedConfig
from prsbench.methods.supervised.networks import ImageNetUNet, build_network
from prsbench.methods.supervised.training import train
from safetensors.torch import load_model, save_file

WEIGHTS = "network.safetensors"


class SupervisedMethod:
    """One network, trained on every modality of the grid together."""

    def __init__(self, config: SupervisedConfig):
        self.config = config
        self._network: Any = None

    @property
    def labels(self) -> Labels:
        notes = [f"MONAI {self.config.network}, {self.config.image_size_px} px; the question is ignored"]
        if isinstance(self._network, ImageNetUNet):
            notes += [self._network.note, exposure_note("imagenet_1k") if self._network.is_pretrained else random_start_note()]
        else:
            notes.append(random_start_note())
        notes.append(difference_note(self.config))
        return Labels(self.config.prompt_source, Weights.TRAINED_HERE, TextSource.OWN_MASK, tuple(notes))

    def fit(self, train_samples: Sequence[Sample], val: Sequence[Sample], context: FitContext) -> None:  # noqa: ARG002 (protocol)
        torch.manual_seed(context.seed)
        self._network, self._device = build_network(self.config), context.device
        self._history = train(self._network, self.config, train_samples, context).history

    @torch.inference_mode()
    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        start = time.perf_counter()
        images, numbers = distinct_images(queries)  # the question is ignored: one map for all questions about an image
        levels = torch.stack([resize_to_levels(image, self.config.image_size_px) for image in images])
        image = levels.to(self._device) / 255
        amp = self.config.amp and self._device.startswith("cuda")
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=amp):
            logits = self._network(z_score(image)).float()
        seconds = (time.perf_counter() - start) / len(queries)
        return [prediction_from_logits(logits[n], query, seconds) for n, query in zip(numbers, queries, strict=True)]

    def save(self, folder: Path) -> None:
        named = sorted(self._network.state_dict(keep_vars=True).items(), reverse=True)
        once = {id(tensor): name for name, tensor in named}  # DynUNet has several names for a tensor: the first is stored
        state = self._network.state_dict()  # not save_model: it lists the other names in an order that changes from run to run
        save_file({name: state[name].contiguous() for name in once.values()}, folder / WEIGHTS)
        write_losses(folder, self._history)

    def load(self, folder: Path, device: str) -> None:
        """The file and the network must have exactly the same tensors."""
        self._network, self._device = build_network(self.config), device
        load_model(self._network, folder / WEIGHTS)
        self._network.to(device).eval()
