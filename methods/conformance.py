"""The suite every method must pass: the catalog's, and a user's own. Each check is a claim; its docstring says it.

Training is cut to a few steps (config fields `epochs` and `steps`, also inside parts): the claims are about manners, not scores.
"""

from __future__ import annotations

import gc
import pickle
import random
import sys
import weakref
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from prsbench.harness.contract.catalog import Entry, resolve
from prsbench.harness.contract.errors import MissingPrerequisite
from prsbench.harness.contract.types import (
    Box,
    FitContext,
    Labels,
    Prediction,
    Query,
    ReferenceRow,
    Weights,
    check_prediction,
)
from prsbench.methods.catalog import METHODS, PARTS
from prsbench.methods.conformance_samples import examined_samples, query_for, training_samples
from prsbench.methods.cost import measure, networks_of
from pydantic import BaseModel, ValidationError

PASSED, FAILED, SKIPPED, NOT_APPLICABLE, MEASURED = "passed", "FAILED", "skipped", "not applicable", "measured"
TOLERANCE = 1e-4  # of a probability: batched kernels may sum in another order
_SHORT = {"epochs": 1, "steps": 3, "projector_warmup_steps": 3}


@dataclass(frozen=True, slots=True)
class Finding:
    """How one check ended; `reason` is "" if it passed, and the cure if the method is skipped."""

    check: str
    status: str
    reason: str = ""


class DoesNotApply(Exception):
    """The claim says nothing about this kind of method."""


