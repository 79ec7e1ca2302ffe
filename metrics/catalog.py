"""Catalog of metrics: name, column title, direction, range, protocol, empty-case policy and source. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

from prsbench.metrics.mask.empty_truth import POLICY_METRICS, EmptyTruth

_NO_TRUTH = "Empty truth: not defined; excluded from the mean and counted."
_PRANET = "256 thresholds over the 8-bit map, mean over thresholds"
_HALF = "probability >= 0.5, no stretch"
_HALF_EMPTY = f"Empty prediction: 0. {_NO_TRUTH}"
_PUBLISHED = "PraNet; PRS-Med; CG-Reasoner"
_STRETCHED = "per-image min-max stretch, 8 bit"
_PRANET_CODE = "PraNet's evaluation code"
_LESIONS = "8-connected lesions at probability >= 0.5, matched one to one and found at IoU >= 0.1"
_PRSCORE_EMPTY = f"No text: 0. {_NO_TRUTH}"
_S_VIS_EMPTY = f"Empty predicted mask: 0. {_PRSCORE_EMPTY}"
_JUDGED = {"needs_text_models": True, "needs_valid_judge": True}


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name in records, its title in tables, and what a reader must know to compare it.

    higher_is_better is None for a value that only helps to interpret other metrics.
    """

    name: str
    title: str
    higher_is_better: bool | None
    range: tuple[float, float]
    protocol: str
    empty_policy: str
    source: str
    needs_text_models: bool = False  # computed with the learned text models (sentence encoder, Text2Centroid)
    needs_spacing: bool = False  # defined only where the pixel size is known; tables omit it if it is defined nowhere
    is_binary: bool = False  # 0 or 1 for each sample
    needs_families: bool = False  # defined only for questions of other families than the official one; scored only where asked
    needs_valid_judge: bool = False  # means nothing where Text2Centroid cannot read the references (`text/validity.py`)


