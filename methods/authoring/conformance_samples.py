"""Samples of the conformance suite: synthetic discs on square, 3:1 and odd-sized images, colour and grey, with true answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from prsbench.harness.contract.geometry import innermost_point, tight_box
from prsbench.harness.contract.position import position_of, position_phrase, zone_of_centroid
from prsbench.harness.contract.types import DataKind, PromptSource, Query, Sample, Truth

_MODALITIES = ("brain_mri", "skin_rgb")
_TEST_SHAPES = {"square": (64, 64), "wide": (40, 120), "odd": (51, 37), "grey": (48, 64)}


def training_samples(split: str = "train") -> list[Sample]:
    """Eight discs of two modalities; their answers and positions all differ."""
    return [_disc(f"{split}{n}", (48, 48 + n), n, _MODALITIES[n % 2], split) for n in range(8)]


def examined_samples() -> list[Sample]:
    """One sample per shape; the last image is grey (three equal channels)."""
    samples = [_disc(name, shape, 40 + n, _MODALITIES[n % 2], "test") for n, (name, shape) in enumerate(_TEST_SHAPES.items())]
    grey = samples[-1].query.image[..., :1].repeat(3, axis=2)
    return [*samples[:-1], replace(samples[-1], query=replace(samples[-1].query, image=grey))]


def query_for(sample: Sample, source: PromptSource) -> Query:
    """The query with the box or the point a row of this prompt source is given; other rows get neither."""
    with_box = source in (PromptSource.ORACLE_BOX, PromptSource.JITTERED_BOX)
    box = tight_box(sample.truth.mask) if with_box else None
    point = innermost_point(sample.truth.mask) if source == PromptSource.ORACLE_POINT else None
    return replace(sample.query, image=sample.query.image.copy(), box=box, point=point)


def _disc(name: str, shape: tuple[int, int], seed: int, modality: str, split: str) -> Sample:
    rng = np.random.default_rng(seed)
    height, width = shape
    row, col = rng.uniform(0.25, 0.75, 2) * shape
    rows, cols = np.indices(shape)
    mask = (rows - row) ** 2 + (cols - col) ** 2 < (min(shape) / rng.uniform(4, 6)) ** 2
    image = rng.integers(20, 90, (height, width, 3), dtype=np.uint8)
    image[mask] += np.array([120, 90, 60], np.uint8)
    position, near = position_of(mask, modality)
    answer = f"The lesion is at the {position_phrase(position, near)}."
    query = Query(f"{modality}/{name}#0", image, "Where is the lesion?", modality)
    return Sample(query, Truth(mask, answer, position, near, zone_of_centroid(mask)), name, split, DataKind.SYNTHETIC)
