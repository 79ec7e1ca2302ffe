"""Conformance suite that every method must pass, the catalog's and a user's. Each check is a claim, stated in its docstring.

Training is cut to a few steps (config fields `epochs` and `steps`, also inside parts): the checks concern behaviour, not scores.
"""

from __future__ import annotations

import gc
import pickle
import random
import sys
import weakref
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from prsbench.harness.contract.catalog import Entry, imported, resolve
from prsbench.harness.contract.errors import MissingPrerequisite, reason_of, storable
from prsbench.harness.contract.types import (
    Box,
    FitContext,
    Prediction,
    Query,
    ReferenceRow,
    Weights,
    check_labels,
    check_prediction,
)
from prsbench.methods.authoring.conformance_samples import examined_samples, query_for, training_samples
from prsbench.methods.catalog import METHODS, PARTS
from prsbench.methods.cost import measure, networks_of
from pydantic import BaseModel, ValidationError

TOLERANCE = 1e-4  # in probability: batched kernels may sum in another order
_SHORT = {"epochs": 1, "steps": 3, "projector_warmup_steps": 3}


class Verdict(StrEnum):
    """How a check ended, as `report` prints it."""

    PASSED = "passed"
    FAILED = "FAILED"
    SKIPPED = "skipped"  # a package or checkpoint of the method is missing
    NOT_APPLICABLE = "not applicable"
    MEASURED = "measured"  # the cost, which no method can fail


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check; `reason` is "" if it passed, and the instructions if the method is skipped."""

    check: str
    verdict: Verdict
    reason: str = ""


class DoesNotApply(Exception):
    """The check does not apply to this kind of method."""


class Subject:
    """A method under test: trained on a few discs if it trains, saved, and loaded into a new object.

    Raises:
        MissingPrerequisite: a package or checkpoint is missing; the message says what to do.
    """

    def __init__(self, entry: Entry, folder: Path):
        self.entry, self._folder = entry, folder
        self.config = shortened(resolve(entry.config).model_validate(dict(entry.defaults)))
        self.samples = examined_samples()
        self.fitted = self.fit("first", seed=0) if entry.trains else None
        self.method = self.load()

    @property
    def is_reference(self) -> bool:
        return isinstance(self.method, ReferenceRow)

    def new(self) -> Any:
        return resolve(self.entry.factory)(self.config)

    def fit(self, name: str, seed: int) -> Any:
        """A fitted method, saved in a folder of this name."""
        method = self.new()
        _seed(seed)
        method.fit(training_samples(), training_samples("val"), FitContext(seed, "cpu", self._needs))
        method.save(self.saved(name))
        return method

    def load(self, name: str = "first") -> Any:
        method = self.new()
        method.load(self.saved(name), "cpu")
        return method

    def saved(self, name: str) -> Path:
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        return folder

    def queries(self) -> list[Query]:
        return [query_for(sample, self.config.prompt_source) for sample in self.samples]

    def predict(self, method: Any, queries: Sequence[Query] | None = None) -> list[Prediction]:
        """Predictions for these queries, by default all; seeded as the engine seeds a batch."""
        _seed(0)
        if self.is_reference:
            return method.predict_from_truth(self.samples, {s.sample_id: s.truth.answer for s in self.samples})
        return method.predict(self.queries() if queries is None else queries)

    @cached_property
    def predictions(self) -> list[Prediction]:
        return self.predict(self.method)

    @cached_property
    def _needs(self) -> dict[str, Path]:
        return self._needs_of(self.config, "need")

    def _needs_of(self, config: Any, name: str) -> dict[str, Path]:
        folders = {}
        for role, need in config.needs().items():
            part, folders[role] = PARTS[need.trainable], self.saved(f"{name}-{role}")
            part_config = resolve(part.config).model_validate({**part.defaults, **need.config})
            trainable = resolve(part.factory)(part_config)
            needs = self._needs_of(part_config, f"{name}-{role}")
            trainable.fit(training_samples(need.split), (), FitContext(0, "cpu", needs))
            trainable.save(folders[role])
        return folders


def shortened(config: BaseModel) -> Any:
    """The config with its `epochs` and `steps` reduced, also inside parts; packaged weights are not trained, so theirs stay."""
    changes: dict[str, Any] = {}
    is_trained = getattr(config, "weights", None) != "packaged"
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, BaseModel):
            changes[name] = shortened(value)
        elif name in _SHORT and is_trained:
            changes[name] = min(value, _SHORT[name])
    return config.model_copy(update=changes)


def discloses_its_labels(subject: Subject) -> None:
    """The labels are the contract's `Labels`, with the config's prompt source."""
    labels = subject.method.labels
    check_labels(labels)
    expected, got = subject.config.prompt_source, labels.prompt_source
    assert got == expected, f"labels.prompt_source must be the config's '{expected}', got '{got}'"


def answers_every_query(subject: Subject) -> None:
    """Square, 3:1, odd-sized and grey images each get a sentence and a float32 map in [0, 1] of native size, in order."""
    samples, predictions = subject.samples, subject.predictions
    assert len(predictions) == len(samples), f"expected {len(samples)} predictions, got {len(predictions)}"
    for sample, prediction in zip(samples, predictions, strict=True):
        check_prediction(sample.query, prediction)


def is_reproducible(subject: Subject) -> None:
    """Predicting again, and training again, with the same seed gives the same numbers."""
    _same(subject.predictions, subject.predict(subject.method), 0, "predicted twice with the same seed")
    if subject.entry.trains:
        _same(subject.predictions, subject.predict(subject.fit("second", seed=0)), 0, "trained twice with the same seed")


def does_not_depend_on_the_batch(subject: Subject) -> None:
    """Predicted one by one, or in reverse order, the queries get the same predictions as together."""
    _skip_reference(subject)
    alone = [subject.predict(subject.method, [query])[0] for query in subject.queries()]
    _same(subject.predictions, alone, TOLERANCE, "in batches of another size")
    _same(subject.predictions, subject.predict(subject.method, subject.queries()[::-1])[::-1], TOLERANCE, "in another order")


def does_not_change_its_queries(subject: Subject) -> None:
    """Predicting changes no field of a query, nor the list of queries."""
    _skip_reference(subject)
    queries = subject.queries()
    given, before = list(queries), deepcopy(queries)
    subject.predict(subject.method, queries)
    assert [*map(id, queries)] == [*map(id, given)], "predict changed the list of queries; work on a copy"
    for old, new in zip(before, given, strict=True):
        for name in (field.name for field in fields(old)):
            is_equal = np.array_equal(getattr(old, name), getattr(new, name))
            assert is_equal, f"'{old.sample_id}': predict changed the query's {name}; work on a copy"


def can_be_pickled(subject: Subject) -> None:
    """The config, the labels, the predictions and the method before loading survive pickling, as Ray needs."""
    for item in (subject.config, subject.new(), subject.method.labels, subject.predictions):
        pickle.loads(pickle.dumps(item))


def ignores_what_its_labels_exclude(subject: Subject) -> None:
    """Neither the sample id nor a box or point beyond the labels' prompt source changes a prediction."""
    _skip_reference(subject)
    plain = subject.queries()
    others = [replace(q, sample_id=f"x/{n}", box=q.box or Box(0, 0, 3, 3), point=q.point or (1, 1)) for n, q in enumerate(plain)]
    _same(subject.predictions, subject.predict(subject.method, others), TOLERANCE, "with other sample ids, boxes and points")


