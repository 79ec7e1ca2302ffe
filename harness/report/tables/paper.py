"""The papers' tables (segmentation, reasoning, ablation): their order of modalities, their rounding and their method names."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from math import isfinite

import pandas as pd
from prsbench.harness.contract.modalities import BY_NAME
from prsbench.harness.contract.records import VARIANT_MARK
from prsbench.harness.report.statistics.means_and_differences import mean_intervals
from prsbench.harness.report.statistics.rows import Row, Score, summarise
from prsbench.harness.report.tables import footnotes
from prsbench.harness.report.tables.scores import best_and_second, number_or_status
from prsbench.harness.report.tables.table import Column, Table, marked
from prsbench.metrics.catalog import METRICS

SEGMENTATION = ("lung_xray", "lung_ct", "brain_mri", "skin_rgb", "breast_us", "polyp_endoscopy")  # the papers' orders
REASONING = ("breast_us", "brain_mri", "lung_ct", "lung_xray", "polyp_endoscopy", "skin_rgb")
OWN_MASK_TEXT = "_own_mask_text"  # ends the names of rows that describe another row's mask
WITH_T2C, WITHOUT_T2C = "cg_reasoner", "cg_reasoner_without_t2c"
TITLES: Mapping[str, str] = {
    "cg_reasoner": "CG-Reasoner (embedded)",
    "cg_reasoner_without_t2c": "CG-Reasoner (embedded) w/o T2C",
    "cg_reasoner_small": "CG-Reasoner (SmolLM2)",
    "cg_reasoner_checkpoint": "CG-Reasoner (checkpoint)",
    "prs_med": "PRS-Med (embedded)",
    "prs_med_official": "PRS-Med",
    "medseg_r": "MedSeg-R-style (embedded)",
    "lisa_7b": "LISA-7B",
    "lisa_13b": "LISA-13B",
    "lisa_tiny": "LISA (embedded)",
    "pixellm_7b": "PixelLM-7B",
    "pixellm_13b": "PixelLM-13B",
    "pixellm_tiny": "PixelLM (embedded)",
    "grounding_dino_sam_med2d": "Grounding-DINO + SAM-Med2D",
    "biomedparse": "BiomedParse",
    "unet": "U-Net",
    "unet_imagenet": "U-Net (ImageNet)",
    "nnunet": "nnU-Net (MONAI)",
    "swin_unet": "Swin-UNETR",
    "lite_medsam": "LiteMedSAM",
    "sam": "SAM",
    "medsam": "MedSAM",
    "sam_med2d": "SAM-Med2D",
    "mobile_sam": "MobileSAM",
    "tiny_sam": "TinySAM",
}
_ENDINGS = {
    OWN_MASK_TEXT: ", text from its mask",
    "_oracle_box": ", oracle box",
    "_jittered_box": ", jittered box",
    "_oracle_point": ", oracle point",
    "_automatic": ", automatic box",
    "_text_box": ", text box",
}
_LABELS = ("method", "row", "prompt source", "data kind")


class Extra(StrEnum):
    """What a paper table may show beside its numbers."""

    N = "n"  # scored / manifest, in a column
    FAILURES = "failures"  # samples that failed, in a column
    INTERVALS = "intervals"  # 95 %, after each number that has one


def paper_tables(rows: Sequence[Row], extras: Collection[Extra] = ()) -> list[Table]:
    """Those of the papers' three tables that the rows can fill. References (floors and ceilings) are left out."""
    tables = (segmentation(rows, extras), reasoning(rows, extras), t2c(rows, extras))
    return [table for table in tables if table is not None]


def segmentation(rows: Sequence[Row], extras: Collection[Extra] = ()) -> Table | None:
    """mDice and mIoU of every ranked row in the six modalities."""
    caption = "mDice and mIoU by PraNet's protocol, per modality."
    own_masks = [row for row in _ranked(rows) if OWN_MASK_TEXT not in row.method]  # the others have the masks of these rows
    return _table("segmentation", "Segmentation", caption, own_masks, SEGMENTATION, ("mdice_pranet", "miou_pranet"), extras)


