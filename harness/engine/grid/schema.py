"""The grid file's schema: data, methods, sweeps, ablations, filters, seeds and execution (`GridConfig`). Loads nothing heavy."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import reduce
from itertools import product
from math import prod
from operator import eq
from pathlib import Path
from typing import Annotated, Any, Literal

from prsbench.datasets.changes import corruptions_named
from prsbench.datasets.phantoms.dataset import PhantomsConfig
from prsbench.harness.contract.config import GivenConfig, merged
from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.contract.records import VARIANT_MARK
from prsbench.harness.engine.grid.validation import shortened
from prsbench.harness.engine.grid.yaml_lines import Place, line_of
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator

MOST_ROWS = 10_000  # of a grid
MOST_SEEDS = 10_000
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what numpy and torch take


@dataclass(frozen=True)
class GridText:
    """The text that a grid was read from, and what the command line set in it: where things are, for error messages."""

    where: str = ""  # path of the file, or name of the packaged grid
    text: str = ""
    changes: tuple[tuple[Place, str], ...] = ()  # (path of what was set, `a.b=value`)

    def place_of(self, path: Sequence[str | int]) -> str:
        """As in "my.yaml line 7: ", after the `--set` that set this value or a part of it, if one did; "" if there is no file."""
        ours = (text for place, text in reversed(self.changes) if _leads_to(place, path) or (path and _leads_to(path, place)))
        setting = next((f"--set {shortened(text)}: " for text in ours), "")
        line = line_of(self.text, path)
        return f"{setting}{self.where}{f' line {line}' if line else ''}: " if self.where else ""


def _leads_to(place: Sequence[str | int], path: Sequence[str | int]) -> bool:
    """Whether the path begins with this place; it may hold steps that are not in the file, such as a union's tag."""
    steps = iter(path)
    return all(step in steps for step in place)


class Phantoms(PhantomsConfig):
    """Synthetic images, drawn into the run folder."""

    source: Literal["phantoms"] = "phantoms"

    @field_validator("modalities", "families", mode="wrap")
    @classmethod
    def _refuse_with_place(cls, value: Any, check: Callable[[Any], tuple[str, ...]]) -> tuple[str, ...]:
        try:
            return check(value)
        except ConfigError as error:  # pydantic would not catch it, and file and line would be lost
            raise ValueError(str(error)) from None

    def drawing(self) -> PhantomsConfig:
        return PhantomsConfig.model_validate(self.model_dump(exclude={"source"}))


class PrsMedFolder(BaseModel):
    """A folder in the official PRS-Med/MMRS layout, or a selection of its pictures; see `datasets.selection`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Literal["prs_med"] = "prs_med"
    root: Path | None = None
    exclude: Path | None = None  # list of pictures to leave out, relative to root: `prsbench data check --exclude` writes it
    limit: int | None = Field(default=None, ge=1, le=10**8)  # pictures in all, drawn evenly by modality, split and group
    folds: int = Field(default=0, ge=0, le=1000)  # 0: the splits of the tables; else the groups are divided into so many parts
    fold: int = Field(default=0, ge=0, lt=1000)  # the part that is tested; the next one is val
    seed: int = Field(default=0, ge=0, lt=2**32)  # of limit and folds

    @model_validator(mode="after")
    def _fold_exists(self) -> PrsMedFolder:
        if self.folds in (1, 2) or self.fold >= max(self.folds, 1):
            raise ValueError(f"folds: expected 0, or 3 and more, and a fold below it, got {self.fold} of {self.folds}")
        return self


class MethodChoice(GivenConfig):
    """One method of the grid; overrides replace its catalog entry's defaults. row is its name in tables and folders."""

    name: str
    overrides: Mapping[str, Any] = {}
    variant: str = ""  # of a sweep or ablation, such as "epochs=12"

    @property
    def row(self) -> str:
        return f"{self.name}{VARIANT_MARK}{self.variant}" if self.variant else self.name


class Sweep(GivenConfig):
    """A method of the grid with every combination of these values: a row for each, in place of the plain row.

    A key in a group of the method's config is written with dots, as in "lora.rank".
    """

    method: str
    over: Mapping[str, Annotated[tuple[Any, ...], Field(min_length=1)]] = Field(min_length=1)

    def variants(self, choice: MethodChoice) -> list[MethodChoice]:
        combinations = [dict(zip(self.over, values, strict=True)) for values in product(*self.over.values())]
        return [
            MethodChoice(name=choice.name, overrides=_with_values(choice.overrides, values), variant=_variant(values))
            for values in combinations
        ]