def loads_what_it_saved(subject: Subject) -> None:
    """A trained method predicts the same after saving and loading, and refuses a folder without its weights."""
    if not subject.entry.trains:
        raise DoesNotApply("nothing is trained")
    _same(subject.predictions, subject.predict(subject.fitted), TOLERANCE, "before saving and after loading")
    try:
        subject.load("empty")
    except Exception:  # noqa: BLE001 (any error will do)
        return
    raise AssertionError("load must fail on an empty folder; running on random weights would go unnoticed")


def uses_all_its_weights(subject: Subject) -> None:
    """A checkpoint is matched tensor by tensor, and shuffling the weights changes the map or the answer.

    Networks that are not trained here are shuffled one at a time; after three training steps a single one may have no effect.
    """
    if subject.method.labels.weights in (Weights.OFFICIAL, Weights.IMPORTED, Weights.PACKAGED):
        matched = getattr(subject.method, "matched", None)
        assert matched, (
            "a method with a checkpoint must report in `matched` (parts/weights/checkpoints.py) how much of it was used"
        )
        assert matched.found == matched.expected, f"matched {matched.found} of {matched.expected} tensors"
    names = list(networks_of(subject.method))
    if not names:
        raise DoesNotApply("no network inside")
    for group in [names] if subject.entry.trains else [[name] for name in names]:
        scrambled = subject.load()
        for name in group:
            setattr(scrambled, name, _shuffled(getattr(scrambled, name)))
        pairs = list(zip(subject.predictions, subject.predict(scrambled), strict=True))
        moved, reworded = max(_distance(a, b) for a, b in pairs), any(a.answer != b.answer for a, b in pairs)
        message = f"shuffling the weights of {', '.join(group)} moved the map by only {moved:.1g}; are they used at all?"
        assert moved > TOLERANCE or reworded, message


def frees_its_memory(subject: Subject) -> None:
    """After its last use the method is freed, and its tensors with it."""
    subject.predict(subject.method)  # fills the caches that methods of this kind share
    before = _tensor_bytes()
    method = subject.load()
    subject.predict(method)
    reference = weakref.ref(method)
    del method
    gc.collect()
    assert reference() is None, "the method is still referenced after its last use"
    leaked = _tensor_bytes() - before
    assert leaked < 2**20, f"{leaked / 2**20:.0f} MiB of tensors remain after the method was freed"


