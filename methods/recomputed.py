"""Cheap results computed again in the backward pass instead of kept for it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint


def recomputed(work: Callable[..., Tensor], *given: Tensor) -> Tensor:
    """work(*given), of which only what was given is kept. The work must draw nothing at random.

    A last step that needs no more than its inputs for its gradient, such as a convolution, is not run again.
    """
    if not torch.is_grad_enabled():
        return work(*given)
    return checkpoint(work, *given, use_reentrant=False, preserve_rng_state=False)
