"""The training loop of all methods trained here: optimizer steps, validation, gradient accumulation, resume after a kill.

A step may be split into micro-batches (gradient accumulation) and spread over workers (`data_parallel`). Each loss term is a
mean over images, rows or tokens; weighted by their counts, the terms of the micro-batches add up to the mean over the step.
"""

from __future__ import annotations

import csv
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from prsbench.harness.contract.errors import DataError, PrsbenchError
from prsbench.harness.contract.types import FitContext
from prsbench.methods.parts.training import data_parallel, state
from prsbench.methods.parts.training.config import TrainingConfig
from prsbench.methods.parts.training.schedule import cosine
from torch import Tensor, nn

STATE, LOSSES, VALIDATION = "training.state", "losses.csv", "validation.csv"
STEPS_AHEAD = 2  # whose images are decoded while a step is computed
SAVE_EVERY_S = 30.0  # writing the state of the embedded size takes less than half a second


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """A micro-batch: what one forward pass takes of a step.

    terms: runs the pass and returns unweighted loss terms by name. counts: over how many things each term is the mean; needed
    if a step has several micro-batches or workers, and in validation.
    """

    terms: Callable[[], Mapping[str, Tensor]]
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Step:
    """One optimizer step: this worker's micro-batches, and the ids of all its samples for the error if the loss is not finite."""

    micro_batches: Sequence[MicroBatch]
    ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class Validation:
    """The mean loss over `micro_batches()` is recorded every `every` steps; keep "best" ends with the weights of the lowest."""

    micro_batches: Callable[[], Iterable[MicroBatch]]
    every: int
    keep: Literal["best", "last"]


def steps_per_epoch(count: int, size: int) -> int:
    """Steps per epoch of `count` images, with `size` images per step over all workers.

    Raises:
        DataError: there are fewer images than workers.
    """
    workers = data_parallel.workers()
    if count < workers:
        raise DataError(f"{count} training images cannot be shared by {workers} workers. Set data_parallel_workers lower.")
    return math.ceil((count - count % workers) / size)


