"""The learning-rate schedule: warm-up, then cosine decay."""

from __future__ import annotations

import math

import torch


def cosine(optimizer: torch.optim.Optimizer, steps: int, warmup_steps: int, floor: float) -> torch.optim.lr_scheduler.LRScheduler:
    """Linear warm-up, then half a cosine down to `floor` (a share of the learning rate)."""

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        done = (step - warmup_steps) / max(1, steps - warmup_steps)
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