class Ablation(GivenConfig):
    """A method of the grid whose plain row stays as the parent, and a row for each value that changes only this value."""

    method: str
    change: Mapping[str, Annotated[tuple[Any, ...], Field(min_length=1)]] = Field(min_length=1)

    def variants(self, choice: MethodChoice) -> list[MethodChoice]:
        sweeps = [Sweep(method=self.method, over={key: values}) for key, values in self.change.items()]
        return [variant for sweep in sweeps for variant in sweep.variants(choice)]


class AblationSetting(GivenConfig):
    """A setting in which an effect is looked for: every combination of values of one method, on a fixed number of images."""

    method: str
    seeds: Annotated[tuple[int, ...], Field(min_length=2)]
    phantoms: Mapping[str, Any] = {}  # replaces these keys of the grid's synthetic data
    shared: Mapping[str, Any] = {}  # changes of the method's config in all rows
    over: Mapping[str, Annotated[tuple[Any, ...], Field(min_length=1)]] = Field(min_length=1)


class CellFilter(GivenConfig):
    """Selects cells by row, data set and seed; names may contain * and ?. A key left out selects all."""

    method: str = "*"
    dataset: str = "*"
    seed: Seed | None = None

    def matches(self, row: str, dataset: str, seed: int) -> bool:
        return self.selects_row(row) and fnmatchcase(dataset, self.dataset) and self.seed in (None, seed)

    def selects_row(self, row: str) -> bool:
        return fnmatchcase(row, self.method) or base_name(row) == self.method


Amount = Annotated[float, Field(gt=0, le=1e6)]  # of a resource


class Resources(GivenConfig):
    """What one job of a method requires of its machine, in Ray's units; the serial executor ignores it."""

    cpus: Amount = 1.0
    gpus: float | None = Field(default=None, ge=0, le=1e6)  # fractions share a GPU; None: by the memory that the row declares
    memory_gib: Amount | None = None
    custom: Mapping[str, Amount] = {}  # such as {a100: 1}: custom resources of the cluster's nodes


class Execution(GivenConfig):
    """How the work is executed; it does not enter a cell's identity, but is recorded."""

    workers: Annotated[int, Field(ge=1, le=100_000)] | Literal["auto"] = "auto"  # auto: cores / threads_per_worker
    threads_per_worker: int = Field(default=1, ge=1, le=1000)  # more than one spin at barriers on a busy machine
    device: Literal["auto", "cpu", "cuda"] = "auto"
    timeout_s: float | None = Field(default=None, gt=0, le=1e8)  # per training or cell; None: no limit
    retries: int = Field(
        default=1, ge=0, le=1000
    )  # of a node whose worker died: a preempted spot machine, a crash outside Python
    trust_mtime: bool = True  # a picture whose inode, size and times are the same is not hashed again
    resources: Mapping[str, Resources] = {}  # by method or part; the others take one core and what they declare
    gpu_gib: float | None = Field(default=None, gt=0, le=1e6)  # of the smallest GPU; None: as nvidia-smi says on this machine

    @field_validator("workers", mode="wrap")
    @classmethod
    def _refuse_in_one_message(cls, value: Any, check: Callable[[Any], int | str]) -> int | str:
        try:
            return check(value)
        except ValidationError:  # pydantic has a message for each of the two types
            raise ValueError("expected 'auto' or a whole number of 1 to 100,000") from None