class Loop:
    """Trains a network in place. `history` and `validated` hold the loss terms of every step and every validation.

    modalities: of each image, to draw them evenly; none: every image once per epoch.
    soon: numbers of the images that this worker reads in this step and in the next ones of the epoch, to be decoded ahead.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler,
        steps: int,
        context: FitContext,
        gradient_clip: float | None = None,
        amp: bool = False,
        modalities: Sequence[str] = (),
    ):
        self.network = data_parallel.synchronised(network)
        self.optimizer, self.schedule, self.steps, self.context = optimizer, schedule, steps, context
        self.rng = np.random.default_rng(context.seed)  # makes all random choices of a step
        self.step = 0
        self.history: list[dict[str, float]] = []
        self.validated: list[dict[str, float]] = []
        self._clip, self._amp = gradient_clip, amp and context.device.startswith("cuda")
        self._modalities = modalities
        self.soon: list[int] = []
        self._order: list[int] = []
        self._best: dict[str, Tensor] = {}
        self._saved = time.monotonic()

    @classmethod
    def of(
        cls,
        config: TrainingConfig,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        epoch_steps: int,
        modalities: Sequence[str],
        context: FitContext,
        amp: bool = False,
    ) -> Loop:
        """The loop over a config's epochs, with its schedule (`cosine`), gradient clip and choice of images.

        Args:
            modalities: of each image; the config says whether they are drawn evenly.
        """
        steps, floor = config.epochs * epoch_steps, config.final_learning_rate / config.learning_rate
        schedule = cosine(optimizer, steps, config.warmup_steps, floor)
        balanced = modalities if config.balance_modalities else ()
        return cls(network, optimizer, schedule, steps, context, config.gradient_clip, amp, balanced)

    def numbers(self, count: int, size: int) -> list[int]:
        """Indices of the images of this step, out of `count`: every one once per epoch, in a new order.

        With modalities to draw evenly, an epoch is as long, and each modality has the same number of places in it. If the workers
        do not divide `count`, the remainder is left out of the epoch, so that all workers have equal shares.
        """
        start = self.step % steps_per_epoch(count, size) * size
        if start == 0:
            order = self._evenly() if self._modalities else self.rng.permutation(count).tolist()
            self._order = order[: count - count % data_parallel.workers()]
        steps = [self._order[begin : begin + size] for begin in range(start, start + (1 + STEPS_AHEAD) * size, size)]
        self.soon = [number for numbers in steps for number in numbers[data_parallel.share(numbers)]]
        return steps[0]

    def _evenly(self) -> list[int]:
        """An epoch in rounds: one image of each modality, in random order.

        A small modality begins again when all its images have come; of a large one, a random part comes in each epoch.
        """
        images = [[n for n, name in enumerate(self._modalities) if name == one] for one in dict.fromkeys(self._modalities)]
        rounds = math.ceil(len(self._modalities) / len(images))
        orders = [
            np.concatenate([self.rng.permutation(of_one) for _ in range(math.ceil(rounds / len(of_one)))])[:rounds]
            for of_one in images
        ]
        return self.rng.permuted(np.stack(orders, axis=1), axis=1).ravel()[: len(self._modalities)].tolist()

    def run(
        self, next_step: Callable[[], Step], weigh: Callable[[Mapping[str, Tensor]], Tensor], validation: Validation | None = None
    ) -> None:
        """Run all steps, from the beginning or from where a killed process stopped; leave the network in eval mode.

        Raises:
            PrsbenchError: a loss or gradient is not finite (with the samples), or the scratch folder is another training's.
        """
        self.network.train()
        self._resume()
        if data_parallel.rank():  # noise differs between workers; the choices of a step do not
            torch.manual_seed(hash((self.context.seed, data_parallel.rank(), self.step)))
        while self.step < self.steps:
            losses = self._descend(next_step(), weigh)
            self.history.append({"step": self.step, **losses})
            self.step += 1
            self.context.progress(self.step, self.steps, f"loss {losses['loss']:.3f}")
            if validation and self.step % validation.every == 0:
                self._validate(validation, weigh)
            self._save_if_due()
        if self._best:
            state.restore_tensors(self.network, self._best)
        self.network.eval()

    def _descend(self, step: Step, weigh: Callable[[Mapping[str, Tensor]], Tensor]) -> dict[str, float]:
        counts: Counter[str] = Counter()
        for micro_batch in step.micro_batches:
            counts.update(micro_batch.counts)
        totals = data_parallel.summed(counts)
        is_single = len(step.micro_batches) == 1 and data_parallel.workers() == 1
        self.optimizer.zero_grad(set_to_none=True)
        losses: Counter[str] = Counter()
        for micro_batch in step.micro_batches:
            with torch.autocast("cuda", dtype=torch.bfloat16, enabled=self._amp):
                terms = micro_batch.terms()
            if not is_single:
                terms = {name: term * (micro_batch.counts[name] / max(1, totals[name])) for name, term in terms.items()}
            loss = weigh(terms)
            values = {"loss": loss.item(), **{name: term.item() for name, term in terms.items()}}
            self._refuse_if_not_finite(values["loss"], f"loss is not finite ({values})", step)
            loss.backward()
            losses.update(values)
        parameters = [p for p in self.network.parameters() if p.requires_grad]
        data_parallel.sum_gradients(parameters)
        norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        self._refuse_if_not_finite(norm.item(), f"gradient is not finite (loss terms {dict(losses)})", step)
        if self._clip is not None:
            torch.nn.utils.clip_grads_with_norm_(parameters, self._clip, norm)
        self.optimizer.step()
        self.schedule.step()
        return data_parallel.summed(losses)

    def _refuse_if_not_finite(self, value: float, what: str, step: Step) -> None:
        if not math.isfinite(value):
            raise PrsbenchError(
                f"Step {self.step}: the {what} on samples {list(step.ids)}. Lower the learning rate or check those images."
            )

    @torch.no_grad()
    def _validate(self, validation: Validation, weigh: Callable[[Mapping[str, Tensor]], Tensor]) -> None:
        self.network.eval()
        sums: Counter[str] = Counter()
        counts: Counter[str] = Counter()
        for micro_batch in validation.micro_batches():
            with torch.autocast("cuda", dtype=torch.bfloat16, enabled=self._amp):
                terms = micro_batch.terms()
            sums.update({name: term.item() * micro_batch.counts[name] for name, term in terms.items()})
            counts.update(micro_batch.counts)
        self.network.train()
        means = {name: total / max(1, counts[name]) for name, total in sums.items()}
        loss = weigh({name: torch.tensor(mean) for name, mean in means.items()}).item()
        if not math.isfinite(loss):
            raise PrsbenchError(
                f"Step {self.step}: the loss on the val split is not finite ({means}). "
                "Check its images, or lower the learning rate."
            )
        is_best = all(loss < previous["loss"] for previous in self.validated)
        self.validated.append({"step": self.step, "loss": loss, **means})
        if validation.keep == "best" and is_best:
            self._best = {name: tensor.clone() for name, tensor in state.changing_tensors(self.network).items()}

    @property
    def _state(self) -> Path | None:
        return self.context.scratch / STATE if self.context.scratch else None

    @property
    def _settings(self) -> dict[str, object]:
        """Settings that must be the same on resume; the caller is responsible for the rest of the config."""
        return {"seed": self.context.seed, "steps": self.steps, "rates": [g["initial_lr"] for g in self.optimizer.param_groups]}

    def _save_if_due(self) -> None:
        if self._state is None or data_parallel.rank() or time.monotonic() - self._saved < SAVE_EVERY_S:
            return
        kinds = {
            "network": state.changing_tensors(self.network),
            "optimizer": state.optimizer_tensors(self.optimizer),
            "best": self._best,
        }
        tensors = {f"{kind}/{name}": tensor for kind, named in kinds.items() for name, tensor in named.items()}
        tensors["random/cpu"] = torch.get_rng_state()
        if torch.cuda.is_available():
            tensors["random/cuda"] = torch.cuda.get_rng_state()
        values = {
            "settings": self._settings,
            "step": self.step,
            "groups": self.optimizer.state_dict()["param_groups"],
            "schedule": self.schedule.state_dict(),
            "rng": self.rng.bit_generator.state,
            "order": self._order,
            "history": self.history,
            "validated": self.validated,
        }
        state.write_state(self._state, tensors, values)
        self._saved = time.monotonic()

    def _resume(self) -> None:
        stored = state.read_state(self._state) if self._state else None
        if stored is None:
            return
        tensors, values = stored
        if values.get("settings") != self._settings:
            raise PrsbenchError(
                f"{self._state}: the state of another training ({values.get('settings')}, this one is {self._settings}). "
                "Name an empty scratch folder, or resume with the original config."
            )
        kinds: dict[str, dict[str, Tensor]] = {"network": {}, "optimizer": {}, "best": {}, "random": {}}
        for key, tensor in tensors.items():
            kind, _, name = key.partition("/")
            kinds[kind][name] = tensor
        state.restore_tensors(self.network, kinds["network"])
        state.restore_optimizer(self.optimizer, kinds["optimizer"], values["groups"])
        self.schedule.load_state_dict(values["schedule"])
        torch.set_rng_state(kinds["random"]["cpu"])
        if torch.cuda.is_available() and "cuda" in kinds["random"]:
            torch.cuda.set_rng_state(kinds["random"]["cuda"])
        self.rng.bit_generator.state = values["rng"]
        self.step, self._order, self._best = values["step"], values["order"], kinds["best"]
        self.history, self.validated = values["history"], values["validated"]
        print(f"Training resumes at step {self.step} of {self.steps}.")


def write_losses(folder: Path, history: Sequence[Mapping[str, float]], validated: Sequence[Mapping[str, float]] = ()) -> None:
    """Write losses.csv, one line per step, and validation.csv, one line per validation, if there are any."""
    for name, rows in ((LOSSES, history), (VALIDATION, validated)):
        if rows:
            with (folder / name).open("w", newline="") as stream:
                writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)


def read_losses(folder: Path) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """Read what `write_losses` wrote: history and validated."""
    tables = []
    for name in (LOSSES, VALIDATION):
        lines = (folder / name).read_text().splitlines() if (folder / name).exists() else []
        tables.append([{key: float(value) for key, value in row.items()} for row in csv.DictReader(lines)])
    return tables[0], tables[1]
