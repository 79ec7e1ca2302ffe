"""Methods that see what they must not are caught, each by the check that closes its way; honest ones pass."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from prsbench.harness.audit import counterfactual, leaks
from prsbench.harness.audit.counterfactual import counterfactuals
from prsbench.harness.audit.leaks import audit_leaks, cells_of
from prsbench.harness.audit.leaks_page import is_clean, page, verdict
from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.contract.types import Labels, Prediction, PromptSource, TextSource, Weights
from prsbench.harness.engine.plan.data import open_all


class Honest:
    """Bright pixels."""

    source = PromptSource.QUESTION

    @property
    def labels(self):
        return Labels(self.source, Weights.NONE, TextSource.CONSTANT)

    def fit(self, train, val, context): ...

    def save(self, folder): ...

    def load(self, folder, device): ...

    def predict(self, queries):
        return [Prediction((query.image[..., 0] / 255).astype(np.float32), "top left", 0.0) for query in queries]


class FromTheTruth(Honest):
    """A reference row under the label of a method."""

    predict = None

    def predict_from_truth(self, samples, answers):
        return [Prediction(s.truth.mask.astype(np.float32), s.truth.answer, 0.0) for s in samples]


class ByName(Honest):
    """Looks the answer up in the data set's own table, which lies on the disk."""

    def __init__(self, run):
        samples = (sample for dataset in open_all(run.setting.roots) for sample in dataset.samples("test"))
        self.known = {sample.sample_id: sample.truth.answer for sample in samples}

    def predict(self, queries):
        return [
            replace(p, answer=self.known.get(q.sample_id, "?")) for p, q in zip(super().predict(queries), queries, strict=True)
        ]


class FromTheCaller(Honest):
    """Reads the reference among its caller's variables."""

    def predict(self, queries):
        given = sys._getframe(1).f_locals.get("samples", [])
        by_id = {sample.sample_id: sample.truth for sample in given}
        return [Prediction(by_id[q.sample_id].mask.astype(np.float32), "top left", 0.0) for q in queries]


class ByObject(Honest):
    """Knows the image objects it was handed when the data were read."""

    def __init__(self):
        self.seen = {}

    def predict(self, queries):
        for query in queries:
            self.seen.setdefault(id(query.image), (len(self.seen), query.image))
        return [replace(p, answer=str(self.seen[id(q.image)][0])) for p, q in zip(super().predict(queries), queries, strict=True)]


class AtItsPrompt(Honest):
    """Answers with its prompt, and insists on that of its source."""

    def __init__(self, source):
        self.source = source

    def predict(self, queries):
        for query in queries:
            assert (query.box is None) == (self.source not in (PromptSource.ORACLE_BOX, PromptSource.JITTERED_BOX))
            assert (query.point is None) == (self.source != PromptSource.ORACLE_POINT)
        return [replace(p, answer=f"{q.box} {q.point}") for p, q in zip(super().predict(queries), queries, strict=True)]


class Unseeded(Honest):
    def predict(self, queries):
        rng = np.random.default_rng()
        return [Prediction(rng.random(query.image.shape[:2], np.float32), "", 0.0) for query in queries]


class Obedient(Honest):
    """Marks the place that the question names."""

    def predict(self, queries):
        masks = []
        for query in queries:
            mask = np.zeros(query.image.shape[:2], np.float32)
            rows = slice(0, 4) if "top" in query.question else slice(-4, None)
            mask[rows, :4] = 1
            masks.append(Prediction(mask, "", 0.0))
        return masks


@pytest.fixture
def planted(monkeypatch):
    """Put another method in the place of the run's."""

    def plant(method):
        for module in (leaks, counterfactual):
            monkeypatch.setattr(module, "load_method", lambda cell, run: method)

    return plant


def changed(audits):
    return {check.name for audit in audits for check in audit.checks if check.n_changed}


@pytest.mark.parametrize("name", ["bright", "trained"])
def test_an_honest_method_changes_by_no_bit(finished, name):
    audits = audit_leaks(finished, name)
    assert [audit.dataset for audit in audits] == ["brain_tumors_ct_scan", "skin_rgbimage"]
    assert is_clean(audits) and not changed(audits)
    assert "no leak found. Prompt source: question" in page(audits, counterfactuals(finished, name))


@pytest.mark.parametrize(
    ("make", "caught_by"),
    [
        (lambda run: FromTheTruth(), {"reference blanked", "reference swapped", "query rebuilt"}),
        (ByName, {"sample id hidden"}),
        (lambda run: FromTheCaller(), {"reference blanked", "reference swapped", "query rebuilt"}),
        (lambda run: ByObject(), {"query rebuilt"}),
    ],
    ids=["reference row in disguise", "table on the disk", "caller's variables", "image objects"],
)
def test_a_planted_leak_is_caught(finished, planted, make, caught_by):
    planted(make(finished))
    audits = audit_leaks(finished, "bright")
    assert changed(audits) == caught_by
    assert not is_clean(audits) and "LEAK" in verdict(audits)


@pytest.mark.parametrize("source", PromptSource)
def test_a_row_of_any_prompt_source_gets_its_prompt_in_every_check(finished, planted, monkeypatch, source):
    def cells_with_the_source(run, method):
        return [replace(cell, config={**cell.config, "prompt_source": source}) for cell in cells_of(run, method)]

    for module in (leaks, counterfactual):
        monkeypatch.setattr(module, "cells_of", cells_with_the_source)
    planted(AtItsPrompt(source))
    audits = audit_leaks(finished, "bright")
    assert is_clean(audits) and not changed(audits)
    assert f"rompt source{' ' if source is PromptSource.TRUTH else ': '}{source}" in page(
        audits, counterfactuals(finished, "bright")
    )


def test_a_row_labelled_as_made_from_the_truth_is_no_leak(finished, planted):
    disguised = FromTheTruth()
    disguised.source = PromptSource.TRUTH
    planted(disguised)
    audits = audit_leaks(finished, "echo")
    assert is_clean(audits) and "as its label declares" in verdict(audits)
    assert counterfactuals(finished, "echo") == []


def test_a_method_without_a_seed_is_not_passed(finished, planted):
    planted(Unseeded())
    audits = audit_leaks(finished, "bright")
    assert not is_clean(audits) and "NOT REPEATABLE" in verdict(audits)


def test_opposite_words_move_the_mask_of_a_method_that_reads_them_and_of_no_other(finished, planted):
    planted(Obedient())
    obeyed = counterfactuals(finished, "bright")[0]
    assert (obeyed.iou, obeyed.n_same) == (0.0, 0) and obeyed.moved > 1
    planted(Honest())
    ignored = counterfactuals(finished, "bright")[0]
    assert (ignored.iou, ignored.moved) == (1.0, 0.0) and ignored.n_same == ignored.n


def test_a_method_the_run_does_not_have_is_named_with_those_it_has(finished):
    with pytest.raises(ConfigError, match="Did you mean 'bright'"):
        audit_leaks(finished, "brigth")