class GridConfig(GivenConfig):
    """One comparison: every method on every data set with every seed."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)  # becomes a folder's name
    data: tuple[Annotated[Phantoms | PrsMedFolder, Field(discriminator="source")], ...] = Field(min_length=1)
    methods: tuple[MethodChoice, ...] = Field(min_length=1)
    seeds: tuple[Seed, ...] = Field(default=(0,), min_length=1, max_length=MOST_SEEDS)
    split: Literal["test"] = "test"
    judge: Literal["packaged", "val", "parser"] = "packaged"  # of PRScore: shipped, trained on the val split, or the rule parser
    allow_shared_pictures: bool = False  # of two splits; otherwise a data set with equal pictures in two splits is refused
    corruptions: tuple[str, ...] = ()  # of test pictures, as in "blur2", or "blur" for all three severities; for table robustness
    sweeps: tuple[Sweep, ...] = ()
    ablations: tuple[Ablation, ...] = ()
    include: tuple[CellFilter, ...] = ()  # empty: every cell
    exclude: tuple[CellFilter, ...] = ()
    execution: Execution = Execution()

    _source: GridText = PrivateAttr(GridText())

    @property
    def rows(self) -> tuple[MethodChoice, ...]:
        """The rows of the results table: the methods with their sweeps and ablations expanded."""
        rows: list[MethodChoice] = []
        for choice in self.methods:
            variants = [variant for sweep in self.sweeps if sweep.method == choice.name for variant in sweep.variants(choice)]
            rows += variants or [choice]
            rows += [v for ablation in self.ablations if ablation.method == choice.name for v in ablation.variants(choice)]
        return tuple(rows)

    def read_from(self, source: GridText) -> GridConfig:
        """The grid itself, which now names this file and its lines in errors."""
        self._source = source
        return self

    def place_of(self, choice: MethodChoice, key: Sequence[str | int] = ()) -> str:
        """Where a row's method, or a key of its config, is in the file, as in "my.yaml line 7: "; "" if there is no file."""
        changes = [(("sweeps", i, "over"), sweep.method, sweep.over) for i, sweep in enumerate(self.sweeps)]
        changes += [(("ablations", i, "change"), item.method, item.change) for i, item in enumerate(self.ablations)]
        for place, method, names in changes if choice.variant else ():
            for name in names:
                if method == choice.name and all(map(eq, name.split("."), key)):
                    return self._source.place_of((*place, name))
        index = next((i for i, one in enumerate(self.methods) if one.name == choice.name), 0)
        return self._source.place_of(("methods", index, choice.name, *key))

    @field_validator("split", mode="before")
    @classmethod
    def _refuse_val(cls, split: Any) -> Any:
        if split == "val":
            raise ValueError("val chooses epochs and learning rates and may train the judge, so it cannot be scored. Use test")
        return split

    @field_validator("corruptions")
    @classmethod
    def _corruptions_exist(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        try:
            corruptions_named(names)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return names

    @field_validator("methods", mode="before")
    @classmethod
    def _short_forms(cls, methods: Any) -> Any:
        """Accept `name` and `name: {key: value}`, as YAML files write them."""
        return [_method_choice(item) for item in methods] if isinstance(methods, list | tuple) else methods

    @model_validator(mode="after")
    def _sweeps_fit(self) -> GridConfig:
        variants = sum(prod(map(len, sweep.over.values())) for sweep in self.sweeps)
        if variants > MOST_ROWS:
            raise ValueError(f"sweeps: expected at most {MOST_ROWS:,} rows, got {variants:,}. Sweep fewer values at once")
        swept = {sweep.method for sweep in self.sweeps}
        for kind, items in (("sweeps", self.sweeps), ("ablations", self.ablations)):
            for item in items:
                if item.method not in [choice.name for choice in self.methods]:
                    raise ValueError(f"{kind}: '{item.method}' is not among the methods of this grid; list it there")
                if kind == "ablations" and item.method in swept:
                    raise ValueError(f"ablations: '{item.method}' is swept too, so no plain row is left to compare variants with")
        names = [choice.row for choice in self.rows]
        repeated = sorted(name for name, n in Counter(names).items() if n > 1)
        if repeated:
            raise ValueError(f"sweeps: these rows could not be told apart: {', '.join(repeated)}")
        return self

    @field_validator("methods", "seeds")
    @classmethod
    def _no_repeats(cls, items: tuple[Any, ...]) -> tuple[Any, ...]:
        names = [getattr(item, "name", item) for item in items]
        repeated = sorted(str(name) for name, n in Counter(names).items() if n > 1)
        if repeated:
            raise ValueError(f"listed twice: {', '.join(repeated)}; rows could not be told apart")
        return items


def _method_choice(item: Any) -> Any:
    if isinstance(item, str):
        return {"name": item}
    if isinstance(item, dict) and len(item) == 1:
        ((name, overrides),) = item.items()
        if isinstance(overrides, dict | None):
            return {"name": name, "overrides": overrides or {}}
    return item


def base_name(row: str) -> str:
    """The method of a row, without the variant of a sweep or ablation."""
    return row.partition(VARIANT_MARK)[0]


def _with_values(overrides: Mapping[str, Any], values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The overrides with these values, whose keys may have dots."""
    for key, value in values.items():
        overrides = merged(overrides, reduce(lambda inner, name: {name: inner}, reversed(key.split(".")), value))
    return overrides


def _variant(values: Mapping[str, Any]) -> str:
    """The values in a form that fits a folder's name."""
    return ",".join(f"{key}={re.sub(r'[^A-Za-z0-9._+-]+', '_', str(value))}" for key, value in values.items())