_ALL = (
    Metric("dice@0.5", "Dice@0.5", True, (0, 1), _HALF, _HALF_EMPTY, "standard"),
    Metric("iou@0.5", "IoU@0.5", True, (0, 1), _HALF, _HALF_EMPTY, "standard"),
    Metric(
        "giou",
        "gIoU",
        True,
        (0, 1),
        f"{_HALF}; mean of the images' IoU, with images without a target",
        "Empty truth: 1 if the mask is empty too, else 0. Empty prediction: 0.",
        "LISA",
    ),
    Metric(
        "ciou",
        "cIoU",
        True,
        (0, inf),
        f"{_HALF}; summed intersection over summed union of the cell: large targets count more. A sample's value is its share, n "
        "times its intersection over the cell's union, so that the mean is the cIoU",
        "Empty truth: its false pixels are in the union.",
        "LISA",
    ),
    Metric("mdice_pranet", "mDice", True, (0, 1), f"per-image min-max stretch, {_PRANET}", _NO_TRUTH, _PUBLISHED),
    Metric("miou_pranet", "mIoU", True, (0, 1), f"per-image min-max stretch, {_PRANET}", _NO_TRUTH, _PUBLISHED),
    Metric("mdice_raw", "mDice (raw)", True, (0, 1), f"no stretch, {_PRANET}", _NO_TRUTH, "ours: PraNet without the stretch"),
    Metric("miou_raw", "mIoU (raw)", True, (0, 1), f"no stretch, {_PRANET}", _NO_TRUTH, "ours: PraNet without the stretch"),
    Metric("maxdice_pranet", "maxDice", True, (0, 1), f"{_STRETCHED}, best single threshold of the cell", _NO_TRUTH, _PUBLISHED),
    Metric("maxiou_pranet", "maxIoU", True, (0, 1), f"{_STRETCHED}, best single threshold of the cell", _NO_TRUTH, _PUBLISHED),
    Metric("maxdice_raw", "maxDice (raw)", True, (0, 1), "no stretch, best single threshold of the cell", _NO_TRUTH, "ours"),
    Metric("sensitivity_pranet", "Sen", True, (0, 1), f"{_STRETCHED}, mean over thresholds", _NO_TRUTH, _PRANET_CODE),
    Metric(
        "specificity_pranet",
        "Spe",
        True,
        (0, 1),
        f"{_STRETCHED}, mean over thresholds; 0 at every threshold that misses the lesion, as in the official code",
        f"No background: not defined. {_NO_TRUTH}",
        _PRANET_CODE,
    ),
    Metric("sensitivity@0.5", "Sen@0.5", True, (0, 1), _HALF, _HALF_EMPTY, "standard"),
    Metric("specificity@0.5", "Spe@0.5", True, (0, 1), _HALF, f"No background: not defined. {_NO_TRUTH}", "standard"),
    Metric("mae_pranet", "MAE", False, (0, 1), f"{_STRETCHED}, mean absolute difference", _NO_TRUTH, _PRANET_CODE),
    Metric("mae_raw", "MAE (raw)", False, (0, 1), "no stretch, 8 bit, mean absolute difference", _NO_TRUTH, "standard"),
    Metric(
        "s_measure_pranet",
        "S-measure",
        True,
        (0, 1),
        f"{_STRETCHED}; alpha 0.5",
        f"True centroid in row or column 0: not defined, as in the official code. {_NO_TRUTH}",
        f"Fan 2017; {_PRANET_CODE}",
    ),
    Metric("s_measure_raw", "S-measure (raw)", True, (0, 1), "no stretch, 8 bit; alpha 0.5", _NO_TRUTH, "Fan 2017"),
    Metric(
        "e_measure_mean_pranet",
        "mean E",
        True,
        (0, 2),
        f"{_STRETCHED}, mean over thresholds; divided by pixels - 1, as in the official code, so it may exceed 1",
        _NO_TRUTH,
        f"Fan 2018; {_PRANET_CODE}",
    ),
    Metric(
        "e_measure_max_pranet",
        "max E",
        True,
        (0, 2),
        f"{_STRETCHED}, best single threshold of the cell; divided by pixels - 1, as in the official code",
        _NO_TRUTH,
        f"Fan 2018; {_PRANET_CODE}",
    ),
    Metric("e_measure_mean_raw", "mean E (raw)", True, (0, 1), "no stretch, 8 bit, mean over thresholds", _NO_TRUTH, "Fan 2018"),
    Metric(
        "e_measure_max_raw", "max E (raw)", True, (0, 1), "no stretch, best single threshold of the cell", _NO_TRUTH, "Fan 2018"
    ),
    Metric("weighted_f_pranet", "wF", True, (0, 1), f"{_STRETCHED}; beta 1", _NO_TRUTH, f"Margolin 2014; {_PRANET_CODE}"),
    Metric("weighted_f_raw", "wF (raw)", True, (0, 1), "no stretch, 8 bit; beta 1", _NO_TRUTH, "Margolin 2014"),
    Metric(
        "hd95_px",
        "HD95 (px)",
        False,
        (0, inf),
        f"{_HALF}; 95th percentile Hausdorff distance of the outlines, in pixels",
        f"Empty prediction: the image's diagonal. {_NO_TRUTH}",
        "MONAI's definition",
    ),
    Metric(
        "nsd_2px", "NSD (2 px)", True, (0, 1), f"{_HALF}; share of both outlines within 2 px", _HALF_EMPTY, "MONAI's definition"
    ),
    Metric(
        "hd95_mm",
        "HD95 (mm)",
        False,
        (0, inf),
        f"{_HALF}; 95th percentile Hausdorff distance of the outlines, in mm",
        f"Empty prediction: the image's diagonal. {_NO_TRUTH} Not defined where the pixel size is unknown.",
        "MONAI's definition",
        needs_spacing=True,
    ),
    Metric(
        "nsd_2mm",
        "NSD (2 mm)",
        True,
        (0, 1),
        f"{_HALF}; share of both outlines within 2 mm",
        f"{_HALF_EMPTY} Not defined where the pixel size is unknown.",
        "MONAI's definition",
        needs_spacing=True,
    ),
    Metric("lesion_sensitivity", "Lesions found", True, (0, 1), f"{_LESIONS}: share found", _HALF_EMPTY, "Metrics Reloaded"),
    Metric("lesions_missed", "Lesions missed", False, (0, inf), f"{_LESIONS}: missed per image", _NO_TRUTH, "Metrics Reloaded"),
    Metric(
        "lesions_false",
        "Lesions false",
        False,
        (0, inf),
        f"{_LESIONS}: false predictions per image",
        "Empty truth: every predicted lesion is false.",
        "Metrics Reloaded",
    ),
    Metric(
        "prediction_empty",
        "Empty predictions",
        None,
        (0, 1),
        f"{_HALF}: share of empty masks",
        _NO_TRUTH,
        "ours",
        is_binary=True,
    ),
    Metric(
        "s_sem",
        "S_sem",
        True,
        (0, 1),
        "sentence embeddings of answer and reference",
        _PRSCORE_EMPTY,
        "CG-Reasoner",
        needs_text_models=True,
    ),
    *(
        Metric(name, title, True, (0, 1), protocol, policy, "CG-Reasoner", **_JUDGED)
        for name, title, protocol, policy in (
            ("s_spatial", "S_spatial", "Text2Centroid points of answer and reference", _PRSCORE_EMPTY),
            ("s_vis", "S_vis", "Text2Centroid point of the answer and centroid of the predicted mask", _S_VIS_EMPTY),
            ("prscore", "PRScore", "mean of S_sem, S_spatial and S_vis", _PRSCORE_EMPTY),
        )
    ),
    Metric(
        "prscore_corrected",
        "PRScore above chance",
        True,
        (-inf, 1),
        "(PRScore - chance) / (1 - chance), with the cell's mean chance: 0 is chance level, 1 is perfect",
        f"{_PRSCORE_EMPTY} A cell of one sample: not defined.",
        "ours",
        **_JUDGED,
    ),
    *(
        Metric(f"prscore_{name}", title, None, (0, 1), protocol, _PRSCORE_EMPTY, "ours", **_JUDGED)
        for name, title, protocol in (
            ("chance", "PRScore by chance", "the row's masks with its answers to up to 64 other samples"),
            ("constant", "PRScore, constant text", "the row's masks with the reference sentence that scores best overall"),
            ("opposite", "PRScore, opposite text", "the row's masks with the reference, its place words replaced by opposites"),
            ("ceiling", "PRScore ceiling", "the true centroid with the reference sentence: what the labels allow"),
        )
    ),
    Metric(
        "judge_error",
        "Judge error",
        None,
        (0, 2 * 2**0.5),
        "distance of the reference's Text2Centroid point to the true centroid, image frame [-1, 1]^2",
        _NO_TRUTH,
        "ours",
        needs_text_models=True,
    ),
    *(
        Metric(
            name,
            title,
            None,
            (0, 2 * 2**0.5),
            f"distance of the true centroid to the mean of the n true centroids of {whose}, times sqrt(n / (n - 1)); image frame",
            f"A single centroid: not defined. {_NO_TRUTH}",
            "ours",
        )
        for name, title, whose in (
            ("mean_point_error", "Mean point error", "the data set"),
            ("label_mean_error", "Label mean error", "the data set with its official label"),
        )
    ),
    Metric(
        "judge_auc",
        "Judge AUC",
        None,
        (0, 1),
        "how often PRScore of the true centroid prefers another sample's reference with the right zones to one with others",
        f"No other sample with the same zones, or none with others: not defined. {_NO_TRUTH}",
        "ours",
        needs_text_models=True,
    ),
    *(
        Metric(
            f"bleu_{n}",
            f"BLEU-{n}",
            True,
            (0, 1),
            f"sentence BLEU of order {n}, answer and reference",
            _PRSCORE_EMPTY,
            "sacrebleu",
        )
        for n in (1, 2, 3, 4)
    ),
    Metric("rouge_l", "ROUGE-L", True, (0, 1), "longest common subsequence F1, no stemming", _PRSCORE_EMPTY, "Lin 2004"),
    Metric(
        "position_accuracy",
        "Position acc.",
        True,
        (0, 1),
        "zones that the rule parser reads from the answer equal the official zones of the true mask",
        f"No text, or no position understood: 0. {_NO_TRUTH}",
        "ours, on PRS-Med's position rule",
        is_binary=True,
    ),
    Metric(
        "position_constant",
        "Constant pos.",
        None,
        (0, 1),
        "the official zones are the data set's most frequent ones: no constant answer has a higher position accuracy",
        _NO_TRUTH,
        "ours",
        is_binary=True,
    ),
    Metric(
        "distance_word_accuracy",
        "Near/far acc.",
        True,
        (0, 1),
        "near or far from the centre, as the rule parser reads the answer, equals the official flag",
        "No distance word: 0. Not defined unless the official position is one quadrant.",
        "ours, on PRS-Med's position rule",
        is_binary=True,
    ),
    Metric(
        "absence_accuracy",
        "Absence acc.",
        True,
        (0, 1),
        "the answer says that there is no finding",
        "Defined for an empty truth only.",
        "ours",
        is_binary=True,
    ),
    Metric(
        "answer_accuracy",
        "Answer acc.",
        True,
        (0, 1),
        "what is read by rule from the answer (how many, which side, yes or no, ...) equals what the reference says",
        "No text, or not understood: 0. Not defined for questions of a place, nor where the reference is not understood.",
        "ours",
        needs_families=True,
        is_binary=True,
    ),
    Metric(
        "answer_constant",
        "Constant ans.",
        None,
        (0, 1),
        "the reference says what is most frequent among the data set's questions of its family",
        "As answer accuracy.",
        "ours",
        needs_families=True,
        is_binary=True,
    ),
    Metric(
        "centroid_error_of_text",
        "Text centroid error",
        False,
        (0, 2 * 2**0.5),
        "distance of the answer's Text2Centroid point to the true centroid, image frame [-1, 1]^2",
        f"No text: not defined. {_NO_TRUTH}",
        "ours",
        **_JUDGED,
    ),
    *(
        Metric(
            name,
            title,
            None,
            (-1, 1),
            "where the judge reads the answer; image frame",
            "No text: not defined.",
            "ours",
            **_JUDGED,
        )
        for name, title in (("text_x", "Text x"), ("text_y", "Text y"))
    ),
    Metric(
        "direction_undefined",
        "Direction undefined",
        None,
        (0, 1),
        "share of samples scored by distance alone because a point lies within 0.05 of the centre",
        _PRSCORE_EMPTY,
        "ours",
        **_JUDGED,
        is_binary=True,
    ),
    Metric(
        "position_not_understood",
        "Position not understood",
        None,
        (0, 1),
        "share of answers in which no zone and no absence could be read",
        "No text: 1.",
        "ours",
        is_binary=True,
    ),
    Metric(
        "text_cut",
        "Text cut",
        None,
        (0, 1),
        "share of samples whose answer or reference is longer than the judge's sentence encoder reads: judged by its beginning",
        "No text: 0. Empty truth or no reference: not defined.",
        "ours",
        is_binary=True,
    ),
)


_OTHER_POLICIES = {  # scores of an empty truth in other evaluations
    EmptyTruth.ZERO: "Empty truth: 0, as in PraNet's code. Empty prediction: 0.",
    EmptyTruth.AGREEMENT: "Empty truth: 1 if the mask at >= 0.5 is empty too, else 0. Empty prediction: 0.",
}
METRICS = {metric.name: metric for metric in _ALL}
for _metric in map(METRICS.__getitem__, POLICY_METRICS):
    for _rule, _text in _OTHER_POLICIES.items():
        _name = f"{_metric.name}{_rule}"
        METRICS[_name] = replace(_metric, name=_name, title=f"{_metric.title}{_rule}", empty_policy=_text)
