"""Ceilings: rows made from the truth (oracle), and the oracle with wrong text, which shows what a text score can detect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.position import NO_MASK
from prsbench.harness.contract.types import Labels, Prediction, Sample, TextSource, Weights
from prsbench.methods.answers import sentence_for
from prsbench.methods.frozen import FrozenMethod
from prsbench.methods.reference.config import CeilingConfig, ShuffledAnswerConfig

_OPPOSITE = {"top left": "bottom right", "top right": "bottom left", "bottom left": "top right", "bottom right": "top left"}
_FAR_CORNER = "top left"  # opposes "center" and "no mask", which have no opposite quadrant


class OracleRow(FrozenMethod):
    """The true mask and the reference answer. An empty truth gives an empty map."""

    note = "true mask, reference answer"

    def __init__(self, config: CeilingConfig):
        self.config = config

    @property
    def labels(self) -> Labels:
        return Labels(self.config.prompt_source, Weights.NONE, TextSource.TRUTH, (self.note,))

    def predict_from_truth(self, samples: Sequence[Sample], answers: Mapping[str, str]) -> list[Prediction]:
        """One prediction per sample, in order; `seconds` is 0 because nothing is computed."""
        return [Prediction(s.truth.mask.astype(np.float32), self._answer(s, answers), 0.0) for s in samples]

    def _answer(self, sample: Sample, answers: Mapping[str, str]) -> str:  # noqa: ARG002 (the shuffle needs them)
        return sample.truth.answer


class ShuffledAnswerRow(OracleRow):
    """The true mask and the reference answer of another sample: the score of right masks with chance text."""

    note = "true mask, reference answer of another sample"

    def __init__(self, config: ShuffledAnswerConfig):
        super().__init__(config)
        self._seed = config.shuffle_seed
        self._shuffled: tuple[Mapping[str, str], dict[str, str]] = ({}, {})  # the answers of the split, and by id another's

    def _answer(self, sample: Sample, answers: Mapping[str, str]) -> str:
        """One random cycle through all samples, whatever their order, so that no sample keeps its own answer."""
        if len(answers) == 1:
            raise DataError(
                f"Sample '{sample.sample_id}': shuffling answers needs at least 2 samples, got 1. "
                "Evaluate on more samples, or leave this row out."
            )
        if self._shuffled[0] is not answers:
            by_id = sorted(answers)
            cycle = [by_id[i] for i in np.random.default_rng(self._seed).permutation(len(answers))]
            self._shuffled = answers, {taker: answers[donor] for taker, donor in zip(cycle, [cycle[-1], *cycle], strict=False)}
        return self._shuffled[1][sample.sample_id]


class OppositeAnswerRow(OracleRow):
    """The true mask and a sentence with only wrong words for the position: the score of text that contradicts the mask."""

    note = "true mask, opposite position in a fixed sentence"

    def _answer(self, sample: Sample, answers: Mapping[str, str]) -> str:  # noqa: ARG002 (as in OracleRow)
        return sentence_for(*opposite_position(sample.truth.position, sample.truth.near_centre))


def opposite_position(position: tuple[str, ...], near_centre: bool) -> tuple[tuple[str, ...], bool]:
    """The label that contradicts an official label; the near/far flag is negated too.

    A quadrant becomes the one across the centre; "center" and "no mask" become a far corner. Two quadrants opposite each
    other become the two that were not named. The lung rule's " center" suffix is dropped.

    Example:
        >>> opposite_position(("top left",), True)
        (('bottom right',), False)
        >>> opposite_position(("top left", "bottom right"), False)
        (('top right', 'bottom left'), True)
    """
    if position in (("center",), (NO_MASK,)):
        return (_FAR_CORNER,), False
    quadrants = [phrase.removesuffix(" center") for phrase in position]
    mirrored = tuple(_OPPOSITE[quadrant] for quadrant in quadrants)
    if set(mirrored) == set(quadrants):
        mirrored = tuple(quadrant for quadrant in _OPPOSITE if quadrant not in quadrants)
    return mirrored, not near_centre
