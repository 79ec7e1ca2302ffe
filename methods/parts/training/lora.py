"""LoRA: which parameters are adapters, and the optimizer with their learning rate and those of other parameter groups."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn


def is_lora(name: str) -> bool:
    """Whether a parameter or tensor of this name is LoRA's, as peft names it."""
    return "lora_" in name


def adamw(network: nn.Module, rates: Mapping[str, float], weight_decay: float, eps: float = 1e-8) -> torch.optim.AdamW:
    """AdamW over the trainable parameters, with a parameter group for each learning rate, in the order of `rates`.

    Args:
        rates: learning rates of "lora" (LoRA), of prefixes of names such as "decoder.", and of "new" (all others).
    """
    groups: dict[str, list[nn.Parameter]] = {name: [] for name in rates}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            prefix = next((prefix for prefix in rates if name.startswith(prefix)), "new")
            groups["lora" if is_lora(name) else prefix].append(parameter)
    parameter_groups = [{"params": groups[name], "lr": rate} for name, rate in rates.items()]
    return torch.optim.AdamW(parameter_groups, weight_decay=weight_decay, eps=eps)
