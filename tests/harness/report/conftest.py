"""Hand-made cells: six modalities, a ladder of methods, every kind of row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import nan

import numpy as np
import pytest
from prsbench.harness.contract.modalities import MODALITIES
from prsbench.harness.contract.records import Record
from prsbench.harness.contract.results import CellResult
from prsbench.harness.contract.summary import summarise_cell
from prsbench.harness.contract.types import DataKind, Labels, PromptSource, TextSource, Weights
from prsbench.harness.report.figures.pictures import Pictures
from prsbench.metrics.catalog import METRICS

LABELS = {
    "cg_reasoner": Labels(PromptSource.QUESTION, Weights.TRAINED_HERE, TextSource.GENERATED, ("Lite0 stands in for ConvNeXt",)),
    "cg_reasoner_without_t2c": Labels(PromptSource.QUESTION, Weights.TRAINED_HERE, TextSource.GENERATED),
    "lite_medsam_oracle_box": Labels(PromptSource.ORACLE_BOX, Weights.PACKAGED, TextSource.OWN_MASK),
    "lite_medsam_jittered_box": Labels(PromptSource.JITTERED_BOX, Weights.PACKAGED, TextSource.OWN_MASK),
    "whole_image": Labels(PromptSource.NONE, Weights.NONE, TextSource.CONSTANT),
    "oracle": Labels(PromptSource.TRUTH, Weights.NONE, TextSource.TRUTH),
}

_OFFICIAL = [name for name, metric in METRICS.items() if not metric.needs_families]
JUDGE = {"judge_error": 0.1, "mean_point_error": 0.4, "label_mean_error": 0.05, "judge_auc": 0.95}  # of one that can read


def make_cell(
    method: str = "cg_reasoner",
    values: tuple[float, ...] = (0.5, 0.7),
    modality: str = "brain_mri",
    *,
    dataset: str = "",
    seed: int = 0,
    kind: DataKind = DataKind.SYNTHETIC,
    status: str = "complete",
    error: str = "",
    failed: tuple[int, ...] = (),
    empty: tuple[int, ...] = (),
    groups: tuple[str, ...] = (),
    n_manifest: int | None = None,
) -> CellResult:
    """A cell whose every metric has `values`, sample by sample; `failed` and `empty` are positions in it."""
    records, scores = [], []
    for i, value in enumerate(values):
        records.append(
            Record(
                sample_id=f"{modality}/{i:02d}",
                group=groups[i] if groups else f"patient {i}",
                modality=modality,
                data_kind=kind,
                status="failed" if i in failed else "ok",
                error="RuntimeError: out of memory" if i in failed else "",
                question="Where in this picture is the abnormal finding, and how far from the centre does it lie?",
                reference_answer="The lesion is located in the top left and far from the center.",
                answer=f"According to {method}, the lesion is located in the top left and near the center.",
                height=64,
                width=64,
                position=("no mask",) if i in empty else ("top left",),
                near_centre=False,
                position_of_centroid="no mask" if i in empty else "top left",
                truth_centroid=None,
                predicted_centroid=None,
                counts=None,
                seconds=0.1,
            )
        )
        scores.append(dict.fromkeys(_OFFICIAL, nan if i in failed or i in empty else value))
        scores[-1] |= {} if i in failed or i in empty else JUDGE
    result = CellResult(
        method=method,
        dataset=dataset or modality,
        modality=modality,
        seed=seed,
        data_kind=kind,
        protocol="native size",
        status=status,
        error=error,
        n_manifest=len(values) if n_manifest is None else n_manifest,
        labels=LABELS.get(method),
    )
    return with_records(result, records, scores)


def with_records(cell: CellResult, records: Sequence[Record], scores: Sequence[Mapping[str, float]]) -> CellResult:
    """The cell with these records and scores."""
    summary, samples = summarise_cell(records, scores)
    return replace(cell, summary=summary, samples=lambda: samples, read=lambda: (tuple(records), tuple(scores)))


def make_grid(**options: object) -> list[CellResult]:
    """Every method of LABELS on six modalities with seeded values."""
    rng = np.random.default_rng(5)
    return [
        make_cell(method, tuple(np.clip(rng.normal(0.8 - 0.05 * rank, 0.1, 6), 0, 1)), modality, empty=(5,), **options)
        for rank, method in enumerate(LABELS)
        for modality in MODALITIES
    ]


def draw(sample_id: str, dataset: str, methods: tuple[str, ...]) -> Pictures:
    """A disc on a gradient, and predictions that are shifted discs."""
    rows, cols = np.mgrid[:64, :80]
    image = np.repeat((rows + cols)[..., None], 3, axis=2).astype(np.uint8)
    maps = {name: (np.hypot(rows - 20, cols - 24 - 3 * shift) < 12).astype(np.float32) for shift, name in enumerate(methods)}
    return Pictures(image, np.hypot(rows - 20, cols - 24) < 12, maps)


@pytest.fixture(scope="session")
def cell() -> Callable[..., CellResult]:
    return make_cell


@pytest.fixture(scope="session")
def refilled() -> Callable[..., CellResult]:
    return with_records


@pytest.fixture(scope="session")
def grid() -> Callable[..., list[CellResult]]:
    return make_grid


@pytest.fixture(scope="session")
def pictures() -> Callable[..., Pictures]:
    return draw
