"""Activation recomputation: cheap results are computed again in the backward pass instead of stored for it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint


def recomputed(work: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """work(*inputs), for which only the inputs are stored. `work` must not use random numbers.

    A last operation whose gradient needs only its inputs, such as a convolution, is not run again.
    """
    if not torch.is_grad_enabled():
        return work(*inputs)
    return checkpoint(work, *inputs, use_reentrant=False, preserve_rng_state=False)