def reasoning(rows: Sequence[Row], extras: Collection[Extra] = ()) -> Table | None:
    """PRScore of every ranked row in the six modalities."""
    caption = "PRScore per modality. Its chance level is not 0, and scores of different judges do not compare."
    return _table("reasoning", "Reasoning", caption, _ranked(rows), REASONING, ("prscore",), extras)


def t2c(rows: Sequence[Row], extras: Collection[Extra] = ()) -> Table | None:
    """PRScore of CG-Reasoner with and without Text2Centroid; None unless both are there."""
    pair = [row for name in (WITHOUT_T2C, WITH_T2C) for row in rows if row.method == name]
    if len({row.method for row in pair}) < 2:
        return None
    caption = "PRScore of CG-Reasoner with and without Text2Centroid (T2C). Means alone do not show an effect: see the intervals."
    return _table("ablation", "Ablation of Text2Centroid", caption, pair, REASONING, ("prscore",), extras)


def title_of(method: str) -> str:
    """A row's name as papers print it; a variant keeps its changes, an unknown method its own name.

    Example:
        >>> title_of("sam_med2d_oracle_box")
        'SAM-Med2D, oracle box'
    """
    name, mark, variant = method.partition(VARIANT_MARK)
    for ending, words in _ENDINGS.items():
        if name.endswith(ending) and name.removesuffix(ending) in TITLES:
            return TITLES[name.removesuffix(ending)] + words + (f" ({variant})" if mark else "")
    return TITLES.get(name, name) + (f" ({variant})" if mark else "")


def _ranked(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if not row.is_reference]


def _table(
    name: str,
    title: str,
    caption: str,
    rows: Sequence[Row],
    order: Sequence[str],
    metrics: Sequence[str],
    extras: Collection[Extra],
) -> Table | None:
    present = {cell.modality for row in rows for cell in row.cells}
    modalities = [modality for modality in order if modality in present]
    if not modalities:
        return None
    lines = [[title_of(row.method), row.method, row.label("prompt_source"), row.data_kind.label] for row in rows]
    frame = pd.DataFrame(lines, columns=list(_LABELS), dtype=str)
    best: set[tuple[int, str]] = set()
    second: set[tuple[int, str]] = set()
    columns = []
    for modality in modalities:
        for metric in metrics:
            column = Column(BY_NAME[modality].title, METRICS[metric].title)
            scores = [summarise(row, metric, modality) for row in rows]
            texts = [_text(row, metric, modality, score, extras) for row, score in zip(rows, scores, strict=True)]
            frame[column.name] = texts
            leading, following = best_and_second(rows, scores, METRICS[metric].higher_is_better)
            best |= {(i, column.name) for i in leading}
            second |= {(i, column.name) for i in following}
            columns.append(column)
    counts = [[summarise(row, metrics[0], modality).counts for modality in modalities] for row in rows]
    if Extra.N in extras:
        frame["n"] = [f"{sum(c.n_scored for c in some)}/{sum(c.n_manifest for c in some)}" for some in counts]
    if Extra.FAILURES in extras:
        frame["failed"] = [str(sum(c.n_failed for c in some)) for some in counts]
    notes = (
        *footnotes.of_data(rows),
        "Bold: best, underlined: second, among rows of the same prompt source. Rows with failed samples are not ranked.",
        *([footnotes.INTERVAL] if Extra.INTERVALS in extras else []),
        *footnotes.missing_numbers(rows),
    )
    marks = frozenset(best), frozenset(second)
    return Table(f"paper/{name}", title, caption, frame, _LABELS, tuple(columns), marks[0], notes, second=marks[1])


def _text(row: Row, metric: str, modality: str, score: Score, extras: Collection[Extra]) -> str:
    text = marked(number_or_status(score, row.is_reference), metric, row)
    if Extra.INTERVALS in extras and isfinite(score.value):
        [mean] = mean_intervals([cell for cell in row.cells if cell.modality == modality], [metric])
        text += f" [{mean.low:z.3f}, {mean.high:z.3f}]" if isfinite(mean.low) else " [-]"
    return text