class Subject:
    """A method under examination: trained on a few discs if it trains, saved, and loaded anew.

    Raises:
        MissingPrerequisite: a package or checkpoint is missing; the text is the cure.
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

    def ask(self, method: Any, queries: Sequence[Query] | None = None) -> list[Prediction]:
        """Predictions, seeded as the engine seeds a batch."""
        _seed(0)
        if self.is_reference:
            return method.predict_from_truth(self.samples)
        return method.predict(self.queries() if queries is None else queries)

    @cached_property
    def predictions(self) -> list[Prediction]:
        return self.ask(self.method)

    @cached_property
    def _needs(self) -> dict[str, Path]:
        return self._needs_of(self.config, "need")

    def _needs_of(self, config: Any, name: str) -> dict[str, Path]:
        folders = {}
        for role, need in config.needs().items():
            part, folders[role] = PARTS[need.trainable], self.saved(f"{name}-{role}")
            own = resolve(part.config).model_validate({**part.defaults, **need.config})
            trainable = resolve(part.factory)(own)
            earlier = self._needs_of(own, f"{name}-{role}")
            trainable.fit(training_samples(need.split), (), FitContext(0, "cpu", earlier))
            trainable.save(folders[role])
        return folders


def shortened(config: BaseModel) -> Any:
    """The config with its `epochs` and `steps` cut, also inside parts."""
    changes: dict[str, Any] = {}
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, BaseModel):
            changes[name] = shortened(value)
        elif name in _SHORT:
            changes[name] = min(value, _SHORT[name])
    return config.model_copy(update=changes)


def says_what_it_is(subject: Subject) -> None:
    """Labels are the contract's, and their prompt source is the config's."""
    labels = subject.method.labels
    assert isinstance(labels, Labels), f"labels must be Labels, got {type(labels).__name__}"
    told, said = subject.config.prompt_source, labels.prompt_source
    assert said == told, f"labels.prompt_source must be the config's '{told}', got '{said}'"


def fits_its_queries(subject: Subject) -> None:
    """Square, 3:1, odd and grey images each get a float32 map in [0, 1] of native size, and a sentence; in order."""
    given = subject.predictions
    assert len(given) == len(subject.samples), f"expected {len(subject.samples)} predictions, got {len(given)}"
    for sample, prediction in zip(subject.samples, given, strict=True):
        check_prediction(sample.query, prediction)


def same_seed_same_numbers(subject: Subject) -> None:
    """Asked again with the same seed, and trained again with the same seed, it gives the same numbers."""
    _same(subject.predictions, subject.ask(subject.method), 0, "asked twice with the same seed")
    if subject.entry.trains:
        _same(subject.predictions, subject.ask(subject.fit("second", seed=0)), 0, "trained twice with the same seed")


def neighbours_in_the_batch_do_not_matter(subject: Subject) -> None:
    """One by one, or the other way round, the queries get what they got together."""
    _skip_reference(subject)
    alone = [subject.ask(subject.method, [query])[0] for query in subject.queries()]
    _same(subject.predictions, alone, TOLERANCE, "in batches of another size")
    _same(subject.predictions, subject.ask(subject.method, subject.queries()[::-1])[::-1], TOLERANCE, "in another order")


def leaves_its_query_alone(subject: Subject) -> None:
    """Neither pixels nor words of a query are changed by predicting."""
    _skip_reference(subject)
    queries = subject.queries()
    before = deepcopy(queries)
    subject.ask(subject.method, queries)
    for old, new in zip(before, queries, strict=True):
        assert np.array_equal(old.image, new.image), f"'{old.sample_id}': predict wrote into the image; work on a copy"


def travels_between_processes(subject: Subject) -> None:
    """Config, labels, predictions and the method before loading survive pickling, as Ray needs."""
    for what in (subject.config, subject.new(), subject.method.labels, subject.predictions):
        pickle.loads(pickle.dumps(what))


def does_not_know_the_answer(subject: Subject) -> None:
    """Another sample id, and a box or point it was not promised, change nothing."""
    _skip_reference(subject)
    told = subject.queries()
    strays = [replace(q, sample_id=f"x/{n}", box=q.box or Box(0, 0, 3, 3), point=q.point or (1, 1)) for n, q in enumerate(told)]
    _same(subject.predictions, subject.ask(subject.method, strays), TOLERANCE, "under other sample ids, or with a stray prompt")


def loads_what_it_saved(subject: Subject) -> None:
    """A trained method is the same after saving and loading, and refuses a folder without its weights."""
    if not subject.entry.trains:
        raise DoesNotApply("nothing is trained")
    _same(subject.predictions, subject.ask(subject.fitted), TOLERANCE, "before saving and after loading")
    try:
        subject.load("empty")
    except Exception:
        return
    raise AssertionError("load must fail on an empty folder; running on random weights would go unseen")


def uses_every_weight_it_was_given(subject: Subject) -> None:
    """A checkpoint is matched tensor by tensor, and with its weights shuffled the map or the answer is another.

    Each network alone, where nothing is trained; after three steps of training one alone may not show.
    """
    if subject.method.labels.weights in (Weights.OFFICIAL, Weights.IMPORTED, Weights.PACKAGED):
        matched = getattr(subject.method, "matched", None)
        assert matched, "a method with a checkpoint must say in `matched` (methods/checkpoints.py) how much of it was used"
        assert matched.found == matched.expected, f"matched {matched.found} of {matched.expected} tensors"
    names = list(networks_of(subject.method))
    if not names:
        raise DoesNotApply("no network inside")
    for together in [names] if subject.entry.trains else [[name] for name in names]:
        scrambled = subject.load()
        for name in together:
            setattr(scrambled, name, _shuffled(getattr(scrambled, name)))
        both = list(zip(subject.predictions, subject.ask(scrambled), strict=True))
        moved, reworded = max(_distance(a, b) for a, b in both), any(a.answer != b.answer for a, b in both)
        unmoved = (
            f"with the weights of {', '.join(together)} shuffled the output moved by {moved:.1g} only; are they used at all?"
        )
        assert moved > TOLERANCE or reworded, unmoved


def gives_its_memory_back(subject: Subject) -> None:
    """Dropped, it is gone, and no tensor of it stays behind."""
    subject.ask(subject.method)  # fills whatever cache is shared by all methods of its kind
    before = _tensor_bytes()
    method = subject.load()
    subject.ask(method)
    remains = weakref.ref(method)
    del method
    gc.collect()
    assert remains() is None, "the method is still referred to from somewhere after its last use"
    kept = _tensor_bytes() - before
    assert kept < 2**20, f"{kept / 2**20:.0f} MiB of tensors stay after the method is gone"


def names_a_missing_checkpoint(subject: Subject) -> None:
    """A checkpoint, or another file or folder of the user's, that is not there is a skip that names the path.

    A config may refuse the key and say so, as one whose weights come in a package.
    """
    keys = {"checkpoint"} & type(subject.config).model_fields.keys()
    if not subject.entry.trains:  # a training keeps what it needs of the others
        keys |= subject.config.checkpoints().keys()
    absent = str(subject.saved("nowhere") / "absent.pth")
    configs = {key: config for key in sorted(keys) if (config := _with(subject.config, key, absent))}
    if not configs:
        raise DoesNotApply("its config names no checkpoint")
    for key, config in configs.items():
        lacking = resolve(subject.entry.factory)(config)
        try:
            lacking.load(subject.saved("first"), "cpu")
        except MissingPrerequisite as error:
            assert absent in str(error), f"the message must name {absent}, got: {error}"
        else:
            raise AssertionError(f"load must raise MissingPrerequisite when its `{key}` is not there")


def _with(config: BaseModel, key: str, value: str) -> BaseModel | None:
    """The config with that value, None if it refuses the key by its name."""
    try:
        return type(config).model_validate({**config.model_dump(), key: value})
    except ValidationError as error:
        said = "; ".join(each["msg"] for each in error.errors())
        assert key in said, f"a config that refuses `{key}` must name it, got: {said}"
        return None


CHECKS: tuple[Callable[[Subject], None], ...] = (
    says_what_it_is,
    fits_its_queries,
    same_seed_same_numbers,
    neighbours_in_the_batch_do_not_matter,
    leaves_its_query_alone,
    travels_between_processes,
    does_not_know_the_answer,
    loads_what_it_saved,
    uses_every_weight_it_was_given,
    gives_its_memory_back,
    names_a_missing_checkpoint,
)


def examine(name: str) -> Iterator[Finding]:
    """Every check on one method, one finding each, then its cost; one finding alone if it cannot be prepared."""
    entry = METHODS[name]
    with TemporaryDirectory() as folder:
        try:
            subject = Subject(entry, Path(folder))
        except MissingPrerequisite as error:
            yield Finding("can be prepared", SKIPPED, str(error))
            return
        except Exception as error:
            yield Finding("can be prepared", FAILED, f"{type(error).__name__}: {error}")
            return
        for check in CHECKS:
            yield verdict(check, subject)
        if not subject.is_reference:
            yield Finding("cost", MEASURED, str(measure(subject.method)))


def verdict(check: Callable[[Subject], None], subject: Subject) -> Finding:
    """One check on one subject; whatever the method raises is a failure of the check."""
    claim = check.__name__.replace("_", " ")
    try:
        check(subject)
    except DoesNotApply as error:
        return Finding(claim, NOT_APPLICABLE, str(error))
    except Exception as error:
        said = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
        return Finding(claim, FAILED, said)
    return Finding(claim, PASSED)


def report(name: str, say: Callable[[str], None]) -> bool:
    """Say every finding; whether none is a failure."""
    well = True
    for finding in examine(name):
        say(f"{finding.status:14} {finding.check}{': ' if finding.reason else ''}{finding.reason}")
        well &= finding.status != FAILED
    return well


def _skip_reference(subject: Subject) -> None:
    if subject.is_reference:
        raise DoesNotApply("it is made from the truth, by design")


def _same(first: Sequence[Prediction], second: Sequence[Prediction], tolerance: float, when: str) -> None:
    for number, (a, b) in enumerate(zip(first, second, strict=True)):
        moved = _distance(a, b)
        assert moved <= tolerance, f"{when}, query {number} got another map: it differs by {moved:.3g}"
        assert a.answer == b.answer, f"{when}, query {number} got another answer: '{a.answer}', then '{b.answer}'"


def _distance(a: Prediction, b: Prediction) -> float:
    return float(np.abs(a.probability - b.probability).max())


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


def _shuffled(network: Any) -> Any:
    """A copy (rows may share the original) with the numbers of each tensor in another order."""
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
    for found in gc.get_objects():
        if type(found) in (torch.Tensor, torch.nn.Parameter):
            storages[found.untyped_storage().data_ptr()] = found.untyped_storage().nbytes()
    return sum(storages.values())
