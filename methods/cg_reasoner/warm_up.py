"""The projector's warm-up: images are read as drawings before the language model is asked anything (feature alignment)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from prsbench.harness.contract.types import FitContext, Sample
from prsbench.methods.cg_reasoner.config import CGReasonerConfig
from prsbench.methods.cg_reasoner.model import CGReasoner
from prsbench.methods.language_base import draw
from prsbench.methods.multimodal_llm import alignment_loss
from prsbench.methods.training_images import TrainingImage, cosine, training_images
from torch import Tensor


def warm_up(model: CGReasoner, config: CGReasonerConfig, samples: Sequence[Sample], context: FitContext) -> None:
    """Train encoder and projector alone, for `projector_warmup_steps`, to say of each place how much of it is foreground.

    The language model takes no part, so a step costs what its vision costs. With 0 steps nothing happens, no chance is drawn.
    """
    steps = config.projector_warmup_steps
    if not steps:
        return
    images, chance = training_images(samples, config.image_size_px), np.random.default_rng(context.seed)
    model.to(context.device).train()
    backbone = [p for p in model.encoder.backbone.parameters() if p.requires_grad]
    own = {id(p) for p in backbone}
    new = [p for part in (model.encoder, model.llm.projector) for p in part.parameters() if p.requires_grad and id(p) not in own]
    groups = [{"params": backbone, "lr": config.backbone_learning_rate}, {"params": new, "lr": config.learning_rate}]
    optimizer = torch.optim.AdamW(groups, weight_decay=config.weight_decay, eps=config.adam_eps)
    schedule = cosine(optimizer, steps, config.warmup_steps, config.final_learning_rate / config.learning_rate)
    size = min(config.batch_size, len(images))
    for step in range(steps):
        chosen = [images[i] for i in chance.choice(len(images), size, replace=False)]
        image, mask, drawing = _batch(chosen, config, chance, context.device)
        loss = alignment_loss(model.llm.projector(model.encoder(image)).reading, drawing, mask)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([*backbone, *new], config.gradient_clip)
        optimizer.step()
        schedule.step()
        context.progress(step + 1, steps, f"projector's warm-up, loss {loss.item():.3f}")


def _batch(
    chosen: Sequence[TrainingImage], config: CGReasonerConfig, chance: np.random.Generator, device: str
) -> tuple[Tensor, Tensor, Tensor]:
    """Images in [0, 1], masks and drawings, some flipped left to right."""
    flips = chance.random(len(chosen)) < config.horizontal_flip
    turned = [
        (one.image_3SS.flip(-1), one.mask_1SS.flip(-1)) if flip else (one.image_3SS, one.mask_1SS)
        for one, flip in zip(chosen, flips, strict=True)
    ]
    image, mask = (torch.stack(part).to(device).float() for part in zip(*turned, strict=True))
    drawings = [torch.from_numpy(draw(one[0].numpy(), config.language.drawing_side)) for _, one in turned]
    return image / 255, mask, torch.stack(drawings).to(device)