def names_a_missing_checkpoint(subject: Subject) -> None:
    """A missing checkpoint, or another missing file or folder of the user's, is a skip that names the path.

    A config may instead refuse the key, if its weights come in a package; the error must name the key.
    """
    keys = {"checkpoint"} & type(subject.config).model_fields.keys()
    if not subject.entry.trains:  # a trained method stores what it needs of the others
        keys |= subject.config.checkpoints().keys()
    absent = str(subject.saved("nowhere") / "absent.pth")
    configs = {key: config for key in sorted(keys) if (config := _changed(subject.config, key, absent))}
    if not configs:
        raise DoesNotApply("its config names no checkpoint")
    for key, config in configs.items():
        method = resolve(subject.entry.factory)(config)
        try:
            method.load(subject.saved("first"), "cpu")
        except MissingPrerequisite as error:
            message = str(error)
        else:
            raise AssertionError(f"load must raise MissingPrerequisite when the path of `{key}` does not exist")
        assert absent in message, f"the message must name {absent}, got: {message}"


def _changed(config: BaseModel, key: str, value: str) -> BaseModel | None:
    """The config with another value of this key; None if it refuses the key and names it."""
    try:
        return type(config).model_validate({**config.model_dump(), key: value})
    except ValidationError as error:
        messages = "; ".join(problem["msg"] for problem in error.errors())
    assert key in messages, f"a config that refuses `{key}` must name it, got: {messages}"
    return None


CHECKS: tuple[Callable[[Subject], None], ...] = (
    discloses_its_labels,
    answers_every_query,
    is_reproducible,
    does_not_depend_on_the_batch,
    does_not_change_its_queries,
    can_be_pickled,
    ignores_what_its_labels_exclude,
    loads_what_it_saved,
    uses_all_its_weights,
    frees_its_memory,
    names_a_missing_checkpoint,
)


def examine(name: str) -> Iterator[Finding]:
    """Run every check on one method: one finding each, then its cost; a single finding if the method cannot be prepared."""
    entry = METHODS[name]
    with TemporaryDirectory() as folder:
        try:
            subject = Subject(imported(entry) if entry.own_process else entry, Path(folder))
        except MissingPrerequisite as error:
            yield Finding("can be prepared", Verdict.SKIPPED, str(error))
            return
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 (of the method under test)
            yield Finding("can be prepared", Verdict.FAILED, reason_of(error))
            return
        for check in CHECKS:
            yield run_check(check, subject)
        if not subject.is_reference:
            yield Finding("cost", Verdict.MEASURED, str(measure(subject.method)))


def run_check(check: Callable[[Subject], None], subject: Subject) -> Finding:
    """Run one check on one subject; any exception from the method is a failure of the check."""
    claim = check.__name__.replace("_", " ")
    try:
        check(subject)
    except DoesNotApply as error:
        return Finding(claim, Verdict.NOT_APPLICABLE, str(error))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 (of the method under test)
        reason = storable(str(error)) if isinstance(error, AssertionError) else reason_of(error)
        return Finding(claim, Verdict.FAILED, reason)
    return Finding(claim, Verdict.PASSED)


def report(name: str, say: Callable[[str], None]) -> bool:
    """Pass every finding to `say`, one line each; returns whether no check failed."""
    passed = True
    for finding in examine(name):
        say(f"{finding.verdict:14} {finding.check}{': ' if finding.reason else ''}{finding.reason}")
        passed &= finding.verdict is not Verdict.FAILED
    return passed


def _skip_reference(subject: Subject) -> None:
    if subject.is_reference:
        raise DoesNotApply("a reference row predicts from the truth")


def _same(first: Sequence[Prediction], second: Sequence[Prediction], tolerance: float, when: str) -> None:
    for number, (a, b) in enumerate(zip(first, second, strict=True)):
        moved = _distance(a, b)
        assert moved <= tolerance, f"{when}, query {number} got another map: it differs by {moved:.3g}"
        assert a.answer == b.answer, f"{when}, query {number} got another answer: '{a.answer}', then '{b.answer}'"


def _distance(a: Prediction, b: Prediction) -> float:
    return float(np.abs(a.probability - b.probability).max())


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (as the engine seeds what libraries use)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


def _shuffled(network: Any) -> Any:
    """A copy (rows may share the original) with the values of each tensor permuted."""
    torch = sys.modules["torch"]
    network = deepcopy(network)
    with torch.no_grad():
        for parameter in network.parameters():
            flat = parameter.reshape(-1)
            parameter.copy_(flat[torch.randperm(len(flat))].reshape(parameter.shape))
    return network


def _tensor_bytes() -> int:
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is None:
        return 0
    storages = {}
    for item in gc.get_objects():
        if type(item) in (torch.Tensor, torch.nn.Parameter) and item.layout is torch.strided:  # sparse ones have no storage
            storages[item.untyped_storage().data_ptr()] = item.untyped_storage().nbytes()
    return sum(storages.values())
